// The append only log while the server runs: writes are appended to the last increment and forced to the disk as the
// policy says; a rewrite puts one new base in the place of everything before it.
// Owns: the files of the log and its manifest.
// Does not know: what a command does, when to flush (before replies leave) or when to rewrite.
// Invariants: after flush() every write is in the file, with `always` also on the disk; a failed write leaves no part
// of itself behind; the files that the manifest names hold every flushed write at every moment, also after a crash.

import { closeSync, fdatasync, fdatasyncSync, fstatSync, ftruncateSync, openSync, renameSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { progress, type Timer, type World } from '../../../lib/base/world.ts';
import { syncFolder, writeAll, writeWhole } from '../disk/atomic-file.ts';
import type { RdbContent } from '../rdb/file.ts';
import { baseBytes, nextBase, replacedBy, sizeOf, type WriteBase } from './base.ts';
import { printCommand, printPieces, printTime } from './commands.ts';
import { LogFolder, type LogPlace } from './folder.ts';
import { emptyManifest, type LogFile, type Manifest } from './manifest.ts';

/** When written bytes are forced to the disk: before each flush returns, within a second or so, or never by us. */
export type SyncPolicy = 'always' | 'everysec' | 'no';

export interface LogOptions extends LogPlace {
  readonly world: World;
  /** Default `everysec`. */
  readonly policy?: SyncPolicy;
  /** Bytes not yet written that are held at most while the disk refuses them. Default 64 MiB. */
  readonly maxPendingBytes?: number;
  /** Bases are RDB files (`aof-use-rdb-preamble`), else commands. Default true. */
  readonly rdbBase?: () => boolean;
  /** The time is noted between commands, and at the start of a base of commands (`aof-timestamp-enabled`). Default false. */
  readonly stamped?: () => boolean;
  /** Files that were replaced are left where they are (`aof-disable-auto-gc`). Default false. */
  readonly keepReplaced?: () => boolean;
  /**
   * The log is turned on while the server runs: whatever log there was stays as it is until the first rewrite, which
   * must follow at once, and what is written meanwhile goes into a file of its own. Default false.
   */
  readonly turnedOn?: boolean;
}

/** One write: the words, and the database they apply to. */
export interface LoggedWrite {
  readonly db: number;
  readonly argv: readonly string[];
}

const syncMs = 1000;

export class AppendLog {
  readonly #folder: LogFolder;
  readonly #world: World;
  readonly #maxPending: number;
  #manifest: Manifest;
  #file: number;
  /** Bytes of the file that are whole commands. */
  #length: number;
  #pending: string[] = [];
  #pendingBytes = 0;
  #db = -1;
  #unsynced = false;
  /** A write failed, and the file may hold a part of it. */
  #torn = false;
  #syncing: Promise<void> | undefined;
  #timer: Timer | undefined;
  #rewriting = false;
  /** What the manifest names is not of the data that is written now: until a rewrite writes go into a file beside it. */
  #apart = false;
  /** Writes were lost: only a rewrite makes the log good again. */
  #gap: Error | undefined;
  #failure: Error | undefined;
  readonly #rdbBase: () => boolean;
  readonly #keepReplaced: () => boolean;
  readonly #stamped: () => boolean;
  /** Whole seconds: the last time noted. */
  #stamp = 0;
  /** Bytes of all files but the one that is being written. */
  #closedBytes: number;
  /** Bytes of all files when the log was opened or last rewritten. */
  baseSize: number;
  policy: SyncPolicy;
  /** Times that bytes were forced to the disk. */
  syncs = 0;

  /**
   * Opens the log for appending. A log that is not there yet is begun with `content` as its base, so that nothing the
   * server already holds is missing. Load an existing one first (loadLog). Throws what the file system says.
   */
  constructor(options: LogOptions, content: () => RdbContent) {
    this.#folder = new LogFolder(options);
    this.#world = options.world;
    this.#maxPending = options.maxPendingBytes ?? 64 * 1024 * 1024;
    this.policy = options.policy ?? 'everysec';
    this.#rdbBase = options.rdbBase ?? (() => true);
    this.#keepReplaced = options.keepReplaced ?? (() => false);
    this.#stamped = options.stamped ?? (() => false);
    const known = this.#folder.read();
    if (options.turnedOn === true) {
      this.#folder.make();
      this.#manifest = known ?? emptyManifest;
      this.#closedBytes = 0;
      this.#length = 0;
      this.baseSize = 0;
      this.#file = this.#openApart();
      return;
    }
    this.#manifest = known === undefined ? this.#begin(content()) : this.#sweep(known);
    const last = this.#manifest.increments.at(-1);
    if (last === undefined) {
      [this.#manifest, this.#file] = this.#nextIncrement();
      progress(this.#world, `Creating AOF incr file ${this.#manifest.increments.at(-1)!.name} on server start`);
    } else {
      this.#file = openSync(this.#folder.at(last.name), 'a');
      progress(this.#world, `Opening AOF incr file ${last.name} on server start`);
    }
    this.#length = fstatSync(this.#file).size;
    const { base, increments } = this.#manifest;
    const closed = increments.slice(0, -1);
    this.#closedBytes = closed.reduce((sum, file) => sum + sizeOf(this.#folder, file), sizeOf(this.#folder, base));
    // As after a rewrite: what is due on growth must not be forgotten by a restart.
    this.baseSize = sizeOf(this.#folder, base);
  }

  /** Why writes are not safe now; undefined again once they are. They should be refused meanwhile. */
  get failure(): Error | undefined {
    return this.#gap ?? this.#failure;
  }

  /** What is on the disk is of other data, until the next rewrite. */
  get apart(): boolean {
    return this.#apart;
  }

  /** Writes were lost, and the log is to be rewritten. */
  get broken(): boolean {
    return this.#gap !== undefined;
  }

  /** Notes that a write is missing from the log: it counts as failed until it is rewritten. */
  breakOff(error: Error): void {
    this.#gap = error;
  }

  /** Bytes of all files. */
  /** Bytes that wait to be written. */
  get waiting(): number {
    return this.#pendingBytes;
  }

  get size(): number {
    return this.#closedBytes + this.#length;
  }

  get rewriting(): boolean {
    return this.#rewriting;
  }

  /** Bytes of the increment that is being written. */
  get length(): number {
    return this.#length;
  }

  /** Takes the writes of one command or transaction; several are applied together or not at all. */
  append(writes: readonly LoggedWrite[]): void {
    if (writes.length === 0) return;
    if (this.failure !== undefined && this.#pendingBytes + lengthOf(writes) > this.#maxPending) {
      throw new Error(`AOF: more than ${this.#maxPending} bytes wait for a disk that fails: ${this.failure.message}`);
    }
    const atOnce = writes.length > 1;
    if (this.#stamped()) this.#noteTime();
    for (const [at, { db, argv }] of writes.entries()) {
      if (db !== this.#db) this.#hold(printCommand(['SELECT', String(db)]));
      this.#db = db;
      if (atOnce && at === 0) this.#hold(printCommand(['MULTI']));
      for (const piece of printPieces(argv)) this.#hold(piece);
    }
    if (atOnce) this.#hold(printCommand(['EXEC']));
  }

  /** Writes what was appended. Throws when the disk refuses it; it is then kept for the next flush. */
  flush(): void {
    if (this.#pending.length > 0) this.#write();
    if (!this.#unsynced) return;
    if (this.policy === 'always') this.#sync();
    else if (this.policy === 'everysec') this.#timer ??= this.#world.after(syncMs, () => this.#syncSoon());
  }

  /** Once a second at most. */
  #noteTime(): void {
    const seconds = Math.floor(this.#world.wallClock() / 1000);
    if (seconds === this.#stamp) return;
    this.#stamp = seconds;
    this.#hold(printTime(seconds));
  }

  #hold(text: string): void {
    this.#pending.push(text);
    this.#pendingBytes += text.length;
  }

  /**
   * All data was replaced from elsewhere: what the log holds says nothing about it. Until the next rewrite succeeds
   * the log on the disk stays that of the old data, whole; a rewrite that is under way must have ended.
   */
  outdate(): void {
    if (this.#apart) return;
    this.flush();
    closeSync(this.#file);
    this.#file = this.#openApart();
  }

  /** Deletes what earlier rewrites replaced. */
  clean(): void {
    this.#manifest = this.#sweep(this.#manifest);
  }

  /**
   * Writes a new base from what `capture` gives (the contents at the moment of the call), then drops what it replaces.
   * Rejects when that fails or a rewrite is under way; the log is then as good as before. Whether there is anything to
   * wait for is known when it returns: by then `write` was called, or nothing is done.
   */
  async rewrite(capture: () => RdbContent, write: WriteBase): Promise<void> {
    if (this.#rewriting) throw new Error('AOF: a rewrite is already under way');
    this.#rewriting = true;
    let closed: Promise<void> | undefined;
    try {
      this.flush();
      const replaced = this.#manifest;
      if (this.#apart) this.#restartApart();
      else closed = this.#rotate();
      // What a failed write left to be written is in the content as well.
      await this.#replaceBase(capture(), replaced, write);
      this.#gap = undefined;
      this.baseSize = this.size;
    } catch (error) {
      if (this.#apart) this.#emptyApart();
      throw error;
    } finally {
      await closed;
      this.#rewriting = false;
    }
  }

  async #replaceBase(content: RdbContent, replaced: Manifest, write: WriteBase): Promise<void> {
    const rdb = this.#rdbBase();
    const base = nextBase(this.#folder.name, this.#manifest, rdb);
    const at = this.#stamped() ? this.#world.wallClock() : undefined;
    await write({ path: this.#folder.at(base.name), content, rdb, at });
    const history = replacedBy(this.#manifest, replaced.increments);
    const increments = this.#apart ? [this.#joinApart()] : this.#manifest.increments.slice(replaced.increments.length);
    const next = { base, increments, history };
    this.#folder.write(next);
    this.#apart = false;
    this.#manifest = next;
    this.#closedBytes = sizeOf(this.#folder, base);
    this.#manifest = this.#sweep(next);
  }

  #sweep(manifest: Manifest): Manifest {
    if (this.#keepReplaced()) return manifest;
    for (const { name } of manifest.history)
      progress(this.#world, `Removing the history file ${name} in the background`);
    return this.#folder.sweep(manifest);
  }

  // ---- the file beside the log

  get #apartPath(): string {
    return this.#folder.at(`temp-${this.#folder.name}.incr`);
  }

  #openApart(): number {
    closeSync(openSync(this.#apartPath, 'w'));
    const file = openSync(this.#apartPath, 'a');
    this.#apart = true;
    this.#length = 0;
    this.#closedBytes = 0;
    this.#db = -1;
    return file;
  }

  /** What is in it is in the content that the rewrite writes, too. */
  #restartApart(): void {
    const old = this.#file;
    this.#file = this.#openApart();
    closeSync(old);
    this.#torn = false;
  }

  /** Nothing joins it to a log any more; the next rewrite begins it anew. */
  #emptyApart(): void {
    progress(this.#world, `Removing the temp incr aof file ${basename(this.#apartPath)} in the background`);
    rmSync(this.#apartPath, { force: true });
  }

  /** It becomes the first increment of the new log. */
  #joinApart(): LogFile {
    const seq = (this.#manifest.increments.at(-1)?.seq ?? 0) + 1;
    const file = { name: `${this.#folder.name}.${seq}.incr.aof`, seq };
    renameSync(this.#apartPath, this.#folder.at(file.name));
    return file;
  }

  /** Before close(): what was written beside the log is of no use, and its place may be wanted at once. */
  leave(): void {
    if (this.#apart) rmSync(this.#apartPath, { force: true });
    this.#apart = false;
  }

  /** Writes and syncs everything and closes the file. Call it once, and not during a rewrite. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    try {
      if (this.#pending.length > 0) this.#write();
      await this.#syncing;
      if (this.#unsynced) this.#sync();
    } finally {
      closeSync(this.#file);
    }
  }

  #write(): void {
    try {
      this.#mend();
      this.#torn = true;
      for (const bytes of batches(this.#pending)) writeAll(this.#file, bytes);
      this.#torn = false;
      this.#length += this.#pendingBytes;
    } catch (error) {
      this.#failure = error as Error;
      try {
        this.#mend();
      } catch {
        // The next write tries it again before it writes anything.
      }
      throw error;
    }
    this.#failure = undefined;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#unsynced = true;
  }

  /** Half a command in the middle would make everything after it unreadable. */
  #mend(): void {
    if (!this.#torn) return;
    if (fstatSync(this.#file).size !== this.#length) ftruncateSync(this.#file, this.#length);
    this.#torn = false;
  }

  #sync(): void {
    try {
      fdatasyncSync(this.#file);
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
    this.#failure = undefined;
    this.#unsynced = false;
    this.syncs++;
  }

  #syncSoon(): void {
    this.#timer = undefined;
    if (!this.#unsynced || this.#syncing !== undefined) return;
    this.#unsynced = false;
    this.#syncing = new Promise((resolve) => {
      fdatasync(this.#file, (error) => {
        this.#syncing = undefined;
        if (error === null) {
          this.#failure = undefined;
          this.syncs++;
        } else {
          this.#unsynced = true;
          this.#failure = error;
        }
        if (this.#unsynced) this.#timer ??= this.#world.after(syncMs, () => this.#syncSoon());
        resolve();
      });
    });
  }

  #begin(content: RdbContent): Manifest {
    this.#folder.make();
    this.#manifest = emptyManifest;
    const rdb = this.#rdbBase();
    const base = nextBase(this.#folder.name, this.#manifest, rdb);
    writeWhole(this.#folder.at(base.name), baseBytes(content, rdb));
    content.release?.();
    progress(this.#world, `Creating AOF base file ${base.name} on server start`);
    return { ...emptyManifest, base };
  }

  /** From here on writes go to a new increment; what is in the old one is on the disk. */
  #rotate(): Promise<void> {
    const old = this.#file;
    const { policy } = this;
    if (policy !== 'no' && this.#unsynced) this.#sync();
    const syncing = this.#syncing;
    [this.#manifest, this.#file] = this.#nextIncrement();
    this.#closedBytes += this.#length;
    this.#length = 0;
    this.#db = -1;
    return (syncing ?? Promise.resolve()).then(() => closeSync(old));
  }

  #nextIncrement(): [Manifest, number] {
    const seq = (this.#manifest.increments.at(-1)?.seq ?? 0) + 1;
    const name = `${this.#folder.name}.${seq}.incr.aof`;
    const place = this.#folder.at(name);
    closeSync(openSync(place, 'w'));
    const file = openSync(place, 'a');
    const next = { ...this.#manifest, increments: [...this.#manifest.increments, { name, seq }] };
    try {
      syncFolder(this.#folder.path);
      this.#folder.write(next);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    return [next, file];
  }
}

function lengthOf(writes: readonly LoggedWrite[]): number {
  let length = 0;
  for (const { argv } of writes) for (const word of argv) length += word.length;
  return length;
}

/** Bytes written at a time: texts are joined up to this, and longer ones go alone. */
const batchBytes = 8 * 1024 * 1024;

function* batches(texts: readonly string[]): Generator<Buffer> {
  let joined: string[] = [];
  let length = 0;
  for (const text of texts) {
    if (length > 0 && length + text.length > batchBytes) {
      yield Buffer.from(joined.join(''), 'latin1');
      joined = [];
      length = 0;
    }
    joined.push(text);
    length += text.length;
  }
  if (length > 0) yield Buffer.from(joined.join(''), 'latin1');
}
