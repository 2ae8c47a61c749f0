// Puts one node together: engine, listeners, cluster membership, replication, persistence, key migration.
// Owns: these parts, and the order in which they start and stop.
// Does not know: any rule of theirs; each is in its own room.
// Invariant: clients are answered LOADING from listen() until start(); close() closes every part once, whoever calls it
// and however far the start came.

import type { World } from '../../lib/base/world.ts';
import type { ReplyError } from '../../lib/wire/reply.ts';
import type { OpenBus } from '../bus/bus.ts';
import { openLoopbackBus } from '../bus/loopback.ts';
import { type ClusterState, me } from '../cluster/state.ts';
import { createEngine } from '../command/all.ts';
import type { Config } from '../config/config.ts';
import { TlsConfig } from '../config/tls.ts';
import { debugSubcommands } from '../debug/debug.ts';
import type { Execute } from '../engine/dispatch.ts';
import type { Engine } from '../engine/engine.ts';
import type { NodePort, ShutdownHow } from '../engine/ports.ts';
import { PacketFilter } from '../faults/packet-filter.ts';
import type { Store } from '../keyspace/store.ts';
import { clusterCommands } from '../membership/commands.ts';
import { clusterDebugSubcommands } from '../membership/debug-commands.ts';
import { ClusterMember } from '../membership/membership.ts';
import { ClusterFile } from '../membership/nodes-file.ts';
import { busSettings, settingsOf, watchAnnounced } from '../membership/settings.ts';
import { migrateCommands } from '../migrate/commands.ts';
import { KeyLocks } from '../migrate/key-locks.ts';
import { LinkCache } from '../migrate/link-cache.ts';
import { wrapWithKeyLocks } from '../migrate/lock-gate.ts';
import { persistenceCommands } from '../persistence/commands.ts';
import { PersistenceManager } from '../persistence/persistence.ts';
import { InProcessSaver } from '../persistence/saver/in-process.ts';
import { BackgroundSaves, type Saver } from '../persistence/saver/saver.ts';
import { replicationCommands } from '../replication/commands.ts';
import { NodeReplication } from '../replication/replication.ts';
import { addScriptCommands } from '../script/commands.ts';
import { Libraries } from '../script/libraries.ts';
import { Scripts } from '../script/script.ts';
import { loadAclFile } from './acl-file.ts';
import { type ConfigFile, NodeControl } from './control.ts';
import { Listeners } from './listeners.ts';
import { MemberData } from './member-data.ts';
import { Shutdown } from './shutdown.ts';

/** What may stand around the parts of a node; each is left out by default. */
interface NodeDecorators {
  readonly bus?: (open: OpenBus) => OpenBus;
  /** Runs the requests of clients. */
  readonly execute?: Execute;
  /** As NodeData. */
  readonly advertise?: (state: ClusterState) => ClusterState;
  /** As NodePort. */
  readonly freezeFor?: NodePort['freezeFor'];
}

export interface ServerNodeOptions {
  readonly world: World;
  readonly host: string;
  /** All addresses to listen on, `host` first. Default `host` alone. */
  readonly hosts?: readonly string[];
  /** 0: any free port. Undefined: no TCP port, a unix socket alone. */
  readonly port: number | undefined;
  readonly cluster: boolean;
  /** How nodes talk: within this process, the default, or over TCP as redis-server does. */
  readonly bus?: 'loopback' | 'tcp';
  /** Parameters by their redis.conf names. With a `dir`, data and cluster configuration are kept there. */
  readonly config: Readonly<Record<string, string>> | Config;
  /** CONFIG REWRITE, where there is a file to rewrite. */
  readonly configFile?: ConfigFile;
  /** Called once the ports are open and before any data is loaded. */
  readonly onListening?: (port: number) => void;
  /** A process of its own: DEBUG SLEEP stops it for `ms`. */
  readonly blockFor?: (ms: number) => void;
  /** A process of its own: DEBUG SEGFAULT ends it. */
  readonly crash?: (signal: 'SIGSEGV' | 'SIGABRT') => void;
  /** Writes what is saved in the background. Default: this process does. */
  readonly saver?: Saver;
  readonly decorators?: NodeDecorators;
  /** Called when a promise to keep something on the disk was broken; the node is closing then. */
  readonly onFatal?: (reason: string) => void;
}

