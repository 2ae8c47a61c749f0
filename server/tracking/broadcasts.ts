// Who follows which prefix (BCAST mode), and which keys under it have changed since its followers were last notified.
// Knows clients by their ids. Invariant: a prefix is here as long as someone follows it.

interface Followed {
  readonly ids: Set<number>;
  /** Changed keys, each with the id of the client that changed it last; 0: none did (it expired). */
  readonly changed: Map<string, number>;
}

/** What one prefix has to say: the keys that `excluding` an id are left, for its followers. */
export interface Broadcast {
  readonly ids: readonly number[];
  /** Every key; and those that the client `id` did not change last. */
  readonly keys: readonly string[];
  notBy(id: number): readonly string[];
}

export class Broadcasts {
  readonly #prefixes = new Map<string, Followed>();
  /** Prefixes by their length: a key asks once for each length there is. */
  readonly #lengths = new Map<number, number>();
  #pending = false;

  /** Prefixes followed. */
  get size(): number {
    return this.#prefixes.size;
  }

  /** Keys have changed that nobody has been notified of. */
  get pending(): boolean {
    return this.#pending;
  }

  follow(prefix: string, id: number): void {
    let followed = this.#prefixes.get(prefix);
    if (followed === undefined) {
      followed = { ids: new Set(), changed: new Map() };
      this.#prefixes.set(prefix, followed);
      this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
    }
    followed.ids.add(id);
  }

  unfollow(prefix: string, id: number): void {
    const followed = this.#prefixes.get(prefix);
    if (followed?.ids.delete(id) !== true || followed.ids.size > 0) return;
    this.#prefixes.delete(prefix);
    const left = this.#lengths.get(prefix.length)! - 1;
    if (left === 0) this.#lengths.delete(prefix.length);
    else this.#lengths.set(prefix.length, left);
  }

  /** A key has changed, by the client `by`. */
  note(key: string, by: number): void {
    for (const length of this.#lengths.keys()) {
      if (length > key.length) continue;
      const followed = this.#prefixes.get(length === key.length ? key : key.slice(0, length));
      if (followed === undefined) continue;
      followed.changed.set(key, by);
      this.#pending = true;
    }
  }

  /** What has changed since the last call, prefix by prefix in their order. */
  take(): Broadcast[] {
    this.#pending = false;
    const broadcasts: Broadcast[] = [];
    for (const prefix of [...this.#prefixes.keys()].sort((a, b) => (a < b ? -1 : 1))) {
      const { ids, changed } = this.#prefixes.get(prefix)!;
      if (changed.size === 0) continue;
      broadcasts.push(broadcast([...ids], new Map(changed)));
      changed.clear();
    }
    return broadcasts;
  }
}

function broadcast(ids: readonly number[], changed: ReadonlyMap<string, number>): Broadcast {
  const keys = [...changed.keys()].sort((a, b) => (a < b ? -1 : 1));
  return { ids, keys, notBy: (id) => keys.filter((key) => changed.get(key) !== id) };
}
