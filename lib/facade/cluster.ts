// The drop-in face of a cluster: ioredis's names, statuses and events over the core. It owns the Redis objects that
// nodes() hands out and the scripts; everything about slots, redirects and connections lives below.

import type { EventEmitter } from 'node:events';
import type { Backlog } from '../base/backlog.ts';
import { emitSafely } from '../base/emit.ts';
import { AbortError, OptionError } from '../base/errors.ts';
import { type World, worldOf } from '../base/world.ts';
import { fanOut, isScriptControl, mayFanOut } from '../batch/fan-out.ts';
import { splitByKeys } from '../batch/multi-key.ts';
import { NearCache } from '../cache/near-cache.ts';
import { LoadedScripts } from '../command/loaded-scripts.ts';
import { Call, CallFlag, type Parcel } from '../connection/call.ts';
import type { Keeper } from '../connection/keeper.ts';
import { limitBlocking } from '../core/blocking-timeout.ts';
import { ClusterCore } from '../core/cluster-core.ts';
import { cacheChannel } from '../core/diagnostics.ts';
import { Fieldsets, isHimportControl, sendToAll } from '../core/fieldsets.ts';
import { Lifecycle } from '../core/lifecycle.ts';
import { readChoiceOf } from '../core/read-choice.ts';
import { refusalOnShared } from '../core/refusals.ts';
import { scanHostOf } from '../core/scan-host.ts';
import { type ClusterStats, statsOf } from '../core/stats.ts';
import { sendFromTail } from '../core/stream-tail.ts';
import { adoptDatabase } from '../options/database.ts';
import { clusterOptionsOf, nodeOptionsOf } from '../options/defaults.ts';
import { waitDeadlineOf } from '../options/derive.ts';
import type {
  ClusterNode,
  ClusterOptions,
  ClusterOptionsWithReplyMapping,
  ReplyMappingFromClusterOptions,
  ReplyMappingMode,
} from '../options/options.ts';
import { checkClusterOptions, checkSeedCredentials, checkStartupNodes } from '../options/verify.ts';
import { ClusterSubscriber } from '../pubsub/cluster-subscriber.ts';
import { warnOfKeyspaceChannels } from '../pubsub/keyspace-warning.ts';
import { type Connect, NodeSubscriber } from '../pubsub/node-subscriber.ts';
import type { PooledNode } from '../router/node-pool.ts';
import type { ReadChoice } from '../router/router.ts';
import { ClusterScanStream, keysOf } from '../scan/cluster-scan.ts';
import type { ScanStream, ScanStreamOptions } from '../scan/scan-stream.ts';
import { parseSeeds } from '../topology/seeds.ts';
import type { SlotMap } from '../topology/slot-map.ts';
import { slotCount } from '../wire/slot.ts';
import { Client, type ClientHands } from './client.ts';
import { CallMaker } from './commands/call-maker.ts';
import { type ClusterInternals, installInternals } from './compat/cluster-internals.ts';
import { Redis, sharedKeeper, tellEnd, tellState } from './redis.ts';

/** The map that a duplicate starts from, by the options made for it: it asks the cluster for none. */
const inheritedMaps = new WeakMap<ClusterOptions, SlotMap>();

/** Which of a cluster's nodes are meant. */
export type NodeRole = 'master' | 'slave' | 'all';

// biome-ignore lint/correctness/noUnusedVariables: declarations that merge name the same parameters
export interface Cluster<Mapping extends ReplyMappingMode = 'legacy'> extends ClusterInternals {}

