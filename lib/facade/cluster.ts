// The drop-in face of a cluster: ioredis's names, statuses and events over the core. It owns the Redis objects that
// nodes() hands out and the scripts; everything about slots, redirects and connections lives below.

import { EventEmitter } from 'node:events';
import { AbortError, cancelledBy, OptionError } from '../base/errors.ts';
import { RealWorld } from '../base/world.ts';
import { fanOut, mayFanOut } from '../batch/fan-out.ts';
import { splitByKeys } from '../batch/multi-key.ts';
import { type Callback, nodeify } from '../batch/pipeline.ts';
import { type CacheStats, NearCache } from '../cache/near-cache.ts';
import type { Script } from '../command/script.ts';
import { Call, CallFlag, type Parcel } from '../connection/call.ts';
import type { KeeperState } from '../connection/keeper.ts';
import type { Latencies } from '../router/latency.ts';
import type { PooledNode } from '../router/node-pool.ts';
import type { ReadChoice } from '../router/router.ts';
import type { RefreshReason } from '../topology/refresher.ts';
import { parseSeeds } from '../topology/seeds.ts';
import type { SlotMap } from '../topology/slot-map.ts';
import type { Encoding } from '../wire/decoder.ts';
import { slotCount } from '../wire/slot.ts';
import { limitBlocking } from './blocking-timeout.ts';
import { Cancellable } from './cancellable.ts';
import { Chain, type CommandWords } from './chain.ts';
import { ClusterCore } from './cluster-core.ts';
import { type ClusterInternals, installInternals } from './cluster-internals.ts';
import { ClusterScanStream, keysOf, scanHostOf } from './cluster-scan.ts';
import { ClusterSubscriber } from './cluster-subscriber.ts';
import type { Command } from './command.ts';
import { addScript, answer, CallMaker, installCommands, scriptOf, takeCallback, type Word } from './commander.ts';
import { Lifecycle, type Status } from './lifecycle.ts';
import { cacheChannel, commandTracing, traceCommand, tracedSubmit, traceInUnit } from './observe.ts';
import { verifyClusterOptions } from './option-checks.ts';
import type { ClusterNode, ClusterOptions, ScriptDefinition } from './options.ts';
import { readChoiceOf } from './read-choice.ts';
import { Redis, sharedKeeper } from './redis.ts';
import { installScanStreams, type KeyScanStreams, type ScanStream } from './scan-stream.ts';
import type { ChainableCommander, RedisCommander } from './surface.generated/index.ts';
import type { ScanStreamOptions } from './types.ts';

export type NodeRole = 'master' | 'slave' | 'all';

export interface ClusterStats {
  /** MOVED and ASK followed, and calls tried again for any other reason. */
  readonly redirects: { readonly moved: number; readonly ask: number; readonly retried: number };
  /** CLUSTER SLOTS rounds by what caused them. */
  readonly refreshes: Readonly<Partial<Record<RefreshReason, number>>>;
  /** Calls held until the client is ready, or waiting to be tried again. */
  readonly waiting: number;
  readonly nodes: readonly {
    readonly key: string;
    readonly role: 'master' | 'slave';
    readonly state: KeeperState;
    /** Calls sent and unanswered, or queued for this node's connection. */
    readonly inFlight: number;
    /** Smoothed round trip in milliseconds; with scaleReads, once measured. */
    readonly roundTrip: number | undefined;
    /** Milliseconds from call to reply since the node joined; blocking calls and transactions are not counted. */
    readonly latency: Latencies | undefined;
    readonly zone: string | undefined;
  }[];
  /** Undefined without `clientSideCache`. */
  readonly cache: CacheStats | undefined;
}

// The command methods are put on the prototype by installCommands; this gives them their types.
export interface Cluster extends RedisCommander<{ type: 'default' }>, KeyScanStreams, ClusterInternals {}

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods come from installCommands, users may merge their own
export class Cluster extends EventEmitter {
  readonly options: ClusterOptions;
  readonly isCluster: boolean = true;
  /** Read at each attempt to connect; clusterRetryStrategy may assign it: `this.startupNodes = [...]`. */
  startupNodes: readonly ClusterNode[];
  readonly #core: ClusterCore;
  readonly #maker: CallMaker;
  readonly #world = new RealWorld();
  readonly #faces = new Map<string, Redis>();
  readonly #scripts = new Map<string, Script>();
  readonly #subscriber: ClusterSubscriber;
  readonly #cache: NearCache | undefined;
  #slots: { readonly map: SlotMap; readonly lists: string[][] } | undefined;
  readonly #friendly: boolean;
  /** Neither crossSlot nor fanOut asked for: every call is one call. */
  readonly #plain: boolean;

