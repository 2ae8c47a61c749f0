// How long a call may go on being refused or lost: the retry deadline, from the call's start. A call that blocks has
// had no trouble while it waited, so its time runs from the first trouble after it was last left in peace.

import { CallFlag, type RoutableRequest } from '../connection/call.ts';

/** Milliseconds a sent call was quiet for, after which it counts as accepted: what comes then is new trouble. */
const inPeace = 1000;

/** Pauses grow up to so many milliseconds, or to what the user asked for if that is more. */
const longestPause = 250;

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

  /** Milliseconds that `request` has been tried for. */
  spent(request: RoutableRequest, now: number): number {
    return this.#deadline - this.left(request, now);
  }

  /**
   * Milliseconds to wait before the next try: at least `base`, and a share of what it has taken so far, so that pauses
   * grow and many clients that met the same trouble drift apart. Calls made together wait alike: they keep their order.
   */
  pause(request: RoutableRequest, base: number, now: number): number {
    const chance = request.moment.at % 1;
    const grown = Math.min(this.spent(request, now) / 4, Math.max(base, longestPause)) * (0.75 + chance / 2);
    return Math.max(base, grown);
  }

  /** Milliseconds left to try `request` again; not above 0: give up. */
  left(request: RoutableRequest, now: number): number {
    const start = (request.flags & CallFlag.blocking) === 0 ? undefined : this.#troubles.get(request)?.since;
    return (start ?? request.moment.at) + this.#deadline - now;
  }
}
