// One node's replication: master or replica, its history, and what these mean for the engine.
// Owns: the role of the node, its replication history, the link to its master and the replicas attached to it.
// Does not know: cluster rules; whom to follow is decided by the membership or by REPLICAOF.
// Invariant: expiry, read-only and the stream change together, in follow() and promote() alone.

import { progress, type World } from '../../lib/base/world.ts';
import { Flag } from '../../lib/command/flags.ts';
import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { TlsConfig } from '../config/tls.ts';
import type { Engine } from '../engine/engine.ts';
import type { Effect, ExpiredKey, ReplicationPort } from '../engine/ports.ts';
import { type SavePace, savePace } from '../engine/save-pace.ts';
import type { RdbContent } from '../persistence/rdb/file.ts';
import type { BackgroundSaves } from '../persistence/saver/saver.ts';
import { captureAll } from './apply.ts';
import type { DiskCopies } from './full-sync.ts';
import { History } from './history.ts';
import { type ReplicationView, replicationLines, roleReply, stageWord } from './info.ts';
import { MasterStream } from './master-stream.ts';
import { Primary, type StreamSource } from './primary.ts';
import { Replica } from './replica.ts';
import { primarySettings } from './settings.ts';
import { type RoleSwitch, SingleFailover } from './single-failover.ts';
import type { StreamAddress } from './stream.ts';

/** How far a replica is, for the log. */
export interface ReplicaStanding {
  readonly name: string;
  /** Bytes of the stream. */
  readonly behind: number;
  readonly lagSeconds: number;
  readonly state: string;
}

export class NodeReplication implements ReplicationPort, StreamSource, RoleSwitch {
  readonly history: History;
  readonly primary: Primary;
  readonly replica: Replica;
  /** FAILOVER, outside of a cluster. */
  readonly failover: SingleFailover;
  readonly saves: BackgroundSaves;
  /** Undefined: copies do not go by way of the disk. */
  disk: DiskCopies | undefined;
  readonly #engine: Engine;
  readonly #stream: MasterStream;
  #onLinked: () => void = () => undefined;
  #onRole: () => void = () => undefined;
  /** Left out when the data was loaded, until it is known whether a master decides. */
  #expiredAtLoad: readonly ExpiredKey[] = [];
  /** Where the stream stood when the replicas were asked how far they are. */
  #asked: number | undefined;

