// Keeps one node's data on the disk: loads it before the node serves, takes snapshots, logs every write.
// Owns: the snapshots and the append only log of a node that was given a `dir`.
// Does not know: sockets and the cluster, nor the bytes of a file (rdb/, aof/).
// Invariant: once the log is open, the effects of a command are in it (with `always` on the disk) before its reply
// leaves; when that cannot be had with `always`, the node stops instead of replying.

import { existsSync } from 'node:fs';
import { progress, type Timer, type World } from '../../lib/base/world.ts';
import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { loadPause } from '../engine/load-pace.ts';
import type { Effect, PersistencePort } from '../engine/ports.ts';
import type { CommandGroup } from '../engine/registry.ts';
import { databaseApplier } from '../engine/replay.ts';
import { serverVersion } from '../engine/version.ts';
import type { LogPlace } from './aof/folder.ts';
import { type LogSink, loadLog, UnknownCommandError } from './aof/loader.ts';
import { AppendLog, type SyncPolicy } from './aof/log.ts';
import { LogWrites } from './aof-group-commit.ts';
import { Snapshots } from './bgsave.ts';
import { systemText } from './disk/system-text.ts';
import { persistenceLines, type SavingFacts } from './info.ts';
import type { RdbContent } from './rdb/file.ts';
import { capturedContent, loadSink, loadSnapshot } from './rdb/snapshot.ts';
import { Rewrites } from './rewrites.ts';
import { InProcessSaver } from './saver/in-process.ts';
import { BackgroundSaves, type RunningSave } from './saver/saver.ts';

const saveRunning = new ReplyError('ERR Background save already in progress');
const rewriteRunning = new ReplyError('ERR Background append only file rewriting already in progress');
const saveBlocked = new ReplyError(
  "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
);
const notTurnedOn = 'Unable to turn on AOF. Check server logs.';
/** Its text is empty, as that of redis-server: the log says why. */
const saveFailed = new ReplyError('ERR');
const rewriteFailed = new ReplyError(
  "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
);
const saveStarted = new Status('Background saving started');
const saveScheduled = new Status('Background saving scheduled');
const rewriteScheduled = new Status('Background append only file rewriting scheduled');
const rewriteStarted = new Status('Background append only file rewriting started');
const snapshotRefusal = new ReplyError(
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
);
const cronMs = 100;

export class PersistenceManager implements PersistencePort {
  readonly #engine: Engine;
  readonly #onFatal: (reason: string) => void;
  readonly #saves: BackgroundSaves;
  readonly #snapshots: Snapshots;
  readonly #rewrites: Rewrites;
  #loaded = { keys: 0, expired: 0 };
  readonly #writes = new LogWrites((error) => this.#lost(error));
  /** A snapshot is to start once nothing else of the kind is under way. */
  #saveScheduled = false;
  #timer: Timer | undefined;
  /** The log on the disk is of other data than the node has: it is to be written anew. */
  #outdated = false;
  /** The node's own past is being replayed: effects are not news. */
  loading = false;