  constructor(startupNodes: readonly ClusterNode[], options: ClusterOptions = {}) {
    super();
    verifyClusterOptions(options);
    const seeds = parseSeeds(startupNodes);
    this.startupNodes = startupNodes;
    const keyPrefix = options.keyPrefix ?? options.redisOptions?.keyPrefix;
    this.options = keyPrefix === undefined ? options : { ...options, keyPrefix };
    this.#plain = options.crossSlot !== 'split' && !options.fanOut;
    this.#friendly = options.showFriendlyErrorStack ?? options.redisOptions?.showFriendlyErrorStack ?? false;
    const world = this.#world;
    this.#core = new ClusterCore(seeds, options, world, (send) => this.#makeLifecycle(send), {
      readChoice: this.#readChoice(),
      onNodeAdded: (node) => this.emit('+node', this.#faceOf(node)),
      onNodeRemoved: (node) => this.#nodeRemoved(node),
      onNodeError: (error, key) => this.emit('node error', error, key),
      onRefresh: (map) => {
        this.#cache?.mapChanged(map);
        this.#subscriber.mapChanged();
        this.emit('refresh');
      },
      client: this,
      onDrain: () => this.emit('drain'),
      onReady: () => this.#subscriber.start(),
      onKeeperState: (keeper, state) => this.#cache?.nodeState(keeper, state),
      onSilence: (keeper, silent) => this.#cache?.silence(keeper, silent),
      onPush: (keeper, push) => this.#cache?.receive(keeper, push),
      onEnd: () => this.#subscriber.stop(false),
    });
    this.#cache = options.clientSideCache === undefined ? undefined : this.#makeCache(options);
    this.#maker = new CallMaker(keyPrefix, this.#core.router, options.redisOptions);
    this.#subscriber = new ClusterSubscriber(this, this.#core, options, world);
    const scripts = { ...options.redisOptions?.scripts, ...options.scripts };
    for (const [name, script] of Object.entries(scripts)) this.defineCommand(name, script);
    if (options.lazyConnect) this.#core.lifecycle.become('wait');
    else this.connect().catch(() => undefined);
  }

  get status(): Status {
    return this.#core.lifecycle.status;
  }

  /** ioredis's is a plain property, and consumers set it after quit(); the client knows better, so it is not changed. */
  set status(_told: Status) {}

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

  /** ioredis's gauge of its own auto-pipelining; here commands of a tick are never queued apart. Always 0. */
  get autoPipelineQueueSize(): number {
    return 0;
  }

  /** Resolves at `ready`. Rejects when no startup node could be used; reconnection goes on by clusterRetryStrategy. */
  connect(): Promise<void> {
    return this.#core.connect();
  }

  /** Closes every connection now; pending commands are rejected with "Connection is closed.". */
  disconnect(reconnect = false): void {
    this.#subscriber.stop(reconnect);
    this.#core.disconnect(reconnect);
  }

  /** QUIT on every node: what was sent before is answered first. Resolves with "OK"; later commands are rejected. */
  quit(callback?: Callback<'OK'>): Promise<'OK'> {
    const quitting = this.#quit();
    if (callback !== undefined) nodeify(quitting, callback);
    return quitting;
  }

  /** A new client of the same cluster: these startup nodes unless others are given, `overrideOptions` on top. */
  duplicate(overrideStartupNodes: readonly ClusterNode[] = [], overrideOptions: ClusterOptions = {}): Cluster {
    const nodes = overrideStartupNodes.length > 0 ? overrideStartupNodes : this.startupNodes;
    const redisOptions = { ...this.options.redisOptions, ...overrideOptions.redisOptions };
    return new Cluster(nodes, { ...this.options, ...overrideOptions, redisOptions });
  }

  /** The nodes of the slot map as single-node clients, on the cluster's own connections. */
  nodes(role: NodeRole = 'all'): Redis[] {
    if (role !== 'all' && role !== 'master' && role !== 'slave') {
      throw new OptionError('role', `Invalid role "${String(role)}". Expected "all", "master" or "slave"`);
    }
    const nodes = [...this.#core.pool.all()].filter((node) => node.inMap && (role === 'all' || node.role === role));
    return nodes.map((node) => this.#faceOf(node));
  }

  /** What the client has done so far and what it is doing: redirects followed, refreshes by reason, calls by node. */
  stats(): ClusterStats {
    const { router, refresher, pool, lifecycle, reads } = this.#core;
    return {
      redirects: { ...router.counts },
      refreshes: { ...refresher.counts },
      waiting: lifecycle.held + router.parked,
      nodes: [...pool.all()].map(({ key, role, keeper }) => ({
        key,
        role,
        state: keeper.state,
        inFlight: keeper.load,
        roundTrip: reads?.roundTrip(key),
        zone: reads?.zoneOf(key),
        latency: router.latencies(key),
      })),
      cache: this.#cache?.stats,
    };
  }

  /** Asks for the slot map now; `callback(error?)` or the promise tells the outcome. */
  refreshSlotsCache(callback?: (error?: Error) => void): Promise<void> {
    const refreshing = this.#core.refresher.refresh('manual');
    if (callback !== undefined) refreshing.then(() => callback(undefined), callback);
    return refreshing;
  }

  /** Collects commands and sends them as one batch; `exec()` gives `[error, result][]` in call order. */
  pipeline(commands?: readonly CommandWords[]): ChainableCommander {
    return this.#chain(false, commands);
  }

  /** A transaction on one slot; it follows MOVED and ASK whole. */
  multi(options: { pipeline: false }): Promise<'OK'>;
  multi(options: { pipeline: true }): ChainableCommander;
  multi(commands?: readonly CommandWords[], options?: { pipeline?: boolean }): ChainableCommander;
  multi(commands?: readonly CommandWords[] | { pipeline?: boolean }, options?: { pipeline?: boolean }): unknown {
    const settings = Array.isArray(commands) ? options : ((commands as { pipeline?: boolean } | undefined) ?? options);
    if (settings?.pipeline === false) {
      throw new OptionError('pipeline', 'multi({ pipeline: false }) needs one connection; use it on one of nodes()');
    }
    return this.#chain(true, Array.isArray(commands) ? commands : undefined);
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

  /** scanStream() key by key: `for await (const key of cluster.scanIterator({ match: 'user:*' }))`. */
  scanIterator(options: ScanStreamOptions = {}): AsyncGenerator<string> {
    return keysOf<string>(this.scanStream(options));
  }

  #scan(options: ScanStreamOptions, text: boolean): ScanStream {
    return new ClusterScanStream(this, scanHostOf(this.#core, this, this.options, this.#world), options, text);
  }

  /** The same commands, cancelled together when `signal` fires: `cluster.withAbortSignal(signal).get('k')`. */
  withAbortSignal(signal: AbortSignal): Cancellable {
    return new Cancellable(
      {
        maker: this.#maker,
        scripts: this.#scripts,
        submit: this.#submit,
        release: (call) => {
          if ((call.flags & CallFlag.blocking) === 0) return;
          // Settled first, so that its loss does not send it again.
          call.fail(cancelledBy(signal));
          this.#core.pool.release(call);
        },
        chain: (transaction) => this.#chain(transaction, undefined),
      },
      signal,
    );
  }

  /** `await using cluster = new Cluster(...)`: quits at the end of the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.status !== 'end') await this.quit().catch(() => this.disconnect());
  }

  /** `using`: disconnects at the end of the block. */
  [Symbol.dispose](): void {
    this.disconnect();
  }

  /** Adds `name` and `nameBuffer`: EVALSHA of the script, with EVAL where a node does not know it. */
  defineCommand(name: string, definition: ScriptDefinition): void {
    const script = scriptOf(definition);
    this.#scripts.set(name, script);
    addScript(this, name, script);
  }

  /** Sends a Command made by hand and returns its promise. */
  sendCommand(command: Command): Promise<unknown> {
    const call = command.toCall(this.#maker);
    if ((call.flags & CallFlag.subscribing) === 0) this.#submit(call);
    else this.#subscribe(call);
    return command.promise;
  }

  execute(word: Word, args: unknown[], encoding: Encoding): unknown {
    const callback = takeCallback(args);
    const call = this.#maker.make(word, args, encoding);
    const submit = (word.flags & CallFlag.subscribing) === 0 ? this.#submit : this.#subscribe;
    return this.#answer(call, callback, submit);
  }

  executeScript(script: Script, args: unknown[], encoding: Encoding): unknown {
    const callback = takeCallback(args);
    return this.#answer(this.#maker.makeScript(script, args, encoding), callback, this.#submit);
  }

  #answer(call: Call, callback: Callback<unknown> | undefined, submit: (call: Call) => void): Promise<unknown> {
    if (!commandTracing.hasSubscribers) return answer(call, callback, this.#friendly, submit);
    return traceCommand(call, this.#ownerOf(call), () => answer(call, callback, this.#friendly, submit));
  }

  #ownerOf({ slot }: Call): string | undefined {
    return slot < 0 ? undefined : this.#core.router.map.masterOf(slot);
  }

  readonly #submit = (call: Call): void => {
    call.startedAt = this.#core.router.now();
    if ((call.flags & CallFlag.blocking) !== 0) this.#limit(call);
    this.#send(call);
  };

  #limit(call: Call): void {
    limitBlocking(call, this.options.redisOptions ?? {}, this.#world, (late) => this.#core.pool.release(late));
  }

  readonly #direct = (parcel: Parcel): void => {
    const cache = this.#cache;
    if (cache !== undefined && parcel instanceof Call) {
      if (this.status !== 'ready') cache.watch(parcel);
      else if (cache.handle(parcel)) return;
    }
    this.#core.submit(parcel);
  };

  // With crossSlot or fanOut a call may become several; everything else goes straight on.
  readonly #send = (parcel: Parcel): void => {
    if (this.#plain || !(parcel instanceof Call) || !this.#divide(parcel)) this.#direct(parcel);
  };

  #divide(call: Call): boolean {
    if (call.slot >= 0) return this.options.crossSlot === 'split' && splitByKeys(call, this.#direct);
    if (!this.options.fanOut || !mayFanOut(call.argv)) return false;
    // Which shards there are is known once the map is.
    if (this.status === 'ready') return fanOut(call, this.#core.router.map.aSlotOfEach(), this.#direct);
    this.#core.lifecycle.whenReady(() => {
      if (!fanOut(call, this.#core.router.map.aSlotOfEach(), this.#direct)) this.#direct(call);
    }, call);
    return true;
  }

  readonly #subscribe = (call: Call): void => {
    call.startedAt = this.#core.router.now();
    if (this.status === 'ready') this.#subscriber.send(call);
    else this.#core.lifecycle.whenReady(() => this.#subscriber.send(call), call);
  };

  async #quit(): Promise<'OK'> {
    if (this.status === 'end') throw new AbortError('Connection is closed.', { code: 'ERR_CLOSED' });
    this.#subscriber.stop(false);
    await this.#core.quit();
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
      },
      this.#world,
    );
  }

  #makeLifecycle(send: (parcel: Parcel) => void): Lifecycle {
    return new Lifecycle(this, {
      offlineQueue: this.options.enableOfflineQueue ?? true,
      offlineMessage: "Cluster isn't ready and enableOfflineQueue options is false",
      maxQueueLength: this.options.maxQueueLength ?? 1_000_000,
      maxQueueBytes: this.options.maxQueueBytes ?? 512 * 1024 * 1024,
      send,
      wake: () => void this.connect().catch(() => undefined),
    });
  }

  #chain(transaction: boolean, commands: readonly CommandWords[] | undefined): Chain {
    const host = {
      dispatcher: this.#core.router,
      submit: tracedSubmit(this.#send, (call) => this.#ownerOf(call)),
      watch: (call: Call) => {
        this.#cache?.watch(call);
        traceInUnit(call, this.#ownerOf(call));
      },
    };
    const chain = new Chain(host, this.#maker, this.#scripts, transaction, true);
    return chain.addBatch(commands ?? []);
  }

  #readChoice(): ReadChoice | undefined {
    const { scaleReads } = this.options;
    if (typeof scaleReads !== 'function') return undefined;
    const nodeOf = (key: string): Redis => this.#faceOf(this.#core.pool.open(key));
    return readChoiceOf<Redis>(scaleReads, nodeOf, () => this.#world.random());
  }

  #faceOf(node: PooledNode): Redis {
    let face = this.#faces.get(node.key);
    if (face === undefined) {
      const [host, port] = [
        node.key.slice(0, node.key.lastIndexOf(':')),
        Number(node.key.slice(node.key.lastIndexOf(':') + 1)),
      ];
      // The cluster's own key prefix is the cluster's: a node takes keys as they are, as with ioredis.
      face = new Redis(sharedKeeper, node.keeper, { ...this.options.redisOptions, host, port });
      this.#faces.set(node.key, face);
    }
    return face;
  }

  #nodeRemoved(node: PooledNode): void {
    const face = this.#faceOf(node);
    this.#faces.delete(node.key);
    this.emit('-node', face, node.key);
  }
}

installCommands(Cluster.prototype);
installScanStreams(Cluster.prototype);
installInternals(Cluster.prototype);
