// Which key is due next: a binary min-heap of entries over their deadlines. Knows nothing of time or of deleting.
// Invariant: heap[entry.heapPlace] === entry for every entry held, and heapPlace is -1 for every other one.

import type { Entry } from './entry.ts';

export class ExpiryHeap {
  readonly #heap: Entry[] = [];

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
    if (entry.heapPlace < 0) {
      entry.heapPlace = this.#heap.length;
      this.#heap.push(entry);
      this.#up(entry);
      return;
    }
    this.#up(entry);
    this.#down(entry);
  }

  remove(entry: Entry): void {
    const place = entry.heapPlace;
    if (place < 0) return;
    entry.heapPlace = -1;
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#heap[place] = last;
    last.heapPlace = place;
    this.#up(last);
    this.#down(last);
  }

  /** Mean of deadline - now over at most `sample` entries, in ms; 0 when there is none. */
  averageTtl(now: number, sample = 100): number {
    const count = Math.min(sample, this.#heap.length);
    let total = 0;
    for (let at = 0; at < count; at++) total += Math.max(0, this.#heap[at]!.expireAt - now);
    return count === 0 ? 0 : Math.floor(total / count);
  }

  #up(entry: Entry): void {
    const heap = this.#heap;
    let place = entry.heapPlace;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above]!;
      if (parent.expireAt <= entry.expireAt) break;
      heap[place] = parent;
      parent.heapPlace = place;
      place = above;
    }
    heap[place] = entry;
    entry.heapPlace = place;
  }

  #down(entry: Entry): void {
    const heap = this.#heap;
    let place = entry.heapPlace;
    for (;;) {
      let below = place * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && heap[below + 1]!.expireAt < heap[below]!.expireAt) below++;
      const child = heap[below]!;
      if (child.expireAt >= entry.expireAt) break;
      heap[place] = child;
      child.heapPlace = place;
      place = below;
    }
    heap[place] = entry;
    entry.heapPlace = place;
  }
}
