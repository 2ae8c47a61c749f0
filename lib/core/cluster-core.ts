// A cluster client put together: its parts, what one attempt to connect does with them, and what becomes of a new map. The
// public class (facade/cluster) adds names; what becomes of a call is cluster-calls, of a node's events node-events; when
// it connects is connect-loop, how it leaves shutdown; the map is topology, connections and redirects live below.
// Owns: the parts, and when they start. Does not know: bytes, commands.
// Invariant: there is one of each part for the whole life of the client, however often it closes and connects again.

import { lookup } from 'node:dns';
import type { EventEmitter } from 'node:events';
import { Backlog } from '../base/backlog.ts';
import { emitSafely } from '../base/emit.ts';
import type { ClusterAllFailedError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { type Call, ownCall } from '../connection/call.ts';
import type { CredentialSource } from '../connection/credentials.ts';
import type { LatestOptions, ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import { adoptDatabase } from '../options/database.ts';
import { defaultClusterRetryStrategy } from '../options/defaults.ts';
import {
  connectionOptionsOf,
  credentialSourceOf,
  redialDelay,
  retryDeadlineOf,
  retryRulesOf,
  waitDeadlineOf,
} from '../options/derive.ts';
import type { ClusterOptions } from '../options/options.ts';
import { ClusterSubscriber } from '../pubsub/cluster-subscriber.ts';
import type { Deadlines } from '../router/deadlines.ts';
import { NodePool } from '../router/node-pool.ts';
import type { ReadChoice } from '../router/node-selector.ts';
import { ReadMonitor } from '../router/read-monitor.ts';
import type { ReadPolicy } from '../router/read-policy.ts';
import { Router } from '../router/router.ts';
import type { Refresher } from '../topology/refresher.ts';
import { parseKey, type Seed, type StartupNode } from '../topology/seeds.ts';
import { SlotMap } from '../topology/slot-map.ts';
import { ClusterCalls } from './cluster-calls.ts';
import { ConnectLoop, type ConnectSteps, type Phase } from './connect-loop.ts';
import { redirectChannel } from './diagnostics.ts';
import { heldDeadlines, unreadyReasons } from './held-deadline.ts';
import { Lifecycle, type Status } from './lifecycle.ts';
import { type MakeNodeClient, NodeClients } from './node-clients.ts';
import { NodeEvents, type NodeOwner } from './node-events.ts';
import { readChoiceOf, readPolicyOf } from './read-choice.ts';
import { Shutdown } from './shutdown.ts';
import { StartupNodes } from './startup-nodes.ts';
import { Topology } from './topology.ts';

/** The public client: events are emitted there, and clusterRetryStrategy, whose `this` it is, may assign its nodes. */
export interface ClusterClient extends EventEmitter {
  readonly startupNodes: readonly StartupNode[];
}

export class ClusterCore<NodeClient extends EventEmitter = EventEmitter> implements NodeOwner, ConnectSteps {
  readonly client: ClusterClient;
  readonly options: ClusterOptions;
  readonly world: World;
  readonly startup: StartupNodes;
  readonly lifecycle: Lifecycle;
  readonly pool: NodePool;
  readonly router: Router;
  /** What the client's methods stand on. */
  readonly calls: ClusterCalls;
  readonly nodes: NodeClients<NodeClient>;
  readonly subscriber: ClusterSubscriber;
  readonly refresher: Refresher;
  /** Everything that waits anywhere in this client; `maxQueueLength` and `maxQueueBytes` bound it. */
  readonly backlog: Backlog;
  /** Undefined when masters answer everything. */
  readonly reads: ReadPolicy | undefined;
  readonly #credentials: CredentialSource | undefined;
  readonly #topology: Topology;
  readonly #loop: ConnectLoop;
  readonly #shutdown: Shutdown;
  readonly #readMonitor: ReadMonitor | undefined;
  /** Of calls held until the client is ready. */
  readonly #heldDeadlines: Deadlines;
  /** The map of a client whose duplicate this is, until it has been used, once. */
  #inherited: SlotMap | undefined;

  constructor(
    client: ClusterClient,
    seeds: readonly Seed[],
    options: ClusterOptions,
    world: World,
    makeNode: MakeNodeClient<NodeClient>,
    inherited: SlotMap | undefined,
  ) {
    this.client = client;
    this.options = options;
    this.world = world;
    this.#inherited = inherited;
    adoptDatabase(options, seeds);
    this.backlog = new Backlog(options);
    this.startup = new StartupNodes(seeds, options, world);
    this.lifecycle = this.#makeLifecycle();
    this.#loop = new ConnectLoop(this.lifecycle, world, this);
    this.#credentials = credentialSourceOf(options.redisOptions ?? {}, world, (error) =>
      this.lifecycle.reportError(error),
    );
    this.pool = this.#makePool();
    this.nodes = new NodeClients(client, makeNode, options, () => this.pool, world);
    this.reads = readPolicyOf(options, (key) => this.pool.usable(key), world);
    this.router = this.#makeRouter();
    this.#topology = new Topology(this, this.#loop);
    this.refresher = this.#topology.refresher;
    this.#readMonitor = this.#makeReadMonitor();
    this.subscriber = this.#makeSubscriber();
    this.calls = new ClusterCalls(this);
    this.#heldDeadlines = heldDeadlines(
      waitDeadlineOf(options),
      world,
      () => this.lifecycle,
      () => unreadyReasons(this.#loop.reasons, this.startup.seeds, this.pool),
    );
    const timed = [this.refresher, this.calls, this.#heldDeadlines];
    this.#shutdown = new Shutdown(this, this.#loop, this.#readMonitor, timed);
  }

  get status(): Status {
    return this.lifecycle.status;
  }

  /** Resolves at `ready`; rejects when this round fails (reconnection goes on by clusterRetryStrategy). */
  connect(): Promise<void> {
    return this.#loop.connect();
  }

  disconnect(reconnect: boolean): void {
    this.#shutdown.disconnect(reconnect);
  }

  quit(): Promise<'OK'> {
    return this.#shutdown.quit();
  }

  prepare(): void {
    this.router.reopen();
    this.pool.watch();
    this.refresher.start();
  }

  async attempt(phase: Phase): Promise<void> {
    // Startup nodes that are all others name another cluster: the old one must not be asked, or believed.
    if (await this.startup.locate(this.client.startupNodes)) this.router.setMap(SlotMap.empty);
    // Once for all nodes, and before the time runs that these have to answer.
    if (this.#credentials !== undefined) await this.#credentials.take();
    if (phase.over) return;
    const inherited = this.#inherited;
    this.#inherited = undefined;
    const info = inherited === undefined ? undefined : await this.#topology.inherit(inherited, phase);
    if (phase.over) return;
    const checks = this.options.enableReadyCheck ?? true;
    if (info === undefined) await this.#topology.fetchFirst(checks);
    if (phase.over) return;
    this.lifecycle.become('connect');
    // What is held will need its nodes as soon as the cluster has said that it is well.
    this.lifecycle.forEachHeld((request) => this.router.prepare(request));
    if (checks) await this.#topology.checkState(info);
  }

  succeeded(): void {
    this.#topology.connected();
    this.subscriber.start();
    this.#readMonitor?.start();
  }

  gaveUp(reason: Error): void {
    this.#shutdown.end(reason);
  }

  // null, as with ioredis: never try again. Many clients lose a cluster at once, so they are kept from coming back as one;
  // a strategy of the user's own is followed to the letter.
  retryDelay(times: number, reason: Error): unknown {
    const { clusterRetryStrategy: strategy } = this.options;
    const delay = strategy?.call(this.client as never, times, reason);
    if (strategy !== defaultClusterRetryStrategy || typeof delay !== 'number') return delay;
    return delay * (1 + this.world.random() * 0.25);
  }

  // Ready, and yet nobody answers any more: start over from the seeds.
  onRefreshFailed(error: ClusterAllFailedError): void {
    if (this.status !== 'ready') return;
    if ([...this.pool.all()].some((node) => node.connection.state === 'up')) return;
    const { phase } = this.#loop;
    this.lifecycle.reportError(error);
    // A listener has ended the client, or connected it anew.
    if (phase.over) return;
    this.lifecycle.become('close');
    this.#loop.tryAgain(error);
  }

  onMap(map: SlotMap, changed: boolean): void {
    if (changed) {
      this.calls.cache?.mapChanged(map);
      this.subscriber.mapChanged();
    }
    emitSafely(this.client, 'refresh');
  }

  onNodeError(error: Error, key: string): void {
    emitSafely(this.client, 'node error', error, key);
  }

  // --- Its parts ---

  #makeLifecycle(): Lifecycle {
    return new Lifecycle(this.client, {
      offlineQueue: this.options.enableOfflineQueue ?? true,
      offlineMessage: "Cluster isn't ready and enableOfflineQueue options is false",
      backlog: this.backlog,
      send: (request) => this.router.send(request),
      wake: () => void this.connect().catch(() => undefined),
      onHeld: () => this.#heldDeadlines.start(),
      log: (line) => this.world.log(line),
    });
  }

  #makePool(): NodePool {
    const { options } = this;
    const events = new NodeEvents(this);
    const { dnsLookup, scaleReads = 'master' } = options;
    return new NodePool(
      {
        optionsFor: (key) => ({
          ...this.#nodeOptions(key),
          latest: () => this.#latestIdentity(key),
          // The system's own is what sockets use by themselves, and then they try every address of a name.
          dnsLookup: dnsLookup === lookup ? undefined : (dnsLookup ?? undefined),
          retryDelay: (times) => redialDelay(options.clusterNodeRetryStrategy, times, this.world),
          credentials: this.#credentials,
          holdWhileDown: false,
          identify: true,
          steadyAfter: 1000,
          backlog: this.backlog,
          // Lost with its connection it counts as written: it is sent again, if that is allowed.
          earlyReads: retryRulesOf(options).maxResends > 0 && !this.calls.preparesNodes,
        }),
        readFromReplicas: scaleReads !== 'master',
        onSilent: () => this.refresher.suggest('outage'),
        limits: { silence: options.silenceTimeout ?? 1000, deadline: retryDeadlineOf(options) },
        maxBlockingConnections: options.maxBlockingConnections ?? 64,
        roleCall: (argv) => ownCallOf(argv),
        onAdd: (node) => events.onAdd(node),
        onRemove: (node) => events.onRemove(node),
      },
      this.world,
      events,
    );
  }

  #nodeOptions(key: string): ReturnType<typeof connectionOptionsOf> {
    return connectionOptionsOf(this.options.redisOptions ?? {}, this.startup.optionsOf(key));
  }

  // Read before each dial: users rotate passwords and certificates by assigning options.
  #latestIdentity(key: string): LatestOptions {
    const { username, password, tls } = this.#nodeOptions(key);
    const { host, port } = parseKey(key);
    return { address: key, host, port, username, password, tls };
  }

  #makeRouter(): Router {
    const options = this.options;
    return new Router(
      {
        ...retryRulesOf(options),
        reads: this.reads,
        readChoice: this.#makeReadChoice(),
        natMap: options.natMap,
        guard: this.startup.guard,
        backlog: this.backlog,
      },
      this.pool,
      this.world,
      {
        onHint: (reason) => this.refresher.suggest(reason),
        onRedirect: (kind, { slot, attempts, writes }, error, from, to) => {
          if (redirectChannel.hasSubscribers)
            redirectChannel.publish({ kind, slot, from, to, error, attempts, writes });
        },
        onPatched: (map) => this.onMap(map, true),
      },
    );
  }

  #makeReadChoice(): ReadChoice | undefined {
    const { scaleReads } = this.options;
    if (typeof scaleReads !== 'function') return undefined;
    const nodeOf = (key: string): NodeClient => this.nodes.of(this.pool.open(key));
    return readChoiceOf<NodeClient>(scaleReads as never, nodeOf, () => this.world.random());
  }

  #makeReadMonitor(): ReadMonitor | undefined {
    if (this.reads === undefined) return undefined;
    const period = this.options.replicaCheckInterval ?? 1000;
    const ask = (connection: ReconnectingConnection, argv: readonly string[]): Promise<unknown> =>
      this.#topology.ask(connection, argv);
    // Certain news is worth asking at once; where the map stays as it is, it waits for its turn like any hint.
    const onPromoted = (first: boolean): void => this.refresher.suggest(first ? 'outage' : 'moved');
    return new ReadMonitor(this.reads, this.pool, this.world, { period, ask, onPromoted });
  }

  #makeSubscriber(): ClusterSubscriber {
    const { redisOptions, silenceTimeout = 1000 } = this.options;
    return new ClusterSubscriber(
      this.client,
      { pool: this.pool, router: this.router, refresher: this.refresher },
      { connectionName: redisOptions?.connectionName, silenceTimeout, deadline: waitDeadlineOf(this.options) },
      this.world,
    );
  }
}

function ownCallOf(argv: readonly string[]): Call {
  const { call, answer } = ownCall(argv);
  answer.catch(() => undefined);
  return call;
}
