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
import type { ReadPolicy } from '../router/read-policy.ts';
import { type ReadChoice, Router } from '../router/router.ts';
import { lossOf } from '../router/verdict.ts';
import { discoverSrv } from '../topology/discovery.ts';
import { Refresher } from '../topology/refresher.ts';
import { parseSeeds, type Seed, type StartupNode } from '../topology/seeds.ts';
import type { SlotMap } from '../topology/slot-map.ts';
import { survey } from '../topology/survey.ts';
import { merge } from '../topology/vote.ts';
import type { LeftOut } from '../wire/left-out.ts';
import type { Push } from '../wire/reply.ts';
import { ConnectLoop } from './connect-loop.ts';
import { adoptDatabase, databaseRefusal } from './database.ts';
import { drain, sayGoodbye } from './drain.ts';
import type { Lifecycle } from './lifecycle.ts';
import { ConnectTracer, type RefreshMessage, redirectChannel, refreshChannel } from './observe.ts';
import type { ClusterOptions } from './options.ts';
import { readPolicyOf } from './read-choice.ts';
import { keeperOptionsOf, redialDelay, refreshPeriodOf, retryRulesOf } from './settings.ts';
import { Surveyor } from './surveyor.ts';

export interface CoreEvents {
  /** The user's own choice of who answers a read. */
  readonly readChoice: ReadChoice | undefined;
  /** The map of a client whose duplicate this is. */
  readonly inherited: SlotMap | undefined;
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
  readonly #loop: ConnectLoop;
  /** Until it has been used, once. */
  #inherited: SlotMap | undefined;
  /** What the last round left out of the replies it was given, and why. */
  #leftOut: readonly string[] | undefined;

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
    this.#inherited = events.inherited;
    this.pool = this.#makePool();
    this.#surveyor = this.#makeSurveyor();
    this.reads = readPolicyOf(options, (key) => this.router.usable(key), world);
    this.router = this.#makeRouter();
    this.#readMonitor = this.#makeReadMonitor();
    this.refresher = this.#makeRefresher();
    this.lifecycle = lifecycle((parcel) => this.router.send(parcel));
    this.#loop = this.#makeLoop();
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
    return this.#loop.connect();
  }

  /** Closes every socket now; pending calls are rejected. */
  disconnect(reconnect: boolean): void {
    this.#close(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }), reconnect);
  }

  /** Everything submitted before is answered first, and `others` are done; then closes. */
  async quit(others: () => Promise<void>): Promise<void> {
    const { status } = this.lifecycle;
    if (this.lifecycle.held > 0 && status !== 'wait') await this.#loop.nextOutcome();
    if (this.lifecycle.status === 'end') return;
    this.lifecycle.become('disconnecting');
    await drain(this.pool, () => this.router.parked, this.#world);
    await others();
    await sayGoodbye(this.pool);
    this.#close(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }), false);
  }

  async #connectOnce(superseded: () => boolean): Promise<void> {
    await this.#locateSeeds();
    if (superseded()) return;
    const inherited = this.#inherited;
    this.#inherited = undefined;
    const info = inherited === undefined ? undefined : await this.#askMasterOf(inherited);
    if (superseded()) return;
    if (info === undefined) await this.#firstMap();
    else this.#publish(inherited!);
    if (superseded()) return;
    this.lifecycle.become('connect');
    if (this.#options.enableReadyCheck ?? true) await this.#checkState(info);
  }

  // Calls do not wait for a database that no node has.
  async #firstMap(): Promise<void> {
    try {
      await this.refresher.refresh('connect');
    } catch (error) {
      const refusal = databaseRefusal(error);
      if (refusal === undefined) throw error;
      this.lifecycle.failHeld((parcel) => lossOf(parcel, refusal));
      throw new ClusterAllFailedError('Failed to refresh slots cache.', [refusal]);
    }
  }

  // A map that another client holds is as good as one asked for: where it is stale, redirects tell. That a node of it
  // answers is what makes this client connected; its CLUSTER INFO is the result, or undefined when it did not.
  async #askMasterOf(map: SlotMap): Promise<string | undefined> {
    const { shards } = map;
    const address = shards[Math.floor(this.#world.random() * shards.length)]?.master;
    if (address === undefined) return undefined;
    const info = await this.#surveyor.ask(this.pool.open(address).keeper, ['cluster', 'info']).catch(() => undefined);
    return typeof info === 'string' ? info : undefined;
  }

  async #locateSeeds(): Promise<void> {
    const named = parseSeeds(this.#events.client.startupNodes);
    const { useSRVRecords, resolveSrv } = this.#options;
    this.seeds = useSRVRecords ? await discoverSrv(named, () => this.#world.random(), resolveSrv ?? undefined) : named;
    adoptDatabase(this.#options, this.seeds);
  }

  // CLUSTER INFO of any node, or what one has said just now; a cluster that says `fail` is not ready yet.
  async #checkState(said: string | undefined): Promise<void> {
    const keeper = [...this.pool.all()].map((node) => node.keeper).find((one) => one.state === 'up');
    if (keeper === undefined) return;
    const info = said ?? (await this.#surveyor.ask(keeper, ['cluster', 'info']).catch(() => undefined));
    if (typeof info === 'string' && /cluster_state:fail/.test(info)) {
      throw new RedisError('CLUSTERDOWN The cluster is down', { code: 'CLUSTERDOWN', node: keeper.address });
    }
  }

  #close(reason: Error, reconnect: boolean): void {
    if (this.lifecycle.status === 'end') return;
    if (this.lifecycle.status !== 'disconnecting') this.lifecycle.become('disconnecting');
    this.#loop.abandon(reason);
    this.#readMonitor?.stop();
    if (!reconnect) this.router.close(reason);
    this.pool.closeAll(reason);
    this.lifecycle.become('close');
    if (reconnect) this.#loop.tryAgain(reason);
    else this.#end(reason);
  }

  #end(reason: Error): void {
    this.#readMonitor?.stop();
    this.refresher.stop();
    this.#deadlines?.stop();
    this.router.close(reason);
    this.pool.closeAll(reason);
    this.lifecycle.become('end');
    this.lifecycle.failHeld((parcel) => lossOf(parcel, reason));
    this.#events.onEnd();
  }

  #makeLoop(): ConnectLoop {
    return new ConnectLoop(this.lifecycle, this.#world, {
      // null, as with ioredis: never try again.
      delay: (times, reason) => this.#options.clusterRetryStrategy?.call(this.#events.client as never, times, reason),
      prepare: () => {
        this.router.reopen();
        this.pool.watch();
        this.refresher.start();
      },
      attempt: (superseded) => this.#connectOnce(superseded),
      succeeded: () => {
        this.#events.onReady();
        this.#readMonitor?.start();
      },
      gaveUp: (reason) => this.#end(reason),
    });
  }

  #makePool(): NodePool {
    const scaleReads = this.#options.scaleReads ?? 'master';
    const { dnsLookup } = this.#options;
    return new NodePool(
      {
        optionsFor: (key) => ({
          ...keeperOptionsOf(this.#options.redisOptions ?? {}, this.seeds.find((seed) => seed.key === key)?.options),
          // The system's own is what sockets use by themselves, and then they try every address of a name.
          dnsLookup: dnsLookup === lookup ? undefined : (dnsLookup ?? undefined),
          retryDelay: (times) => redialDelay(this.#options.clusterNodeRetryStrategy, times, this.#world),
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
    const onLeftOut = ({ list }: LeftOut): void => {
      this.#leftOut = list;
    };
    const tls = (): boolean =>
      Boolean(this.#options.redisOptions?.tls) || this.seeds.some(({ options }) => options.tls);
    return new Surveyor(this.pool, this.#world, { seeds: () => this.seeds, natMap, timeout, isOver, tls, onLeftOut });
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
        ...retryRulesOf(options),
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
        ask: () => {
          this.#leftOut = undefined;
          return this.#survey();
        },
        publish: (seen, reason) => {
          const changed = this.#publish(seen);
          if (refreshChannel.hasSubscribers) this.#report({ reason, changed, error: undefined });
          return changed;
        },
        onFailure: (error, reason) => {
          if (refreshChannel.hasSubscribers) this.#report({ reason, changed: false, error });
          this.#onRefreshFailed(error);
        },
        period: refreshPeriodOf(this.#options),
      },
      this.#world,
    );
  }

  #report(message: RefreshMessage): void {
    const leftOut = this.#leftOut;
    refreshChannel.publish(leftOut === undefined ? message : { ...message, leftOut });
  }

  // A round that disconnect() broke off may be shared by the connect() that came after it: it asks again.
  async #survey(): Promise<SlotMap> {
    for (;;) {
      const { epoch } = this.#loop;
      try {
        return await survey(this.#surveyor.targets(), this.#world);
      } catch (error) {
        if (epoch === this.#loop.epoch || this.lifecycle.status !== 'connecting') throw error;
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
    this.#loop.tryAgain(error);
  }

  #visitAll(visit: (parcel: Parcel) => void): void {
    this.lifecycle.forEachHeld(visit);
    this.router.forEachParked(visit);
    this.pool.forEachCall(visit);
  }
}

function ownCallOf(argv: readonly string[]): Call {
  const { call, answer } = ownCall(argv);
  answer.catch(() => undefined);
  return call;
}
