// A cluster client put together, and its life from the first startup node to quit(). The public class (facade/cluster)
// adds names; what becomes of a call is cluster-calls, the map is topology, connections and redirects live below.
// Owns: the parts, and when they start and stop. Does not know: bytes, commands.
// Invariant: after `end` nothing waits, no socket is open and no timer runs.

import { lookup } from 'node:dns';
import type { EventEmitter } from 'node:events';
import { Backlog } from '../base/backlog.ts';
import { emitSafely } from '../base/emit.ts';
import { AbortError, type ClusterAllFailedError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { type Call, ownCall } from '../connection/call.ts';
import type { CredentialSource } from '../connection/credentials.ts';
import type {
  LatestOptions,
  ReconnectingConnection,
  ReconnectingState,
} from '../connection/reconnecting-connection.ts';
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
import { NodePool, type PooledNode } from '../router/node-pool.ts';
import type { ReadChoice } from '../router/node-selector.ts';
import { ReadMonitor } from '../router/read-monitor.ts';
import type { ReadPolicy } from '../router/read-policy.ts';
import { Router } from '../router/router.ts';
import { lossOf } from '../router/verdict.ts';
import type { Refresher } from '../topology/refresher.ts';
import { parseKey, type Seed, type StartupNode } from '../topology/seeds.ts';
import { SlotMap } from '../topology/slot-map.ts';
import { ClusterCalls } from './cluster-calls.ts';
import type { SharedCore } from './cluster-client.ts';
import { ConnectLoop, type ConnectSteps, type Phase } from './connect-loop.ts';
import { ConnectTracer, redirectChannel } from './diagnostics.ts';
import { awaitedBy, defaultQuitTimeout, drain, outlasts, quitTimeoutError, sendQuit } from './drain.ts';
import { heldDeadlines, unreadyReasons } from './held-deadline.ts';
import { Lifecycle, type Status } from './lifecycle.ts';
import { type MakeNodeClient, NodeClients } from './node-clients.ts';
import { readChoiceOf, readPolicyOf } from './read-choice.ts';
import { StartupNodes } from './startup-nodes.ts';
import { Topology } from './topology.ts';

/** The public client: events are emitted there, and clusterRetryStrategy, whose `this` it is, may assign its nodes. */
export interface ClusterClient extends EventEmitter {
  readonly startupNodes: readonly StartupNode[];
}

export class ClusterCore<NodeClient extends EventEmitter = EventEmitter> implements SharedCore, ConnectSteps {
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
  /** Everything that waits anywhere in this client; `maxQueueLength` and `maxQueueBytes` bound it. */
  readonly backlog: Backlog;
  /** Undefined when masters answer everything. */
  readonly reads: ReadPolicy | undefined;
  readonly #client: ClusterClient;
  readonly #credentials: CredentialSource | undefined;
  readonly #topology: Topology;
  readonly #loop: ConnectLoop;
  readonly #readMonitor: ReadMonitor | undefined;
  readonly #connects = new ConnectTracer();
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
    this.#client = client;
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
    this.#readMonitor = this.#makeReadMonitor();
    this.subscriber = this.#makeSubscriber();
    this.calls = new ClusterCalls(this);
    this.#heldDeadlines = heldDeadlines(
      waitDeadlineOf(options),
      world,
      () => this.lifecycle,
      () => unreadyReasons(this.#loop.reasons, this.startup.seeds, this.pool),
    );
  }

  get status(): Status {
    return this.lifecycle.status;
  }

  get refresher(): Refresher {
    return this.#topology.refresher;
  }

  /** Resolves at `ready`; rejects when this round fails (reconnection goes on by clusterRetryStrategy). */
  connect(): Promise<void> {
    return this.#loop.connect();
  }

  /** Closes every socket: what was written is still answered, what waits is rejected. */
  disconnect(reconnect: boolean): void {
    this.subscriber.stop(reconnect);
    this.#close(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }), reconnect);
  }

  /**
   * Everything submitted before is answered first; then closes. What has no answer after `quitTimeout` is rejected with
   * an error that says what was waited for.
   */
  async quit(): Promise<'OK'> {
    if (this.status === 'end') return 'OK';
    const limit = this.options.quitTimeout ?? this.options.redisOptions?.quitTimeout ?? defaultQuitTimeout;
    let late = false;
    let refusal: Error | undefined;
    const parting = this.#part(() => late || this.status === 'end').then((refused) => {
      refusal = refused;
    });
    late = await outlasts(parting, limit, this.world);
    const { retrying } = this.router;
    if (late) this.#closeAtOnce(quitTimeoutError(limit, awaitedBy(this.pool, retrying, this.lifecycle.held)));
    else this.#close(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }), false);
    if (refusal !== undefined) throw refusal;
    return 'OK';
  }

  /** Resolves with what a node answered to QUIT that was no OK. */
  async #part(over: () => boolean): Promise<Error | undefined> {
    if (this.lifecycle.held > 0 && this.status !== 'wait') await this.#loop.nextOutcome();
    if (over()) return undefined;
    // Nothing waits for the cluster to be found again.
    if (this.router.retrying === 0) this.#loop.cancelRetry();
    if (this.status !== 'disconnecting') this.lifecycle.become('disconnecting');
    await drain(this.pool, () => this.router.retrying, this.world, over);
    if (over()) return undefined;
    await this.subscriber.settled();
    return sendQuit(this.pool);
  }

  prepare(): void {
    this.router.reopen();
    this.pool.watch();
    this.refresher.start();
  }

  async attempt(phase: Phase): Promise<void> {
    // Startup nodes that are all others name another cluster: the old one must not be asked, or believed.
    if (await this.startup.locate(this.#client.startupNodes)) this.router.setMap(SlotMap.empty);
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
    this.#end(reason);
  }

  // What is owed has been waited for long enough.
  #closeAtOnce(reason: Error): void {
    if (!this.#beginToClose(reason)) return;
    this.router.close(reason);
    this.#closed(reason, false);
  }

  #beginToClose(reason: Error): boolean {
    if (this.status === 'end') return false;
    if (this.status !== 'disconnecting') this.lifecycle.become('disconnecting');
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
    const { phase } = this.#loop;
    void Promise.all(leaving).then(() => {
      // Unless connect() was called again meanwhile.
      if (!phase.over) this.#closed(reason, reconnect);
    });
  }

  #closed(reason: Error, reconnect: boolean): void {
    if (!this.lifecycle.closed) this.lifecycle.become('close');
    if (reconnect) this.#loop.tryAgain(reason);
    else this.#end(reason);
  }

  #end(reason: Error): void {
    this.#readMonitor?.stop();
    this.refresher.stop();
    this.calls.stop();
    this.#heldDeadlines.stop();
    this.router.close(reason);
    this.pool.closeAll(reason);
    this.lifecycle.become('end');
    this.lifecycle.failHeld((request) => lossOf(request, reason));
    this.subscriber.stop(false);
  }

  // null, as with ioredis: never try again. Many clients lose a cluster at once, so they are kept from coming back as one;
  // a strategy of the user's own is followed to the letter.
  retryDelay(times: number, reason: Error): unknown {
    const { clusterRetryStrategy: strategy } = this.options;
    const delay = strategy?.call(this.#client as never, times, reason);
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
    emitSafely(this.#client, 'refresh');
  }

  // --- Its nodes ---

  #onNodeState(connection: ReconnectingConnection, state: ReconnectingState, reason: Error | undefined): void {
    this.nodes.onState(connection, state, reason);
    this.calls.cache?.nodeState(connection, state);
    this.#connects.onState(connection, state, reason);
    if (state === 'up') {
      const node = this.pool.get(connection.address);
      if (node?.inMap) this.nodes.show(node, true);
      this.refresher.stirred();
      this.router.retryNow();
    }
    if (state === 'ended') {
      this.pool.forget(connection.address);
      this.router.forgetConnections();
    }
    if (state === 'backoff' && reason !== undefined && this.status !== 'disconnecting') {
      if (this.#isNodeError(connection, reason)) this.onNodeError(reason, connection.address);
      if (this.status === 'ready') this.refresher.suggest('outage');
    }
    if (state === 'backoff' && this.#forgetsLostNodes) {
      const node = this.pool.get(connection.address);
      if (node?.connection === connection) this.nodes.show(node, false);
    }
  }

  onNodeError(error: Error, key: string): void {
    emitSafely(this.#client, 'node error', error, key);
  }

  // As ioredis has it for a client that is ready: a server that closes a connection in good order makes no error, and a
  // node that has been taken back ('-node') makes none any more, however often it is dialed.
  #isNodeError(connection: ReconnectingConnection, reason: Error): boolean {
    if (this.status !== 'ready') return true;
    const node = this.pool.get(connection.address);
    if (node?.inMap && !node.shown) return false;
    return reason.message !== 'Connection is closed.';
  }

  // ioredis gives up a node whose socket ended, unless clusterNodeRetryStrategy says otherwise. Here it is dialed all the
  // same, for calls to find it at once when it is back; the events and nodes() that users see are ioredis's.
  get #forgetsLostNodes(): boolean {
    return typeof this.options.clusterNodeRetryStrategy !== 'function';
  }

  #onNodeAdded(node: PooledNode): void {
    if (this.options.redisOptions?.lazyConnect === false) node.connection.open();
    this.nodes.show(node, true);
  }

  #onNodeRemoved(node: PooledNode): void {
    this.reads?.forget(node.key);
    this.router.forgetLatencies(node.key);
    this.nodes.show(node, false);
  }

  #onSilence(connection: ReconnectingConnection, silent: boolean): void {
    this.calls.cache?.silence(connection, silent);
    if (silent) this.refresher.suggest('outage');
    else this.router.retryNow();
  }

  // --- Its parts ---

  #makeLifecycle(): Lifecycle {
    return new Lifecycle(this.#client, {
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
    const options = this.options;
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
        onAdd: (node) => this.#onNodeAdded(node),
        onRemove: (node) => this.#onNodeRemoved(node),
      },
      this.world,
      {
        onState: (connection, state, reason) => this.#onNodeState(connection, state, reason),
        onReady: (connection) => this.calls.nodeReady(connection),
        onPush: (connection, push) => this.calls.cache?.receive(connection, push),
        onSilence: (connection, silent) => this.#onSilence(connection, silent),
        onDrain: () => {
          if (!this.pool.needsDrain) emitSafely(this.#client, 'drain');
        },
      },
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
      this.#client,
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
