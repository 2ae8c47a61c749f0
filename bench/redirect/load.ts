// Steady reading while the ground moves: loops that check every value and count what went wrong.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Percentiles, Times } from '../measure/times.ts';
import type { Peer } from '../peers/peer.ts';
import type { KeyPlan } from './keys.ts';

export interface LoadFigures {
  readonly operations: number;
  readonly seconds: number;
  readonly errors: number;
  /** The first error's text. */
  readonly firstError: string | undefined;
  readonly latency: Percentiles;
}

export class Load {
  readonly #peer: Peer;
  readonly #plan: KeyPlan;
  readonly #times = new Times();
  readonly #loops: Promise<void>[] = [];
  #running = true;
  #operations = 0;
  #errors = 0;
  #firstError: string | undefined;
  #since = performance.now();
  #next = 0;

  constructor(peer: Peer, plan: KeyPlan, width: number) {
    this.#peer = peer;
    this.#plan = plan;
    for (let lane = 0; lane < width; lane++) this.#loops.push(this.#loop());
  }

  /** Figures since the last mark; a new stretch begins. */
  mark(): LoadFigures {
    const now = performance.now();
    const figures = {
      operations: this.#operations,
      seconds: (now - this.#since) / 1000,
      errors: this.#errors,
      firstError: this.#firstError,
      latency: this.#times.percentiles(),
    };
    this.#operations = 0;
    this.#errors = 0;
    this.#firstError = undefined;
    this.#times.clear();
    this.#since = performance.now();
    return figures;
  }

  /** Rejects when a loop saw a wrong value. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
  }

  async #loop(): Promise<void> {
    while (this.#running) {
      const index = this.#next;
      this.#next = (index + 1) % this.#plan.keys.length;
      const start = performance.now();
      let value: unknown;
      try {
        value = await this.#peer.get(this.#plan.keys[index]!);
      } catch (error) {
        this.#errors++;
        this.#firstError ??= (error as Error).message;
        await nextTurn();
        continue;
      }
      if (value !== this.#plan.values[index]) {
        throw new Error(`wrong value for ${this.#plan.keys[index]}: ${JSON.stringify(value)}`);
      }
      this.#times.note(performance.now() - start);
      this.#operations++;
    }
  }
}
