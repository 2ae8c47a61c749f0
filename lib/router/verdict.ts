// One pure table from what came back (an error reply, a lost socket) to what happens to the call.
// "Not executed" (MOVED, ASK, TRYAGAIN, CLUSTERDOWN, LOADING, MASTERDOWN, READONLY, UNBLOCKED by a failover) is always
// safe to send again; "unknown outcome" (the socket went after the bytes did) follows the user's choice, and only where it
// was not this client that closed the socket.

import { AbortError, BrokenStreamError, ClusterAllFailedError, RedisError, SilentNodeError } from '../base/errors.ts';
import { CallFlag, type RoutableRequest } from '../connection/call.ts';
import { ProtocolError } from '../wire/decoder.ts';
import { passingCauseOf } from '../wire/passing.ts';
import { parseRedirect, ReplyError } from '../wire/reply.ts';

/** What to do with a reply or a loss. Acted on in one loop, the router's. */
export type Verdict =
  | { readonly kind: 'settle' }
  | { readonly kind: 'moved' | 'ask'; readonly slot: number; readonly host: string; readonly port: number }
  | {
      readonly kind: 'later';
      readonly ms: number;
      readonly refresh: boolean;
      /** Not before that time, whatever changes meanwhile. */
      readonly firm?: boolean;
    }
  | { readonly kind: 'fail'; readonly error: Error };

export interface RetryDelays {
  /** ioredis `retryDelayOnTryAgain`, default 100 ms. */
  readonly tryAgain: number;
  /** ioredis `retryDelayOnClusterDown`, default 100 ms; 0: CLUSTERDOWN is final. */
  readonly clusterDown: number;
  /** ioredis `retryDelayOnFailover`, default 100 ms: lost sockets, LOADING, MASTERDOWN, READONLY; 0: a loss is final. */
  readonly failover: number;
}

/** What becomes of calls whose connection was lost after they were written. */
export interface LossRules {
  /** May one that changes something be sent again, although it may have been executed. */
  readonly resendWritten: boolean;
  /** How often a call may be lost after it was written and still be sent again. */
  readonly maxResends: number;
  /** Milliseconds before it is sent again; grows with every loss. 0: it is not. */
  readonly pause: number;
}

/** The longest pause before a lost call is sent again. */
const longestPause = 2000;

const settle: Verdict = { kind: 'settle' };

export function judgeReply(error: ReplyError, delays: RetryDelays): Verdict {
  if (error.code === 'MOVED' || error.code === 'ASK') return parseRedirect(error.message) ?? settle;
  switch (passingCauseOf(error)) {
    case 'migration':
      return { kind: 'later', ms: delays.tryAgain, refresh: false };
    case 'outage':
      return delays.clusterDown > 0 ? { kind: 'later', ms: delays.clusterDown, refresh: true } : settle;
    case 'failover':
      return { kind: 'later', ms: delays.failover, refresh: true };
    default:
      return settle;
  }
}

/**
 * The request's connection is gone, or its answer could not be read. `written`: its bytes may have reached the server.
 * Counts the loss on the request.
 */
export function judgeLoss(request: RoutableRequest, written: boolean, reason: Error, rules: LossRules): Verdict {
  // Its own answer, unreadable: asking again would only bring the same.
  if (reason instanceof ProtocolError) return { kind: 'fail', error: lossOf(request, reason) };
  // Refused, and the user's reconnectOnError wants it sent again: as often as any other, for as long as it is refused.
  const refused = reason instanceof ReplyError;
  if (rules.pause <= 0 && !refused) return { kind: 'fail', error: lossOf(request, reason) };
  if (!written && !refused) return { kind: 'later', ms: rules.pause, refresh: true };
  request.losses++;
  if (request.losses > rules.maxResends) return { kind: 'fail', error: refused ? reason : lossOf(request, reason) };
  const harmless = refused || (request.flags & CallFlag.readOnly) !== 0;
  const ours = reason instanceof BrokenStreamError || reason instanceof SilentNodeError;
  if (!harmless && (ours || !rules.resendWritten)) return { kind: 'fail', error: lossOf(request, reason) };
  // The first time as soon as there is a connection; one that is lost again and again is left alone for longer.
  const firm = request.losses > 1;
  const ms = firm ? Math.min(rules.pause * 1.3 ** (request.losses - 2), longestPause) : rules.pause;
  return { kind: 'later', ms, refresh: true, firm };
}

/** What a call that was lost for good with its socket is rejected with: an error of its own, since each names its call. */
export function lossOf(request: RoutableRequest, reason: Error): Error {
  if (reason instanceof ClusterAllFailedError) return new ClusterAllFailedError(reason.message, reason.errors);
  if (reason instanceof ProtocolError) return unreadable(request, reason);
  const { code, node } = reason as { code?: string; node?: string };
  const { slot, attempts, writes } = request;
  const detail = { node, slot, attempts, writes, cause: reason, ...(code ? { code } : {}) };
  return reason instanceof AbortError ? new AbortError(reason.message, detail) : new RedisError(reason.message, detail);
}

function unreadable({ slot, attempts, writes }: RoutableRequest, reason: ProtocolError): ProtocolError {
  const error = new ProtocolError(reason.message, { cause: reason });
  if (reason.node !== undefined) error.node = reason.node;
  return Object.assign(error, { attempts, writes }, slot < 0 ? {} : { slot });
}