export class ServerNode {
  readonly options: ServerNodeOptions;
  readonly engine: Engine;
  readonly #locks = new KeyLocks();
  readonly #links: LinkCache;
  readonly #replication: NodeReplication;
  readonly #listeners: Listeners;
  #member: ClusterMember | undefined;
  #clusterFile: ClusterFile | undefined;
  #savedState: ClusterState | undefined;
  readonly packetFilter: PacketFilter = new PacketFilter();
  readonly #persistence: PersistenceManager | undefined;
  readonly #shutdown: Shutdown;
  readonly #scripts: Scripts;
  readonly #libraries: Libraries;
  #closing: Promise<void> | undefined;
  readonly #onClosed: (() => void)[] = [];

  constructor(options: ServerNodeOptions) {
    this.options = options;
    const { world } = options;
    this.engine = createEngine({
      world,
      clusterEnabled: options.cluster,
      config: options.config,
    });
    this.engine.loading = true;
    this.#scripts = new Scripts(this.engine);
    this.#libraries = new Libraries(this.engine, this.#scripts);
    addScriptCommands(this.engine, this.#scripts, this.#libraries);
    const tls = new TlsConfig(this.engine.config);
    const saves = new BackgroundSaves(options.saver ?? new InProcessSaver());
    this.#listeners = new Listeners(this.engine, {
      ...options,
      hosts: options.hosts ?? [options.host],
      bus: options.bus === 'tcp' ? busSettings(world, this.engine.config, tls, () => this.#member) : undefined,
      tls,
      execute: options.decorators?.execute,
    });
    if (this.engine.config.get('dir') !== '') {
      this.#persistence = new PersistenceManager(this.engine, (reason) => this.#stopAtOnce(reason), saves);
    }
    this.#links = new LinkCache(world, () => (this.engine.config.flag('tls-cluster') ? tls.forDialling() : undefined));
    this.#replication = new NodeReplication(this.engine, this.#listeners, tls, saves);
    this.#replication.disk = this.#persistence?.snapshots;
    this.engine.add(replicationCommands(this.#replication));
    // Clients are not sent to a replica at offset 0, so the first step away from it is announced at once.
    this.#replication.onFirstByte(() => this.#announceOffset());
    // Who was linked for a moment between two ticks holds a copy too, and may take its master's place.
    this.#replication.onLinked(() => this.#member?.refresh());
    this.#shutdown = new Shutdown({
      world,
      config: this.engine.config,
      pauses: this.engine.pauses,
      replication: this.#replication,
      persistence: this.#persistence,
      // What a script has half done must not be what the last snapshot shows.
      cronPaused: () => this.engine.databases.cronPaused || this.engine.busy !== undefined,
      stop: () => void this.close(),
    });
    this.engine.replication = this.#replication;
    this.engine.persistence = this.#persistence;
    this.engine.node = new NodeControl({
      engine: this.engine,
      shutdown: this.#shutdown,
      listeners: this.#listeners,
      configFile: options.configFile,
      links: this.#links,
      crash: options.crash,
      blockFor: options.blockFor,
      freezeFor: options.decorators?.freezeFor,
    });
  }

  get port(): number {
    return this.#listeners.port;
  }

  /** As other nodes are to know them. */
  get ports(): { readonly port: number; readonly cport: number; readonly plainPort: number } {
    return this.#listeners.ports;
  }

  /** The bus port. */
  get cport(): number {
    return this.#listeners.cport;
  }

  /** Everything a node in cluster mode holds. */
  get store(): Store {
    return this.engine.databases.stores[0]!;
  }