/**
 * A client of a Redis or Valkey Cluster, by any of its nodes: `new Cluster([{ host, port }], options)`. Commands go to the
 * node that owns their keys' slot, through redirects, slot moves and failovers. Emits `connect`, `ready`, `error`,
 * `close`, `reconnecting`, `end`, `+node`, `-node`, `node error` and `refresh` as ioredis does, and `drain`.
 *
 * @example
 * const cluster = new Cluster([{ host: '127.0.0.1', port: 7000 }]);
 * await cluster.set('user:1', 'Ada');
 * await cluster.quit();
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: installInternals brings these, users may merge their own
export class Cluster<Mapping extends ReplyMappingMode = 'legacy'> extends Client<Mapping> {
  /** What the constructor was given, with ioredis's defaults for the rest. */
  readonly options: ClusterOptions;
  /** Distinguishes a Cluster from a Redis, as with ioredis. */
  readonly isCluster: boolean = true;
  /** Read at each attempt to connect; clusterRetryStrategy may assign it: `this.startupNodes = [...]`. */
  startupNodes: readonly ClusterNode[];
  readonly #core: ClusterCore;
  readonly #world: World;
  readonly #faces = new Map<string, Redis<Mapping>>();
  readonly #nodeSubscribers = new Map<string, NodeSubscriber>();
  readonly #subscriber: ClusterSubscriber;
  readonly #cache: NearCache | undefined;
  readonly #fieldsets: Fieldsets | undefined;
  #slots: { readonly map: SlotMap; readonly lists: string[][] } | undefined;
  /** By SCRIPT LOAD. */
  readonly #scripts = new LoadedScripts();
  /** Calls with keys of several slots become several. */
  readonly #splits: boolean;

  constructor(startupNodes: readonly ClusterNode[], given: ClusterOptionsWithReplyMapping<Mapping> = {}) {
    super();
    checkStartupNodes(startupNodes);
    const options = clusterOptionsOf(given);
    checkClusterOptions(options);
    // Without nodes connect() rejects, and clusterRetryStrategy may name some.
    const seeds = startupNodes?.length ? parseSeeds(startupNodes) : [];
    checkSeedCredentials(seeds, options);
    adoptDatabase(options, seeds);
    this.startupNodes = startupNodes;
    this.options = options;
    this.#splits = options.crossSlot === 'split';
    if (options.himportFieldsets?.length) this.#fieldsets = new Fieldsets(options.himportFieldsets);
    const world = worldOf(given);
    this.#world = world;
    this.#core = new ClusterCore(seeds, options, world, (send, backlog) => this.#makeLifecycle(send, backlog), {
      readChoice: this.#readChoice(),
      inherited: inheritedMaps.get(given),
      onNodeAdded: (node) => emitSafely(this, '+node', this.#faceOf(node)),
      onNodeRemoved: (node) => this.#nodeRemoved(node),
      onNodeError: (error, key) => emitSafely(this, 'node error', error, key),
      onRefresh: (map) => {
        this.#cache?.mapChanged(map);
        this.#subscriber.mapChanged();
        emitSafely(this, 'refresh');
      },
      onSameMap: () => emitSafely(this, 'refresh'),
      client: this,
      onDrain: () => emitSafely(this, 'drain'),
      onReady: () => this.#subscriber.start(),
      onKeeperState: (keeper, state, reason) => {
        const face = this.#faces.get(keeper.address);
        if (face !== undefined) tellState(face, keeper, state, reason);
        this.#cache?.nodeState(keeper, state);
      },
      onNodeReady: (keeper) => this.#prepare(keeper),
      onSilence: (keeper, silent) => this.#cache?.silence(keeper, silent),
      onPush: (keeper, push) => this.#cache?.receive(keeper, push),
      onEnd: () => this.#subscriber.stop(false),
    });
    this.#cache = options.clientSideCache === undefined ? undefined : this.#makeCache(options);
    this.#subscriber = new ClusterSubscriber(
      this,
      this.#core,
      {
        connectionName: options.redisOptions?.connectionName,
        silenceTimeout: options.silenceTimeout ?? 1000,
        deadline: waitDeadlineOf(options),
      },
      world,
    );
    Client.equip(this, this.#hands(options), { ...options.redisOptions?.scripts, ...options.scripts });
    if (options.lazyConnect) this.#core.lifecycle.become('wait');
    else this.connect().catch(() => undefined);
  }

  /** slot -> `host:port` keys, master first; slots nobody owns are empty. The same array until the map changes. */
  get slots(): string[][] {
    const { map } = this.#core.router;
    if (this.#slots?.map === map) return this.#slots.lists;
    const lists = map.shards.map((shard) => [shard.master, ...shard.replicas]);
    const bySlot = Array.from({ length: slotCount }, (_, slot) => lists[map.table[slot]! - 1] ?? []);
    this.#slots = { map, lists: bySlot };
    return bySlot;
  }

  /**
   * True while a node's socket is behind: commands are taken (up to `maxQueueBytes`), but wait in memory. A producer
   * that outruns the cluster awaits the `drain` event, as with Node's streams.
   */
  get writableNeedDrain(): boolean {
    return this.#core.pool.needsDrain;
  }

  /** Resolves at `ready`. Rejects when no startup node could be used; reconnection goes on by clusterRetryStrategy. */
  connect(): Promise<void> {
    return this.#core.connect();
  }

  /**
   * Closes every connection without waiting: what was written is still answered, what waits is rejected. `reconnect`:
   * connects again by clusterRetryStrategy, and what waits goes on waiting.
   */
  override disconnect(reconnect = false): void {
    this.#subscriber.stop(reconnect);
    this.#core.disconnect(reconnect);
  }

  /** A new client of the same cluster: these startup nodes unless others are given, `overrideOptions` on top. */
  duplicate<Override extends ClusterOptionsWithReplyMapping<ReplyMappingMode> | undefined = undefined>(
    overrideStartupNodes: readonly ClusterNode[] = [],
    overrideOptions?: Override,
  ): Cluster<ReplyMappingFromClusterOptions<Mapping, Override>> {
    if (!Array.isArray(overrideStartupNodes)) {
      throw new OptionError('startupNodes', 'Invalid argument: it is duplicate(startupNodes, options)');
    }
    const nodes = overrideStartupNodes.length > 0 ? overrideStartupNodes : this.startupNodes;
    const redisOptions = { ...this.options.redisOptions, ...overrideOptions?.redisOptions };
    // It has one database, and the model's may come from another option or from a URL.
    const db = overrideOptions?.redisOptions?.db ?? overrideOptions?.db;
    if (db !== undefined) redisOptions.db = db;
    const options: ClusterOptions = { ...this.options, ...overrideOptions, redisOptions, db: redisOptions.db };
    // With the same seeds and the same names for their nodes it is the same cluster, whose map is known.
    const same =
      nodes === this.startupNodes &&
      options.natMap === this.options.natMap &&
      options.redirectAllow === this.options.redirectAllow;
    if (same && this.status === 'ready') inheritedMaps.set(options, this.#core.router.map);
    return new Cluster(nodes, options as never);
  }

  /** The nodes of the slot map as single-node clients, on the cluster's own connections. */
  nodes(role: NodeRole = 'all'): Redis<Mapping>[] {
    if (role !== 'all' && role !== 'master' && role !== 'slave') {
      throw new OptionError('role', `Invalid role "${String(role)}". Expected "all", "master" or "slave"`);
    }
    const nodes = [...this.#core.pool.all()].filter((node) => node.shown && (role === 'all' || node.role === role));
    return nodes.map((node) => this.#faceOf(node));
  }

  /** What the client has done so far and what it is doing: redirects followed, refreshes by reason, calls by node. */
  stats(): ClusterStats {
    return statsOf(this.#core, this.#cache?.stats);
  }

  /** Asks for the slot map now; `callback(error?)` or the promise tells the outcome. */
  refreshSlotsCache(callback?: (error?: Error) => void): Promise<void> {
    const refreshing = this.#core.refresher.refresh('manual');
    if (callback !== undefined) refreshing.then(() => callback(undefined), callback);
    return refreshing;
  }

  /**
   * The keys of the whole cluster as a stream of pages, master after master. A key that exists from start to end is
   * given at least once, through slot moves and failovers as well; a key may come more than once.
   */
  scanStream(options: ScanStreamOptions = {}): ScanStream {
    return this.#scan(options, true);
  }

  /** scanStream() with keys as Buffers. */
  scanBufferStream(options: ScanStreamOptions = {}): ScanStream {
    return this.#scan(options, false);
  }

  /** scanStream() key by key: `for await (const key of cluster.scanKeys({ match: 'user:*' }))`. */
  scanKeys(options: ScanStreamOptions = {}): AsyncGenerator<string> {
    return keysOf<string>(this.scanStream(options));
  }

  #scan(options: ScanStreamOptions, text: boolean): ScanStream {
    return new ClusterScanStream(this, scanHostOf(this.#core, this, this.options, this.#world), options, text);
  }

  readonly #submit = (call: Call): void => {
    call.moment = this.#core.router.moment;
    if ((call.flags & CallFlag.blocking) !== 0) {
      this.#limit(call);
      if (sendFromTail(call, this.#core.router, this.#ask, this.#send)) return;
    }
    this.#fieldsets?.watch(call, () => this.#masters(), this.#send);
    const refusal = call.slot < 0 ? this.#refuse(call) : undefined;
    if (refusal !== undefined) call.fail(refusal);
    else if (call.slot < 0 && this.status === 'ready' && isHimportControl(call)) sendToAll(call, this.#masters());
    else this.#send(call);
  };

  readonly #refuse = (call: Call): Error | undefined => refusalOnShared(call, this.#database());

  readonly #database = (): number => this.options.redisOptions?.db ?? 0;

  #masters(): Keeper[] {
    const nodes = [...this.#core.pool.all()].filter(({ inMap, role }) => inMap && role === 'master');
    return nodes.map(({ keeper }) => keeper);
  }

  // Replicas too: one of them may be a master on this very connection some day.
  #prepare(keeper: Keeper): void {
    this.#fieldsets?.prepare(keeper).catch((error: Error) => emitSafely(this, 'node error', error, keeper.address));
  }

  #limit(call: Call): void {
    const ready = this.status === 'ready';
    limitBlocking(call, this.options.redisOptions ?? {}, this.#world, ready, (late) => this.#core.release(late));
  }

  readonly #ask = (call: Call): void => this.#core.submit(call);

  readonly #direct = (parcel: Parcel): void => {
    const cache = this.#cache;
    if (cache !== undefined && parcel instanceof Call) {
      if (this.status !== 'ready') cache.watch(parcel);
      else if (cache.handle(parcel)) return;
    }
    this.#core.submit(parcel);
  };

  // With crossSlot, and without keys, a call may become several; everything else goes straight on.
  readonly #send = (parcel: Parcel): void => {
    const whole = parcel.slot >= 0 && !this.#splits;
    if (whole || !(parcel instanceof Call) || !this.#divide(parcel)) this.#direct(parcel);
  };

  readonly #sendOfBatch = (parcel: Parcel): void => {
    const refusal = parcel.slot < 0 && parcel instanceof Call ? this.#refuse(parcel) : undefined;
    if (refusal === undefined) this.#send(parcel);
    else parcel.fail(refusal);
  };

  #divide(call: Call): boolean {
    if (call.slot >= 0) return splitByKeys(call, this.#direct);
    if (!this.#meansAll(call)) return false;
    // Which shards there are is known once the map is.
    if (this.status === 'ready') return fanOut(call, this.#core.router.map.aSlotOfEach(), this.#direct);
    this.#core.lifecycle.whenReady(() => {
      if (!fanOut(call, this.#core.router.map.aSlotOfEach(), this.#direct)) this.#direct(call);
    }, call);
    return true;
  }

  // Scripts and functions are of use only where every master has them, whatever is not said about other commands.
  #meansAll({ argv }: Call): boolean {
    const { fanOut } = this.options;
    if (fanOut === false) return false;
    const control = isScriptControl(argv);
    if (control) this.#scripts.note(argv);
    return control || (fanOut === true && mayFanOut(argv));
  }

  readonly #subscribe = (call: Call): void => {
    call.moment = this.#core.router.moment;
    warnOfKeyspaceChannels(call);
    if (this.status === 'ready') this.#subscriber.send(call);
    else this.#core.lifecycle.whenReady(() => this.#subscriber.send(call), call);
  };

  #hands(options: ClusterOptions): ClientHands {
    const { redisOptions = {}, showFriendlyErrorStack = redisOptions.showFriendlyErrorStack ?? false } = options;
    return {
      maker: new CallMaker(options, this.#core.router, redisOptions, this.#scripts),
      dispatcher: this.#core.router,
      friendly: showFriendlyErrorStack,
      cluster: true,
      refuse: this.#refuse,
      status: () => this.#core.lifecycle.status,
      submit: this.#submit,
      subscribe: this.#subscribe,
      submitBatch: this.#sendOfBatch,
      addressFor: ({ slot }) => (slot < 0 ? undefined : this.#core.router.map.masterOf(slot)),
      database: this.#database,
      watch: (call) => this.#cache?.watch(call),
      mayRelease: (call) => this.#core.mayRelease(call),
      release: (call) => this.#core.release(call),
      openTransaction: () => {
        throw new OptionError('pipeline', 'multi({ pipeline: false }) needs one connection; use it on one of nodes()');
      },
      quit: () => this.#quit(),
    };
  }

  async #quit(): Promise<'OK'> {
    await this.#core.quit(() => this.#subscriber.settled());
    return 'OK';
  }

  #makeCache({ clientSideCache, scaleReads, silenceTimeout }: ClusterOptions): NearCache {
    const { router, pool } = this.#core;
    return new NearCache(
      clientSideCache ?? {},
      {
        dispatcher: router,
        submit: (parcel) => this.#core.submit(parcel),
        map: () => router.map,
        readsFromReplicas: scaleReads !== undefined && scaleReads !== 'master',
        keeper: (address, events) => pool.keeper(address, false, events),
        silenceTimeout: silenceTimeout ?? 1000,
        onDropped: (cause, entries) => {
          if (cacheChannel.hasSubscribers) cacheChannel.publish({ cause, entries });
        },
        onLookup: (outcome, call) => {
          if (cacheChannel.hasSubscribers) cacheChannel.publish({ outcome, command: call.name, slot: call.slot });
        },
      },
      this.#world,
    );
  }

  #makeLifecycle(send: (parcel: Parcel) => void, backlog: Backlog): Lifecycle {
    return new Lifecycle(this, {
      offlineQueue: this.options.enableOfflineQueue ?? true,
      offlineMessage: "Cluster isn't ready and enableOfflineQueue options is false",
      backlog,
      send,
      wake: () => void this.connect().catch(() => undefined),
      onHeld: () => this.#core.watchHeld(),
      log: (line) => this.#world.log(line),
    });
  }

  #readChoice(): ReadChoice | undefined {
    const { scaleReads } = this.options;
    if (typeof scaleReads !== 'function') return undefined;
    const nodeOf = (key: string): Redis<Mapping> => this.#faceOf(this.#core.pool.open(key));
    return readChoiceOf<Redis<Mapping>>(scaleReads, nodeOf, () => this.#world.random());
  }

  #faceOf(node: PooledNode): Redis<Mapping> {
    let face = this.#faces.get(node.key);
    if (face === undefined) {
      face = new Redis<Mapping>(sharedKeeper, node.keeper, nodeOptionsOf(this.options, node), {
        subscriberOf: (client) => this.#subscriberOf(node.key, client),
        letRead: () => this.#core.pool.letRead(node),
      });
      this.#faces.set(node.key, face);
    }
    return face;
  }

  #subscriberOf(key: string, client: EventEmitter): NodeSubscriber {
    const connect: Connect = (events) => this.#core.pool.keeper(key, false, events);
    const subscriber = new NodeSubscriber(client, connect, this.options.silenceTimeout ?? 1000, this.#world);
    this.#nodeSubscribers.set(key, subscriber);
    return subscriber;
  }

  #nodeRemoved(node: PooledNode): void {
    const face = this.#faceOf(node);
    this.#faces.delete(node.key);
    this.#nodeSubscribers.get(node.key)?.stop(new AbortError('Node is disconnected', { node: node.key }));
    this.#nodeSubscribers.delete(node.key);
    tellEnd(face, () => emitSafely(this, '-node', face, node.key));
  }
}

installInternals(Cluster.prototype);
