// How long a call may go on being refused or lost (the retry deadline, from the call's start), how long it pauses before
// it is tried again, and what it fails with when its time is over. A call that blocks has had no trouble while it waited, so
// its time runs from the first trouble after it was last left in peace.
// Owns: since when calls that block are in trouble. Does not know: where calls wait, and what for.
// Invariant: pauses of one call grow, and none is longer than what is left of its time.

import { type ErrorDetail, identityRefusal, RedisError } from '../base/errors.ts';
import { hintOf, withHint } from '../base/hint.ts';
import { CallFlag, type RoutableRequest } from '../connection/call.ts';

/** Milliseconds a sent call was quiet for, after which it counts as accepted: what comes then is new trouble. */
const inPeace = 1000;

/** Pauses grow up to so many milliseconds, or to what the user asked for if that is more. */
const longestPause = 250;

/** Redirects of one call that are followed without a pause. */
const promptRedirects = 2;
/** Milliseconds before the next one; doubles each time. */
const disagreement = 5;

interface Trouble {
  since: number;
  last: number;
  /** How often it had been sent by then. */
  attempts: number;
}

export class RetryDeadline {
  readonly #deadline: number;
  readonly #troubles = new WeakMap<RoutableRequest, Trouble>();

  /** `deadline`: milliseconds. */
  constructor(deadline: number) {
    this.#deadline = deadline;
  }

  /** A call was refused or lost; `sent`: a node had it. */
  trouble(request: RoutableRequest, sent: boolean, now: number): void {
    if ((request.flags & CallFlag.blocking) === 0) return;
    const known = this.#troubles.get(request);
    const { attempts } = request;
    if (known === undefined)
      this.#troubles.set(request, { since: sent ? now : request.moment.at, last: now, attempts });
    else {
      // Lost while it waited for a connection: nobody has had it since.
      if (sent && attempts !== known.attempts && now - known.last > inPeace) {
        known.since = now;
        request.losses = 0;
      }
      known.last = now;
      known.attempts = attempts;
    }
  }

  /**
   * Milliseconds to wait before the next try: at least `base`, and a share of what it has taken so far, so that pauses
   * grow and many clients that met the same trouble drift apart. Calls made together wait alike: they keep their order.
   * An Error: its time is over, and it fails with that.
   */
  next(request: RoutableRequest, base: number, now: number): number | Error {
    const left = this.#left(request, now);
    if (left <= 0) return this.#outOfTime(request);
    const chance = request.moment.at % 1;
    const spent = this.#deadline - left;
    const grown = Math.min(spent / 4, Math.max(base, longestPause)) * (0.75 + chance / 2);
    return Math.min(Math.max(base, grown), left);
  }

  #left(request: RoutableRequest, now: number): number {
    const start = (request.flags & CallFlag.blocking) === 0 ? undefined : this.#troubles.get(request)?.since;
    return (start ?? request.moment.at) + this.#deadline - now;
  }

  #outOfTime(request: RoutableRequest): Error {
    const what =
      request.redirects > promptRedirects
        ? `Cluster redirections did not end within ${this.#deadline}ms (${request.redirects} followed)`
        : `The cluster could not serve the command within ${this.#deadline}ms`;
    const { lastError } = request;
    // No deadline of anybody's is to blame where nobody lets this client in.
    const code = identityRefusal(lastError) ?? 'ERR_RETRY_DEADLINE';
    const error = new RedisError(`${what}. Last error: ${String(lastError)}`, detailOf(request, code));
    const hint = hintOf(lastError);
    return hint === undefined ? error : withHint(error, hint);
  }
}

/**
 * Milliseconds before a redirect is followed. The first ones are followed at once; a call that is sent to and fro has met
 * nodes that do not agree yet: it goes on, but gives them time, `most` ms at most.
 */
export function redirectPause({ redirects }: RoutableRequest, most: number): number {
  const further = redirects - promptRedirects;
  return further > 0 ? Math.min(disagreement * 2 ** (further - 1), most) : 0;
}

/** What an error shows of the call that it ends. */
export function detailOf(request: RoutableRequest, code: string): ErrorDetail {
  const { slot, attempts, writes, lastError: cause } = request;
  return { code, slot, attempts, writes, cause, node: (cause as { node?: string } | undefined)?.node };
}
