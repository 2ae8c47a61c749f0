// Calls that wait to be tried again: until their time comes, or until something changed that makes waiting pointless
// (a new map, a node that is up again). One timer for all. Bounded by the deadline each call carries.

import { Backlog } from '../base/backlog.ts';
import type { QueueFullError } from '../base/errors.ts';
import { Heap } from '../base/heap.ts';
import type { Timer, World } from '../base/world.ts';

interface Parked<T> {
  readonly item: T;
  /** World time. */
  readonly due: number;
  /** Counts what was ever parked. */
  readonly order: number;
  /** What it was counted for in the backlog. */
  readonly bytes: number;
}

/** What may be parked. */
interface Parkable {
  readonly bytes: number;
}

export class Parking<T extends Parkable> {
  readonly #world: World;
  readonly #release: (item: T) => void;
  readonly #parked = new Heap<Parked<T>>(
    (one, other) => one.due < other.due || (one.due === other.due && one.order < other.order),
  );
  readonly #backlog: Backlog;
  #order = 0;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** `backlog`: the client's, where what is parked counts. */
  constructor(world: World, release: (item: T) => void, backlog?: Backlog) {
    this.#backlog = new Backlog({}, backlog);
    this.#world = world;
    this.#release = release;
  }

  get size(): number {
    return this.#parked.size;
  }

  /** Why the client may hold no such item besides what waits already. */
  refusal(item: T): QueueFullError | undefined {
    return this.#backlog.refusal(1, item.bytes);
  }

  park(item: T, ms: number): void {
    const due = this.#world.now() + ms;
    const { bytes } = item;
    this.#backlog.add(1, bytes);
    this.#parked.push({ item, due, order: this.#order++, bytes });
    if (due < this.#timerAt) this.#arm(due);
  }

  /** Lets everything go now, in the order it was parked. */
  releaseAll(): void {
    for (const item of this.clear()) this.#release(item);
  }

  /** Takes everything out without releasing it, in the order it was parked. */
  clear(): T[] {
    this.#disarm();
    this.#backlog.clear();
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
      this.#backlog.remove(1, next.bytes);
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
