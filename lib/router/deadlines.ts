// `commandTimeout`: one deadline from call to settle, wherever the call is. Calls are looked at in sweeps instead of
// carrying a timer each; a call that ran out is settled at once, its reply (if any) is read and let go.

import { TimeoutError } from '../base/errors.ts';
import type { Timer, World } from '../base/world.ts';
import type { Parcel } from '../connection/call.ts';

export type VisitParcels = (visit: (parcel: Parcel) => void) => void;

export class Deadlines {
  readonly #world: World;
  readonly #timeout: number;
  readonly #visitAll: VisitParcels;
  readonly #period: number;
  #timer: Timer | undefined;

  /** Sweeps every eighth of `timeout`, at least every 50 ms and at most every 1 ms. */
  constructor(timeout: number, world: World, visitAll: VisitParcels) {
    this.#timeout = timeout;
    this.#world = world;
    this.#visitAll = visitAll;
    this.#period = Math.min(50, Math.max(1, timeout / 8));
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
    let waiting = false;
    this.#visitAll((parcel) => {
      if (parcel.settled) return;
      if (parcel.moment.at > limit) waiting = true;
      else {
        const { slot, attempts, writes, lastError: cause } = parcel;
        parcel.fail(new TimeoutError('Command timed out', { slot, attempts, writes, cause }));
      }
    });
    this.#timer = undefined;
    if (waiting) this.start();
  }
}
