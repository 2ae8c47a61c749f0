// Calls that wait to be tried again: until their time comes, or until something changed that makes waiting pointless
// (a new map, a node that is up again). One timer for all. Bounded by the deadline each call carries.

import type { Timer, World } from '../base/world.ts';

interface Parked<T> {
  readonly item: T;
  readonly due: number;
  /** Not before that time, whatever changes. */
  readonly firm: boolean;
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

  /** `firm`: releaseAll() leaves it until its time has come. */
  park(item: T, ms: number, firm = false): void {
    const due = this.#world.now() + ms;
    this.#parked.push({ item, due, firm });
    if (due < this.#timerAt) this.#arm(due);
  }

  /** Lets everything go that is not firm, in the order it was parked. */
  releaseAll(): void {
    this.#releaseIf((one) => !one.firm);
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
    const now = this.#world.now();
    this.#releaseIf((one) => one.due <= now);
  }

  #releaseIf(test: (one: Parked<T>) => boolean): void {
    const released: Parked<T>[] = [];
    const left: Parked<T>[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const one of this.#parked) {
      if (test(one)) {
        released.push(one);
        continue;
      }
      left.push(one);
      if (one.due < next) next = one.due;
    }
    this.#parked = left;
    this.#disarm();
    if (next < Number.POSITIVE_INFINITY) this.#arm(next);
    for (const one of released) this.#release(one.item);
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