  get member(): ClusterMember {
    if (this.#member === undefined) throw new Error('this node is not part of a cluster');
    return this.#member;
  }

  get isReplica(): boolean {
    return this.#replication.following || (this.#member !== undefined && me(this.#member.state).role === 'replica');
  }

  /** `run` is called when it has become a master or a replica. */
  onRole(run: () => void): void {
    this.#replication.onRole(run);
  }

  /** Bytes of the replication stream, sent or applied; 0: nobody has attached yet. */
  get offset(): number {
    return this.#replication.offset;
  }

  /** Whether its copy of the master is whole and every node could send readers to it. */
  get synced(): boolean {
    return this.#replication.linked && this.#replication.offset > 0;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Opens the ports, so that the node's address is known, then loads what is on the disk; LOADING until start(). */
  async listen(): Promise<void> {
    const { cluster, world } = this.options;
    const { config } = this.engine;
    if (cluster && config.get('dir') !== '') {
      this.#clusterFile = new ClusterFile(config.get('dir'), config.get('cluster-config-file'), world);
    }
    loadAclFile(this.engine);
    await this.#listeners.open();
    this.options.onListening?.(this.port);
    this.#savedState = this.#clusterFile?.load();
    if (this.#persistence === undefined) return;
    this.engine.add(persistenceCommands(this.#persistence));
    // What was logged may be of these.
    this.engine.add(migrateCommands(this.engine, this.#locks, this.#links));
    const wasReplica = this.#savedState !== undefined && me(this.#savedState).role === 'replica';
    const following = wasReplica || config.get('replicaof') !== '';
    if (following) this.#replication.expectPrimary();
    await this.#persistence.load({ following });
  }

  /** The view of the cluster that listen() found on the disk; undefined: none was. */
  get savedState(): ClusterState | undefined {
    return this.#savedState;
  }

  /** A promise was broken: nobody may get another reply. */
  #stopAtOnce(reason: string): void {
    this.options.world.log(reason);
    for (const session of this.#listeners.sessions()) session.close(false);
    void this.close();
    this.options.onFatal?.(reason);
  }

  /** Takes its place with `state` as its view of the cluster; undefined: a node on its own. */
  start(state: ClusterState | undefined, up = false): void {
    if (state !== undefined) this.#join(state, up);
    this.#replication.start();
    this.engine.add(clusterCommands(this.#member));
    this.engine.add(migrateCommands(this.engine, this.#locks, this.#links));
    this.engine.debug.add(debugSubcommands(this.engine, this.#persistence, this.#replication));
    this.engine.debug.add(clusterDebugSubcommands(this.#member, this.packetFilter));
    wrapWithKeyLocks(this.engine, this.#locks);
    this.engine.loading = false;
  }

  /** Stops in order, as SHUTDOWN does; `done` gets the refusal, or undefined. */
  stop(how: ShutdownHow, done: (refusal: ReplyError | undefined) => void): void {
    this.#shutdown.ask(how, done);
  }

  /** Lets go of everything, sockets first. What the clients had sent and got no answer for is lost. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** `run` is called once the node is closed, by whomever. */
  onClosed(run: () => void): void {
    if (this.#closing !== undefined) void this.#closing.then(run);
    else this.#onClosed.push(run);
  }

  async #close(): Promise<void> {
    this.#scripts.close();
    this.#member?.close();
    this.#replication.close();
    this.#links.close();
    await this.#listeners.close();
    this.engine.stop();
    await this.#persistence?.close();
    this.#clusterFile?.close();
    for (const run of this.#onClosed) run();
  }

  #join(state: ClusterState, up: boolean): void {
    const { engine, options } = this;
    const data = new MemberData({
      engine,
      replication: this.#replication,
      persistence: this.#persistence,
      save: (kept) => this.#saveState(kept),
      advertise: options.decorators?.advertise,
    });
    this.#member = new ClusterMember(options.world, data, state, settingsOf(engine.config), up);
    engine.cluster = this.#member;
    this.#saveState(this.#member.state);
    watchAnnounced(engine.config, this.#member, () => this.ports);
    const { bus } = options.decorators ?? {};
    const open = this.packetFilter.bus(this.#listeners.bus?.open ?? openLoopbackBus);
    this.#member.start(bus === undefined ? open : bus(open), options.host);
  }

  #saveState(state: ClusterState): void {
    try {
      this.#clusterFile?.save(state);
    } catch (error) {
      this.#stopAtOnce(`the cluster configuration cannot be saved: ${(error as Error).message}`);
    }
  }

  #announceOffset(): void {
    this.#member?.refresh();
    this.#member?.apply({ state: this.member.state, effects: [{ kind: 'announce' }] });
  }
}

/** Opens a node's ports and loads its data. Rejects, with nothing left open, when either fails. */
export async function openNode(options: ServerNodeOptions): Promise<ServerNode> {
  const node = new ServerNode(options);
  try {
    await node.listen();
  } catch (error) {
    await node.close();
    throw error;
  }
  return node;
}