  /** `place`: where clients reach this node, once it listens; `saves`: all of the node's. */
  constructor(engine: Engine, place: { readonly port: number }, tls: TlsConfig, saves: BackgroundSaves) {
    this.#engine = engine;
    this.saves = saves;
    const { world, config } = engine;
    this.history = new History(world, () => config.number('repl-backlog-size'));
    this.primary = new Primary(world, this.history, primarySettings(config), this);
    this.failover = new SingleFailover(world, engine.pauses, this.primary, this);
    this.#stream = new MasterStream(engine, this.primary, this.failover, { history: this.history, place, tls });
    this.replica = new Replica(this.#stream, (up) => this.#onLinkChanged(up));
    config.onChange((name) => {
      if (name === 'repl-backlog-size') this.history.resize();
      if (name.startsWith('replica-') || name.startsWith('slave-')) this.#review();
    });
    engine.pauses.onChange(() => this.replica.link?.goOn());
    engine.onFree(() => {
      this.replica.link?.goOn();
      this.primary.goOn();
    });
  }

  get world(): World {
    return this.#engine.world;
  }

  get clusterEnabled(): boolean {
    return this.#engine.clusterEnabled;
  }

  /** `run` is called when the node has become a master or a replica. */
  onRole(run: () => void): void {
    this.#onRole = run;
  }

  /** `run` is called when the first byte of a stream was applied. */
  onFirstByte(run: () => void): void {
    this.#stream.onFirstByte = run;
  }

  /** `run` is called whenever the link to the master has come up, however short it holds. */
  onLinked(run: () => void): void {
    this.#onLinked = run;
  }

  // ---- what the stream is about

  get mayCapture(): boolean {
    return this.#engine.busy === undefined;
  }

  capture(functionsOnly: boolean): RdbContent {
    return captureAll(this.#engine, functionsOnly, this.facts());
  }

  pace(): SavePace | undefined {
    return savePace(this.#engine);
  }

  describe(words: readonly string[]): { name: string; ofKeys: boolean } {
    const known = this.#engine.registry.findTrusted(words);
    if (known instanceof ReplyError) return { name: '<unknown>', ofKeys: false };
    const { name, flags } = known.row;
    return { name, ofKeys: (flags & (Flag.readonly | Flag.write)) !== 0 };
  }

  get relaying(): boolean {
    return this.following;
  }

  get quiet(): boolean {
    return this.#engine.pauses.has('failover');
  }

  get pingsFirst(): boolean {
    return this.#engine.clusterEnabled;
  }

  // ---- where it stands

  /** Bytes of the stream, written or applied. */
  get offset(): number {
    return this.primary.offset;
  }

  /** It is a replica, whether its master can be reached or not. */
  get following(): boolean {
    return this.replica.address !== undefined;
  }

  /** Its copy of its master is whole and the link holds. */
  get linked(): boolean {
    return this.replica.linked;
  }

  /** Whether enough replicas were heard lately for a write to be taken. */
  get enoughReplicas(): boolean {
    const { config } = this.#engine;
    const least = config.number('min-replicas-to-write');
    const lag = config.number('min-replicas-max-lag');
    return least === 0 || lag === 0 || this.following || this.primary.heardWithin(lag * 1000) >= least;
  }

  /** Asks the replicas for their offsets; `lagging` goes by their answers. */
  askReplicas(): void {
    this.#asked = this.primary.offset;
    if (this.primary.replicas.length > 0) this.primary.wait(Number.MAX_SAFE_INTEGER, 1, () => undefined);
  }

  /** A copy of all data is being written for replicas. */
  get copying(): boolean {
    return this.primary.copying;
  }

  /** Copies of all data for replicas that were begun. */
  get copiesBegun(): number {
    return this.primary.copiesBegun;
  }

  /** Nobody waits for their offsets any more. */
  forgetAsked(): void {
    this.#asked = undefined;
  }

  /** Whether a replica that follows the stream has not acknowledged what was written when they were asked. */
  get lagging(): boolean {
    const mark = this.#asked ?? this.primary.offset;
    return !this.following && this.primary.replicas.some(({ stage, acked }) => stage === 'online' && acked < mark);
  }

  /** Every replica, and how far those are behind that have not acknowledged everything. */
  standing(): ReplicaStanding[] {
    const { replicas } = this.primary;
    const offset = this.#asked ?? this.primary.offset;
    const now = this.#engine.world.now();
    return replicas.map(({ facts, stage, streamed, acked, heardAt }) => ({
      name: `${facts.host}:${facts.port}`,
      behind: Math.max(0, offset - acked),
      lagSeconds: stage === 'online' ? Math.max(0, Math.floor((now - heardAt) / 1000)) : 0,
      state: stageWord({ stage, streamed }),
    }));
  }

  /** Outside a cluster: follows whom the parameters name. A master goes on from its snapshot under a new name. */
  start(): void {
    const [host, port] = this.#engine.config.get('replicaof').split(' ');
    if (host !== undefined && port !== undefined) this.follow({ host, port: Number(port) });
    if (this.following || !this.history.kept) return;
    this.history.branch();
    this.primary.resume();
    this.primary.feed(this.#expiredAtLoad.map(({ db, key }) => ({ db, argv: ['DEL', key] })));
    this.#expiredAtLoad = [];
  }

  /** What a snapshot or a copy says of the stream that the data is the result of. */
  facts(): (readonly [name: string, value: string])[] {
    if (!this.history.kept) return [];
    return [
      ['repl-stream-db', String(this.following ? this.#stream.applier.db : 0)],
      ['repl-id', this.history.id],
      ['repl-offset', String(this.offset)],
    ];
  }

  /** What is going to be loaded is a primary's to delete: from its first key on nothing runs out here. Before start(). */
  expectPrimary(): void {
    this.#engine.databases.mode = 'replica';
  }

  /** The data is that of a snapshot, but for `expired` keys, whose deletion no replica has seen. Before start(). */
  restore(facts: ReadonlyMap<string, string>, expired: readonly ExpiredKey[]): void {
    const id = facts.get('repl-id') ?? '';
    const offset = Number(facts.get('repl-offset'));
    if (!/^[!-~]{40}$/.test(id) || !Number.isSafeInteger(offset) || offset < 0) return;
    this.history.adopt(id, offset);
    this.#stream.applier.select(Number(facts.get('repl-stream-db')));
    this.#expiredAtLoad = expired;
  }

  /** PUBLISH outside a cluster reaches subscribers of the replicas too. */
  publish(channel: string, message: string, shard: boolean, db: number): void {
    this.primary.feed([{ db, argv: [shard ? 'SPUBLISH' : 'PUBLISH', channel, message] }]);
  }

  /** Becomes, or stays, a replica of the node at `address`. What it holds is kept when the histories have it in common. */
  follow(address: StreamAddress): void {
    this.#engine.releaseBlocked();
    // Its master may still have what was left out.
    if (this.#expiredAtLoad.length > 0) this.history.drop();
    this.#expiredAtLoad = [];
    this.primary.stepDown();
    this.replica.follow(address);
    this.#engine.databases.mode = 'replica';
    this.#review();
    this.#onRole();
  }

  /** Becomes a master, with the data it has. */
  promote(): void {
    // Also where a primary was expected and never followed.
    this.#engine.databases.mode = 'primary';
    if (!this.following) return;
    this.replica.stop();
    this.history.branch();
    this.primary.stepDown();
    this.primary.resume();
    this.#review();
    this.#onRole();
  }

  /** The data was changed past the stream: no replica may go on from it. */
  forget(): void {
    this.primary.stepDown();
    this.history.drop();
  }

  /** Bytes of the backlog, and of what waits to leave for replicas. */
  memory(): { backlog: number; replicaBuffers: number } {
    // The bytes are the same for all of them, and are there once.
    const replicaBuffers = Math.max(0, ...this.primary.replicas.map(({ unsent }) => unsent));
    return { backlog: this.history.backlog?.capacity ?? 0, replicaBuffers };
  }

  /** DEBUG REPLICATE: words that only the replicas run. */
  replicate(argv: readonly string[]): void {
    this.primary.feed([{ db: -1, argv }]);
  }

  /** DEBUG CHANGE-REPL-ID: no replica goes on from where it is. */
  changeId(): void {
    this.history.renew();
  }

  /** What one command or transaction of a client did. */
  onEffects(effects: readonly Effect[]): void {
    if (!this.history.kept || this.following) return;
    if (effects.length === 1) this.primary.feed(effects);
    // The database is said before the transaction begins.
    else if (effects.length > 1) this.primary.feed([mark('MULTI', effects[0]!.db), ...effects, mark('EXEC', -1)]);
  }

  wait(count: number, timeoutMs: number, done: (acknowledged: number) => void): () => void {
    return this.primary.wait(count, timeoutMs, done);
  }

  role(): Reply {
    return roleReply(this.#view());
  }

  info(): string[] {
    return replicationLines(this.#view());
  }

  /** CONFIG RESETSTAT. */
  resetCounts(): void {
    this.primary.resetCounts();
  }

  /** sync_full and its like, for INFO stats. */
  counts(): string[] {
    const { full, partial, refused } = this.primary.counts;
    return [`sync_full:${full}`, `sync_partial_ok:${partial}`, `sync_partial_err:${refused}`];
  }

  close(): void {
    this.failover.close();
    this.replica.stop();
    this.primary.close();
  }

  #view(): ReplicationView {
    const { world, config } = this.#engine;
    const failover = this.failover.state;
    return {
      now: world.now(),
      primary: this.primary,
      replica: this.replica,
      history: this.history,
      config,
      failover,
    };
  }

  /** REPLICAOF, and a FAILOVER that comes to its end. */
  followByCommand(address: StreamAddress): void {
    progress(this.#engine.world, `REPLICAOF ${address.host}:${address.port} enabled (user request)`);
    this.#engine.config.put('replicaof', `${address.host} ${address.port}`);
    this.follow(address);
  }

  unfollowByCommand(): void {
    if (this.following) progress(this.#engine.world, 'MASTER MODE enabled (user request)');
    this.#engine.config.put('replicaof', '');
    this.promote();
  }

  #onLinkChanged(up: boolean): void {
    const { link } = this.replica;
    if (!up) this.#stream.applier.detach();
    else if (link !== undefined) this.#stream.applier.attach(link.ends, () => link.drop());
    if (up) this.#onLinked();
    this.#review();
  }

  #review(): void {
    const { engine, following } = { engine: this.#engine, following: this.following };
    engine.readOnly = following && engine.config.flag('replica-read-only');
    engine.primaryDown = following && !this.linked && !engine.config.flag('replica-serve-stale-data');
  }
}

/** `db`: of the first command within, which is selected before the transaction begins; -1: as it is. */
function mark(word: string, db: number): { readonly db: number; readonly argv: readonly string[] } {
  return { db, argv: [word] };
}
