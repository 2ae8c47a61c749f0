// Does something at once when asked, but not again within a given time: what is asked for meanwhile is done together at
// the end of it. Invariant: whatever was asked for is done no later than one interval after.

import type { Timer, World } from '../../lib/base/world.ts';

export class Throttle {
  readonly #world: World;
  readonly #everyMs: () => number;
  readonly #run: () => void;
  #doneAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(world: World, everyMs: () => number, run: () => void) {
    this.#world = world;
    this.#everyMs = everyMs;
    this.#run = run;
  }

  trigger(): void {
    if (this.#timer !== undefined) return;
    const wait = this.#doneAt + this.#everyMs() - this.#world.now();
    if (wait <= 0) this.#do();
    else this.#timer = this.#world.after(wait, () => this.#do());
  }

  /** What was asked for and not done yet is not done any more. */
  close(): void {
    this.#timer?.cancel();
  }

  #do(): void {
    this.#timer = undefined;
    this.#doneAt = this.#world.now();
    this.#run();
  }
}
