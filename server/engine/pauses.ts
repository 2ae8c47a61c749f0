// Why the requests of clients wait at a node: it is frozen, it hands over to its replica, it is about to stop.
// Invariant: as long as one reason holds, requests wait; the last one that goes lets them in again.

import { resumePaused } from './dispatch.ts';
import type { Engine } from './engine.ts';

export type PauseReason = 'frozen' | 'handing over' | 'stopping';

const forEver = Number.MAX_SAFE_INTEGER;

export class Pauses {
  readonly #engine: Engine;
  readonly #reasons = new Set<PauseReason>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  has(reason: PauseReason): boolean {
    return this.#reasons.has(reason);
  }

  set(reason: PauseReason, paused: boolean): void {
    if (paused) this.#reasons.add(reason);
    else this.#reasons.delete(reason);
    if (this.#reasons.size === 0) {
      resumePaused(this.#engine);
      return;
    }
    this.#engine.pausedUntil = forEver;
    this.#engine.pausedWritesOnly = !this.has('frozen');
  }
}
