// Things found by the keys they depend on, and by slot. One key has one dependant nearly always, so a set is made
// only for the second. Invariant: what add() took is found under each of its keys until remove().

export interface Dependant {
  /** One char a byte, no repeats. */
  readonly keys: readonly string[];
  readonly slot: number;
}

export class KeyIndex<T extends Dependant> {
  readonly #byKey = new Map<string, T | Set<T>>();
  readonly #bySlot = new Map<number, Set<T>>();

  add(item: T): void {
    for (const key of item.keys) {
      const held = this.#byKey.get(key);
      if (held === undefined) this.#byKey.set(key, item);
      else if (held instanceof Set) held.add(item);
      else if (held !== item) this.#byKey.set(key, new Set([held, item]));
    }
    const ofSlot = this.#bySlot.get(item.slot);
    if (ofSlot === undefined) this.#bySlot.set(item.slot, new Set([item]));
    else ofSlot.add(item);
  }

  remove(item: T): void {
    for (const key of item.keys) {
      const held = this.#byKey.get(key);
      if (held instanceof Set) {
        held.delete(item);
        if (held.size === 0) this.#byKey.delete(key);
      } else if (held === item) this.#byKey.delete(key);
    }
    const ofSlot = this.#bySlot.get(item.slot);
    ofSlot?.delete(item);
    if (ofSlot?.size === 0) this.#bySlot.delete(item.slot);
  }

  /** A list of its own: items may be removed while it is walked. */
  ofKey(key: string): readonly T[] {
    const held = this.#byKey.get(key);
    if (held === undefined) return [];
    return held instanceof Set ? [...held] : [held];
  }

  ofSlot(slot: number): readonly T[] {
    const held = this.#bySlot.get(slot);
    return held === undefined ? [] : [...held];
  }

  /** Slots that something is held of. */
  slots(): number[] {
    return [...this.#bySlot.keys()];
  }

  all(): T[] {
    return [...this.#bySlot.values()].flatMap((held) => [...held]);
  }
}
