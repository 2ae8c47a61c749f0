// Finds the entry of a key: open addressing over places in the database's dense array, eight bytes a slot, where a
// Map takes 28 to 56 a key and holds 16 million at most.
// Owns: the slots. Does not own: the dense array, which Entries writes.
// Invariants: every entry that was added is in the slot of its hash or behind it, without a free slot between; between an
// eighth and three quarters of the slots are taken once there are more than a few.

import { codeAt } from '../../lib/wire/bytes.ts';
import type { Entry } from './entry.ts';

const leastSlots = 16;

export class KeyTable {
  readonly #dense: readonly Entry[];
  /** Drawn for each table: keys that fall together in one do not in another. */
  readonly #seed: number;
  /** Places + 1; 0 is free. The length is a power of two. */
  #slots = new Int32Array(leastSlots);
  /** Of the key in each slot that is taken: keys are not looked at while the table grows. */
  #hashes = new Int32Array(leastSlots);
  #size = 0;

  /** `dense` is the array that places are of; `seed` any 32 bits. */
  constructor(dense: readonly Entry[], seed: number) {
    this.#dense = dense;
    this.#seed = seed | 0;
  }

  get(key: string): Entry | undefined {
    const slots = this.#slots;
    const hash = hashOf(key, this.#seed);
    const mask = slots.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const link = slots[at]!;
      if (link === 0) return undefined;
      if (this.#hashes[at] !== hash) continue;
      const entry = this.#dense[link - 1]!;
      if (entry.key === key) return entry;
    }
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** The entry is in the dense array, and its key is new. */
  add({ key, place }: Entry): void {
    this.#size++;
    if (this.#size * 4 > this.#slots.length * 3) this.#resize(this.#slots.length * 2);
    this.#put(place + 1, hashOf(key, this.#seed));
  }

  /** The entry is still in the dense array. */
  delete(entry: Entry): void {
    this.#fillGap(this.#slotOf(entry));
    this.#size--;
    if (this.#slots.length > leastSlots && this.#size * 8 < this.#slots.length) this.#resize(this.#slots.length / 2);
  }

  /** The entry will be at another place of the dense array. Before it is. */
  move(entry: Entry, place: number): void {
    this.#slots[this.#slotOf(entry)] = place + 1;
  }

  #slotOf({ key, place }: Entry): number {
    const mask = this.#slots.length - 1;
    let at = hashOf(key, this.#seed) & mask;
    while (this.#slots[at] !== place + 1) at = (at + 1) & mask;
    return at;
  }

  #put(link: number, hash: number): void {
    const mask = this.#slots.length - 1;
    let at = hash & mask;
    while (this.#slots[at] !== 0) at = (at + 1) & mask;
    this.#slots[at] = link;
    this.#hashes[at] = hash;
  }

  /** Those behind the gap that it cuts off from their hash move up. */
  #fillGap(from: number): void {
    const slots = this.#slots;
    const hashes = this.#hashes;
    const mask = slots.length - 1;
    let gap = from;
    for (let at = (from + 1) & mask; slots[at] !== 0; at = (at + 1) & mask) {
      if (((at - hashes[at]!) & mask) < ((at - gap) & mask)) continue;
      slots[gap] = slots[at]!;
      hashes[gap] = hashes[at]!;
      gap = at;
    }
    slots[gap] = 0;
  }

  #resize(length: number): void {
    const [slots, hashes] = [this.#slots, this.#hashes];
    this.#slots = new Int32Array(length);
    this.#hashes = new Int32Array(length);
    for (let at = 0; at < slots.length; at++) if (slots[at] !== 0) this.#put(slots[at]!, hashes[at]!);
  }
}

function hashOf(key: string, seed: number): number {
  let hash = seed ^ key.length;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ codeAt(key, at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}
