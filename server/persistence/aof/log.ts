// The append only log while the server runs: writes are appended to the last increment and forced to the disk as the
// policy says; a rewrite puts one new base in the place of everything before it.
// Owns: the files of the log and its manifest.
// Does not know: what a command does, when to flush (before replies leave) or when to rewrite.
// Invariants: after flush() every write is in the file, with `always` also on the disk; a failed write leaves no part
// of itself behind; the files that the manifest names hold every flushed write at every moment, also after a crash.

import { closeSync, fdatasync, fdatasyncSync, fstatSync, ftruncateSync, openSync, statSync } from 'node:fs';
import type { Timer, World } from '../../../lib/base/world.ts';
import { syncFolder, writeAll, writeWhole, writeWholeSlowly } from '../disk/atomic-file.ts';
import type { RdbContent } from '../rdb/file.ts';
import { writeRdb } from '../rdb/file-writer.ts';
import { printCommand } from './commands.ts';
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
  /** What the manifest names is of another data set than what is written now. */
  #outdated = false;
  /** Bytes of all files but the one that is being written. */
  #closedBytes: number;
  /** Bytes of all files when the log was opened or last rewritten. */
  baseSize: number;
  policy: SyncPolicy;
  /** Why the last flush or sync failed; undefined again once one succeeds. Writes should be refused meanwhile. */
  failure: Error | undefined;
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
    const known = this.#folder.read();
    this.#manifest = known === undefined ? this.#begin(content()) : this.#folder.sweep(known);
    const last = this.#manifest.increments.at(-1);
    if (last === undefined) {
      [this.#manifest, this.#file] = this.#nextIncrement();
    } else {
      this.#file = openSync(this.#folder.at(last.name), 'a');
    }
    this.#length = fstatSync(this.#file).size;
    const { base, increments } = this.#manifest;
    const closed = [...(base === undefined ? [] : [base]), ...increments.slice(0, -1)];
    this.#closedBytes = closed.reduce((sum, { name }) => sum + statSync(this.#folder.at(name)).size, 0);
    this.baseSize = this.size;
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
    let text = '';
    const atOnce = writes.length > 1;
    for (const [at, { db, argv }] of writes.entries()) {
      if (db !== this.#db) text += printCommand(['SELECT', String(db)]);
      this.#db = db;
      if (atOnce && at === 0) text += printCommand(['MULTI']);
      text += printCommand(argv);
    }
    if (atOnce) text += printCommand(['EXEC']);
    this.#pending.push(text);
    this.#pendingBytes += text.length;
    if (this.failure !== undefined && this.#pendingBytes > this.#maxPending) {
      throw new Error(`AOF: more than ${this.#maxPending} bytes wait for a disk that fails: ${this.failure.message}`);
    }
  }

  /** Writes what was appended. Throws when the disk refuses it; it is then kept for the next flush. */
  flush(): void {
    if (this.#pending.length > 0) this.#write();
    if (!this.#unsynced) return;
    if (this.policy === 'always') this.#sync();
    else if (this.policy === 'everysec') this.#timer ??= this.#world.after(syncMs, () => this.#syncSoon());
  }

  /**
   * All data was replaced from elsewhere: what the log holds says nothing about it. Until the next rewrite succeeds
   * the log on the disk stays that of the old data, whole; a rewrite that is under way must have ended.
   */
  outdate(): void {
    this.#outdated = true;
  }

  /**
   * Writes a new base from what `capture` gives (the contents at the moment of the call), then drops what it replaces.
   * Rejects when that fails or a rewrite is under way; the log is then as good as before.
   */
  async rewrite(capture: () => RdbContent): Promise<void> {
    if (this.#rewriting) throw new Error('AOF: a rewrite is already under way');
    this.#rewriting = true;
    try {
      this.flush();
      const content = capture();
      const replaced = this.#manifest;
      await this.#rotate();
      await this.#replaceBase(content, replaced);
      this.#outdated = false;
      this.baseSize = this.size;
    } finally {
      this.#rewriting = false;
    }
  }

  async #replaceBase(content: RdbContent, replaced: Manifest): Promise<void> {
    const seq = (replaced.base?.seq ?? 0) + 1;
    const base = { name: `${this.#folder.name}.${seq}.base.rdb`, seq };
    await writeWholeSlowly(this.#folder.at(base.name), writeRdb(content));
    const increments = this.#manifest.increments.slice(replaced.increments.length);
    const history: LogFile[] = [...(replaced.base === undefined ? [] : [replaced.base]), ...replaced.increments];
    const next = { base, increments, history };
    this.#folder.write(next);
    this.#manifest = next;
    this.#closedBytes = statSync(this.#folder.at(base.name)).size;
    this.#manifest = this.#folder.sweep(next);
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
      const bytes = Buffer.from(this.#pending.join(''), 'latin1');
      this.#torn = true;
      writeAll(this.#file, bytes);
      this.#torn = false;
      this.#length += bytes.length;
    } catch (error) {
      this.failure = error as Error;
      try {
        this.#mend();
      } catch {
        // The next write tries it again before it writes anything.
      }
      throw error;
    }
    this.failure = undefined;
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
      this.failure = error as Error;
      throw error;
    }
    this.failure = undefined;
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
          this.failure = undefined;
          this.syncs++;
        } else {
          this.#unsynced = true;
          this.failure = error;
        }
        if (this.#unsynced) this.#timer ??= this.#world.after(syncMs, () => this.#syncSoon());
        resolve();
      });
    });
  }

  #begin(content: RdbContent): Manifest {
    this.#folder.make();
    const base = { name: `${this.#folder.name}.1.base.rdb`, seq: 1 };
    writeWhole(this.#folder.at(base.name), writeRdb(content));
    this.#manifest = { ...emptyManifest, base };
    return this.#manifest;
  }

  /** From here on writes go to a new increment; what is in the old one is on the disk. */
  async #rotate(): Promise<void> {
    const old = this.#file;
    const { policy } = this;
    if (policy !== 'no' && this.#unsynced) this.#sync();
    const syncing = this.#syncing;
    [this.#manifest, this.#file] = this.#nextIncrement();
    this.#closedBytes += this.#length;
    this.#length = 0;
    this.#db = -1;
    await syncing;
    closeSync(old);
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
      if (!this.#outdated) this.#folder.write(next);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    return [next, file];
  }
}
