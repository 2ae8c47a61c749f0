// One deadline from call to settle: `commandTimeout` wherever the call is, `retryDeadline` while it is held for the
// first map. Calls are looked at in sweeps instead of carrying a timer each; what becomes of one that ran out is its
// owner's to say.

import { TimeoutError } from '../base/errors.ts';
import { longAgo } from '../base/ticker.ts';
import type { Timer, World } from '../base/world.ts';
import type { RoutableRequest } from '../connection/call.ts';

export type VisitRequests = (visit: (request: RoutableRequest) => void) => void;

export interface DeadlineRules {
  /** Settles a request that ran out; default: "Command timed out". */
  readonly expire?: (request: RoutableRequest) => void;
  /** After a sweep that found some that ran out. */
  readonly swept?: () => void;
  /** Most milliseconds between sweeps; default 50. */
  readonly maxPeriod?: number;
}

export class Deadlines {
  readonly #world: World;
  readonly #timeout: number;
  readonly #visitAll: VisitRequests;
  readonly #rules: DeadlineRules;
  readonly #period: number;
  #timer: Timer | undefined;

  /** Sweeps every eighth of `timeout`, at least every `maxPeriod` and at most every 1 ms. */
  constructor(timeout: number, world: World, visitAll: VisitRequests, rules: DeadlineRules = {}) {
    this.#timeout = timeout;
    this.#world = world;
    this.#visitAll = visitAll;
    this.#rules = rules;
    this.#period = Math.min(rules.maxPeriod ?? 50, Math.max(1, timeout / 8));
  }

  /** Sweeps from now on; a no-op when it does already. */
  start(): void {
    this.#timer ??= this.#world.after(this.#period, () => this.#sweep(), true);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #sweep(): void {
    const limit = this.#world.now() - this.#timeout;
    const late: RoutableRequest[] = [];
    let waiting = false;
    this.#visitAll((request) => {
      // A call of the client's own (CLUSTER SLOTS, PING) is not stamped: whoever sends it has a limit of its own.
      if (request.settled || request.moment === longAgo) return;
      if (request.moment.at > limit) waiting = true;
      else late.push(request);
    });
    this.#timer = undefined;
    const { expire = failAsTimedOut, swept } = this.#rules;
    for (const request of late) if (!request.settled) expire(request);
    if (late.length > 0) swept?.();
    if (waiting) this.start();
  }
}

export function failAsTimedOut(request: RoutableRequest): void {
  const { slot, attempts, writes, lastError: cause } = request;
  request.fail(new TimeoutError('Command timed out', { slot, attempts, writes, cause }));
}
