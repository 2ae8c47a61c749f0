// A master's side of replication: what is written becomes a stream, which every attached replica gets and acknowledges.
// A replica with replicas of its own hands its master's bytes on the same way.
// Knows commands as words and bytes, not what they do. Invariant: every replica gets a copy at one offset, or goes on
// from one that the history reaches, and then every byte after it in order; while nobody ever attached, nothing is
// counted and nothing is kept.

import type { Socket } from 'node:net';
import { setImmediate } from '../../lib/base/turns.ts';
import { progress, type Timer, type World } from '../../lib/base/world.ts';
import type { SavePace } from '../engine/save-pace.ts';
import { printCommand } from '../persistence/aof/commands.ts';
import type { RdbContent } from '../persistence/rdb/file.ts';
import type { BackgroundSaves } from '../persistence/saver/saver.ts';
import { AttachedReplica, type ReplicaFacts, type ReplicaOwner, type WaitLimit } from './attached-replica.ts';
import { type Copy, type CopySource, type DiskCopies, FullSync, type FullSyncSettings } from './full-sync.ts';
import type { History } from './history.ts';
import type { Words } from './stream.ts';
import { Waiters } from './waiters.ts';

/** What a master is set to do; read whenever it matters, so that changes take effect at once. */
export interface PrimarySettings extends FullSyncSettings {
  readonly pingEveryMs: number;
  readonly timeoutMs: number;
  /** How long the history is kept after the last replica has gone; 0: for ever. */
  readonly backlogTtlMs: number;
  readonly limit: WaitLimit;
}

/** The node whose data the stream is about. */
export interface StreamSource {
  /** As CopySource. */
  readonly mayCapture: boolean;
  /** All data as it is now. */
  capture(functionsOnly: boolean): RdbContent;
  /** As CopySource. */
  readonly saves: BackgroundSaves;
  readonly disk: DiskCopies | undefined;
  pace(): SavePace | undefined;
  /** The stream comes from this node's own master: nothing may be added to it. */
  readonly relaying: boolean;
  /** The name of a command, and whether it reads or writes keys. */
  describe(words: Words): { readonly name: string; readonly ofKeys: boolean };
  /** Writes wait for a failover: the stream must stand still. */
  readonly quiet: boolean;
  /** A replica at offset 0 is taken for one that is loading still: give it something to acknowledge. */
  readonly pingsFirst: boolean;
}

/** How often full and partial synchronizations were given, and partial ones refused. */
export interface SyncCounts {
  full: number;
  partial: number;
  refused: number;
}

const everyMs = 1000;
/** Stream bytes gathered at most before they leave; within a turn of the loop they wait for each other. */
const gatherLimit = 64 * 1024;

export class Primary implements CopySource, ReplicaOwner {
  readonly world: World;
  readonly settings: PrimarySettings;
  readonly counts: SyncCounts = { full: 0, partial: 0, refused: 0 };
  readonly #history: History;
  readonly #source: StreamSource;
  readonly #replicas = new Set<AttachedReplica>();
  readonly #fullSync: FullSync;
  readonly #waiters: Waiters;
  /** Printed, not yet part of the history. */
  #pending = '';
  #flushing = false;
  /** Database of the last effect; -1: the next one must say. */
  #db = -1;
  #written = 0;
  #pingedAt: number;
  #aloneSince: number;
  #timer: Timer | undefined;

  constructor(world: World, history: History, settings: PrimarySettings, source: StreamSource) {
    this.world = world;
    this.settings = settings;
    this.#history = history;
    this.#source = source;
    this.#pingedAt = world.now();
    this.#aloneSince = world.now();
    this.#waiters = new Waiters(world, (offset) => this.acked(offset));
    history.needed = () => this.#needed();
    this.#fullSync = new FullSync(this);
  }

  // ---- what its parts ask of it

