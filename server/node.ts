// Puts one node together: engine and listener, cluster membership, replication both ways, moving keys.
// Owns the wiring and the order of starting and stopping; every rule lives in its own room.
// Invariant: a node is master or replica in all its parts at once; the switch happens in promote() and follow() alone.

import type { World } from '../lib/base/world.ts';
import type { ReplyError } from '../lib/wire/reply.ts';
import type { Bus } from './bus/bus.ts';
import { openLoopbackBus } from './bus/loopback.ts';
import { guard } from './cluster/guard.ts';
import { type ClusterNode, type ClusterState, me } from './cluster/state.ts';
import { ClusterMember } from './cluster-member.ts';
import { busSettings, settingsOf, watchAnnounced } from './cluster-settings.ts';
import { createEngine } from './command/all.ts';
import { clusterWords } from './command/cluster-words.ts';
import type { Config } from './command/config.ts';
import { resumePaused } from './command/dispatch.ts';
import type { Effect, Engine, ShutdownHow } from './command/engine.ts';
import { ClusterFile } from './config/cluster-file.ts';
import { debugWords } from './debug-words.ts';
import { Doors } from './doors.ts';
import type { Store } from './keyspace/store.ts';
import { heedLocks } from './locking.ts';
import { KeyLocks } from './move/key-locks.ts';
import { LinkCache } from './move/link-cache.ts';
import { moveWords } from './move-words.ts';
import { NodeReplication } from './replication-node.ts';
import { Saving } from './saving.ts';
import { Shutdown } from './shutdown.ts';
import { dropKeys, sendAway } from './slot-loss.ts';

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
  readonly configFile?: { readonly path: string; rewrite(): ReplyError | undefined };
  /** Called when a promise to keep something on the disk was broken; the node is closing then. */
  readonly onFatal?: (reason: string) => void;
}

const forEver = Number.MAX_SAFE_INTEGER;

export class ServerNode {
  readonly options: ServerNodeOptions;
  readonly engine: Engine;
  readonly #locks = new KeyLocks();
  readonly #links: LinkCache;
  readonly #replication: NodeReplication;
  readonly #doors: Doors;
  #member: ClusterMember | undefined;
  #clusterFile: ClusterFile | undefined;
  #bus: Bus | undefined;
  readonly #saving: Saving | undefined;
  readonly #shutdown: Shutdown;
  #stopping = false;
  #steppingDown = false;
  #frozen = false;
  #closing: Promise<void> | undefined;
  readonly #onClosed: (() => void)[] = [];

