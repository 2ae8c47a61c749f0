// One clock reading serves a whole tick, and one object says it to everything that is made in that tick: a time of
// its own in every pending command would cost each a heap number (16 bytes) and a call into the clock.

import { queueMicrotask } from './turns.ts';
import type { World } from './world.ts';

/** A point in world time, shared by what happened at it. */
export interface CachedTime {
  /** Milliseconds. */
  readonly at: number;
}

/** Before everything. */
export const longAgo: CachedTime = { at: 0 };

export class Ticker {
  readonly #world: World;
  #moment: CachedTime | undefined;
  readonly #forget = (): void => {
    this.#moment = undefined;
  };

  constructor(world: World) {
    this.#world = world;
  }

  /** The present tick's. */
  get moment(): CachedTime {
    if (this.#moment === undefined) {
      this.#moment = { at: this.#world.now() };
      queueMicrotask(this.#forget);
    }
    return this.#moment;
  }
}
