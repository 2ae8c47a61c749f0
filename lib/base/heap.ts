// A binary heap: what is least comes out first, at logarithmic cost. Equal items come out in no particular order, so
// whoever cares about it compares by a running number as well.

export class Heap<T> {
  readonly #before: (one: T, other: T) => boolean;
  #items: T[] = [];

  /** `before(a, b)`: a comes out before b. */
  constructor(before: (one: T, other: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(item, items[parent]!)) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    if (items.length === 0) return undefined;
    const least = items[0]!;
    const last = items.pop()!;
    if (items.length > 0) this.#sink(last);
    return least;
  }

  /** Empties the heap; what was in it, in no particular order. */
  drain(): T[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }

  /** Visits everything, in no particular order. */
  forEach(visit: (item: T) => void): void {
    for (const item of this.#items) visit(item);
  }

  // Puts `item` in the place of the least one.
  #sink(item: T): void {
    const items = this.#items;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#before(items[child + 1]!, items[child]!)) child++;
      if (!this.#before(items[child]!, item)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
  }
}
