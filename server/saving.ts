// Keeps one node's data on the disk: loads it before the node listens, saves snapshots on command, logs every write.
// Between the engine and persistence; knows no sockets and no cluster. Only nodes that were given a `dir` have one.
// Invariant: once the log is open, the effects of a command are in it (with `always` on the disk) before its reply
// leaves; when that cannot be had with `always`, the node stops instead of promising.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OK, type Reply, ReplyError, Status } from '../lib/wire/reply.ts';
import type { Client } from './command/client.ts';
import type { Effect, Engine } from './command/engine.ts';
import type { CommandGroup } from './command/registry.ts';
import { serverVersion } from './command/version.ts';
import { loadLog } from './persistence/aof-loader.ts';
import { AppendLog, type SyncPolicy } from './persistence/aof-log.ts';
import { capturedContent, loadSink, loadSnapshot, saveSnapshot, saveSnapshotSlowly } from './persistence/snapshot.ts';
import { databaseApplier } from './replication-apply.ts';

const saveRunning = new ReplyError('ERR Background save already in progress');
const rewriteRunning = new ReplyError('ERR Background append only file rewriting already in progress');
const noLog = new ReplyError('ERR this server keeps no append only file');
const saveFailed = new ReplyError('ERR the snapshot could not be written, see the log');
const saveStarted = new Status('Background saving started');
const rewriteStarted = new Status('Background append only file rewriting started');

export class Saving {
  readonly #engine: Engine;
  readonly #onFatal: (reason: string) => void;
  #log: AppendLog | undefined;
  #saving: Promise<void> | undefined;
  #rewriting: Promise<void> | undefined;
  /** Whole seconds since the epoch. */
  #lastSave: number;
  /** The node's own past is being replayed: effects are not news. */
  loading = false;

  /** `onFatal` is called when a write can no longer be kept as promised: no reply may leave after it. */
  constructor(engine: Engine, onFatal: (reason: string) => void) {
    this.#engine = engine;
    this.#onFatal = onFatal;
    this.#lastSave = Math.floor(engine.started / 1000);
    engine.config.onChange((name) => {
      if (name === 'appendfsync' && this.#log !== undefined) this.#log.policy = this.#policy;
    });
  }

  /** Fills the databases from the log when there is to be one, else from the snapshot; then opens the log. */
  async load(): Promise<void> {
    const { config, databases } = this.#engine;
    this.loading = true;
    try {
      if (config.flag('appendonly')) await this.#loadLog();
      else if (existsSync(this.#snapshotPath)) await loadSnapshot(this.#snapshotPath, databases);
      databases.dirty = 0;
    } finally {
      this.loading = false;
    }
  }

  onEffects(effects: readonly Effect[]): void {
    if (this.#log === undefined || this.loading) return;
    try {
      this.#log.append(effects);
      this.#log.flush();
    } catch (error) {
      this.#note('a write could not be logged', error);
      // Otherwise it is kept and tried again with the next one: `everysec` and `no` promise no more.
      if (this.#log.policy === 'always') this.#onFatal('a write could not be logged as promised (appendfsync always)');
    }
  }

  /** Ends background work and puts the log in order. */
  async close(): Promise<void> {
    await Promise.allSettled([this.#saving, this.#rewriting]);
    const log = this.#log;
    this.#log = undefined;
    await log?.close().catch((error: unknown) => this.#note('the log was not closed in order', error));
  }

  words(): CommandGroup<Client> {
    return {
      save: () => this.#save(),
      bgsave: (_client, argv) => this.#saveSlowly(argv),
      bgrewriteaof: () => this.#rewrite(),
      lastsave: () => this.#lastSave,
    };
  }

  get #snapshotPath(): string {
    return join(this.#engine.config.get('dir'), this.#engine.config.get('dbfilename'));
  }

  get #policy(): SyncPolicy {
    return this.#engine.config.get('appendfsync') as SyncPolicy;
  }

  async #loadLog(): Promise<void> {
    const { config, databases, world } = this.#engine;
    const place = {
      dir: config.get('dir'),
      folder: config.get('appenddirname'),
      name: config.get('appendfilename'),
    };
    const { sink: rdb } = loadSink(databases, { dropExpired: false });
    const options = { databases: databases.stores.length, cutTail: config.flag('aof-load-truncated') };
    const summary = await loadLog(place, { rdb, onCommand: databaseApplier(this.#engine) }, options);
    if (summary !== undefined && summary.cut > 0) world.log(`AOF: cut off ${summary.cut} bytes of an unfinished write`);
    this.#log = new AppendLog({ ...place, world, policy: this.#policy }, () => this.#capture());
  }

  #save(): Reply {
    if (this.#saving !== undefined) return saveRunning;
    try {
      saveSnapshot(this.#snapshotPath, this.#engine.databases, { version: serverVersion });
    } catch (error) {
      this.#note('SAVE failed', error);
      return saveFailed;
    }
    this.#saved();
    return OK;
  }

  #saveSlowly(argv: readonly string[]): Reply {
    if (argv.length > 2 || (argv[1] !== undefined && argv[1].toLowerCase() !== 'schedule')) {
      return new ReplyError('ERR syntax error');
    }
    if (this.#saving !== undefined) return saveRunning;
    this.#saving = saveSnapshotSlowly(this.#snapshotPath, this.#engine.databases, { version: serverVersion })
      .then(() => this.#saved())
      .catch((error: unknown) => this.#note('BGSAVE failed', error))
      .finally(() => {
        this.#saving = undefined;
      });
    return saveStarted;
  }

  #rewrite(): Reply {
    if (this.#log === undefined) return noLog;
    if (this.#rewriting !== undefined) return rewriteRunning;
    this.#rewriting = this.#log
      .rewrite(() => this.#capture())
      .catch((error: unknown) => this.#note('BGREWRITEAOF failed', error))
      .finally(() => {
        this.#rewriting = undefined;
      });
    return rewriteStarted;
  }

  #capture(): ReturnType<typeof capturedContent> {
    return capturedContent(this.#engine.databases, { version: serverVersion, aofBase: true });
  }

  #saved(): void {
    this.#lastSave = Math.floor(this.#engine.world.now() / 1000);
  }

  #note(what: string, error: unknown): void {
    this.#engine.world.log(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
