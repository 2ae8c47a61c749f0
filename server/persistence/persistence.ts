// Keeps one node's data on the disk: loads it before the node serves, takes snapshots, logs every write.
// Owns: the snapshots and the append only log of a node that was given a `dir`.
// Does not know: sockets and the cluster, nor the bytes of a file (rdb/, aof/).
// Invariant: once the log is open, the effects of a command are in it (with `always` on the disk) before its reply
// leaves; when that cannot be had with `always`, the node stops instead of replying.

import { existsSync } from 'node:fs';
import { note, type Timer } from '../../lib/base/world.ts';
import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Effect, Engine } from '../engine/engine.ts';
import type { CommandGroup } from '../engine/registry.ts';
import { databaseApplier } from '../engine/replay.ts';
import { serverVersion } from '../engine/version.ts';
import { loadLog } from './aof/loader.ts';
import { AppendLog, type SyncPolicy } from './aof/log.ts';
import { LogWrites } from './aof-group-commit.ts';
import { Snapshots } from './bgsave.ts';
import { persistenceLines, type SavingFacts } from './info.ts';
import { capturedContent, loadSink, loadSnapshot } from './rdb/snapshot.ts';

const saveRunning = new ReplyError('ERR Background save already in progress');
const rewriteRunning = new ReplyError('ERR Background append only file rewriting already in progress');
const noLog = new ReplyError('ERR this server keeps no append only file');
const saveFailed = new ReplyError('ERR the snapshot could not be written, see the log');
const saveStarted = new Status('Background saving started');
const rewriteStarted = new Status('Background append only file rewriting started');
const snapshotRefusal = new ReplyError(
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
);
const cronMs = 1000;
/** Between tries to rewrite the log, which double. */
const maxPauseSeconds = 3600;

export class Saving {
  readonly #engine: Engine;
  readonly #onFatal: (reason: string) => void;
  readonly #snapshots: Snapshots;
  readonly #rewrites = { count: 0, ok: true, startedAt: 0, lastSeconds: -1, failures: 0 };
  #loaded = { keys: 0, expired: 0 };
  readonly #writes = new LogWrites((error) => this.#lost(error));
  #rewriting: Promise<void> | undefined;
  #timer: Timer | undefined;
  /** The log on the disk is of other data than the node has: it is to be written anew. */
  #outdated = false;
  /** The node's own past is being replayed: effects are not news. */
  loading = false;

