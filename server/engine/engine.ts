// What the commands of one server share, and the one place that runs a command.
// Owns: databases, parameters, clients, channels, blocked clients, counters.
// Does not know: sockets, the cluster, replication and the disk, but for the ports that a node fills in (ports.ts).
// Invariant: the effects of a command leave together, after it ran and before the next one starts.

import type { World } from '../../lib/base/world.ts';
import { Flag } from '../../lib/command/flags.ts';
import { keyIndexesOf } from '../../lib/command/keys.ts';
import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { randomId } from '../cluster/ids.ts';
import { Config } from '../config/config.ts';
import { Eviction, type EvictionHost } from '../eviction/eviction.ts';
import { OversizedReply } from '../keyspace/arguments.ts';
import { Databases } from '../keyspace/databases.ts';
import type { Store } from '../keyspace/store.ts';
import type { TrackingRequest } from '../tracking/mode.ts';
import { Tracking } from '../tracking/tracking.ts';
import { Access } from './access.ts';
import { Arrivals } from './arrivals.ts';
import { BlockedClients } from './blocking.ts';
import { Client, type ReplySink } from './client.ts';
import { describeClient } from './client-info.ts';
import { ClientMemory } from './client-memory.ts';
import { DebugSubcommands } from './debug-subcommands.ts';
import { Effects } from './effects.ts';
import { BrowserGuard } from './guarded.ts';
import { publishKeyspaceEvents } from './keyspace-events.ts';
import { keepKeyspaceSettings } from './keyspace-settings.ts';
import { LatencyHistogram, LatencyMonitor } from './latency.ts';
import { BufferBytes } from './memory.ts';
import { feedMonitors } from './monitor.ts';
import { Pauses } from './pauses.ts';
import type { ClusterPort, NodePort, PersistencePort, Ports, ReplicationPort } from './ports.ts';
import { PubSubHub } from './pubsub-hub.ts';
import { Rates } from './rates.ts';
import {
  AsyncReply,
  Blocked,
  type Command,
  type CommandGroup,
  CountedError,
  type Outcome,
  Registry,
} from './registry.ts';
import { SlowLog } from './slow-log.ts';
import { isTooLong, tooLong } from './too-long.ts';
import { limitTracking } from './tracking-limit.ts';

/** The function libraries of a server, as whoever keeps and copies its data sees them: sources, and nothing more. */
export interface FunctionStore {
  readonly sources: readonly string[];
  /** Adds one, `replace` (default false): in the place of one of that name. Throws an Error when it cannot be loaded. */
  add(source: string, replace?: boolean): void;
  /** Those take the place of what there is. Throws an Error, with everything as it was, when one cannot be loaded. */
  replaceAll(sources: readonly string[]): void;
}

/** Counters of INFO stats. */
export interface Stats {
  connections: number;
  rejectedConnections: number;
  commands: number;
  /** Commands refused before they ran. */
  rejected: number;
  /** Error replies. */
  errors: number;
  /** Clients closed because too much waited for them. */
  outputLimitClosings: number;
  /** Clients closed because they had sent too much that could not be run. */
  queryLimitClosings: number;
  /** Bytes. */
  input: number;
  output: number;
  /** Times that bytes were read from a socket, and written. */
  reads: number;
  writes: number;
}

/** What they read, their scripts read: with those that read nothing, no key is remembered. */
const readsByScript = new Set(['eval_ro', 'evalsha_ro', 'fcall_ro']);

/** Different error codes counted at most: clients can make up codes (in scripts), memory may not grow with them. */
const maxErrorCodes = 128;
const roleChanged = new ReplyError(
  'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
);

export interface EngineOptions {
  readonly world: World;
  readonly clusterEnabled?: boolean;
  /** Parameters over their defaults, by their CONFIG names. */
  readonly config?: Readonly<Record<string, string>> | Config;
  /** What it is part of, where that is known already. Default: nothing. */
  readonly ports?: Partial<Ports>;
}