  constructor(options: ServerNodeOptions) {
    this.options = options;
    const { world } = options;
    this.engine = createEngine({
      world,
      clusterEnabled: options.cluster,
      config: options.config,
      hooks: {
        ...(options.cluster ? { guard: (request) => this.#member && guard(this.#member.guardView, request) } : {}),
        onEffects: (effects) => this.#onEffects(effects),
        beforeReplies: () => this.#saving?.flush(),
        onPublish: (channel, message, shard) => {
          if (this.#member === undefined) this.#replication.publish(channel, message, shard);
          else this.#member.publish(shard ? 'publishshard' : 'publish', channel, message);
        },
        waitReplicas: (count, timeoutMs, done) => this.#replication.wait(count, timeoutMs, done),
        enoughReplicas: () => this.#replication.enoughReplicas,
        role: () => this.#replication.role(),
        replicationInfo: () => this.#replication.info(),
        replicationStats: () => this.#replication.counts(),
        replicationFacts: () => this.#replication.facts(),
        onSnapshotLoaded: (facts, expired) => this.#replication.restore(facts, expired),
        diskRefusal: () => this.#saving?.refusal(),
        persistenceInfo: () => this.#saving?.info(),
        configFile: () => options.configFile?.path ?? '',
        ...(options.configFile && { onConfigRewrite: () => options.configFile?.rewrite() }),
        onShutdown: (how, done) => {
          if (how === 'abort') done(this.#shutdown.abort());
          else this.#shutdown.begin(how, done);
        },
      },
    });
    const node = this;
    this.engine.loading = true;
    this.#doors = new Doors(this.engine, {
      ...options,
      hosts: options.hosts ?? [options.host],
      bus: options.bus === 'tcp' ? busSettings(world, this.engine.config, () => this.#member) : undefined,
    });
    if (this.engine.config.get('dir') !== '') {
      this.#saving = new Saving(this.engine, (reason) => this.#stopAtOnce(reason));
    }
    this.#shutdown = new Shutdown({
      world,
      get waitMs() {
        return node.engine.config.number('shutdown-timeout') * 1000;
      },
      askReplicas: () => this.#replication.askReplicas(),
      get lagging() {
        return node.#replication.lagging;
      },
      pauseWrites: (paused) => {
        this.#stopping = paused;
        this.#applyPause();
      },
      save: (always) => this.#saving?.saveLast(always) ?? true,
      stop: () => void this.close(),
    });
    this.#links = new LinkCache(world);
    this.#replication = new NodeReplication(this.engine, {
      get port() {
        return node.port;
      },
      get quiet() {
        return node.#steppingDown;
      },
      // Clients are not sent to a replica at offset 0, so the first step away from it is worth telling.
      onFirstByte: () => this.#announceOffset(),
      onReplaced: () => this.#saving?.replaced(),
    });
  }

  get port(): number {
    return this.#doors.port;
  }

  /** The bus port. */
  get cport(): number {
    return this.#doors.cport;
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
    await this.#doors.open();
    if (this.#saving === undefined) return;
    this.engine.add(this.#saving.words());
    // What was logged may be of these.
    this.engine.add(moveWords(this.engine, this.#locks, this.#links));
    await this.#saving.load();
  }

  /** The view of the cluster that was kept on the disk; undefined: none was. Throws an Error when it is damaged. */
  savedState(): ClusterState | undefined {
    return this.#clusterFile?.load();
  }

  /** A promise was broken: nobody may get another reply. */
  #stopAtOnce(reason: string): void {
    this.options.world.log(reason);
    for (const session of this.#doors.sessions()) session.close(false);
    void this.close();
    this.options.onFatal?.(reason);
  }

  /** Takes its place with `state` as its view of the cluster; undefined: a node on its own. */
  start(state: ClusterState | undefined, up = false): void {
    if (state !== undefined) this.#join(state, up);
    this.#replication.start();
    this.engine.add(clusterWords(this.#member));
    this.engine.add(moveWords(this.engine, this.#locks, this.#links));
    this.engine.add(debugWords(this.engine));
    heedLocks(this.engine, this.#locks);
    this.engine.loading = false;
  }

  /** Behaves as a stopped process: takes requests and messages in, answers none. */
  freeze(frozen: boolean): void {
    this.#frozen = frozen;
    this.#bus?.hold(frozen);
    this.#replication.hold(frozen);
    this.#applyPause();
  }

  /** Makes commands of clients on the slot wait. */
  holdSlot(slot: number, held: boolean): void {
    this.#locks.holdSlot(slot, held);
  }

  /** Lets keys of a slot in again that had been handed over. */
  letReturn(slot: number, returning: boolean): void {
    if (returning) this.member.returning.add(slot);
    else this.member.returning.delete(slot);
  }

  /** Stops in order, as SHUTDOWN does; `done` hears why not, or undefined. */
  stop(how: ShutdownHow, done: (refusal: ReplyError | undefined) => void): void {
    this.#shutdown.begin(how, done);
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
    this.#member?.close();
    this.#replication.close();
    this.#links.close();
    await this.#doors.close();
    this.engine.stop();
    await this.#saving?.close();
    this.#clusterFile?.close();
    for (const run of this.#onClosed) run();
  }

  // ---- cluster

  #join(state: ClusterState, up: boolean): void {
    const node = this;
    const { engine, options } = this;
    this.#member = new ClusterMember(
      {
        world: options.world,
        keysInSlot: (slot) => this.store.countInSlot(slot),
        has: (key) => this.store.has(key),
        get offset() {
          return node.#replication.offset;
        },
        get masterLinked() {
          return node.#replication.linked;
        },
        follow: (master) => this.#follow(master),
        promote: () => this.#replication.promote(),
        flush: () => {
          this.store.clear();
          this.#replication.forget();
          this.#saving?.onEffects([{ db: 0, argv: ['FLUSHALL'] }]);
        },
        dropKeys: (slots) => dropKeys(engine, this.store, slots),
        pauseWrites: (paused) => {
          this.#steppingDown = paused;
          this.#applyPause();
        },
        onPublish: (kind, channel, message) => {
          if (kind === 'publish') engine.pubsub.publish(channel, message);
          else engine.pubsub.publishShard(channel, message);
        },
        onRoutesChanged: () => sendAway(engine, this.member),
        save: () => this.#saveState(),
      },
      state,
      settingsOf(engine.config),
      up,
    );
    this.#saveState();
    watchAnnounced(engine.config, this.#member);
    this.#bus = this.#member.start(this.#doors.bus?.open ?? openLoopbackBus, options.host);
  }

  /** Before anything that follows from the state is told: the others build on it. */
  #saveState(): void {
    try {
      this.#clusterFile?.save(this.member.state);
    } catch (error) {
      this.#stopAtOnce(`the cluster configuration cannot be saved: ${(error as Error).message}`);
    }
  }

  #follow({ host, port }: ClusterNode): void {
    this.#replication.follow({ host, port });
  }

  #announceOffset(): void {
    this.#member?.refresh();
    this.#member?.apply({ state: this.member.state, effects: [{ kind: 'announce' }] });
  }

  // ---- replication

  #onEffects(effects: readonly Effect[]): void {
    if (effects.length === 0 || this.#saving?.loading === true) return;
    this.#saving?.onEffects(effects);
    this.#replication.onEffects(effects);
  }

  // ---- pausing

  #applyPause(): void {
    if (this.#frozen || this.#steppingDown || this.#stopping) {
      this.engine.pausedUntil = forEver;
      this.engine.pausedWritesOnly = !this.#frozen;
    } else resumePaused(this.engine);
  }
}
