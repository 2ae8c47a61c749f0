// Which key is due next: a binary min-heap of entries over their deadlines. Knows nothing of time or of deleting.
// Invariant: for every entry held, heap[places of entry.place - 1] === entry; for every other place the number is 0.

import type { Entry } from './entry.ts';
import { PlaceNumbers } from './place-numbers.ts';

export class ExpiryHeap {
  readonly #heap: Entry[] = [];
  /** Where in the heap the entry is whose place in the dense array is this, plus 1. */
  readonly #places = new PlaceNumbers();

  get size(): number {
    return this.#heap.length;
  }

  /** The entry that is due first. */
  first(): Entry | undefined {
    return this.#heap[0];
  }

  at(index: number): Entry {
    return this.#heap[index]!;
  }

  /** Takes the entry in, or moves it after its deadline changed. */
  put(entry: Entry): void {
    const link = this.#places.get(entry.place);
    if (link === 0) {
      this.#heap.push(entry);
      this.#up(entry, this.#heap.length - 1);
      return;
    }
    this.#down(entry, this.#up(entry, link - 1));
  }

  remove(entry: Entry): void {
    const link = this.#places.get(entry.place);
    if (link === 0) return;
    this.#places.set(entry.place, 0);
    const last = this.#heap.pop()!;
    if (last !== entry) this.#down(last, this.#up(last, link - 1));
  }

  /** What is at place `from` of the dense array is at `to` from now on. */
  move(from: number, to: number): void {
    this.#places.set(to, this.#places.get(from));
    this.#places.set(from, 0);
  }

  /** Mean of deadline - now over at most `sample` entries, in ms; 0 when there is none. */
  averageTtl(now: number, sample = 100): number {
    const count = Math.min(sample, this.#heap.length);
    let total = 0;
    for (let at = 0; at < count; at++) total += Math.max(0, this.#heap[at]!.expireAt - now);
    return count === 0 ? 0 : Math.floor(total / count);
  }

  /** Where it ended. */
  #up(entry: Entry, from: number): number {
    const heap = this.#heap;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above]!;
      if (parent.expireAt <= entry.expireAt) break;
      this.#hold(parent, place);
      place = above;
    }
    this.#hold(entry, place);
    return place;
  }

  #down(entry: Entry, from: number): void {
    const heap = this.#heap;
    let place = from;
    for (;;) {
      let below = place * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && heap[below + 1]!.expireAt < heap[below]!.expireAt) below++;
      const child = heap[below]!;
      if (child.expireAt >= entry.expireAt) break;
      this.#hold(child, place);
      place = below;
    }
    this.#hold(entry, place);
  }

  #hold(entry: Entry, place: number): void {
    this.#heap[place] = entry;
    this.#places.set(entry.place, place + 1);
  }
}