export class Engine implements Ports {
  readonly world: World;
  readonly databases: Databases;
  readonly config: Config;
  /** Written by the node: what this server is part of. */
  cluster: ClusterPort | undefined;
  replication: ReplicationPort | undefined;
  persistence: PersistencePort | undefined;
  node: NodePort | undefined;
  readonly effects: Effects = new Effects(this);
  readonly registry: Registry<Client> = new Registry<Client>();
  readonly clients: Map<number, Client> = new Map();
  readonly monitors: Set<Client> = new Set();
  readonly pubsub: PubSubHub = new PubSubHub();
  readonly blocked: BlockedClients = new BlockedClients();
  readonly debug: DebugSubcommands = new DebugSubcommands();
  readonly latency: LatencyMonitor;
  readonly memory: Eviction;
  readonly bufferBytes: BufferBytes;
  readonly rates: Rates;
  readonly tracking: Tracking<Client> = new Tracking(this.clients);
  readonly pauses: Pauses;
  readonly arrivals: Arrivals = new Arrivals();
  readonly clientMemory: ClientMemory;
  readonly slowLog: SlowLog;
  readonly access: Access;
  readonly browserGuard: BrowserGuard;
  readonly started: number;
  readonly clusterEnabled: boolean;
  /** Written by the node: answers LOADING, MASTERDOWN and READONLY. */
  loading = false;
  /** Also written by the node: the first copy of its master's data is on its way, there is nothing to serve yet. */
  copying = false;
  /** A copy is taken in beside the data that is shown meanwhile (`repl-diskless-load swapdb`). */
  copyingBeside = false;
  /** A copy comes in where redis-server would show nothing meanwhile; the old data can be read here until it is whole. */
  takingCopy = false;
  primaryDown = false;
  readOnly = false;
  /**
   * A script runs that has taken too long: what everyone else is answered. Until it has ended nothing leaves, and nothing
   * else changes the data or takes a copy of it, whose half would be the script's.
   */
  busy: ReplyError | undefined = undefined;
  readonly #onFree: (() => void)[] = [];
  /** Scripts may call every command: for tests. */
  scriptsMayCallAll = false;
  /** Undefined: a server without scripts. */
  functions: FunctionStore | undefined = undefined;
  /** The lines of INFO memory about scripts. */
  scriptInfo: () => readonly string[] = () => [];
  readonly stats: Stats = {
    connections: 0,
    rejectedConnections: 0,
    commands: 0,
    rejected: 0,
    errors: 0,
    outputLimitClosings: 0,
    queryLimitClosings: 0,
    input: 0,
    output: 0,
    reads: 0,
    writes: 0,
  };
  /** Error replies by their code, for INFO errorstats. */
  readonly errorCodes: Map<string, number> = new Map();
  readonly runId: string;
  #nextId = 1;
  #tracksLatency = true;
  /** Calls that take less are of no interest to anybody. */
  #slowMs = 0;

