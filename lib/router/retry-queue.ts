// Calls that wait to be tried again: until their time comes, or until something changed that makes waiting pointless
// (a new map, a node that is up again). One timer for all. Bounded by the deadline each call carries.
// Invariant: nothing overtakes a firm one of its own slot that was added before: a GET behind a SET must see it.

import { Backlog } from '../base/backlog.ts';
import type { QueueFullError } from '../base/errors.ts';
import { Heap } from '../base/heap.ts';
import type { Timer, World } from '../base/world.ts';

interface Waiting<T> {
  readonly item: T;
  /** World time. */
  readonly due: number;
  /** Not before that time, whatever changes. */
  readonly firm: boolean;
  /** Counts what was ever added. */
  readonly order: number;
  /** What it was counted for in the backlog. */
  readonly bytes: number;
}

/** What may wait here. */
interface Retriable {
  readonly bytes: number;
}

export class RetryQueue<T extends Retriable> {
  readonly #world: World;
  readonly #release: (item: T) => void;
  /** Those of one slot that are held firmly keep their order. */
  readonly #slotOf: (item: T) => number;
  readonly #waiting = new Heap<Waiting<T>>(
    (one, other) => one.due < other.due || (one.due === other.due && one.order < other.order),
  );
  /** slot -> when the last firm one of it is due. */
  readonly #firmSlots = new Map<number, number>();
  readonly #backlog: Backlog;
  #order = 0;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** `backlog`: the client's, where what waits counts. */
  constructor(world: World, release: (item: T) => void, slotOf: (item: T) => number, backlog?: Backlog) {
    this.#backlog = new Backlog({}, backlog);
    this.#world = world;
    this.#release = release;
    this.#slotOf = slotOf;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Why the client may hold no such item besides what waits already. */
  refusal(item: T): QueueFullError | undefined {
    return this.#backlog.refusal(1, item.bytes);
  }

  /** Something of this slot is held firmly: what comes behind it is to wait with it. */
  holds(slot: number): boolean {
    return this.#firmSlots.size > 0 && this.#firmSlots.has(slot);
  }

  /** `firm`: releaseAll() leaves it until its time has come, and with it what was added behind it in its slot. */
  add(item: T, ms: number, firm = false): void {
    const slot = this.#slotOf(item);
    const ahead = this.#firmSlots.get(slot);
    const own = this.#world.now() + ms;
    const due = ahead === undefined ? own : firm ? Math.max(own, ahead) : ahead;
    if (firm) this.#firmSlots.set(slot, due);
    this.#put({ item, due, firm: firm || ahead !== undefined, order: this.#order++, bytes: item.bytes });
  }

  #put(waiting: Waiting<T>): void {
    this.#backlog.add(1, waiting.bytes);
    this.#waiting.push(waiting);
    if (waiting.due < this.#timerAt) this.#arm(waiting.due);
  }

  /** Lets everything go that is not firm, in the order it was added. */
  releaseAll(): void {
    const all = this.#takeAll();
    for (const one of all) if (one.firm) this.#put(one);
    for (const one of all) if (!one.firm) this.#release(one.item);
  }

  /** Takes everything out without releasing it, in the order it was added. */
  clear(): T[] {
    this.#firmSlots.clear();
    return this.#takeAll().map(({ item }) => item);
  }

  forEach(visit: (item: T) => void): void {
    this.#waiting.forEach(({ item }) => {
      visit(item);
    });
  }

  #takeAll(): Waiting<T>[] {
    this.#disarm();
    this.#backlog.clear();
    return inOrder(this.#waiting.drain());
  }

  // In the order of adding, whatever the exact times: calls that wait for the same thing keep their places.
  #fire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#world.now();
    const due: Waiting<T>[] = [];
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      if (next.due > now) {
        this.#arm(next.due);
        break;
      }
      this.#backlog.remove(1, next.bytes);
      due.push(this.#waiting.pop()!);
    }
    for (const [slot, until] of this.#firmSlots) if (until <= now) this.#firmSlots.delete(slot);
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

function inOrder<T>(waiting: Waiting<T>[]): Waiting<T>[] {
  return waiting.sort((one, other) => one.order - other.order);
}
