// Calls that wait to be tried again: until their time comes, or until something changed that makes waiting pointless
// (a new map, a node that is up again). One timer for all. Bounded by the deadline each call carries.
// Invariant: nobody overtakes a firm one of its own lane that was parked before: a GET behind a SET must see it.

import { Backlog } from '../base/backlog.ts';
import type { QueueFullError } from '../base/errors.ts';
import { Heap } from '../base/heap.ts';
import type { Timer, World } from '../base/world.ts';

interface Parked<T> {
  readonly item: T;
  /** World time. */
  readonly due: number;
  /** Not before that time, whatever changes. */
  readonly firm: boolean;
  /** Counts what was ever parked. */
  readonly order: number;
  /** What it was counted for in the backlog. */
  readonly bytes: number;
}

/** What may be parked. */
interface Parkable {
  readonly bytes: number;
}

export class RetryQueue<T extends Parkable> {
  readonly #world: World;
  readonly #release: (item: T) => void;
  /** What keeps its order among those that are held firmly: a slot. */
  readonly #laneOf: (item: T) => number;
  readonly #parked = new Heap<Parked<T>>(
    (one, other) => one.due < other.due || (one.due === other.due && one.order < other.order),
  );
  /** lane -> when the last firm one of it is due. */
  readonly #firmLanes = new Map<number, number>();
  readonly #backlog: Backlog;
  #order = 0;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** `backlog`: the client's, where what is parked counts. */
  constructor(world: World, release: (item: T) => void, laneOf: (item: T) => number, backlog?: Backlog) {
    this.#backlog = new Backlog({}, backlog);
    this.#world = world;
    this.#release = release;
    this.#laneOf = laneOf;
  }

  get size(): number {
    return this.#parked.size;
  }

  /** Why the client may hold no such item besides what waits already. */
  refusal(item: T): QueueFullError | undefined {
    return this.#backlog.refusal(1, item.bytes);
  }

  /** Somebody of this lane is held firmly: who comes behind him is to wait with him. */
  holds(sender: number): boolean {
    return this.#firmLanes.size > 0 && this.#firmLanes.has(sender);
  }

  /** `firm`: releaseAll() leaves it until its time has come, and with it whoever is parked behind it in its lane. */
  park(item: T, ms: number, firm = false): void {
    const sender = this.#laneOf(item);
    const ahead = this.#firmLanes.get(sender);
    const own = this.#world.now() + ms;
    const due = ahead === undefined ? own : firm ? Math.max(own, ahead) : ahead;
    if (firm) this.#firmLanes.set(sender, due);
    this.#put({ item, due, firm: firm || ahead !== undefined, order: this.#order++, bytes: item.bytes });
  }

  #put(parked: Parked<T>): void {
    this.#backlog.add(1, parked.bytes);
    this.#parked.push(parked);
    if (parked.due < this.#timerAt) this.#arm(parked.due);
  }

  /** Lets everything go that is not firm, in the order it was parked. */
  releaseAll(): void {
    const all = this.#takeAll();
    for (const one of all) if (one.firm) this.#put(one);
    for (const one of all) if (!one.firm) this.#release(one.item);
  }

  /** Takes everything out without releasing it, in the order it was parked. */
  clear(): T[] {
    this.#firmLanes.clear();
    return this.#takeAll().map(({ item }) => item);
  }

  forEach(visit: (item: T) => void): void {
    this.#parked.forEach(({ item }) => {
      visit(item);
    });
  }

  #takeAll(): Parked<T>[] {
    this.#disarm();
    this.#backlog.clear();
    return inOrder(this.#parked.drain());
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
    for (const [sender, until] of this.#firmLanes) if (until <= now) this.#firmLanes.delete(sender);
    for (const { item } of inOrder(due)) this.#release(item);
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

function inOrder<T>(parked: Parked<T>[]): Parked<T>[] {
  return parked.sort((one, other) => one.order - other.order);
}
