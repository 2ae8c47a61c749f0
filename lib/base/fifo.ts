// A first-in first-out queue over a ring whose size is a power of two, so that positions wrap by a mask.
//
//     head           tail                        tail   head
//      v              v                            v      v
//   [ ][a][b][c][d][ ][ ][ ]        or        [d][e][ ][ ][b][c]
//
// Invariant: slots outside head..tail hold undefined, so nothing handed out is kept alive.

export class Fifo<T> {
  #ring: (T | undefined)[];
  #mask: number;
  #head = 0;
  #size = 0;

  constructor(capacity = 16) {
    let size = 16;
    while (size < capacity) size *= 2;
    this.#ring = new Array<T | undefined>(size).fill(undefined);
    this.#mask = size - 1;
  }

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    if (this.#size > this.#mask) this.#grow();
    this.#ring[(this.#head + this.#size++) & this.#mask] = item;
  }

  peek(): T | undefined {
    return this.#ring[this.#head];
  }

  shift(): T | undefined {
    const item = this.#ring[this.#head];
    if (this.#size === 0) return undefined;
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    this.#size--;
    return item;
  }

  /** Visits what is queued, oldest first; `visit` must not change the queue. */
  forEach(visit: (item: T) => void): void {
    for (let at = 0; at < this.#size; at++) visit(this.#ring[(this.#head + at) & this.#mask] as T);
  }

  /** Puts what `other` gives in the place of each item, oldest first; `other` must not change the queue. */
  replaceEach(other: (item: T) => T): void {
    for (let at = 0; at < this.#size; at++) {
      const place = (this.#head + at) & this.#mask;
      this.#ring[place] = other(this.#ring[place] as T);
    }
  }

  /** Empties the queue and returns what was in it, oldest first. */
  drain(): T[] {
    const items: T[] = [];
    while (this.#size > 0) items.push(this.shift() as T);
    return items;
  }

  #grow(): void {
    const bigger = new Array<T | undefined>(this.#ring.length * 2).fill(undefined);
    for (let at = 0; at < this.#size; at++) bigger[at] = this.#ring[(this.#head + at) & this.#mask];
    this.#ring = bigger;
    this.#mask = bigger.length - 1;
    this.#head = 0;
  }
}
