// The router of one node: no slots, no redirects; only LOADING waits and lost calls go round again.

import type { Backlog } from '../base/backlog.ts';
import { abortedByClose } from '../base/errors.ts';
import { type Moment, Ticker } from '../base/ticker.ts';
import type { World } from '../base/world.ts';
import type { Call, Dispatcher, Lane, Parcel, ReplySource } from '../connection/call.ts';
import { ProtocolError } from '../wire/decoder.ts';
import { ReplyError } from '../wire/reply.ts';
import { Parking } from './parking.ts';
import { judgeLoss, judgeReply, lossOf } from './verdict.ts';

export interface SingleRouterOptions {
  readonly resendWritten: boolean;
  /** How often one call is sent again after it was written and its connection lost. */
  readonly maxResends: number;
  /** The error of a call that was lost more often than that. */
  readonly gaveUp: (parcel: Parcel, reason: Error) => Error;
  /** Milliseconds from a call's start until LOADING is no longer waited for; default 10000 (maxLoadingRetryTime). */
  readonly loadingDeadline: number;
  /** The user's reconnectOnError wants a refused parcel sent again. */
  readonly again?: (parcel: Parcel) => void;
  /** Takes parcels while the node is not up. */
  readonly hold: (parcel: Parcel) => void;
  /** The client's: parked calls count there. */
  readonly backlog?: Backlog | undefined;
}

const delays = { tryAgain: 0, clusterDown: 0, failover: 100 };

export class SingleRouter implements Dispatcher {
  readonly keepsBatchesWhole = true;
  /** Where calls go; replaced when the client connects anew after its end. */
  lane: Lane;
  readonly #world: World;
  readonly #ticker: Ticker;
  readonly #options: SingleRouterOptions;
  readonly #parking: Parking<Parcel>;
  readonly #sendAgain = (call: Call): void => this.send(call);

  constructor(lane: Lane, world: World, options: SingleRouterOptions) {
    this.lane = lane;
    this.#world = world;
    this.#ticker = new Ticker(world);
    this.#options = options;
    // One node, one order.
    this.#parking = new Parking<Parcel>(world, options.hold, () => 0, options.backlog);
  }

  get moment(): Moment {
    return this.#ticker.moment;
  }

  send(parcel: Parcel): void {
    if (!parcel.settled && !parcel.sendOn(this.lane, false)) this.#options.hold(parcel);
  }

  onReply(call: Call, reply: unknown, from: ReplySource): void {
    if (!(reply instanceof ReplyError)) call.settle(reply);
    else if (call.remedy?.apply(call, reply, this.#sendAgain) === true) return;
    else if (!call.settled && !this.refused(call, reply, from)) call.fail(reply);
  }

  onLost(call: Call, reason: Error): void {
    if (call.settled) return;
    // A reply that could not be read is its own call's end, with that reason.
    if (call.written && call.group?.begun === true && !(reason instanceof ProtocolError)) {
      const { slot, attempts, writes } = call;
      call.fail(abortedByClose({ slot, attempts, writes, cause: reason, node: (reason as { node?: string }).node }));
    } else this.lost(call, call.written, reason);
  }

  refused(parcel: Parcel, error: ReplyError, _from: ReplySource): boolean {
    if (error.code !== 'LOADING') return false;
    if (this.#world.now() - parcel.moment.at >= this.#options.loadingDeadline) return false;
    parcel.lastError = error;
    const verdict = judgeReply(error, delays);
    this.#park(parcel, verdict.kind === 'later' ? verdict.ms : delays.failover);
    return true;
  }

  #park(parcel: Parcel, ms: number, firm = false): void {
    const full = this.#parking.refusal(parcel);
    if (full !== undefined) parcel.fail(full);
    else this.#parking.park(parcel, ms, firm);
  }

  lost(parcel: Parcel, written: boolean, reason: Error): void {
    const { resendWritten, maxResends, hold, gaveUp } = this.#options;
    const verdict = judgeLoss(parcel, written, reason, { resendWritten, maxResends, pause: delays.failover });
    parcel.lastError = reason;
    if (verdict.kind !== 'fail' && reason instanceof ReplyError) this.#options.again?.(parcel);
    if (verdict.kind === 'fail') {
      const spent = parcel.losses > maxResends && !(reason instanceof ReplyError);
      parcel.fail(spent ? gaveUp(parcel, reason) : verdict.error);
    } else if (verdict.kind === 'later' && verdict.firm) this.#park(parcel, verdict.ms, true);
    // Not past those that were before it.
    else if (this.#parking.size > 0) this.#park(parcel, 0);
    else hold(parcel);
  }

  close(reason: Error): void {
    for (const parcel of this.#parking.clear()) parcel.fail(lossOf(parcel, reason));
  }

  forEachParked(visit: (parcel: Parcel) => void): void {
    this.#parking.forEach(visit);
  }
}