  capture(functionsOnly: boolean): Copy {
    this.flush();
    this.#db = -1;
    const { id, offset } = this.#history;
    return { id, offset, content: this.#source.capture(functionsOnly) };
  }

  get mayCapture(): boolean {
    return this.#source.mayCapture;
  }

  /** A script is over: copies that waited for its end are begun. */
  goOn(): void {
    this.#fullSync.goOn();
  }

  pace(): SavePace | undefined {
    return this.#source.pace();
  }

  get saves(): BackgroundSaves {
    return this.#source.saves;
  }

  get disk(): DiskCopies | undefined {
    return this.#source.disk;
  }

  get limit(): WaitLimit {
    return this.settings.limit;
  }

  onAck(): void {
    this.#waiters.review();
  }

  onStray({ facts }: AttachedReplica, words: Words): void {
    const { name, ofKeys } = this.#source.describe(words);
    if (ofKeys) {
      this.world.log(
        `== CRITICAL == This master is sending an error to its replica: '-Replica can't interact with the keyspace' after processing the command '${name}'`,
      );
    }
    this.world.log(`Replica generated a reply to command '${name}', disconnecting it: ${nameOf(facts)}`);
  }

  onClosed(replica: AttachedReplica): void {
    if (this.#replicas.delete(replica)) progress(this.world, `Connection with replica ${nameOf(replica.facts)} lost.`);
    this.#aloneSince = this.world.now();
    this.#history.resize();
  }

  streamFrom(next: number): Buffer | undefined {
    const { backlog } = this.#history;
    return backlog?.reaches(next) === true ? backlog.from(next) : undefined;
  }

  // ---- the stream

  /** Bytes of the stream so far; 0 until the first replica attaches. */
  get offset(): number {
    return this.#history.offset + this.#pending.length;
  }

  /** CONFIG RESETSTAT. */
  resetCounts(): void {
    Object.assign(this.counts, { full: 0, partial: 0, refused: 0 });
    this.#fullSync.begun = 0;
  }

  /** Copies for replicas that were begun. */
  get copiesBegun(): number {
    return this.#fullSync.begun;
  }

  /** A copy for replicas is being written. */
  get copying(): boolean {
    return this.#fullSync.busy;
  }

  get replicas(): readonly AttachedReplica[] {
    return [...this.#replicas];
  }

  /** Replicas that have their copy, as INFO says by `state=online`, and were heard within `ms`. */
  heardWithin(ms: number): number {
    const since = this.world.now() - ms;
    let count = 0;
    for (const { stage, heardAt } of this.#replicas) {
      if ((stage === 'online' || stage === 'awaiting-ack') && heardAt >= since) count++;
    }
    return count;
  }

  /**
   * Takes over the socket of a client that asked for the stream: `position` is what it has already, undefined for
   * nothing. Returns what takes the bytes it sends.
   */
  attach(facts: ReplicaFacts, socket: Socket, position?: { id: string; next: number }): (bytes: Buffer) => void {
    this.flush();
    const replica = new AttachedReplica(facts, socket, this);
    this.#replicas.add(replica);
    progress(this.world, `Replica ${nameOf(facts)} asks for synchronization`);
    if (position !== undefined && this.#history.continues(position.id, position.next)) {
      this.#continue(replica, position.next);
    } else this.#startFullSync(replica, position);
    if (this.#source.pingsFirst && this.offset === 0) this.feed([{ db: -1, argv: ['ping'] }]);
    this.#tick();
    return (bytes) => replica.hear(bytes);
  }

  #continue(replica: AttachedReplica, next: number): void {
    const history = this.#history;
    this.counts.partial++;
    const bytes = history.offset - next + 1;
    progress(
      this.world,
      `Partial resynchronization request from ${nameOf(replica.facts)} accepted. Sending ${bytes} bytes of backlog starting from offset ${next}.`,
    );
    replica.send(replica.facts.psync2 ? `+CONTINUE ${history.id}\r\n` : '+CONTINUE\r\n');
    replica.acked = next - 1;
    replica.goOnline();
    replica.feed(history.backlog!.from(next));
  }

  #startFullSync(replica: AttachedReplica, position: { id: string; next: number } | undefined): void {
    if (position !== undefined) {
      this.counts.refused++;
      const why = this.#history.whyNot(position.id, position.next);
      progress(this.world, `Partial resynchronization not accepted: ${why}`);
    }
    progress(this.world, `Full resync requested by replica ${nameOf(replica.facts)}`);
    this.counts.full++;
    this.#history.begin();
    this.#fullSync.add(replica);
  }

  /** Adds effects to the stream. They leave together at the end of this turn of the loop. */
  feed(effects: readonly { readonly db: number; readonly argv: Words }[], counted = true): void {
    if (!this.#history.kept || this.#source.relaying) return;
    for (const { db, argv } of effects) {
      if (db >= 0 && db !== this.#db) {
        this.#db = db;
        this.#pending += printCommand(['SELECT', String(db)]);
      }
      this.#pending += printCommand(argv);
    }
    if (counted) this.#written = this.offset;
    if (this.#pending.length > gatherLimit) this.flush();
    else this.#scheduleFlush();
  }

  /** Hands on bytes of the stream of this node's own master. */
  relay(bytes: Buffer): void {
    this.#send(bytes);
  }

  /** The stream was another node's up to here: the next effect must say which database it means. */
  resume(): void {
    this.#db = -1;
    this.#written = this.offset;
    this.#aloneSince = this.world.now();
    this.#tick();
  }

  /** How many replicas have acknowledged `offset`. */
  acked(offset: number): number {
    let count = 0;
    for (const replica of this.#replicas) if (replica.stage === 'online' && replica.acked >= offset) count++;
    return count;
  }

  /** Calls `done` once, when `count` replicas have every write made up to now, or after `ms` (0: never). */
  wait(count: number, ms: number, done: (count: number) => void): () => void {
    const offset = this.#written;
    const acked = this.acked(offset);
    if (acked >= count) {
      done(acked);
      return () => undefined;
    }
    // While a failover waits for the stream to stand still, the replicas acknowledge each second anyway.
    if (!this.#source.quiet) this.feed([{ db: -1, argv: ['REPLCONF', 'GETACK', '*'] }], false);
    return this.#waiters.add({ offset, count, ms, done });
  }

  /** Closes the links to all replicas, which will dial again, and answers clients that waited for them. */
  stepDown(): void {
    this.flush();
    this.#waiters.giveUp();
    for (const replica of [...this.#replicas]) replica.close();
  }

  close(): void {
    this.#timer?.cancel();
    this.#fullSync.close();
    this.#waiters.forget();
    this.stepDown();
  }

  /** The first byte that a replica waits for while it gets its copy. */
  #needed(): number | undefined {
    let least: number | undefined;
    for (const { needs } of this.#replicas) if (needs !== undefined && (least ?? needs) >= needs) least = needs;
    return least;
  }

  /** Makes what was fed part of the history, and sends it. */
  flush(): void {
    if (this.#pending === '') return;
    const bytes = Buffer.from(this.#pending, 'latin1');
    this.#pending = '';
    this.#send(bytes);
  }

  #send(bytes: Buffer): void {
    this.#history.append(bytes);
    for (const replica of this.#replicas) replica.feed(bytes);
  }

  #scheduleFlush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.flush();
    });
  }

  /** Once a second, from the first replica on until the history is dropped. */
  #tick(): void {
    this.#timer ??= this.world.after(everyMs, () => {
      this.#timer = undefined;
      this.#history.resize();
      this.#review();
      if (this.#replicas.size > 0 || this.#history.kept) this.#tick();
    });
  }

  #review(): void {
    const { world, settings } = this;
    const { relaying, quiet } = this.#source;
    const now = world.now();
    for (const replica of [...this.#replicas]) {
      if (replica.stage === 'waiting' || replica.stage === 'preparing') replica.send('\n');
      else if (now - replica.heardAt > settings.timeoutMs && replica.facts.psync) {
        const kind = replica.stage === 'online' ? 'streaming sync' : 'full sync';
        this.world.log(`Disconnecting timedout replica (${kind}): ${nameOf(replica.facts)}`);
        replica.close();
      } else replica.checkLimit();
    }
    if (relaying) return;
    if (this.#replicas.size > 0 && !quiet && now - this.#pingedAt >= settings.pingEveryMs) {
      this.#pingedAt = now;
      this.feed([{ db: -1, argv: ['ping'] }], false);
    }
    const { backlogTtlMs } = settings;
    if (this.#replicas.size === 0 && backlogTtlMs > 0 && now - this.#aloneSince > backlogTtlMs) {
      this.#history.drop();
    }
  }
}

function nameOf({ host, port }: ReplicaFacts): string {
  return `${host}:${port}`;
}
