// The working parts of a cluster client put together: pool, router, refresher and the connect loop. The public face
// (cluster.ts) adds names and events; this file knows when to connect, to ask again and to give up.

import { lookup } from 'node:dns';
import { AbortError, ClusterAllFailedError, RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { type Call, ownCall, type Parcel } from '../connection/call.ts';
import type { Keeper, KeeperState } from '../connection/keeper.ts';
import { Deadlines } from '../router/deadlines.ts';
import { NodePool, type PooledNode } from '../router/node-pool.ts';
import { ReadMonitor } from '../router/read-monitor.ts';
import { ReadPolicy } from '../router/read-policy.ts';
import { type ReadChoice, Router } from '../router/router.ts';
import { discoverSrv } from '../topology/discovery.ts';
import { Refresher } from '../topology/refresher.ts';
import { parseSeeds, type Seed, type StartupNode } from '../topology/seeds.ts';
import type { SlotMap } from '../topology/slot-map.ts';
import { survey } from '../topology/survey.ts';
import { merge } from '../topology/vote.ts';
import type { Push } from '../wire/reply.ts';
import type { Lifecycle } from './lifecycle.ts';
import { ConnectTracer, redirectChannel, refreshChannel } from './observe.ts';
import { type ClusterOptions, keeperOptionsOf, resendsWritten } from './options.ts';
import { Surveyor } from './surveyor.ts';

export interface CoreEvents {
  /** The user's own choice of who answers a read. */
  readonly readChoice: ReadChoice | undefined;
  onNodeAdded(node: PooledNode): void;
  onNodeRemoved(node: PooledNode): void;
  onNodeError(error: Error, key: string): void;
  onRefresh(map: SlotMap): void;
  /** The client: `this` of clusterRetryStrategy, which may assign its startupNodes. Read at each round. */
  readonly client: { readonly startupNodes: readonly StartupNode[] };
  onReady(): void;
  /** A node's connection changed: told first of all, before anything is sent on it. */
  onKeeperState(keeper: Keeper, state: KeeperState): void;
  onSilence(keeper: Keeper, silent: boolean): void;
  onPush(keeper: Keeper, push: Push): void;
  /** Every socket takes writes again. */
  onDrain(): void;
  /** Closed for good, or given up. */
  onEnd(): void;
}

/** Milliseconds between looks at calls that quit() still waits for. */
const drainPause = 10;

const defaultRetry = (times: number): number => Math.min(100 + times * 2, 2000);

export class ClusterCore {
  readonly pool: NodePool;
  readonly router: Router;
  readonly refresher: Refresher;
  readonly lifecycle: Lifecycle;
  /** Undefined when masters answer everything. */
  readonly reads: ReadPolicy | undefined;
  readonly #readMonitor: ReadMonitor | undefined;
  readonly #connects = new ConnectTracer();
  /** Replaced by clusterRetryStrategy when it assigns `startupNodes`. */
  seeds: readonly Seed[];
  readonly #options: ClusterOptions;
  readonly #world: World;
  readonly #events: CoreEvents;
  readonly #surveyor: Surveyor;
  readonly #deadlines: Deadlines | undefined;
  #attempts = 0;
  #epoch = 0;
  #retry: { cancel(): void } | undefined;
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(
    seeds: readonly Seed[],
    options: ClusterOptions,
    world: World,
    lifecycle: (send: (parcel: Parcel) => void) => Lifecycle,
    events: CoreEvents,
  ) {
    this.seeds = seeds;
    this.#options = options;
    this.#world = world;
    this.#events = events;
    this.pool = this.#makePool();
    this.#surveyor = this.#makeSurveyor();
    this.reads = this.#makeReadPolicy();
    this.router = this.#makeRouter();
    this.#readMonitor = this.#makeReadMonitor();
    this.refresher = this.#makeRefresher();
    this.lifecycle = lifecycle((parcel) => this.router.send(parcel));
    const timeout = options.redisOptions?.commandTimeout;
    if (timeout !== undefined && timeout > 0) {
      this.#deadlines = new Deadlines(timeout, world, (visit) => this.#visitAll(visit));
    }
  }

  submit(parcel: Parcel): void {
    this.#deadlines?.start();
    this.lifecycle.submit(parcel);
  }

  /** Resolves at `ready`; rejects when this round fails (reconnection goes on by clusterRetryStrategy). */
  connect(): Promise<void> {
    const { status } = this.lifecycle;
    if (status === 'connecting' || status === 'connect' || status === 'ready') {
      return Promise.reject(new RedisError('Redis is already connecting/connected', { code: 'ERR_CONNECTED' }));
    }
    this.#retry?.cancel();
    const ready = new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
    this.#begin();
    return ready;
  }

  /** Closes every socket now; pending calls are rejected. */
  disconnect(reconnect: boolean): void {
    this.#close(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }), reconnect);
  }

  /** Everything submitted before is answered first; then closes. */
  async quit(): Promise<void> {
    const { status } = this.lifecycle;
    if (this.lifecycle.held > 0 && status !== 'wait') await this.#nextOutcome();
    if (this.lifecycle.status === 'end') return;
    this.lifecycle.become('disconnecting');
    while (this.router.parked > 0 || this.pool.load > 0) {
      await Promise.all(
        [...this.pool.all()].filter(({ keeper }) => keeper.load > 0).map(({ keeper }) => answered(keeper)),
      );
      if (this.router.parked > 0) await new Promise<void>((resolve) => this.#world.after(drainPause, resolve, true));
    }
    const partings = [...this.pool.all()]
      .filter(({ keeper }) => keeper.state === 'up')
      .map(({ keeper }) => answered(keeper, 'quit'));
    await Promise.all(partings);
    this.#close(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }), false);
  }

  // Ready, or this round of connecting has failed.
  #nextOutcome(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push({ resolve, reject: () => resolve() }));
  }

  #begin(): void {
    const epoch = ++this.#epoch;
    this.router.reopen();
    this.pool.watch();
    this.refresher.start();
    this.lifecycle.become('connecting');
    this.#connectOnce().then(
      () => {
        if (epoch !== this.#epoch) return;
        this.#attempts = 0;
        this.lifecycle.become('ready');
        this.#events.onReady();
        this.#readMonitor?.start();
        for (const waiter of this.#waiters.splice(0)) waiter.resolve();
      },
      (error: Error) => {
        if (epoch === this.#epoch) this.#failed(error);
      },
    );
  }

  async #connectOnce(): Promise<void> {
    const epoch = this.#epoch;
    await this.#locateSeeds();
    if (epoch !== this.#epoch) return;
    await this.refresher.refresh('connect');
    if (epoch !== this.#epoch) return;
    this.lifecycle.become('connect');
    if (this.#options.enableReadyCheck ?? true) await this.#checkState();
  }

  async #locateSeeds(): Promise<void> {
    const named = parseSeeds(this.#events.client.startupNodes);
    const { useSRVRecords, resolveSrv } = this.#options;
    this.seeds = useSRVRecords ? await discoverSrv(named, () => this.#world.random(), resolveSrv) : named;
  }

  // CLUSTER INFO of any node; a cluster that says `fail` is not ready yet.
  async #checkState(): Promise<void> {
    const keeper = [...this.pool.all()].map((node) => node.keeper).find((one) => one.state === 'up');
    if (keeper === undefined) return;
    const info = await this.#surveyor.ask(keeper, ['cluster', 'info']).catch(() => undefined);
    if (typeof info === 'string' && /cluster_state:fail/.test(info)) {
      throw new RedisError('CLUSTERDOWN The cluster is down', { code: 'CLUSTERDOWN', node: keeper.address });
    }
  }

  #failed(error: Error): void {
    if (error instanceof ClusterAllFailedError) this.lifecycle.reportError(error);
    const reasons = error instanceof ClusterAllFailedError ? error.errors : [error];
    const unavailable = new ClusterAllFailedError('None of startup nodes is available', reasons);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(unavailable);
    this.lifecycle.become('close');
    this.#retryOrEnd(unavailable);
  }

  #retryOrEnd(reason: Error): void {
    const { clusterRetryStrategy: strategy = defaultRetry } = this.#options;
    // null, as with ioredis: never try again.
    const delay = strategy === null ? null : strategy.call(this.#events.client as never, ++this.#attempts, reason);
    if (typeof delay !== 'number') {
      this.#end(reason);
      return;
    }
    this.lifecycle.become('reconnecting');
    this.#retry = this.#world.after(delay, () => this.#begin(), true);
  }

  #close(reason: Error, reconnect: boolean): void {
    if (this.lifecycle.status === 'end') return;
    this.#epoch++;
    this.#retry?.cancel();
    if (this.lifecycle.status !== 'disconnecting') this.lifecycle.become('disconnecting');
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason);
    this.#readMonitor?.stop();
    if (!reconnect) this.router.close(reason);
    this.pool.closeAll(reason);
    this.lifecycle.become('close');
    if (reconnect) this.#retryOrEnd(reason);
    else this.#end(reason);
  }

  #end(reason: Error): void {
    this.#epoch++;
    this.#readMonitor?.stop();
    this.refresher.stop();
    this.#deadlines?.stop();
    this.router.close(reason);
    this.pool.closeAll(reason);
    this.lifecycle.become('end');
    this.lifecycle.failHeld(reason);
    this.#events.onEnd();
  }

  #makePool(): NodePool {
    const scaleReads = this.#options.scaleReads ?? 'master';
    const options = this.#options.redisOptions ?? {};
    const { dnsLookup } = this.#options;
    return new NodePool(
      {
        optionsFor: (key) => ({
          ...keeperOptionsOf(options, this.seeds.find((seed) => seed.key === key)?.options),
          // The system's own is what sockets use by themselves, and then they try every address of a name.
          dnsLookup: dnsLookup === lookup ? undefined : dnsLookup,
          retryDelay: (times) => this.#redialDelay(times),
          holdWhileDown: false,
        }),
        readFromReplicas: scaleReads !== 'master',
        onSilent: () => this.refresher.suggest('outage'),
        silenceTimeout: this.#options.silenceTimeout ?? 1000,
        maxBlockingConnections: this.#options.maxBlockingConnections ?? 64,
        roleCall: (argv) => ownCallOf(argv),
        onAdd: (node) => this.#events.onNodeAdded(node),
        onRemove: (node) => {
          this.reads?.forget(node.key);
          this.router.forgetLatencies(node.key);
          this.#events.onNodeRemoved(node);
        },
      },
      this.#world,
      {
        onState: (keeper, state, reason) => this.#onNodeState(keeper, state, reason),
        onPush: (keeper, push) => this.#events.onPush(keeper, push),
        onSilence: (keeper, silent) => {
          this.#events.onSilence(keeper, silent);
          if (silent) this.refresher.suggest('outage');
          else this.router.retryParked();
        },
        onDrain: () => {
          if (!this.pool.needsDrain) this.#events.onDrain();
        },
      },
    );
  }

  #makeSurveyor(): Surveyor {
    const { natMap, slotsRefreshTimeout: timeout = 1000 } = this.#options;
    const isOver = (): boolean => this.lifecycle.status === 'end' || this.lifecycle.status === 'disconnecting';
    return new Surveyor(this.pool, this.#world, { seeds: () => this.seeds, natMap, timeout, isOver });
  }

  #makeReadPolicy(): ReadPolicy | undefined {
    const { scaleReads = 'master', availabilityZone: zone } = this.#options;
    if (scaleReads === 'master') return undefined;
    // A function chooses by itself, and the policy still knows who is in trouble.
    const scaling = typeof scaleReads === 'function' ? 'all' : scaleReads;
    return new ReadPolicy({ scaling, zone, usable: (key) => this.router.usable(key) }, this.#world);
  }

  #makeReadMonitor(): ReadMonitor | undefined {
    if (this.reads === undefined) return undefined;
    const period = this.#options.replicaCheckInterval ?? 1000;
    const ask = (keeper: Keeper, argv: readonly string[]): Promise<unknown> => this.#surveyor.ask(keeper, argv);
    // Certain news is worth asking at once; where the map stays as it is, it waits for its turn like any hint.
    const onPromoted = (first: boolean): void => this.refresher.suggest(first ? 'outage' : 'moved');
    return new ReadMonitor(this.reads, this.pool, this.#world, { period, ask, onPromoted });
  }

  #makeRouter(): Router {
    const options = this.#options;
    return new Router(
      {
        maxRedirections: options.maxRedirections ?? 16,
        retryDeadline: options.retryDeadline ?? options.redisOptions?.commandTimeout ?? 15_000,
        moved: options.retryDelayOnMoved ?? 0,
        tryAgain: options.retryDelayOnTryAgain ?? 100,
        clusterDown: options.retryDelayOnClusterDown ?? 100,
        failover: options.retryDelayOnFailover ?? 100,
        resendWritten: resendsWritten({
          ...options.redisOptions,
          resend: options.resend ?? options.redisOptions?.resend,
        }),
        reads: this.reads,
        readChoice: this.#events.readChoice,
        natMap: options.natMap,
      },
      this.pool,
      this.#world,
      {
        onHint: (reason) => this.refresher.suggest(reason),
        onRedirect: (kind, { slot }, error, from, to) => {
          if (redirectChannel.hasSubscribers) redirectChannel.publish({ kind, slot, from, to, error });
        },
        onPatched: (map) => this.#events.onRefresh(map),
      },
    );
  }

  #makeRefresher(): Refresher {
    return new Refresher(
      {
        ask: () => this.#survey(),
        publish: (seen, reason) => {
          const changed = this.#publish(seen);
          if (refreshChannel.hasSubscribers) refreshChannel.publish({ reason, changed, error: undefined });
          return changed;
        },
        onFailure: (error, reason) => {
          if (refreshChannel.hasSubscribers) refreshChannel.publish({ reason, changed: false, error });
          this.#onRefreshFailed(error);
        },
        // A near cache may answer for long without asking anybody who could say that a slot has moved.
        period: this.#options.slotsRefreshInterval ?? (this.#options.clientSideCache === undefined ? 0 : 5000),
      },
      this.#world,
    );
  }

  // A round that disconnect() broke off may be shared by the connect() that came after it: it asks again.
  async #survey(): Promise<SlotMap> {
    for (;;) {
      const epoch = this.#epoch;
      try {
        return await survey(this.#surveyor.targets(), this.#world);
      } catch (error) {
        if (epoch === this.#epoch || this.lifecycle.status !== 'connecting') throw error;
      }
    }
  }

  #publish(seen: SlotMap): boolean {
    const map = merge(this.router.map, seen);
    if (map.sameAs(this.router.map)) {
      this.router.adopt(map);
      // After a disconnect the pool is empty although the map is still the same.
      this.pool.reconcile(map.addresses());
      return false;
    }
    this.router.setMap(map);
    this.#events.onRefresh(map);
    return true;
  }

  // The first dial after a loss is immediate: most losses are one broken socket, not a dead node.
  #redialDelay(times: number): number | null {
    const strategy = this.#options.clusterNodeRetryStrategy;
    if (typeof strategy === 'function') {
      const delay = strategy(times);
      return typeof delay === 'number' ? delay : null;
    }
    if (times === 1) return 0;
    return Math.min(50 * 2 ** (times - 2), 2000) * (0.75 + this.#world.random() * 0.5);
  }

  #onNodeState(keeper: Keeper, state: KeeperState, reason: Error | undefined): void {
    this.#events.onKeeperState(keeper, state);
    this.#connects.onState(keeper, state, reason);
    if (state === 'up') this.router.retryParked();
    if (state === 'ended') {
      this.pool.forget(keeper.address);
      this.router.forgetLanes();
    }
    if (state === 'resting' && reason !== undefined && this.lifecycle.status !== 'disconnecting') {
      this.#events.onNodeError(reason, keeper.address);
      if (this.lifecycle.status === 'ready') this.refresher.suggest('outage');
    }
  }

  // Ready, and yet nobody answers any more: start over from the seeds.
  #onRefreshFailed(error: ClusterAllFailedError): void {
    if (this.lifecycle.status !== 'ready') return;
    if ([...this.pool.all()].some((node) => node.keeper.state === 'up')) return;
    this.lifecycle.reportError(error);
    this.lifecycle.become('close');
    this.#retryOrEnd(error);
  }

  #visitAll(visit: (parcel: Parcel) => void): void {
    this.lifecycle.forEachHeld(visit);
    this.router.forEachParked(visit);
    this.pool.forEachCall(visit);
  }
}

/** Resolves when the node has answered everything sent before, or has lost it. */
function answered(keeper: Keeper, word = 'ping'): Promise<unknown> {
  const { call, answer } = ownCall([word]);
  if (!keeper.send(call)) call.fail(new AbortError('Connection is closed.', { node: keeper.address }));
  return answer.catch(() => undefined);
}

function ownCallOf(argv: readonly string[]): Call {
  const { call, answer } = ownCall(argv);
  answer.catch(() => undefined);
  return call;
}
