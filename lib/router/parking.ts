// Calls that wait to be tried again: until their time comes, or until something changed that makes waiting pointless
// (a new map, a node that is up again). One timer for all. Bounded by the deadline each call carries.

import type { Timer, World } from '../base/world.ts';

interface Parked<T> {
  readonly item: T;
  readonly due: number;
}

export class Parking<T> {
  readonly #world: World;
  readonly #release: (item: T) => void;
  #parked: Parked<T>[] = [];
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(world: World, release: (item: T) => void) {
    this.#world = world;
    this.#release = release;
  }

  get size(): number {
    return this.#parked.length;
  }

  park(item: T, ms: number): void {
    const due = this.#world.now() + ms;
    this.#parked.push({ item, due });
    if (due < this.#timerAt) this.#arm(due);
  }

  /** Lets everything go now, in the order it was parked. */
  releaseAll(): void {
    const parked = this.#parked;
    this.#parked = [];
    this.#disarm();
    for (const one of parked) this.#release(one.item);
  }

  /** Takes everything out without releasing it. */
  clear(): T[] {
    const parked = this.#parked;
    this.#parked = [];
    this.#disarm();
    return parked.map((one) => one.item);
  }

  forEach(visit: (item: T) => void): void {
    for (const one of this.#parked) visit(one.item);
  }

  #fire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#world.now();
    const due = this.#parked.filter((one) => one.due <= now);
    this.#parked = this.#parked.filter((one) => one.due > now);
    let next = Number.POSITIVE_INFINITY;
    for (const one of this.#parked) if (one.due < next) next = one.due;
    if (next < Number.POSITIVE_INFINITY) this.#arm(next);
    for (const one of due) this.#release(one.item);
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
