// Who looks at which key of one database: the watches of transactions, and how many clients wait for a key.
// Owns: the watches and the counts of waiters, by key.
// Does not know: values, nor who the waiters are; the store reports what changed, and is asked whether a key is there.
// Invariant: a watch is broken by every change that its client could see, and by none that it could not: that a key
// which had run out already is deleted is none.

import type { Entry } from './entry.ts';

/** A transaction's eye on some keys; becomes dirty when one of them changes. */
export interface Watcher {
  dirty: boolean;
}

/** The keys that are looked at. Nothing is counted, touched or removed by asking. */
interface WatchedKeys {
  /** The entry of a key, past its deadline or not. */
  inspect(key: string): Entry | undefined;
  isDue(entry: Entry): boolean;
}

export class KeyWatchers {
  readonly #keys: WatchedKeys;
  readonly #onReady: (key: string) => void;
  /** key -> watcher -> whether the key had run out already when it was watched. */
  readonly #watched = new Map<string, Map<Watcher, boolean>>();
  readonly #awaited = new Map<string, number>();

  /** `onReady` is called with a key that someone waits for, when it has changed. */
  constructor(keys: WatchedKeys, onReady: (key: string) => void) {
    this.#keys = keys;
    this.#onReady = onReady;
  }

  watch(key: string, watcher: Watcher): void {
    let watchers = this.#watched.get(key);
    if (watchers === undefined) {
      watchers = new Map();
      this.#watched.set(key, watchers);
    }
    if (!watchers.has(watcher)) watchers.set(watcher, this.#isDue(key));
  }

  unwatch(key: string, watcher: Watcher): void {
    const watchers = this.#watched.get(key);
    if (watchers?.delete(watcher) && watchers.size === 0) this.#watched.delete(key);
  }

  /** True when the watched key ran out since it was watched. */
  expired(key: string, watcher: Watcher): boolean {
    return this.#watched.get(key)?.get(watcher) === false && this.#isDue(key);
  }

  /** Counts one more waiter for `key`: its changes are reported. */
  await(key: string): void {
    this.#awaited.set(key, (this.#awaited.get(key) ?? 0) + 1);
  }

  unawait(key: string): void {
    const count = (this.#awaited.get(key) ?? 0) - 1;
    if (count > 0) this.#awaited.set(key, count);
    else this.#awaited.delete(key);
  }

  /** Wakes those who wait for a key that did not change, for another reason to look at it again. */
  wake(key: string): void {
    if (this.#awaited.size > 0 && this.#awaited.has(key)) this.#onReady(key);
  }

  /** A key has changed: breaks its watches, wakes those who wait for it. */
  changed(key: string): void {
    if (this.#watched.size > 0) {
      const watchers = this.#watched.get(key);
      if (watchers !== undefined) breakWatches(watchers, this.#keys.inspect(key) !== undefined);
    }
    this.wake(key);
  }

  /** All keys are about to be removed. */
  clearing(): void {
    for (const [key, watchers] of this.#watched)
      if (this.#keys.inspect(key) !== undefined) breakWatches(watchers, false);
    for (const key of [...this.#awaited.keys()]) if (this.#keys.inspect(key) !== undefined) this.#onReady(key);
  }

  /** All keys were exchanged for others; `before` has those that were there. */
  exchanged(before: { has(key: string): boolean }): void {
    for (const [key, watchers] of this.#watched) this.#compare(key, watchers, before.has(key));
    for (const key of [...this.#awaited.keys()]) {
      if (before.has(key) || this.#keys.inspect(key) !== undefined) this.#onReady(key);
    }
  }

  #compare(key: string, watchers: Map<Watcher, boolean>, before: boolean): void {
    const after = this.#keys.inspect(key) !== undefined;
    if (!(before || after)) return;
    const due = this.#isDue(key);
    for (const [watcher, wasDue] of watchers) {
      if (wasDue && !after) watchers.set(watcher, false);
      else if (!before && due) watchers.set(watcher, true);
      else if (!(wasDue && due)) watcher.dirty = true;
    }
  }

  #isDue(key: string): boolean {
    const entry = this.#keys.inspect(key);
    return entry !== undefined && this.#keys.isDue(entry);
  }
}

/** A key that had run out when it was watched, and now is deleted, has not changed in any way that shows. */
function breakWatches(watchers: Map<Watcher, boolean>, exists: boolean): void {
  for (const [watcher, wasDue] of watchers) {
    if (wasDue && !exists) watchers.set(watcher, false);
    else watcher.dirty = true;
  }
}
