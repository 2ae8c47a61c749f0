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
  /** The longest time without any answer; the ends are milliseconds of the wall clock. */
  readonly gap: { readonly start: number; readonly end: number };
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
  #lastAnswer = performance.now();
  #gap = { start: 0, end: 0 };
  readonly #indexes: readonly number[];

  /** Reads the keys at `indexes`, round and round. */
  constructor(peer: Peer, plan: KeyPlan, indexes: readonly number[], width: number) {
    this.#peer = peer;
    this.#plan = plan;
    this.#indexes = indexes;
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
      gap: { start: performance.timeOrigin + this.#gap.start, end: performance.timeOrigin + this.#gap.end },
    };
    this.#gap = { start: 0, end: 0 };
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
      const index = this.#indexes[this.#next]!;
      this.#next = (this.#next + 1) % this.#indexes.length;
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
      const now = performance.now();
      if (now - this.#lastAnswer > this.#gap.end - this.#gap.start) this.#gap = { start: this.#lastAnswer, end: now };
      this.#lastAnswer = now;
      this.#times.note(now - start);
      this.#operations++;
    }
  }
}
