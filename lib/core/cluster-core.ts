// The working parts of a cluster client put together: pool, router, refresher and the connect loop. The public face
// (cluster.ts) adds names and events; this file knows when to connect, to ask again and to give up.

import { lookup } from 'node:dns';
import { Backlog } from '../base/backlog.ts';
import { AbortError, type ClusterAllFailedError, RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { type Call, CallFlag, ownCall, type Parcel } from '../connection/call.ts';
import type { CredentialSource } from '../connection/credentials.ts';
import type { Keeper, KeeperState, LatestOptions } from '../connection/keeper.ts';
import { adoptDatabase, databaseRefusal } from '../options/database.ts';
import { defaultClusterRetryStrategy } from '../options/defaults.ts';
import {
  credentialSourceOf,
  keeperOptionsOf,
  redialDelay,
  refreshPeriodOf,
  retryDeadlineOf,
  retryRulesOf,
  waitDeadlineOf,
} from '../options/derive.ts';
import type { ClusterOptions } from '../options/options.ts';
import { Deadlines, failAsTimedOut } from '../router/deadlines.ts';
import { Surveyor } from '../router/map-source.ts';
import { NodePool, type PooledNode } from '../router/node-pool.ts';
import { ReadMonitor } from '../router/read-monitor.ts';
import type { ReadPolicy } from '../router/read-policy.ts';
import { type ReadChoice, Router } from '../router/router.ts';
import { lossOf } from '../router/verdict.ts';
import { type AddressGuard, guardOf } from '../topology/allow.ts';
import { discoverSrv } from '../topology/discovery.ts';
import { Refresher } from '../topology/refresher.ts';
import { parseKey, parseSeeds, type Seed, type StartupNode } from '../topology/seeds.ts';
import { SlotMap } from '../topology/slot-map.ts';
import { survey } from '../topology/survey.ts';
import { merge } from '../topology/vote.ts';
import type { LeftOut } from '../wire/left-out.ts';
import type { Push } from '../wire/reply.ts';
import { AbandonedCalls } from './abandoned-calls.ts';
import { ConnectLoop } from './connect-loop.ts';
import { ConnectTracer, type RefreshMessage, redirectChannel, refreshChannel } from './diagnostics.ts';
import { awaitedBy, defaultQuitTimeout, drain, outlasts, quitTimeoutError, sayGoodbye } from './drain.ts';
import { heldDeadlines, unreadyReasons } from './held-deadline.ts';
import type { Lifecycle } from './lifecycle.ts';
import { readPolicyOf } from './read-choice.ts';

export interface CoreEvents {
  /** The user's own choice of who answers a read. */
  readonly readChoice: ReadChoice | undefined;
  /** The map of a client whose duplicate this is. */
  readonly inherited: SlotMap | undefined;
  onNodeAdded(node: PooledNode): void;
  onNodeRemoved(node: PooledNode): void;
  onNodeError(error: Error, key: string): void;
  onRefresh(map: SlotMap): void;
  /** Asked for, and still the same. */
  onSameMap(): void;
  /** The client: `this` of clusterRetryStrategy, which may assign its startupNodes. Read at each round. */
  readonly client: { readonly startupNodes: readonly StartupNode[] };
  onReady(): void;
  /** A node's connection is through its handshake, and nothing else has been sent on it. */
  onNodeReady(keeper: Keeper): void;
  /** A node's connection changed; what waited for it has been written by then. */
  onKeeperState(keeper: Keeper, state: KeeperState, reason: Error | undefined): void;
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
  /** Everything that waits anywhere in this client; `maxQueueLength` and `maxQueueBytes` bound it. */
  readonly backlog: Backlog;
  /** Which addresses that nodes name may be dialed; undefined: all. */
  readonly guard: AddressGuard | undefined;
  /** Undefined when masters answer everything. */
  readonly reads: ReadPolicy | undefined;
  readonly #readMonitor: ReadMonitor | undefined;
  readonly #credentials: CredentialSource | undefined;
  readonly #connects = new ConnectTracer();
  /** Replaced by clusterRetryStrategy when it assigns `startupNodes`. */
  seeds: readonly Seed[];
  readonly #options: ClusterOptions;
  readonly #world: World;
  readonly #events: CoreEvents;
  readonly #surveyor: Surveyor;
  readonly #deadlines: Deadlines | undefined;
  readonly #abandoned: AbandonedCalls;
  /** Nodes whose cluster is down (perhaps only on their side of a cut): others are asked first at the next attempt. */
  readonly #saidDown = new Set<string>();
  /** Of calls held until the client is ready. */
  readonly #heldDeadlines: Deadlines;
  readonly #loop: ConnectLoop;
  /** Until it has been used, once. */
  #inherited: SlotMap | undefined;
  /** What the last round left out of the replies it was given, and why. */
  #leftOut: readonly string[] | undefined;

  constructor(
    seeds: readonly Seed[],
    options: ClusterOptions,
    world: World,
    lifecycle: (send: (parcel: Parcel) => void, backlog: Backlog) => Lifecycle,
    events: CoreEvents,
  ) {
    this.seeds = seeds;
    this.#options = options;
    this.#world = world;
    this.#events = events;
    this.#inherited = events.inherited;
    this.backlog = new Backlog(options);
    this.#credentials = credentialSourceOf(options.redisOptions ?? {}, world, (error) =>
      this.lifecycle.reportError(error),
    );
    this.guard = this.#makeGuard();
    this.pool = this.#makePool();
    this.#surveyor = this.#makeSurveyor();
    this.reads = readPolicyOf(options, (key) => this.router.usable(key), world);
    this.router = this.#makeRouter();
    this.#readMonitor = this.#makeReadMonitor();
    this.refresher = this.#makeRefresher();
    this.lifecycle = lifecycle((parcel) => this.router.send(parcel), this.backlog);
    this.#loop = this.#makeLoop();
    this.#heldDeadlines = heldDeadlines(
      waitDeadlineOf(options),
      world,
      () => this.lifecycle,
      () => unreadyReasons(this.#loop.reasons, this.seeds, this.pool),
    );
    this.#abandoned = new AbandonedCalls(this.pool, world);
    const timeout = options.redisOptions?.commandTimeout;
    if (timeout !== undefined && timeout > 0) {
      this.#deadlines = new Deadlines(timeout, world, (visit) => this.#visitAll(visit), {
        expire: (parcel) => {
          failAsTimedOut(parcel);
          if ((parcel.flags & CallFlag.blocking) !== 0) this.#abandoned.release(parcel);
        },
        swept: () => this.lifecycle.forgetSettled(),
      });
    }
  }

  submit(parcel: Parcel): void {
    if (this.#deadlines !== undefined) {
      this.#deadlines.start();
      if ((parcel.flags & CallFlag.blocking) !== 0) this.mayRelease(parcel);
    }
    this.lifecycle.submit(parcel);
  }

  /** The caller of a blocking call has left: the server is not to go on with it. */
  release(call: Call): void {
    this.#abandoned.release(call);
  }

  /** A call that blocks is about to be sent, and may be given up. */
  mayRelease(parcel: Parcel): void {
    if (this.lifecycle.status === 'ready') this.#abandoned.note(parcel, this.router.map.masterOf(parcel.slot));
  }

  /** A call has to wait until the client is ready: no longer than `retryDeadline`. */
  watchHeld(): void {
    this.#heldDeadlines.start();
  }

  /** Resolves at `ready`; rejects when this round fails (reconnection goes on by clusterRetryStrategy). */
  connect(): Promise<void> {
    return this.#loop.connect();
  }

  /** Closes every socket: what was written is still answered, what waits is rejected. */
  disconnect(reconnect: boolean): void {
    this.#close(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }), reconnect);
  }

  /**
   * Everything submitted before is answered first, and `others` are done; then closes. What has no answer after
   * `quitTimeout` is rejected with an error that says what was waited for.
   */
  async quit(others: () => Promise<void>): Promise<void> {
    if (this.lifecycle.status === 'end') return;
    const limit = this.#options.quitTimeout ?? this.#options.redisOptions?.quitTimeout ?? defaultQuitTimeout;
    let late = false;
    const parting = this.#part(others, () => late || this.lifecycle.status === 'end');
    late = await outlasts(parting, limit, this.#world);
    if (late) this.#closeAtOnce(quitTimeoutError(limit, awaitedBy(this.pool, this.router.parked, this.lifecycle.held)));
    else this.disconnect(false);
  }

  async #part(others: () => Promise<void>, over: () => boolean): Promise<void> {
    if (this.lifecycle.held > 0 && this.lifecycle.status !== 'wait') await this.#loop.nextOutcome();
    if (over()) return;
    if (this.lifecycle.status !== 'disconnecting') this.lifecycle.become('disconnecting');
    await drain(this.pool, () => this.router.parked, this.#world, over);
    if (over()) return;
    await others();
    await sayGoodbye(this.pool);
  }

  async #connectOnce(superseded: () => boolean): Promise<void> {
    await this.#locateSeeds();
    // Once for all nodes, and before the time runs that these have to answer.
    if (this.#credentials !== undefined) await this.#credentials.take();
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
      throw refusal;
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
    const chance = (): number => this.#world.random();
    const seeds = useSRVRecords ? await discoverSrv(named, chance, resolveSrv ?? undefined) : named;
    const replaced = seeds.every(({ key }) => !this.seeds.some((seed) => seed.key === key));
    this.seeds = seeds;
    adoptDatabase(this.#options, seeds);
    // Startup nodes that are all others name another cluster: what is known of the old one must not be asked, or believed.
    if (replaced) this.router.setMap(SlotMap.of([]));
  }

  // CLUSTER INFO of any node, or what one has said just now; a cluster that says `fail` is not ready yet.
  async #checkState(said: string | undefined): Promise<void> {
    const up = [...this.pool.all()].map((node) => node.keeper).filter((one) => one.state === 'up');
    const keeper = up.find(({ address }) => !this.#saidDown.has(address)) ?? up[0];
    if (keeper === undefined) return;
    const info = said ?? (await this.#surveyor.ask(keeper, ['cluster', 'info']).catch(() => undefined));
    if (typeof info === 'string' && /cluster_state:fail/.test(info)) {
      this.#saidDown.add(keeper.address);
      throw new RedisError('CLUSTERDOWN The cluster is down', { code: 'CLUSTERDOWN', node: keeper.address });
    }
  }

  // What is owed has been waited for long enough.
  #closeAtOnce(reason: Error): void {
    if (!this.#beginToClose(reason)) return;
    this.router.close(reason);
    this.#closed(reason, false);
  }

  #beginToClose(reason: Error): boolean {
    if (this.lifecycle.status === 'end') return false;
    if (this.lifecycle.status !== 'disconnecting') this.lifecycle.become('disconnecting');
    this.#loop.abandon(reason);
    this.#readMonitor?.stop();
    return true;
  }

  #close(reason: Error, reconnect: boolean): void {
    if (!this.#beginToClose(reason)) return;
    if (reconnect) this.lifecycle.pause();
    else this.router.close(reason);
    const leaving = this.pool.leaveAll(reason);
    if (leaving.length === 0) {
      this.#closed(reason, reconnect);
      return;
    }
    const { epoch } = this.#loop;
    void Promise.all(leaving).then(() => {
      // Unless the client has been told to connect again meanwhile.
      if (epoch === this.#loop.epoch) this.#closed(reason, reconnect);
    });
  }

  #closed(reason: Error, reconnect: boolean): void {
    this.lifecycle.become('close');
    if (reconnect) this.#loop.tryAgain(reason);
    else this.#end(reason);
  }

  #end(reason: Error): void {
    this.#readMonitor?.stop();
    this.refresher.stop();
    this.#deadlines?.stop();
    this.#heldDeadlines.stop();
    this.router.close(reason);
    this.pool.closeAll(reason);
    this.lifecycle.become('end');
    this.lifecycle.failHeld((parcel) => lossOf(parcel, reason));
    this.#events.onEnd();
  }

  // Whoever made the client has named the startup nodes.
  #makeGuard(): AddressGuard | undefined {
    const guard = guardOf(this.#options.redirectAllow);
    if (guard === undefined) return undefined;
    return (host, port) => guard(host, port) || this.seeds.some((seed) => seed.host === host && seed.port === port);
  }

  #makeLoop(): ConnectLoop {
    return new ConnectLoop(this.lifecycle, this.#world, {
      delay: (times, reason) => this.#retryDelay(times, reason),
      prepare: () => {
        this.router.reopen();
        this.pool.watch();
        this.refresher.start();
      },
      attempt: (superseded) => this.#connectOnce(superseded),
      succeeded: () => {
        this.#saidDown.clear();
        this.#events.onReady();
        this.#readMonitor?.start();
      },
      gaveUp: (reason) => this.#end(reason),
    });
  }

  // null, as with ioredis: never try again. Many clients lose a cluster at once, so they are kept from coming back as one;
  // a strategy of the user's own is followed to the letter.
  #retryDelay(times: number, reason: Error): unknown {
    const { clusterRetryStrategy: strategy } = this.#options;
    const delay = strategy?.call(this.#events.client as never, times, reason);
    if (strategy !== defaultClusterRetryStrategy || typeof delay !== 'number') return delay;
    return delay * (1 + this.#world.random() * 0.25);
  }

  #makePool(): NodePool {
    const scaleReads = this.#options.scaleReads ?? 'master';
    const { dnsLookup } = this.#options;
    return new NodePool(
      {
        optionsFor: (key) => ({
          ...this.#nodeOptions(key),
          latest: () => this.#latestIdentity(key),
          // The system's own is what sockets use by themselves, and then they try every address of a name.
          dnsLookup: dnsLookup === lookup ? undefined : (dnsLookup ?? undefined),
          retryDelay: (times) => redialDelay(this.#options.clusterNodeRetryStrategy, times, this.#world),
          credentials: this.#credentials,
          holdWhileDown: false,
          identify: true,
          steadyAfter: 1000,
          backlog: this.backlog,
        }),
        readFromReplicas: scaleReads !== 'master',
        onSilent: () => this.refresher.suggest('outage'),
        limits: { silence: this.#options.silenceTimeout ?? 1000, deadline: retryDeadlineOf(this.#options) },
        maxBlockingConnections: this.#options.maxBlockingConnections ?? 64,
        roleCall: (argv) => ownCallOf(argv),
        onAdd: (node) => {
          if (this.#options.redisOptions?.lazyConnect === false) node.keeper.open();
          this.#show(node, true);
        },
        onRemove: (node) => {
          this.reads?.forget(node.key);
          this.router.forgetLatencies(node.key);
          this.#show(node, false);
        },
      },
      this.#world,
      {
        onState: (keeper, state, reason) => this.#onNodeState(keeper, state, reason),
        onReady: (keeper) => this.#events.onNodeReady(keeper),
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

  #nodeOptions(key: string): ReturnType<typeof keeperOptionsOf> {
    return keeperOptionsOf(this.#options.redisOptions ?? {}, this.seeds.find((seed) => seed.key === key)?.options);
  }

  // Read before each dial: users rotate passwords and certificates by assigning options.
  #latestIdentity(key: string): LatestOptions {
    const { username, password, tls } = this.#nodeOptions(key);
    const { host, port } = parseKey(key);
    return { address: key, host, port, username, password, tls };
  }

  #makeSurveyor(): Surveyor {
    const { natMap, slotsRefreshTimeout: timeout = 1000 } = this.#options;
    const isOver = (): boolean => this.lifecycle.status === 'end' || this.lifecycle.status === 'disconnecting';
    const onLeftOut = ({ list }: LeftOut): void => {
      this.#leftOut = list;
    };
    const onRefused = (error: Error, key: string): void => {
      if (!isOver()) this.#events.onNodeError(error, key);
    };
    const tls = (): boolean =>
      Boolean(this.#options.redisOptions?.tls) || this.seeds.some(({ options }) => options.tls);
    const { guard } = this;
    return new Surveyor(this.pool, this.#world, {
      seeds: () => this.seeds,
      last: (key) => this.#saidDown.has(key),
      natMap,
      guard,
      timeout,
      isOver,
      tls,
      onLeftOut,
      onRefused,
    });
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
        guard: this.guard,
        backlog: this.backlog,
      },
      this.pool,
      this.#world,
      {
        onHint: (reason) => this.refresher.suggest(reason),
        onRedirect: (kind, { slot, attempts, writes }, error, from, to) => {
          if (redirectChannel.hasSubscribers)
            redirectChannel.publish({ kind, slot, from, to, error, attempts, writes });
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
      this.pool.reconcile(map.addresses(), map.facts.failed);
      this.#events.onSameMap();
      return false;
    }
    this.router.setMap(map);
    this.#events.onRefresh(map);
    return true;
  }

  #onNodeState(keeper: Keeper, state: KeeperState, reason: Error | undefined): void {
    this.#events.onKeeperState(keeper, state, reason);
    this.#connects.onState(keeper, state, reason);
    if (state === 'up') {
      const node = this.pool.get(keeper.address);
      if (node?.inMap) this.#show(node, true);
      this.refresher.stirred();
      this.router.retryParked();
    }
    if (state === 'ended') {
      this.pool.forget(keeper.address);
      this.router.forgetLanes();
    }
    if (state === 'resting' && reason !== undefined && this.lifecycle.status !== 'disconnecting') {
      if (this.#isNodeError(keeper, reason)) this.#events.onNodeError(reason, keeper.address);
      if (this.lifecycle.status === 'ready') this.refresher.suggest('outage');
    }
    if (state === 'resting' && this.#forgetsLostNodes) {
      const node = this.pool.get(keeper.address);
      if (node?.keeper === keeper) this.#show(node, false);
    }
  }

  // As ioredis has it for a client that is ready: a server that closes a connection in good order makes no error, and a
  // node that has been taken back ('-node') makes none any more, however often it is dialed.
  #isNodeError(keeper: Keeper, reason: Error): boolean {
    if (this.lifecycle.status !== 'ready') return true;
    const node = this.pool.get(keeper.address);
    if (node?.inMap && !node.shown) return false;
    return reason.message !== 'Connection is closed.';
  }

  // ioredis gives up a node whose socket ended, unless clusterNodeRetryStrategy says otherwise. Here it is dialed all the
  // same, for calls to find it at once when it is back; what users are told and shown is ioredis's.
  get #forgetsLostNodes(): boolean {
    return typeof this.#options.clusterNodeRetryStrategy !== 'function';
  }

  #show(node: PooledNode, shown: boolean): void {
    if (node.shown === shown) return;
    node.shown = shown;
    if (shown) this.#events.onNodeAdded(node);
    else this.#events.onNodeRemoved(node);
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
