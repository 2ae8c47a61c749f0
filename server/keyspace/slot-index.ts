// The keys of each slot as a doubly linked list of places in the database's dense array, newest first. Adding, removing
// and counting cost O(1) whatever the number of keys. Links are places + 1, and 0 is the end.
// Invariant: the link to the newer key is, of the newest of a slot, -1 - slot: so it can move without anybody asking for
// its slot.

import { slotCount } from '../../lib/wire/slot.ts';
import { PlaceNumbers } from './place-numbers.ts';

export class SlotIndex {
  readonly #heads = new Int32Array(slotCount);
  readonly #counts = new Int32Array(slotCount);
  readonly #newer = new PlaceNumbers();
  readonly #older = new PlaceNumbers();

  count(slot: number): number {
    return this.#counts[slot] ?? 0;
  }

  /** Up to `count` places of a slot's keys, most recently added first. */
  *places(slot: number, count: number): Generator<number> {
    let left = count;
    for (let link = this.#heads[slot] ?? 0; link !== 0 && left > 0; link = this.#older.get(link - 1), left--) {
      yield link - 1;
    }
  }

  add(place: number, slot: number): void {
    const head = this.#heads[slot]!;
    this.#older.set(place, head);
    this.#newer.set(place, -1 - slot);
    if (head !== 0) this.#newer.set(head - 1, place + 1);
    this.#heads[slot] = place + 1;
    this.#counts[slot]!++;
  }

  remove(place: number, slot: number): void {
    const newer = this.#newer.get(place);
    const older = this.#older.get(place);
    this.#linkFromNewer(newer, older);
    if (older !== 0) this.#newer.set(older - 1, newer);
    this.#newer.set(place, 0);
    this.#older.set(place, 0);
    this.#counts[slot]!--;
  }

  /** The key at `from`, which is in the index, is at `to` from now on. */
  move(from: number, to: number): void {
    const newer = this.#newer.get(from);
    const older = this.#older.get(from);
    this.#newer.set(to, newer);
    this.#older.set(to, older);
    this.#linkFromNewer(newer, to + 1);
    if (older !== 0) this.#newer.set(older - 1, to + 1);
    this.#newer.set(from, 0);
    this.#older.set(from, 0);
  }

  #linkFromNewer(newer: number, link: number): void {
    if (newer < 0) this.#heads[-1 - newer] = link;
    else this.#older.set(newer - 1, link);
  }
}
