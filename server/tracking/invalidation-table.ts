// Which clients may hold a copy of which key. Knows clients by their ids; one that has left, or tracks no longer, is
// forgotten when its keys change.
// Invariant: `items` is the number of ids over all keys.

export class InvalidationTable {
  /** One id is held as itself: most keys are read by one client. */
  readonly #keys = new Map<string, number | Set<number>>();
  #items = 0;

  get size(): number {
    return this.#keys.size;
  }

  get items(): number {
    return this.#items;
  }

  add(key: string, id: number): void {
    const held = this.#keys.get(key);
    if (held === undefined) this.#keys.set(key, id);
    else if (typeof held === 'number') {
      if (held === id) return;
      this.#keys.set(key, new Set([held, id]));
    } else {
      if (held.has(id)) return;
      held.add(id);
    }
    this.#items++;
  }

  /** Forgets a key; the ids that it had, in the order in which they came. */
  take(key: string): Iterable<number> {
    const held = this.#keys.get(key);
    if (held === undefined) return none;
    this.#keys.delete(key);
    if (typeof held === 'number') {
      this.#items--;
      return [held];
    }
    this.#items -= held.size;
    return held;
  }

  clear(): void {
    this.#keys.clear();
    this.#items = 0;
  }

  /** Up to `count` keys, those that have been here longest first. */
  oldest(count: number): string[] {
    const keys: string[] = [];
    for (const key of this.#keys.keys()) {
      if (keys.length >= count) break;
      keys.push(key);
    }
    return keys;
  }
}

const none: readonly number[] = [];
