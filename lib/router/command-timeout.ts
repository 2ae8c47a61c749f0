// `commandTimeout` as an option that may change while the client lives: each call has the limit that held when it was
// made. Owns one Deadlines for the limit of now, and those of earlier ones until their calls are through.

import type { World } from '../base/world.ts';
import { type DeadlineRules, Deadlines, type VisitRequests } from './deadlines.ts';

export interface CommandTimeoutOptions {
  /** Milliseconds from call to settle; read at each call. Not above 0, or absent: no limit. */
  readonly commandTimeout?: number | undefined;
}

/** Calls made from `from` on and before `until`, by the clock of their moments. */
interface Term {
  readonly from: number;
  until: number;
}

export class CommandTimeout {
  readonly #options: CommandTimeoutOptions;
  readonly #world: World;
  readonly #visitAll: VisitRequests;
  readonly #rules: DeadlineRules;
  #timeout: number | undefined;
  #term: Term = { from: 0, until: Number.POSITIVE_INFINITY };
  #deadlines: Deadlines | undefined;

  constructor(options: CommandTimeoutOptions, world: World, visitAll: VisitRequests, rules: DeadlineRules = {}) {
    this.#options = options;
    this.#world = world;
    this.#visitAll = visitAll;
    this.#rules = rules;
  }

  /** A call made at `at` is about to be sent. */
  start(at: number): void {
    if (this.#options.commandTimeout !== this.#timeout) this.#change(at);
    this.#deadlines?.start();
  }

  #change(at: number): void {
    const { commandTimeout: timeout } = this.#options;
    this.#timeout = timeout;
    this.#term.until = at;
    const term = { from: at, until: Number.POSITIVE_INFINITY };
    this.#term = term;
    const visit: VisitRequests = (see) =>
      this.#visitAll((request) => {
        const { at: made } = request.moment;
        if (made >= term.from && made < term.until) see(request);
      });
    const limited = typeof timeout === 'number' && timeout > 0;
    this.#deadlines = limited ? new Deadlines(timeout, this.#world, visit, this.#rules) : undefined;
  }
}
