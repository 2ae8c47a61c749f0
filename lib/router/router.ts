// From a call to a node and back: picks the owner, sends, judges what came back, acts. The only redirect loop.
// Owns: the calls that wait to be tried again, and the map that all go by.
// Does not know: bytes, and where maps come from.
// Invariant: every request given to send() settles, by a reply, by its deadline or by close().

import type { Backlog } from '../base/backlog.ts';
import { AbortError, RedisError } from '../base/errors.ts';
import { type CachedTime, Ticker } from '../base/ticker.ts';
import type { World } from '../base/world.ts';
import {
  type Call,
  CallFlag,
  type Dispatcher,
  type ReplySource,
  type RoutableRequest,
  wantsOwnConnection,
} from '../connection/call.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import type { AddressGuard } from '../topology/allow.ts';
import type { RefreshReason } from '../topology/refresher.ts';
import type { NatMap } from '../topology/seeds.ts';
import type { SlotMap } from '../topology/slot-map.ts';
import { ReplyError } from '../wire/reply.ts';
import { EarlierCalls } from './earlier-calls.ts';
import { NodeLatencies } from './latency.ts';
import { MapInUse } from './map-in-use.ts';
import type { NodePool } from './node-pool.ts';
import { NodeSelector, type SelectorOptions } from './node-selector.ts';
import { RedirectTargets } from './redirect-target.ts';
import { detailOf, RetryDeadline, redirectPause } from './retry-deadline.ts';
import { RetryQueue } from './retry-queue.ts';
import { SlotOrder } from './slot-order.ts';
import { judgeLoss, judgeReply, type LossRules, lossOf, type RetryDelays, type Verdict } from './verdict.ts';

export interface RouterOptions extends RetryDelays, SelectorOptions {
  /** MOVED and ASK followed for one call; no limit but the deadline unless the user sets one. */
  readonly maxRedirections: number;
  /** Milliseconds from a call's start until a refused call is no longer tried; default 15000. */
  readonly retryDeadline: number;
  /** Pause before a MOVED is followed; default 0. */
  readonly moved: number;
  /** Send again what was lost after it was written; default true, as ioredis. */
  readonly resendWritten: boolean;
  /** How often one call is sent again for that; default 16, as often as ioredis tries. */
  readonly maxResends: number;
  readonly natMap: NatMap | undefined;
  /** Which addresses of redirects may be dialed; undefined: all. */
  readonly guard: AddressGuard | undefined;
  /** The client's: calls to be retried count there. */
  readonly backlog: Backlog;
}

export interface RouterEvents {
  /** Something hints that the map is stale. */
  onHint(reason: RefreshReason): void;
  /** A call goes round again. */
  onRedirect(
    kind: 'moved' | 'ask' | 'retry',
    request: RoutableRequest,
    error: Error,
    from: string,
    to: string | undefined,
  ): void;
  /** A MOVED changed the map in place. */
  onPatched(map: SlotMap): void;
}

export interface RedirectCounts {
  moved: number;
  ask: number;
  retried: number;
}

/** A call that waits to be tried again: where a MOVED sent it, or wherever the map says then. */
interface Waiting {
  readonly request: RoutableRequest;
  readonly to: string | undefined;
  readonly bytes: number;
}

interface RetryOptions {
  /** Not before its time, whatever changes meanwhile. */
  readonly firm?: boolean;
  readonly to?: string;
}

/** Milliseconds after which a call that waits for the one before it looks again. */
const turnPause = 5;

