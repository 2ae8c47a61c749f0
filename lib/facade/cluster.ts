// The public client of a cluster: ioredis's names over the core. Everything about calls, slots and connections lives below.
// Owns: the names. Does not know: how anything is done.
// Invariant: a method that ioredis has takes and gives what it takes and gives there (test/house/deviations names the rest).

import { OptionError } from '../base/errors.ts';
import { type World, worldOf } from '../base/world.ts';
import { ClusterCore } from '../core/cluster-core.ts';
import type { MakeNodeClient } from '../core/node-clients.ts';
import { scanHostOf } from '../core/scan-host.ts';
import { type ClusterStats, statsOf } from '../core/stats.ts';
import { clusterOptionsOf } from '../options/defaults.ts';
import type {
  ClusterNode,
  ClusterOptions,
  ClusterOptionsWithReplyMapping,
  ReplyMappingFromClusterOptions,
  ReplyMappingMode,
} from '../options/options.ts';
import { checkClusterOptions, checkSeedCredentials, checkStartupNodes } from '../options/verify.ts';
import { ClusterScanStream, keysOf } from '../scan/cluster-scan.ts';
import type { ScanStream, ScanStreamOptions } from '../scan/scan-stream.ts';
import { parseSeeds } from '../topology/seeds.ts';
import type { SlotMap } from '../topology/slot-map.ts';
import { Client } from './client.ts';
import { CommandBuilder } from './commands/command-builder.ts';
import { type ClusterInternals, installInternals } from './compat/cluster-internals.ts';
import { nodeOfCluster, Redis } from './redis.ts';

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
  readonly #core: ClusterCore<Redis<Mapping>>;
  readonly #world: World;
  #slots: { readonly map: SlotMap; readonly lists: string[][] } | undefined;

  constructor(startupNodes: readonly ClusterNode[], given: ClusterOptionsWithReplyMapping<Mapping> = {}) {
    super();
    checkStartupNodes(startupNodes);
    const options = clusterOptionsOf(given);
    checkClusterOptions(options);
    // Without nodes connect() rejects, and clusterRetryStrategy may name some.
    const seeds = startupNodes?.length ? parseSeeds(startupNodes) : [];
    checkSeedCredentials(seeds, options);
    this.startupNodes = startupNodes;
    this.options = options;
    this.#world = worldOf(given);
    const makeNode: MakeNodeClient<Redis<Mapping>> = (backend, own) => new Redis<Mapping>(nodeOfCluster, backend, own);
    this.#core = new ClusterCore(this, seeds, options, this.#world, makeNode, inheritedMaps.get(given));
    const { calls, router } = this.#core;
    const builder = new CommandBuilder(options, router, options.redisOptions ?? {}, calls.scripts);
    Client.attach(this, calls, builder, { ...options.redisOptions?.scripts, ...options.scripts });
    if (options.lazyConnect) this.#core.lifecycle.become('wait');
    else this.connect().catch(() => undefined);
  }

  /** slot -> `host:port` keys, master first; slots nobody owns are empty. The same array until the map changes. */
  get slots(): string[][] {
    const { map } = this.#core.router;
    if (this.#slots?.map === map) return this.#slots.lists;
    const lists = map.shards.map((shard) => [shard.master, ...shard.replicas]);
    const bySlot: string[][] = [];
    for (const number of map.table) bySlot.push(lists[number - 1] ?? []);
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
    this.#core.disconnect(reconnect);
  }

  /** A new client of the same cluster: these startup nodes unless others are given, `overrideOptions` on top. */
  duplicate<Override extends ClusterOptionsWithReplyMapping<ReplyMappingMode> | undefined = undefined>(
    overrideStartupNodes: readonly ClusterNode[] = [],
    overrideOptions?: Override,
  ): Cluster<ReplyMappingFromClusterOptions<Mapping, Override>> {
    if (typeof overrideStartupNodes !== 'object' || overrideStartupNodes === null) {
      throw new OptionError('startupNodes', 'Invalid argument: it is duplicate(startupNodes, options)');
    }
    // What is no list counts for nothing, as with ioredis: BullMQ calls duplicate({ connectionName }) of whatever client.
    const given = Array.isArray(overrideStartupNodes) && overrideStartupNodes.length > 0;
    const nodes = given ? overrideStartupNodes : this.startupNodes;
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
    const shown = [...this.#core.nodes.shown()].filter(({ node }) => role === 'all' || node.role === role);
    return shown.map(({ client }) => client);
  }

  /** What the client has done so far and what it is doing: redirects followed, refreshes by reason, calls by node. */
  stats(): ClusterStats {
    return statsOf(this.#core, this.#core.calls.cache?.stats);
  }

  /** Asks for the slot map now; `callback(error?)` or the promise gives the outcome. */
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
}

installInternals(Cluster.prototype);
