// Who looks at which key of one database: the watches of transactions, and how many clients wait for a key.
// Knows nothing of values; the store reports what changed.

/** A transaction's eye on some keys; becomes dirty when one of them changes. */
export interface Watcher {
  dirty: boolean;
}

export class KeyWatchers {
  /** key -> watcher -> whether the key had run out already when it was watched. */
  readonly #watched = new Map<string, Map<Watcher, boolean>>();
  readonly #awaited = new Map<string, number>();

  watch(key: string, watcher: Watcher, due: boolean): void {
    let watchers = this.#watched.get(key);
    if (watchers === undefined) {
      watchers = new Map();
      this.#watched.set(key, watchers);
    }
    if (!watchers.has(watcher)) watchers.set(watcher, due);
  }

  unwatch(key: string, watcher: Watcher): void {
    const watchers = this.#watched.get(key);
    if (watchers?.delete(watcher) && watchers.size === 0) this.#watched.delete(key);
  }

  /** Whether the key had not run out when it was watched; false for one that is not watched. */
  watchedAlive(key: string, watcher: Watcher): boolean {
    return this.#watched.get(key)?.get(watcher) === false;
  }

  await(key: string): void {
    this.#awaited.set(key, (this.#awaited.get(key) ?? 0) + 1);
  }

  awaited(key: string): boolean {
    return this.#awaited.has(key);
  }

  unawait(key: string): void {
    const count = (this.#awaited.get(key) ?? 0) - 1;
    if (count > 0) this.#awaited.set(key, count);
    else this.#awaited.delete(key);
  }

  /** Breaks the watches of a changed key, which `exists` after the change; true when someone waits for it. */
  touch(key: string, exists: boolean): boolean {
    if (this.#watched.size > 0) {
      const watchers = this.#watched.get(key);
      if (watchers !== undefined) breakWatches(watchers, exists);
    }
    return this.#awaited.size > 0 && this.#awaited.has(key);
  }

  /** The whole database was exchanged: the key was there `before`, is there `after`, and what is there is `due`. */
  exchanged(key: string, before: boolean, after: boolean, due: boolean): void {
    const watchers = this.#watched.get(key);
    if (watchers === undefined || !(before || after)) return;
    for (const [watcher, wasDue] of watchers) {
      if (wasDue && !after) watchers.set(watcher, false);
      else if (!before && due) watchers.set(watcher, true);
      else if (!(wasDue && due)) watcher.dirty = true;
    }
  }

  watchedKeys(): string[] {
    return [...this.#watched.keys()];
  }

  awaitedKeys(): string[] {
    return [...this.#awaited.keys()];
  }
}

/** A key that had run out when it was watched, and now is deleted, has not changed in any way that shows. */
function breakWatches(watchers: Map<Watcher, boolean>, exists: boolean): void {
  for (const [watcher, wasDue] of watchers) {
    if (wasDue && !exists) watchers.set(watcher, false);
    else watcher.dirty = true;
  }
}