  constructor(options: EngineOptions) {
    this.world = options.world;
    this.clusterEnabled = options.clusterEnabled ?? false;
    const mode = { 'cluster-enabled': this.clusterEnabled ? 'yes' : 'no' };
    this.config = options.config instanceof Config ? options.config : new Config({ ...mode, ...options.config });
    this.cluster = options.ports?.cluster;
    this.replication = options.ports?.replication;
    this.persistence = options.ports?.persistence;
    this.node = options.ports?.node;
    this.databases = new Databases(this.world, {
      count: this.clusterEnabled ? 1 : this.config.number('databases'),
      indexSlots: this.clusterEnabled,
    });
    keepKeyspaceSettings(this.config, this.databases);
    this.slowLog = new SlowLog(this.config);
    this.clientMemory = new ClientMemory(this.config, this.clients, (client) =>
      this.world.log(`Evicting client: ${describeClient(client)}`),
    );
    this.latency = new LatencyMonitor(this.world, this.config);
    this.bufferBytes = new BufferBytes(this.world, this.clients);
    this.rates = new Rates(this.world, this.stats);
    this.memory = new Eviction(this.world, this.databases, this.#evictionHost());
    this.pauses = new Pauses(this.world);
    this.pauses.onChange(() => {
      this.databases.deletesExpired = this.pauses.kind === undefined;
    });
    this.started = this.world.now();
    this.runId = randomId(this.world);
    this.blocked.onRefused = (argv, refusal) => {
      const command = this.registry.findTrusted(argv);
      if (!(command instanceof ReplyError)) command.failed++;
      this.countError(refusal);
    };
    this.databases.onReady = (db, key) => this.blocked.ready(this.databases.stores[db]!, key);
    this.databases.onExpired = (db, key) => this.effects.collect(db, ['DEL', key]);
    this.access = new Access(this);
    this.browserGuard = new BrowserGuard(this.world);
    this.config.onChange((name) => {
      if (name.startsWith('maxmemory')) this.#limitMemory();
      if (name.startsWith('slowlog-') || name.startsWith('latency-')) this.#readLimits();
    });
    this.#readLimits();
    this.#limitMemory();
    publishKeyspaceEvents(this.config, this.databases, this.pubsub);
    limitTracking(this.world, this.config, this.tracking);
    this.databases.start(
      () => this.finish(),
      (ms) => {
        this.latency.note('expire-cycle', ms);
        this.rates.tick();
      },
    );
  }

  add(group: CommandGroup<Client>): void {
    this.registry.add(group);
  }

  connect(sink: ReplySink): Client {
    const client = new Client(this.#nextId++, this.world, this.databases.stores[0]!, sink, false);
    this.access.beDefault(client);
    this.clients.set(client.id, client);
    this.stats.connections++;
    return client;
  }

  disconnect(client: Client): void {
    client.closed = true;
    client.blocked?.cancel();
    client.discard();
    this.pubsub.drop(client);
    this.monitors.delete(client);
    this.tracking.stop(client);
    this.clientMemory.drop(client);
    this.clients.delete(client.id);
    client.captor?.gone();
  }

  /** Ends background work. Sessions are closed by whoever opened them. */
  stop(): void {
    this.databases.stop();
  }

  /**
   * Runs a command that has passed every check, and collects what it changed. Blocks the client when it has to wait.
   * `undefined`: nothing is to be sent now.
   */
  run(client: Client, command: Command<Client>, argv: readonly string[]): Reply | undefined {
    const dirty = this.databases.dirty;
    const before = this.world.now();
    const outcome = this.#call(client, command, argv);
    const spent = this.world.now() - before;
    command.spent += spent;
    if (this.#tracksLatency) noteLatency(command, spent);
    // A call that waits is noted when it is answered.
    if (spent >= this.#slowMs && !(outcome instanceof Blocked)) this.#noteSlow(client, command, argv, spent);
    if (this.monitors.size > 0 && !this.loading) feedMonitors(this.monitors, client, command.row, argv);
    this.#collectChanges(client, argv, dirty);
    if (
      client.tracking !== undefined &&
      (command.row.flags & Flag.readonly) !== 0 &&
      !readsByScript.has(command.row.name)
    ) {
      this.tracking.remember(
        client,
        keyIndexesOf(command.row, argv).map((at) => argv[at]!),
      );
    }
    if (typeof outcome !== 'object') return outcome;
    if (outcome instanceof Blocked) return this.#block(client, argv, outcome);
    if (outcome instanceof AsyncReply)
      return client.denyBlocking ? settleNow(outcome) : this.#wait(client, argv, outcome);
    if (outcome instanceof ReplyError) {
      command.failed++;
      if (!(outcome instanceof CountedError)) this.countError(outcome);
      if (outcome instanceof OversizedReply) client.sink.refuseOutput?.(outcome.bytes);
    }
    return outcome;
  }

  /** From the first client that tracks on, changes of keys are looked up. */
  track(client: Client, request: TrackingRequest): void {
    this.tracking.start(client, request);
    this.databases.onTouched ??= (key, byItself) => this.tracking.invalidate(key, byItself);
    this.databases.onEmptied ??= () => this.tracking.invalidateAll();
  }

  countError(error: ReplyError): void {
    this.stats.errors++;
    const count = this.errorCodes.get(error.code);
    if (count !== undefined || this.errorCodes.size < maxErrorCodes) this.errorCodes.set(error.code, (count ?? 0) + 1);
  }

  /** `run` is called when a script that others had to wait for has ended, and what it changed has left. */
  onFree(run: () => void): void {
    this.#onFree.push(run);
  }

  /** A script that was `busy` is over, and what it changed has left: what waited for that goes on. */
  freed(): void {
    for (const run of this.#onFree) run();
  }

  /** After each top-level command: sends the effects on and serves waiters. */
  finish(): void {
    if (this.busy !== undefined) return;
    this.effects.flush();
    if (!this.blocked.pending) return;
    this.blocked.serve((client, argv, retry) => {
      const dirty = this.databases.dirty;
      const outer = this.tracking.enter(client);
      this.databases.reading = true;
      let reply: Reply | undefined;
      try {
        reply = retry();
      } catch (error) {
        reply = this.#refusal(error);
      }
      this.tracking.enter(outer);
      this.#collectChanges(client, argv, dirty);
      this.effects.flush();
      if (reply !== undefined) this.#noteWaited(client, argv);
      return reply;
    });
  }

  /**
   * The data is another node's from now on: who waits here for keys would pop what only that node may give, and who
   * waits for replicas would count those of another stream. They are answered and let go.
   */
  releaseBlocked(): void {
    for (const client of [...this.clients.values()]) {
      if (client.blocked?.onTimeout === undefined) continue;
      client.sink.close(true);
      this.blocked.answer(client, roleChanged);
    }
  }

  /** Replicates a command that no client sent: what a settled `AsyncReply` or the node itself did to the keys. */
  effect(store: Store, ...effects: (readonly string[])[]): void {
    for (const argv of effects) this.effects.collect(store.index, argv);
  }

  /** A call that waited for keys is as long as its waiting. */
  #noteWaited(client: Client, argv: readonly string[]): void {
    const waited = this.world.now() - client.lastActive;
    if (waited < this.slowLog.thresholdMs) return;
    const command = this.registry.findTrusted(argv);
    if (!(command instanceof ReplyError)) this.slowLog.note(client, argv, waited, command.row.name);
  }

  /** Longer than a limit of the slow log or of the latency monitor. */
  #noteSlow(client: Client, { row }: Command<Client>, argv: readonly string[], spent: number): void {
    if ((row.flags & Flag.skipSlowlog) === 0) this.slowLog.note(client, argv, spent, row.name);
    this.latency.note((row.flags & Flag.fast) !== 0 ? 'fast-command' : 'command', spent);
  }

  #readLimits(): void {
    const { latency, slowLog } = this;
    this.#tracksLatency = this.config.flag('latency-tracking');
    this.#slowMs = Math.min(slowLog.thresholdMs, latency.threshold > 0 ? latency.threshold : Number.POSITIVE_INFINITY);
  }

  #limitMemory(): void {
    const { config } = this;
    this.memory.configure({
      limit: config.number('maxmemory'),
      policy: config.get('maxmemory-policy'),
      samples: config.number('maxmemory-samples'),
      tenacity: config.number('maxmemory-eviction-tenacity'),
    });
  }

  /** Deletions that make room are effects like those of a client, each on its own. */
  #evictionHost(): EvictionHost {
    const engine = this;
    return {
      otherBytes: (fresh) => (fresh ? engine.bufferBytes.fresh : engine.bufferBytes.recent),
      onEvicted: (store, key) => {
        engine.effect(store, [engine.config.flag('lazyfree-lazy-eviction') ? 'UNLINK' : 'DEL', key]);
        engine.finish();
      },
      get exempt() {
        // A replica holds what its primary holds.
        const follows = engine.databases.mode !== 'primary' && engine.config.flag('replica-ignore-maxmemory');
        return follows || engine.loading || engine.busy !== undefined || engine.pauses.kind !== undefined;
      },
      onRound: (ms) => engine.latency.note('eviction-cycle', ms),
    };
  }