  /** `onFatal` is called when a write can no longer be kept as promised: no reply may leave after it. */
  constructor(engine: Engine, onFatal: (reason: string) => void) {
    this.#engine = engine;
    this.#onFatal = onFatal;
    this.#snapshots = new Snapshots(engine);
    engine.config.onChange((name) => {
      if (name === 'appendfsync' && this.#log !== undefined) this.#log.policy = this.#policy;
      if (name === 'appendonly' && engine.config.flag(name) !== (this.#log !== undefined)) this.#switchLog();
    });
  }

  /** Fills the databases from the log when there is to be one, else from the snapshot; then opens the log. */
  async load(): Promise<void> {
    const { config, databases } = this.#engine;
    this.loading = true;
    try {
      if (config.flag('appendonly')) await this.#loadLog();
      else if (existsSync(this.#snapshots.path)) {
        const { keys, expired, aux } = await loadSnapshot(this.#snapshots.path, databases);
        this.#loaded = { keys, expired };
        this.#engine.hooks.onSnapshotLoaded?.(aux, expired);
      }
      databases.dirty = 0;
    } finally {
      this.loading = false;
    }
    this.#snapshots.watch();
    this.#watch();
  }

  onEffects(effects: readonly Effect[]): void {
    if (!this.loading) this.#writes.append(effects);
  }

  /** As EngineHooks.mayReply. */
  mayReply(again: () => void): boolean {
    return this.#writes.mayReply(again);
  }

  /** As EngineHooks.beforeReplies. */
  flush(): void {
    this.#writes.flush();
  }

  /** Otherwise it is kept and tried again: `everysec` and `no` promise no more. */
  #lost(error: unknown): void {
    this.#note('a write could not be logged', error);
    if (this.#log?.policy === 'always') this.#onFatal('a write could not be logged as promised (appendfsync always)');
  }

  /** All data was replaced by a copy from elsewhere. */
  replaced(): void {
    if (this.#log === undefined) return;
    this.#outdated = true;
    this.#renewLog();
  }

  /** Why writes are refused now: what they change could not be kept. */
  refusal(): ReplyError | undefined {
    const { config } = this.#engine;
    if (!this.#snapshots.ok && config.flag('stop-writes-on-bgsave-error') && config.get('save') !== '') {
      return snapshotRefusal;
    }
    const failure = this.#log?.failure;
    return failure && new ReplyError(`MISCONF Errors writing to the AOF file: ${failure.message}`);
  }

  /** Before the node stops: writes a last snapshot. False: it failed. */
  saveLast(always: boolean): boolean {
    if (!always && this.#snapshots.points.length === 0) return true;
    return this.#snapshots.now();
  }

  /** The lines of INFO persistence. */
  info(): string[] {
    return persistenceLines(this.#engine, this.#facts());
  }

  /** Ends background work and puts the log in order. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await Promise.allSettled([this.#snapshots.close(), this.#rewriting]);
    await this.#closeLog();
  }

  /** Bytes that wait to be logged. */
  get logBuffer(): number {
    return this.#log?.waiting ?? 0;
  }

  /** DEBUG RELOAD: saves, unless the file is to be loaded as it is, and gives its path; undefined: saving failed. */
  saveForReload(save: boolean): string | undefined {
    return !save || this.#snapshots.now() ? this.#snapshots.path : undefined;
  }

  /** DEBUG LOADAOF: the log in place of what is in memory. Rejects as loadLog does. */
  async reloadLog(): Promise<void> {
    const { config, databases } = this.#engine;
    this.flush();
    this.loading = true;
    try {
      for (const store of databases.stores) store.clear();
      const { sink: rdb } = loadSink(databases, { dropExpired: false });
      const options = { databases: databases.stores.length, cutTail: config.flag('aof-load-truncated') };
      await loadLog(this.#place, { rdb, onCommand: databaseApplier(this.#engine) }, options);
      databases.dirty = 0;
    } finally {
      this.loading = false;
    }
  }

  words(): CommandGroup<Client> {
    return {
      save: (client) => {
        if (this.#snapshots.running) return saveRunning;
        // That nothing counts as changed any more is no change itself.
        client.override = [];
        return this.#snapshots.now() ? OK : saveFailed;
      },
      bgsave: (_client, argv) => this.#saveSlowly(argv),
      bgrewriteaof: () => {
        if (this.#log === undefined) return noLog;
        if (this.#rewriting !== undefined) return rewriteRunning;
        this.#rewrite(this.#log);
        return rewriteStarted;
      },
      lastsave: () => this.#snapshots.lastSave,
    };
  }

  get #log(): AppendLog | undefined {
    return this.#writes.log;
  }

  get #policy(): SyncPolicy {
    return this.#engine.config.get('appendfsync') as SyncPolicy;
  }

  get #place(): { dir: string; folder: string; name: string } {
    const { config } = this.#engine;
    return { dir: config.get('dir'), folder: config.get('appenddirname'), name: config.get('appendfilename') };
  }

  async #loadLog(): Promise<void> {
    const { config, databases, world } = this.#engine;
    const { sink: rdb } = loadSink(databases, { dropExpired: false });
    const options = { databases: databases.stores.length, cutTail: config.flag('aof-load-truncated') };
    const summary = await loadLog(this.#place, { rdb, onCommand: databaseApplier(this.#engine) }, options);
    if (summary !== undefined && summary.cut > 0) world.log(`AOF: cut off ${summary.cut} bytes of an unfinished write`);
    this.#writes.log = this.#openLog();
  }

  #openLog(): AppendLog {
    const { world } = this.#engine;
    return new AppendLog({ ...this.#place, world, policy: this.#policy }, () => this.#capture());
  }

  /** CONFIG SET appendonly. A log of before is of other data. */
  #switchLog(): void {
    if (this.#log !== undefined) {
      void this.#closeLog();
      return;
    }
    try {
      this.#writes.log = this.#openLog();
      this.replaced();
    } catch (error) {
      this.#note('the log could not be opened', error);
    }
  }

  async #closeLog(): Promise<void> {
    this.flush();
    const log = this.#log;
    this.#writes.log = undefined;
    await this.#rewriting;
    await log?.close().catch((error: unknown) => this.#note('the log was not closed in order', error));
  }

  #saveSlowly(argv: readonly string[]): Reply {
    if (argv.length > 2 || (argv[1] !== undefined && argv[1].toLowerCase() !== 'schedule')) {
      return new ReplyError('ERR syntax error');
    }
    if (this.#snapshots.running) return saveRunning;
    this.#snapshots.soon();
    return saveStarted;
  }

  #renewLog(): void {
    if (this.#log === undefined || this.#rewriting !== undefined) return;
    this.#outdated = false;
    this.#log.outdate();
    this.#rewrite(this.#log);
  }

  #rewrite(log: AppendLog): void {
    const { world } = this.#engine;
    const facts = this.#rewrites;
    facts.startedAt = world.now();
    this.#rewriting = log
      .rewrite(() => this.#capture())
      .then(() => {
        facts.count++;
        facts.ok = true;
        facts.failures = 0;
        note(world, 'Background AOF rewrite finished successfully');
      })
      .catch((error: unknown) => {
        facts.ok = false;
        facts.failures++;
        this.#note('the AOF rewrite failed', error);
      })
      .finally(() => {
        facts.lastSeconds = Math.floor((world.now() - facts.startedAt) / 1000);
        this.#rewriting = undefined;
        // The copy that was written is of the data before.
        if (this.#outdated) this.#renewLog();
      });
  }

  #watch(): void {
    this.#timer = this.#engine.world.after(cronMs, () => {
      this.#tend();
      this.#watch();
    });
  }

  #tend(): void {
    const log = this.#log;
    if (log === undefined || this.#rewriting !== undefined) return;
    const { config, world } = this.#engine;
    if (log.failure !== undefined) {
      // Writes are refused meanwhile, so none of them would try it.
      this.onEffects([]);
      return;
    }
    const percentage = config.number('auto-aof-rewrite-percentage');
    const grown = ((log.size - log.baseSize) * 100) / Math.max(1, log.baseSize);
    const due = percentage > 0 && log.size > config.number('auto-aof-rewrite-min-size') && grown >= percentage;
    const { startedAt, failures } = this.#rewrites;
    const pause = failures === 0 ? 0 : Math.min(2 ** failures, maxPauseSeconds) * 1000;
    if ((!due && failures === 0) || world.now() - startedAt < pause) return;
    if (due) note(world, `Starting automatic rewriting of AOF on ${Math.floor(grown)}% growth`);
    this.#rewrite(log);
  }

  #capture(): ReturnType<typeof capturedContent> {
    return capturedContent(this.#engine.databases, { version: serverVersion, aofBase: true });
  }

  #facts(): SavingFacts {
    const { lastSave, ok, running, seconds, lastSeconds, count } = this.#snapshots;
    const { startedAt, ...rewrites } = this.#rewrites;
    const active = this.#rewriting !== undefined;
    const spent = active ? Math.floor((this.#engine.world.now() - startedAt) / 1000) : -1;
    return {
      snapshots: { lastSave, ok, running, seconds, lastSeconds, count },
      loaded: this.#loaded,
      rewrites: { ...rewrites, running: active, seconds: spent },
      log: this.#log && { size: this.#log.size, baseSize: this.#log.baseSize, failed: this.#log.failure !== undefined },
    };
  }

  #note(what: string, error: unknown): void {
    this.#engine.world.log(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
