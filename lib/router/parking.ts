// Calls that wait to be tried again: until their time comes, or until something changed that makes waiting pointless
// (a new map, a node that is up again). One timer for all. Bounded by the deadline each call carries.

import { Heap } from '../base/heap.ts';
import type { Timer, World } from '../base/world.ts';

interface Parked<T> {
  readonly item: T;
  /** World time. */
  readonly due: number;
  /** Counts what was ever parked. */
  readonly order: number;
}

export class Parking<T> {
  readonly #world: World;
  readonly #release: (item: T) => void;
  readonly #parked = new Heap<Parked<T>>(
    (one, other) => one.due < other.due || (one.due === other.due && one.order < other.order),
  );
  #order = 0;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(world: World, release: (item: T) => void) {
    this.#world = world;
    this.#release = release;
  }

  get size(): number {
    return this.#parked.size;
  }

  park(item: T, ms: number): void {
    const due = this.#world.now() + ms;
    this.#parked.push({ item, due, order: this.#order++ });
    if (due < this.#timerAt) this.#arm(due);
  }

  /** Lets everything go now, in the order it was parked. */
  releaseAll(): void {
    for (const item of this.clear()) this.#release(item);
  }

  /** Takes everything out without releasing it, in the order it was parked. */
  clear(): T[] {
    this.#disarm();
    return inOrder(this.#parked.drain());
  }

  forEach(visit: (item: T) => void): void {
    this.#parked.forEach(({ item }) => {
      visit(item);
    });
  }

  // In the order of parking, whatever the exact times: calls that wait for the same thing keep their places.
  #fire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#world.now();
    const due: Parked<T>[] = [];
    for (let next = this.#parked.peek(); next !== undefined; next = this.#parked.peek()) {
      if (next.due > now) {
        this.#arm(next.due);
        break;
      }
      due.push(this.#parked.pop()!);
    }
    for (const item of inOrder(due)) this.#release(item);
  }

  #arm(at: number): void {
    this.#timer?.cancel();
    this.#timerAt = at;
    // Held: users await these calls.
    this.#timer = this.#world.after(Math.max(0, at - this.#world.now()), () => this.#fire(), true);
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
  }
}

function inOrder<T>(parked: Parked<T>[]): T[] {
  parked.sort((one, other) => one.order - other.order);
  return parked.map(({ item }) => item);
}