  #call(client: Client, command: Command<Client>, argv: readonly string[]): Outcome {
    command.calls++;
    this.stats.commands++;
    this.databases.reading = (command.row.flags & Flag.write) === 0;
    try {
      return command.handler(client, argv);
    } catch (error) {
      return this.#refusal(error);
    }
  }

  #refusal(error: unknown): ReplyError {
    if (error instanceof ReplyError) return error;
    if (isTooLong(error)) return tooLong;
    // A bug of ours must not take the server down; the client gets an error and the log has the stack.
    this.world.log(`internal error: ${error instanceof Error ? error.stack : String(error)}`);
    return new ReplyError('ERR internal error');
  }

  #collectChanges(client: Client, argv: readonly string[], dirtyBefore: number): void {
    const override = client.override;
    if (override !== undefined) {
      client.override = undefined;
      if (this.databases.dirty !== dirtyBefore)
        for (const effect of override) this.effects.collect(client.store.index, effect);
    } else if (this.databases.dirty !== dirtyBefore) {
      this.effects.collect(client.store.index, argv);
    }
  }

  #block(client: Client, argv: readonly string[], blocked: Blocked): undefined {
    this.blocked.block(client, argv, blocked);
    return undefined;
  }

  #wait(client: Client, argv: readonly string[], later: AsyncReply): undefined {
    let cancel: (() => void) | undefined;
    let settled = false;
    const blocked = {
      argv,
      kind: 'later' as const,
      onTimeout: later.onTimeout,
      cancel: () => {
        settled = true;
        if (client.blocked === blocked) client.blocked = undefined;
        cancel?.();
      },
    };
    client.blocked = blocked;
    cancel = later.start((reply) => {
      if (settled) return;
      settled = true;
      if (client.blocked === blocked) client.blocked = undefined;
      const override = client.override;
      client.override = undefined;
      if (override !== undefined) this.effect(client.store, ...override);
      this.finish();
      client.sink.settle(reply);
    });
    return undefined;
  }
}

function noteLatency(command: Command<Client>, ms: number): void {
  command.histogram ??= new LatencyHistogram();
  command.histogram.note(ms);
}

/** Inside EXEC nothing may wait: what is known at once is the answer. */
function settleNow(later: AsyncReply): Reply {
  let answer: Reply | undefined;
  const cancel = later.start((reply) => {
    answer ??= reply;
  });
  if (answer !== undefined) return answer;
  cancel();
  return later.onTimeout ?? new ReplyError('ERR this command cannot wait inside a transaction');
}
