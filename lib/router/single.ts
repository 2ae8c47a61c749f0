// The router of one node: no slots; LOADING waits, lost calls go round again, and so do those that a replica redirects
// to its primary (Valkey 8: CLIENT CAPA redirect), where the client is to follow.

import type { Backlog } from '../base/backlog.ts';
import { abortedByClose } from '../base/errors.ts';
import { type CachedTime, Ticker } from '../base/ticker.ts';
import type { World } from '../base/world.ts';
import type { Call, CommandSender, Dispatcher, ReplySource, RoutableRequest } from '../connection/call.ts';
import { type NodeAddress, parseKey } from '../topology/seeds.ts';
import { ProtocolError } from '../wire/decoder.ts';
import { ReplyError } from '../wire/reply.ts';
import { RetryQueue } from './retry-queue.ts';
import { judgeLoss, judgeReply, lossOf } from './verdict.ts';

export interface SingleRouterOptions {
  readonly resendWritten: boolean;
  /** How often one call is sent again after it was written and its connection lost. */
  readonly maxResends: number;
  /** The error of a call that was lost more often than that. */
  readonly gaveUp: (request: RoutableRequest, reason: Error) => Error;
  /** Milliseconds from a call's start until LOADING is no longer waited for; default 10000 (maxLoadingRetryTime). */
  readonly loadingDeadline: number;
  /** The user's reconnectOnError wants a refused request sent again. */
  readonly again?: (request: RoutableRequest) => void;
  /**
   * A replica names its primary (CLIENT CAPA redirect): the client goes there. False: it does not, and the refusal is the
   * answer. Default: it never does.
   */
  readonly follow?: ((primary: NodeAddress) => boolean) | undefined;
  /** Takes requests while the node is not up. */
  readonly hold: (request: RoutableRequest) => void;
  /** The client's: calls to be retried count there. */
  readonly backlog?: Backlog | undefined;
}

/** How often one call is sent from node to node; then the refusal is its answer. */
const mostRedirects = 16;
/** Milliseconds before the second redirect of a call is followed, doubling: the nodes do not agree yet. */
const disagreement = 20;
const longestPause = 1000;

const delays = { tryAgain: 0, clusterDown: 0, failover: 100 };

export class SingleRouter implements Dispatcher {
  readonly keepsBatchesWhole = true;
  /** Where calls go; replaced when the client connects anew after its end. */
  sender: CommandSender;
  readonly #world: World;
  readonly #ticker: Ticker;
  readonly #options: SingleRouterOptions;
  readonly #retries: RetryQueue<RoutableRequest>;
  readonly #sendAgain = (call: Call): void => this.send(call);

  constructor(sender: CommandSender, world: World, options: SingleRouterOptions) {
    this.sender = sender;
    this.#world = world;
    this.#ticker = new Ticker(world);
    this.#options = options;
    // One node, one order.
    this.#retries = new RetryQueue<RoutableRequest>(world, options.hold, () => 0, options.backlog);
  }

  get moment(): CachedTime {
    return this.#ticker.moment;
  }

  send(request: RoutableRequest): void {
    if (!request.settled && !request.sendOn(this.sender, false)) this.#options.hold(request);
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

  refused(request: RoutableRequest, error: ReplyError, _from: ReplySource): boolean {
    if (error.code === 'REDIRECT') return this.#redirected(request, error);
    if (error.code === 'UNBLOCKED' && this.#options.follow !== undefined) return this.#sentAway(request, error);
    if (error.code !== 'LOADING') return false;
    if (this.#world.now() - request.moment.at >= this.#options.loadingDeadline) return false;
    request.lastError = error;
    const verdict = judgeReply(error, delays);
    this.#retryLater(request, verdict.kind === 'later' ? verdict.ms : delays.failover);
    return true;
  }

  #redirected(request: RoutableRequest, error: ReplyError): boolean {
    const { follow } = this.#options;
    const primary = parsePrimary(error.message);
    if (follow === undefined || primary === undefined || request.redirects >= mostRedirects || !follow(primary)) {
      return false;
    }
    request.lastError = error;
    const further = request.redirects++;
    if (further > 0) this.#retryLater(request, Math.min(disagreement * 2 ** (further - 1), longestPause), true);
    else if (this.#retries.size > 0) this.#retryLater(request, 0);
    else this.#options.hold(request);
    return true;
  }

  // A primary that becomes a replica ends the calls that block there, and says whose they are only when asked again.
  #sentAway(request: RoutableRequest, error: ReplyError): boolean {
    if (!error.message.includes('instance state changed') || request.redirects >= mostRedirects) return false;
    request.lastError = error;
    request.redirects++;
    this.#retryLater(request, disagreement, true);
    return true;
  }

  #retryLater(request: RoutableRequest, ms: number, firm = false): void {
    const full = this.#retries.refusal(request);
    if (full !== undefined) request.fail(full);
    else this.#retries.add(request, ms, firm);
  }

  lost(request: RoutableRequest, written: boolean, reason: Error): void {
    const { resendWritten, maxResends, hold, gaveUp } = this.#options;
    const verdict = judgeLoss(request, written, reason, { resendWritten, maxResends, pause: delays.failover });
    request.lastError = reason;
    if (verdict.kind !== 'fail' && reason instanceof ReplyError) this.#options.again?.(request);
    if (verdict.kind === 'fail') {
      const spent = request.losses > maxResends && !(reason instanceof ReplyError);
      request.fail(spent ? gaveUp(request, reason) : verdict.error);
    } else if (verdict.kind === 'later' && verdict.firm) this.#retryLater(request, verdict.ms, true);
    // Not past those that were before it.
    else if (this.#retries.size > 0) this.#retryLater(request, 0);
    else hold(request);
  }

  close(reason: Error): void {
    for (const request of this.#retries.clear()) request.fail(lossOf(request, reason));
  }

  forEachRetry(visit: (request: RoutableRequest) => void): void {
    this.#retries.forEach(visit);
  }
}

/** `REDIRECT host:port`. */
function parsePrimary(message: string): NodeAddress | undefined {
  try {
    return parseKey(message.slice('REDIRECT '.length).trim());
  } catch {
    return undefined;
  }
}