  /**
   * `onFatal` is called when a write can no longer be kept as promised: no reply may leave after it. `saves`: those of
   * the whole node.
   */
  constructor(
    engine: Engine,
    onFatal: (reason: string) => void,
    saves: BackgroundSaves = new BackgroundSaves(new InProcessSaver()),
  ) {
    this.#engine = engine;
    this.#onFatal = onFatal;
    this.#saves = saves;
    this.#snapshots = new Snapshots(engine, saves);
    this.#rewrites = new Rewrites(engine, saves, {
      log: () => this.#log,
      place: () => this.#place,
      capture: () => this.#capture(),
      // The copy that was written is of the data before.
      onOver: () => this.#outdated && this.#renewLog(),
    });
    engine.config.onChange((name) => {
      if (name === 'appendfsync' && this.#log !== undefined) this.#log.policy = this.#policy;
      if (name === 'appendonly') this.followParameter();
      if (name === 'aof-disable-auto-gc' && !engine.config.flag(name)) this.#cleanLog();
    });
  }

  /**
   * Fills the databases from the log when there is to be one, else from the snapshot; then opens the log. A
   * snapshot's keys that have run out are left out, except where `following` a primary: that one says when they go.
   */
  async load({ following }: { readonly following: boolean }): Promise<void> {
    const { config, databases } = this.#engine;
    this.loading = true;
    try {
      if (config.flag('appendonly')) await this.#loadLog();
      else if (existsSync(this.#snapshots.path)) await this.#loadSnapshot(following);
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

  canFlushReplies(again: () => void): boolean {
    return this.#writes.canFlushReplies(again);
  }

  flush(): void {
    this.#writes.flush();
  }

  /** Otherwise it is kept and tried again: `everysec` and `no` promise no more. */
  #lost(error: unknown): void {
    this.#progress('a write could not be logged', error);
    if (this.#log?.policy === 'always') {
      this.#onFatal("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...");
    }
  }

  /** All data was replaced by a copy from elsewhere. */
  replaced(): void {
    const { running } = this.#saves;
    if (running?.kind === 'rdb') {
      progress(
        this.#engine.world,
        `The data was replaced while a snapshot was written. Killing process ${running.pid} and removing its temp file`,
      );
      running.kill();
    }
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
    return failure && new ReplyError(`MISCONF Errors writing to the AOF file: ${systemText(failure)}`);
  }

  /** All data was flushed by command: a snapshot under way would hold what is gone, and so does the last one. */
  flushed(): void {
    this.#snapshots.end();
    if (this.#snapshots.points.length > 0) this.#snapshots.now();
  }

  /** Before the node stops: whether it may, unless by force; ends background work. */
  mayStop(force: boolean): boolean {
    const { world } = this.#engine;
    if (this.#snapshots.running) {
      world.log('There is a child saving an .rdb. Killing it!');
      this.#snapshots.end();
    }
    if (this.#log?.apart === true) {
      world.log(force ? 'Writing initial AOF. Exit anyway.' : "Writing initial AOF, can't exit.");
      if (!force) return false;
    }
    if (this.#rewrites.running) {
      world.log('There is a child rewriting the AOF. Killing it!');
      this.#rewrites.kill();
    }
    if (this.#log !== undefined) progress(world, 'Calling fsync() on the AOF file.');
    return true;
  }

  /** Before the node stops: writes a last snapshot, which may take its time. False: it failed. */
  saveLast(always: boolean): boolean | Promise<boolean> {
    if (!always && this.#snapshots.points.length === 0) return true;
    progress(this.#engine.world, 'Saving the final RDB snapshot before exiting.');
    return this.#snapshots.last();
  }

  /** The lines of INFO persistence. `copying`: a snapshot is on its way to replicas, which counts as one. */
  info(copying: boolean): string[] {
    const facts = this.#facts();
    const running = facts.snapshots.running || copying;
    return persistenceLines(this.#engine, { ...facts, snapshots: { ...facts.snapshots, running } });
  }

  /** Ends background work and puts the log in order. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#rewrites.kill();
    await Promise.allSettled([this.#snapshots.close(), this.#rewrites.done]);
    await this.#closeLog();
  }

  /** Snapshots and rewrites begun in the background. */
  get begun(): number {
    return this.#snapshots.begun + this.#rewrites.count;
  }

  /** Snapshots that are made for replicas. */
  get copies(): {
    readonly path: string;
    readonly wantedAnyway: boolean;
    begin(content: RdbContent): RunningSave | undefined;
  } {
    const snapshots = this.#snapshots;
    return {
      get path() {
        return snapshots.path;
      },
      get wantedAnyway() {
        return snapshots.points.length > 0;
      },
      begin: (content) => snapshots.soon(content),
    };
  }

  /** CONFIG RESETSTAT. */
  resetCounts(): void {
    this.#snapshots.begun = 0;
    this.#snapshots.count = 0;
    this.#rewrites.resetCounts();
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
      this.#engine.functions?.replaceAll([]);
      const onFunction = (source: string): void => this.#engine.functions?.add(source);
      const rdb = { ...loadSink(databases, { dropExpired: false }).sink, onFunction };
      const options = { databases: databases.stores.length, cutTail: config.flag('aof-load-truncated') };
      await loadLog(this.#place, { rdb, onCommand: databaseApplier(this.#engine) }, options);
      databases.dirty = 0;
    } finally {
      this.loading = false;
    }
  }

  /** DEBUG AOF-FLUSH-SLEEP: the node stands still for so many ms before each write; 0: no longer. */
  sleepBeforeFlush(ms: number): void {
    const blockFor = this.#engine.node?.blockFor;
    this.#writes.beforeFlush = ms > 0 && blockFor !== undefined ? () => blockFor(ms) : undefined;
  }

  words(): CommandGroup<Client> {
    return {
      save: (client) => {
        if (this.#snapshots.running) return saveRunning;
        // That nothing counts as changed any more is no change itself.
        client.override = [];
        this.#snapshots.count++;
        return this.#snapshots.now() ? OK : saveFailed;
      },
      bgsave: (client, argv) => this.#saveSlowly(client, argv),
      bgrewriteaof: (client) => {
        if (this.#rewrites.running) return rewriteRunning;
        if (this.#saves.running !== undefined || client.denyBlocking) {
          this.#rewrites.schedule();
          return rewriteScheduled;
        }
        return this.#rewrites.begin() ? rewriteStarted : rewriteFailed;
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

  get #place(): LogPlace {
    const { config } = this.#engine;
    return { dir: config.get('dir'), folder: config.get('appenddirname'), name: config.get('appendfilename') };
  }

  async #loadSnapshot(following: boolean): Promise<void> {
    const { databases, world, replication } = this.#engine;
    const started = world.now();
    const { keys, expired, expiredKeys, empty, emptyKeys, aux, functions } = await loadSnapshot(
      this.#snapshots.path,
      databases,
      {
        dropExpired: !following,
        pause: (keys) => loadPause(this.#engine, keys),
      },
    );
    this.#engine.functions?.replaceAll(functions);
    this.#loaded = { keys, expired };
    progress(world, `Loading RDB produced by version ${aux.get('redis-ver') ?? aux.get('valkey-ver') ?? 'unknown'}`);
    for (const key of emptyKeys) progress(world, `rdb load: skipping empty key: ${key}`);
    progress(world, `Done loading RDB, keys loaded: ${keys}, keys expired: ${expired}, empty keys skipped: ${empty}.`);
    progress(world, `DB loaded from disk: ${secondsSince(world, started)} seconds`);
    replication?.restore(aux, expiredKeys);
  }

  async #loadLog(): Promise<void> {
    const { config, databases, world } = this.#engine;
    const started = world.now();
    const options = {
      databases: databases.stores.length,
      cutTail: config.flag('aof-load-truncated'),
      pause: (count: number) => loadPause(this.#engine, count),
    };
    const summary = await loadLog(this.#place, this.#logSink(), options);
    if (summary !== undefined && summary.cut > 0) {
      world.log('!!! Warning: short read while loading the AOF file!!!');
      world.log(`AOF loaded anyway because aof-load-truncated is enabled: cut off ${summary.cut} bytes`);
    }
    if (summary !== undefined)
      progress(world, `DB loaded from append only file: ${secondsSince(world, started)} seconds`);
    this.#writes.log = this.#openLog(false);
  }

  #logSink(): LogSink {
    const { databases, registry, world } = this.#engine;
    const apply = databaseApplier(this.#engine);
    let started = world.now();
    // Commands behind the base may call or replace its functions, so they are there at once.
    const onFunction = (source: string): void => this.#engine.functions?.add(source);
    return {
      rdb: { ...loadSink(databases, { dropExpired: false }).sink, onFunction },
      onCommand: (db, argv) => {
        if (registry.find(argv) instanceof ReplyError) throw new UnknownCommandError(`Unknown command '${argv[0]}'`);
        apply(db, argv);
      },
      onFile: (name, kind) => {
        progress(world, `DB loaded from ${kind} file ${name}: ${secondsSince(world, started)} seconds`);
        started = world.now();
      },
    };
  }

  #openLog(turnedOn: boolean): AppendLog {
    const { world, config } = this.#engine;
    const options = {
      ...this.#place,
      world,
      policy: this.#policy,
      rdbBase: () => config.flag('aof-use-rdb-preamble'),
      keepReplaced: () => config.flag('aof-disable-auto-gc'),
      stamped: () => config.flag('aof-timestamp-enabled'),
      turnedOn,
    };
    return new AppendLog(options, () => this.#capture());
  }

  /**
   * Turns the log on or off, as `appendonly` says now. Gives why it could not be turned on, in the words of
   * CONFIG SET; undefined: it is as the parameter says.
   */
  followParameter(inTransaction = false): string | undefined {
    const wanted = this.#engine.config.flag('appendonly');
    if (wanted === (this.#log !== undefined) || this.loading) return undefined;
    if (!wanted) {
      void this.#closeLog();
      return undefined;
    }
    try {
      this.#writes.log = this.#openLog(true);
    } catch (error) {
      this.#progress("Can't open or create the append-only file", error);
      return notTurnedOn;
    }
    this.#outdated = true;
    this.#renewLog(inTransaction);
    return undefined;
  }

  #cleanLog(): void {
    try {
      this.#log?.clean();
    } catch (error) {
      this.#progress('replaced files of the log could not be deleted', error);
    }
  }

  async #closeLog(): Promise<void> {
    this.flush();
    const log = this.#log;
    this.#writes.log = undefined;
    log?.leave();
    this.#rewrites.scheduled = false;
    this.#rewrites.kill();
    await this.#rewrites.done;
    await log?.close().catch((error: unknown) => this.#progress('the log was not closed in order', error));
  }

  #saveSlowly(client: Client, argv: readonly string[]): Reply {
    const schedule = argv[1]?.toLowerCase() === 'schedule';
    if (argv.length > 2 || (argv.length === 2 && !schedule)) return new ReplyError('ERR syntax error');
    if (this.#snapshots.running) return saveRunning;
    if (this.#rewrites.running || client.denyBlocking) {
      if (!schedule && !client.denyBlocking) return saveBlocked;
      this.#saveScheduled = true;
      return saveScheduled;
    }
    return this.#snapshots.soon() === undefined ? saveFailed : saveStarted;
  }

  /** The log on the disk is of other data, or of none: writes go beside it until it was rewritten. */
  #renewLog(inTransaction = false): void {
    const log = this.#log;
    if (log === undefined) return;
    if (this.#rewrites.running) {
      // What it writes is of the data before.
      this.#rewrites.kill();
      return;
    }
    this.#outdated = false;
    try {
      log.outdate();
    } catch (error) {
      this.#progress('the log could not be begun anew', error);
      log.breakOff(error as Error);
    }
    if (this.#saves.running !== undefined || inTransaction) {
      this.#rewrites.scheduled = true;
      const why = inTransaction
        ? 'AOF was enabled during a transaction.'
        : 'AOF was enabled but there is already another background operation.';
      progress(this.#engine.world, `${why} An AOF background was scheduled to start when possible.`);
    } else this.#rewrites.begin();
  }

  #watch(): void {
    this.#timer = this.#engine.world.after(cronMs, () => {
      this.#tend();
      this.#watch();
    });
  }

  #tend(): void {
    const log = this.#log;
    if (this.#rewrites.running || this.#saves.running !== undefined) return;
    if (this.#saveScheduled) {
      this.#saveScheduled = false;
      this.#snapshots.soon();
      return;
    }
    if (log !== undefined && log.failure !== undefined && !log.broken) {
      // Writes are refused meanwhile, so none of them would try it.
      this.onEffects([]);
      return;
    }
    this.#rewrites.tend();
  }

  #capture(): RdbContent {
    const functions = this.#engine.functions?.sources ?? [];
    return capturedContent(this.#engine.databases, { version: serverVersion, aofBase: true, functions });
  }

  #facts(): SavingFacts {
    const { lastSave, ok, running, seconds, lastSeconds, count } = this.#snapshots;
    return {
      snapshots: { lastSave, ok, running, seconds, lastSeconds, count },
      loaded: this.#loaded,
      rewrites: this.#rewrites.facts,
      current: this.#saves.running?.progress,
      lastKept: this.#saves.lastKept,
      log: this.#log && { size: this.#log.size, baseSize: this.#log.baseSize, failed: this.#log.failure !== undefined },
    };
  }

  #progress(what: string, error: unknown): void {
    this.#engine.world.log(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function secondsSince(world: World, started: number): string {
  return ((world.now() - started) / 1000).toFixed(3);
}
