// One pure table from what came back (an error reply, a lost socket) to what happens to the call.
// "Not executed" (MOVED, ASK, TRYAGAIN, CLUSTERDOWN, LOADING, MASTERDOWN, READONLY, UNBLOCKED by a failover) is always
// safe to send again;
// "unknown outcome" (the socket went after the bytes did) follows the user's choice.

import { AbortError, ClusterAllFailedError, RedisError } from '../base/errors.ts';
import type { Parcel, Verdict } from '../connection/call.ts';
import { ProtocolError } from '../wire/decoder.ts';
import { parseRedirect, type ReplyError } from '../wire/reply.ts';

export interface RetryDelays {
  /** ioredis `retryDelayOnTryAgain`, default 100 ms. */
  readonly tryAgain: number;
  /** ioredis `retryDelayOnClusterDown`, default 100 ms. */
  readonly clusterDown: number;
  /** ioredis `retryDelayOnFailover`, default 100 ms: lost sockets, LOADING, MASTERDOWN, READONLY. */
  readonly failover: number;
}

const settle: Verdict = { kind: 'settle' };

export function judgeReply(error: ReplyError, delays: RetryDelays): Verdict {
  switch (error.code) {
    case 'MOVED':
    case 'ASK': {
      const redirect = parseRedirect(error.message);
      return redirect ?? settle;
    }
    case 'TRYAGAIN':
      return { kind: 'later', ms: delays.tryAgain, refresh: false };
    case 'CLUSTERDOWN':
      return { kind: 'later', ms: delays.clusterDown, refresh: true };
    case 'LOADING':
    case 'MASTERDOWN':
    case 'READONLY':
      return { kind: 'later', ms: delays.failover, refresh: true };
    case 'UNBLOCKED':
      // Sent away by a node that became a replica, with nothing done. CLIENT UNBLOCK says so in other words.
      return /instance state changed/.test(error.message)
        ? { kind: 'later', ms: delays.failover, refresh: true }
        : settle;
    default:
      return settle;
  }
}

/** `resendWritten`: may a call whose outcome is unknown be sent again. */
export function judgeLoss(written: boolean, resendWritten: boolean, reason: Error, delays: RetryDelays): Verdict {
  if (written && !resendWritten) return { kind: 'fail', error: reason };
  return { kind: 'later', ms: delays.failover, refresh: true };
}

/** What a call is told that was lost for good with its socket: an error of its own, since each names its call. */
export function lossOf(parcel: Parcel, reason: Error): Error {
  if (reason instanceof ClusterAllFailedError) return new ClusterAllFailedError(reason.message, reason.errors);
  if (reason instanceof ProtocolError) return new ProtocolError(reason.message, { cause: reason });
  const { code, node } = reason as { code?: string; node?: string };
  const detail = { node, slot: parcel.slot, attempts: parcel.attempts, cause: reason, ...(code ? { code } : {}) };
  return reason instanceof AbortError ? new AbortError(reason.message, detail) : new RedisError(reason.message, detail);
}