export class Router implements Dispatcher {
  // Where calls go by slot, a batch is no whole.
  readonly keepsBatchesWhole = false;
  /** From call to reply. */
  readonly latencies: NodeLatencies;
  readonly counts: RedirectCounts = { moved: 0, ask: 0, retried: 0 };
  readonly #options: RouterOptions;
  readonly #pool: NodePool;
  readonly #world: World;
  readonly #events: RouterEvents;
  readonly #retries: RetryQueue<Waiting>;
  readonly #deadline: RetryDeadline;
  readonly #order: SlotOrder;
  readonly #losses: LossRules;
  readonly #selector: NodeSelector;
  readonly #earlier: EarlierCalls;
  readonly #inUse: MapInUse;
  readonly #targets: RedirectTargets;
  readonly #ticker: Ticker;
  readonly #sendAgain = (call: Call): void => this.send(call);
  #closed: Error | undefined;
  constructor(options: RouterOptions, pool: NodePool, world: World, events: RouterEvents) {
    this.#options = options;
    this.#pool = pool;
    this.#world = world;
    this.#events = events;
    this.#ticker = new Ticker(world);
    this.#order = new SlotOrder(world);
    this.latencies = new NodeLatencies((address) => pool.get(address) !== undefined);
    this.#deadline = new RetryDeadline(options.retryDeadline);
    const { resendWritten, maxResends, failover, backlog } = options;
    this.#losses = { resendWritten, maxResends, pause: failover };
    this.#selector = new NodeSelector(options, pool, world);
    this.#inUse = new MapInUse((map, patched) => {
      this.#selector.use(map);
      if (patched) events.onPatched(map);
    });
    this.#targets = new RedirectTargets(options.natMap, options.guard, (key) => pool.get(key) !== undefined);
    this.#earlier = new EarlierCalls((request) => this.send(request), backlog);
    const release = ({ request, to }: Waiting): void => {
      if (to === undefined || request.settled) this.send(request);
      else this.#sendTo(request, to, false);
    };
    this.#retries = new RetryQueue<Waiting>(world, release, ({ request }) => request.slot, backlog);
  }

  get map(): SlotMap {
    return this.#inUse.map;
  }

  /** Calls waiting to be tried again. */
  get retrying(): number {
    return this.#retries.size;
  }

  /** Swaps the map in and tries again what waited for it. */
  setMap(map: SlotMap): void {
    this.#inUse.use(map);
    this.#pool.reconcile(map.addresses(), map.facts.failed);
    this.#retries.releaseAll();
  }

  /** Same owners, newer epochs: nothing moves, nothing is emitted. */
  adopt(map: SlotMap): void {
    this.#inUse.use(map);
  }

  /** A connection was replaced or let go: they are looked up again. */
  forgetConnections(): void {
    this.#selector.forget();
  }

  reopen(): void {
    this.#closed = undefined;
  }

  get moment(): CachedTime {
    return this.#ticker.moment;
  }

  /** Picks the node and sends; what cannot be sent now waits here until its deadline. */
  send(request: RoutableRequest): void {
    if (request.settled || (wantsOwnConnection(request) && this.#waitsForEarlier(request))) return;
    if (this.#closed !== undefined) {
      request.fail(lossOf(request, this.#closed));
      return;
    }
    const sender = this.#selector.select(request);
    if (sender === undefined) {
      request.lastError ??= new RedisError('Hash slot not served by any known node', { slot: request.slot });
      this.#events.onHint('uncovered');
      this.#retryLater(request, this.#options.clusterDown);
    } else if (this.#order.size > 0 && !this.#order.mayGo(request, sender.address)) {
      this.#retryLater(request, turnPause);
    } else if (!request.sendOn(sender, false)) {
      request.lastError = sender.lastError ?? request.lastError;
      this.#events.onHint('outage');
      this.#waitForNode(request, sender);
    } else if (this.#order.size > 0) this.#order.went(request, sender.address);
  }

  /** Has the connection opened that `request` will go by, where the map alone decides it: others are not guessed. */
  prepare(request: RoutableRequest): void {
    if (this.#closed === undefined && !request.settled) this.#selector.selectByMap(request)?.open();
  }

  #waitsForEarlier(request: RoutableRequest): boolean {
    return this.#closed === undefined && this.#earlier.holds(request, this.#selector.selectShared(request));
  }

  /** A MOVED that was not a call's (a subscription's) patches the map as theirs do; an error: it must not be followed. */
  learn(slot: number, host: string, port: number, from: string): Error | undefined {
    const target = this.#targets.of({ slot, host, port }, from);
    if (typeof target === 'string') this.#inUse.patch(slot, target);
    this.#events.onHint('moved');
    return target instanceof Error ? target : undefined;
  }

  /** A node came up: what waits may find its way now. */
  retryNow(): void {
    if (this.#retries.size > 0) this.#retries.releaseAll();
  }

  close(reason: Error): void {
    this.#closed = reason;
    this.#order.clear();
    for (const { request } of this.#retries.clear()) request.fail(lossOf(request, reason));
  }

  forEachRetry(visit: (request: RoutableRequest) => void): void {
    this.#retries.forEach(({ request }) => {
      visit(request);
    });
    this.#earlier.forEach(visit);
  }

  onReply(call: Call, reply: unknown, from: ReplySource): void {
    // One clock reading serves a tick: a sample costs a few nanoseconds.
    if ((call.flags & CallFlag.blocking) === 0) this.latencies.record(this.#ticker.moment.at - call.moment.at, from);
    if (!(reply instanceof ReplyError)) call.settle(reply);
    else if (call.remedy?.apply(call, reply, this.#sendAgain) === true) return;
    else if (!call.settled && !this.refused(call, reply, from)) call.fail(reply);
  }

  onLost(call: Call, reason: Error): void {
    if (!call.settled) this.lost(call, call.written, reason);
  }

  refused(request: RoutableRequest, error: ReplyError, from: ReplySource): boolean {
    const verdict = judgeReply(error, this.#options);
    if (verdict.kind === 'settle') return false;
    this.#deadline.trouble(request, true, this.#world.now());
    if (this.#options.reads !== undefined && this.#leftForMaster(request, verdict, error, from.address)) return true;
    this.#act(request, verdict, error, from.address);
    return true;
  }

  lost(request: RoutableRequest, written: boolean, reason: Error): void {
    this.#deadline.trouble(request, written, this.#world.now());
    const verdict = judgeLoss(request, written, reason, this.#losses);
    if (verdict.kind === 'fail') request.fail(verdict.error);
    else this.#act(request, verdict, reason, '');
  }

  // A replica that loads, has lost its master or sends reads away is avoided for a while. Where it did not name
  // another node, the master is asked at once: nothing has to be waited for.
  #leftForMaster(request: RoutableRequest, verdict: Verdict, error: Error, from: string): boolean {
    if ((request.flags & CallFlag.readOnly) === 0 || verdict.kind === 'ask') return false;
    if (this.#pool.get(from)?.role !== 'slave') return false;
    this.#options.reads?.avoid(from);
    const first = request.lastError === undefined;
    if (verdict.kind !== 'later' || !first || !this.#pool.usable(this.map.masterOf(request.slot) ?? '')) return false;
    this.counts.retried++;
    this.#events.onRedirect('retry', request, error, from, undefined);
    request.lastError = error;
    this.send(request);
    return true;
  }

  #act(request: RoutableRequest, verdict: Verdict, error: Error, from: string): void {
    request.lastError = error;
    // Answered while the client closes: there is nowhere to go any more.
    if (this.#closed !== undefined) {
      request.fail(lossOf(request, this.#closed));
      return;
    }
    switch (verdict.kind) {
      case 'moved':
      case 'ask':
        this.#follow(request, verdict, error, from);
        return;
      case 'later':
        // Redirects alone go on without a limit; one that the user has set counts every refusal, as with ioredis.
        if (this.#options.maxRedirections !== Infinity && this.#isSpent(request, error)) return;
        this.counts.retried++;
        this.#events.onRedirect('retry', request, error, from, undefined);
        if (verdict.refresh) this.#events.onHint('outage');
        this.#retryLater(request, verdict.ms, { firm: verdict.firm === true });
        // TRYAGAIN waits for a migration, which does not concern those behind it.
        if (!verdict.refresh) this.#order.stepAside(request);
        return;
      default:
        request.fail(verdict.kind === 'fail' ? verdict.error : error);
    }
  }

  #isSpent(request: RoutableRequest, error: Error): boolean {
    if (++request.redirects <= this.#options.maxRedirections) return false;
    const text = `Too many Cluster redirections. Last error: ${String(error)}`;
    request.fail(new RedisError(text, detailOf(request, 'ERR_TOO_MANY_REDIRECTIONS')));
    return true;
  }

  #follow(request: RoutableRequest, verdict: Verdict & { kind: 'moved' | 'ask' }, error: Error, from: string): void {
    this.#order.enter(request);
    if (this.#isSpent(request, error)) return;
    const key = this.#targets.of(verdict, from, error);
    if (key === undefined) {
      this.#events.onHint('moved');
      this.#retryLater(request, this.#options.clusterDown);
      return;
    }
    if (key instanceof Error) {
      request.fail(key);
      return;
    }
    this.#events.onRedirect(verdict.kind, request, error, from, key);
    if (verdict.kind === 'ask') {
      this.counts.ask++;
      if (this.#pool.get(key)?.inMap !== true) this.#events.onHint('ask');
    } else {
      this.counts.moved++;
      // A node that names itself may answer better on a new connection; once.
      if (key === from && request.redirects === 1) this.#pool.open(key).connection.renew();
    }
    const pause = redirectPause(request, this.#options.failover);
    if (verdict.kind === 'ask') {
      this.#ask(request, key, from, pause);
      return;
    }
    // The call leaves first: the map is copied behind it, at the end of this tick.
    this.#goTo(request, key, pause);
    this.#inUse.patch(verdict.slot, key);
    this.#events.onHint('moved');
  }

  #goTo(request: RoutableRequest, key: string, pause: number): void {
    const base = Math.max(this.#options.moved, pause);
    if (base > 0 || this.#retries.holds(request.slot)) this.#retryLater(request, base, { firm: pause > 0, to: key });
    else this.#sendTo(request, key, false);
  }

  // An ASK is true for the moment: later the slot may be back where it was, or on its way again, and a write that comes
  // with ASKING then makes a second copy of its key. Whoever has to wait starts again at the owner. So does one that is
  // sent on by somebody who does not own the slot, when that goes on.
  #ask(request: RoutableRequest, key: string, from: string, pause: number): void {
    const prompt = pause === 0 || this.map.masterOf(request.slot) === from;
    if (prompt && !this.#retries.holds(request.slot)) this.#sendTo(request, key, true);
    else this.#retryLater(request, pause, { firm: pause > 0 });
  }

  #sendTo(request: RoutableRequest, key: string, asking: boolean): void {
    const sender = this.#selector.selectAt(key, request);
    if (!this.#order.mayGo(request, sender.address)) this.#retryLater(request, turnPause, asking ? {} : { to: key });
    else if (request.sendOn(sender, asking)) this.#order.went(request, sender.address);
    else {
      if (!asking) this.#events.onHint('outage');
      this.#waitForNode(request, sender);
    }
  }

  // Its node takes nothing just now.
  #waitForNode(request: RoutableRequest, { lastError }: ReconnectingConnection): void {
    const { failover } = this.#options;
    if (failover > 0) this.#retryLater(request, failover);
    else request.fail(lossOf(request, lastError ?? new AbortError('Connection is closed.')));
  }

  #retryLater(request: RoutableRequest, base: number, { firm = false, to }: RetryOptions = {}): void {
    if (this.#closed !== undefined) {
      request.fail(lossOf(request, this.#closed));
      return;
    }
    this.#order.enter(request);
    const ms = this.#deadline.next(request, base, this.#world.now());
    if (typeof ms !== 'number') {
      request.fail(ms);
      return;
    }
    const waiting: Waiting = { request, to, bytes: request.bytes };
    const full = this.#retries.refusal(waiting);
    if (full !== undefined) request.fail(full);
    else this.#retries.add(waiting, ms, firm);
  }
}
