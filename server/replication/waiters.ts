// Who waits until enough replicas have acknowledged an offset. Invariant: each is answered once, or not at all when it
// gave up.

import type { Timer, World } from '../../lib/base/world.ts';

export interface Wanted {
  readonly offset: number;
  readonly count: number;
  /** How long to wait; 0: for ever. */
  readonly ms: number;
  readonly done: (count: number) => void;
}

interface Waiter extends Wanted {
  timer: Timer | undefined;
}

export class Waiters {
  readonly #world: World;
  readonly #acked: (offset: number) => number;
  readonly #waiting = new Set<Waiter>();

  constructor(world: World, acked: (offset: number) => number) {
    this.#world = world;
    this.#acked = acked;
  }

  /** Gives what makes it give up. */
  add(wanted: Wanted): () => void {
    const waiter: Waiter = { ...wanted, timer: undefined };
    this.#waiting.add(waiter);
    if (wanted.ms > 0) waiter.timer = this.#world.after(wanted.ms, () => this.#answer(waiter));
    return () => this.#forget(waiter);
  }

  /** Answers whom the acknowledgements satisfy. */
  review(): void {
    for (const waiter of [...this.#waiting]) {
      if (this.#acked(waiter.offset) >= waiter.count) this.#answer(waiter);
    }
  }

  /** Answers all with what there is. */
  giveUp(): void {
    for (const waiter of [...this.#waiting]) this.#answer(waiter);
  }

  /** Forgets all without an answer. */
  forget(): void {
    for (const waiter of [...this.#waiting]) this.#forget(waiter);
  }

  #answer(waiter: Waiter): void {
    this.#forget(waiter);
    waiter.done(this.#acked(waiter.offset));
  }

  #forget(waiter: Waiter): void {
    waiter.timer?.cancel();
    this.#waiting.delete(waiter);
  }
}
