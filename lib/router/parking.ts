// Calls that wait to be tried again: until their time comes, or until something changed that makes waiting pointless
// (a new map, a node that is up again). One timer for all. Bounded by the deadline each call carries.
// Invariant: nobody overtakes a firm one of its own lane that was parked before: a GET behind a SET must see it.

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
  /** What keeps its order; a slot. */
  readonly #laneOf: (item: T) => number;
  #parked: Parked<T>[] = [];
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(world: World, release: (item: T) => void, laneOf: (item: T) => number) {
    this.#world = world;
    this.#release = release;
    this.#laneOf = laneOf;
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
    const firmLanes = new Set<number>();
    let next = Number.POSITIVE_INFINITY;
    for (const one of this.#parked) {
      const behind = firmLanes.size > 0 && firmLanes.has(this.#laneOf(one.item));
      if (!behind && test(one)) {
        released.push(one);
        continue;
      }
      left.push(one);
      if (one.firm) firmLanes.add(this.#laneOf(one.item));
      // Who is behind another goes with it.
      if (!behind && one.due < next) next = one.due;
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
