// Time and chance of a simulated cluster: one clock, one seed, events in order of time and then of asking.
// Unlike ManualWorld it is made for millions of events: a heap instead of a list.

import type { Timer, World } from '../../../lib/base/world.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

export class SimulatedTime {
  now = 1_000_000;
  events = 0;
  #order = 0;
  #state: number;
  readonly #heap: Event[] = [];

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** Uniform in [0, 1). */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** An integer within [from, to]. */
  between(from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1));
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)]!;
  }

  after(ms: number, run: () => void): Timer {
    const event: Event = { at: this.now + Math.max(0, ms), order: this.#order++, run };
    this.#push(event);
    return {
      cancel: () => {
        event.run = undefined;
      },
    };
  }

  /** Runs what is due within `ms`, `check` after each event. */
  pass(ms: number, check: () => void): void {
    const end = this.now + ms;
    while (this.#heap.length > 0 && this.#heap[0]!.at <= end) {
      const event = this.#pop();
      if (event.run === undefined) continue;
      this.now = event.at;
      this.events++;
      event.run();
      check();
    }
    this.now = end;
  }

  /** The world of one node; what it logs is dropped. */
  world(): World {
    return {
      now: () => this.now,
      wallClock: () => this.now,
      after: (ms, run) => this.after(ms, run),
      deadline: (ms, run) => this.after(ms, run),
      random: () => this.random(),
      log: () => undefined,
    };
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
