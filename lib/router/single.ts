// The router of one node: no slots, no redirects; only LOADING waits and lost calls go round again.

import { abortedByClose } from '../base/errors.ts';
import { type Moment, Ticker } from '../base/ticker.ts';
import type { World } from '../base/world.ts';
import { type Call, CallFlag, type Dispatcher, type Lane, type Parcel, type ReplySource } from '../connection/call.ts';
import { ReplyError } from '../wire/reply.ts';
import { Parking } from './parking.ts';
import { judgeLoss, judgeReply, lossOf } from './verdict.ts';

export interface SingleRouterOptions {
  readonly resendWritten: boolean;
  /** Milliseconds from a call's start until LOADING is no longer waited for; default 10000 (maxLoadingRetryTime). */
  readonly loadingDeadline: number;
  /** Takes parcels while the node is not up. */
  readonly hold: (parcel: Parcel) => void;
}

const delays = { tryAgain: 0, clusterDown: 0, failover: 100 };

export class SingleRouter implements Dispatcher {
  readonly keepsBatchesWhole = true;
  readonly #lane: Lane;
  readonly #world: World;
  readonly #ticker: Ticker;
  readonly #options: SingleRouterOptions;
  readonly #parking: Parking<Parcel>;

  constructor(lane: Lane, world: World, options: SingleRouterOptions) {
    this.#lane = lane;
    this.#world = world;
    this.#ticker = new Ticker(world);
    this.#options = options;
    this.#parking = new Parking<Parcel>(world, options.hold);
  }

  get moment(): Moment {
    return this.#ticker.moment;
  }

  send(parcel: Parcel): void {
    if (!parcel.settled && !parcel.sendOn(this.#lane, false)) this.#options.hold(parcel);
  }

  onReply(call: Call, reply: unknown, from: ReplySource): void {
    if (!(reply instanceof ReplyError)) call.settle(reply);
    else if (call.fallback !== undefined && reply.code === 'NOSCRIPT') {
      call.argv = call.fallback;
      call.fallback = undefined;
      this.send(call);
    } else if (!call.settled && !this.refused(call, reply, from)) call.fail(reply);
  }

  onLost(call: Call, reason: Error): void {
    if (call.settled) return;
    if (call.written && call.group?.begun === true) call.fail(abortedByClose());
    else this.lost(call, call.written, reason);
  }

  refused(parcel: Parcel, error: ReplyError, _from: ReplySource): boolean {
    if (error.code !== 'LOADING') return false;
    if (this.#world.now() - parcel.moment.at >= this.#options.loadingDeadline) return false;
    parcel.lastError = error;
    const verdict = judgeReply(error, delays);
    this.#parking.park(parcel, verdict.kind === 'later' ? verdict.ms : delays.failover);
    return true;
  }

  lost(parcel: Parcel, written: boolean, reason: Error): void {
    const harmless = (parcel.flags & CallFlag.readOnly) !== 0;
    const verdict = judgeLoss(written && !harmless, this.#options.resendWritten, reason, delays);
    parcel.lastError = reason;
    if (verdict.kind === 'fail') parcel.fail(lossOf(parcel, reason));
    else this.#options.hold(parcel);
  }

  close(reason: Error): void {
    for (const parcel of this.#parking.clear()) parcel.fail(lossOf(parcel, reason));
  }

  forEachParked(visit: (parcel: Parcel) => void): void {
    this.#parking.forEach(visit);
  }
}
