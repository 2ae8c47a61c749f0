// The append only file of one node: opened before it serves or turned on later, loaded, written anew where it is of other
// data, closed.
// Owns: the log while there is one, the writes on their way into it, its rewrites, and whether what is on the disk is of
// the data that the node has.
// Does not know: snapshots, clients and replicas, nor the bytes of the files (aof/).
// Invariant: a log of other data than the node has is never continued: writes go into a file beside it, until a rewrite of
// the data as it is has taken its place.

import { progress } from '../../lib/base/world.ts';
import { ReplyError } from '../../lib/wire/reply.ts';
import type { Engine } from '../engine/engine.ts';
import { loadPause, secondsSince } from '../engine/load-pace.ts';
import { databaseApplier } from '../engine/replay.ts';
import { serverVersion } from '../engine/version.ts';
import type { LogPlace } from './aof/folder.ts';
import { type LogLoadOptions, type LogSink, loadLog, UnknownCommandError } from './aof/loader.ts';
import { AppendLog, type SyncPolicy } from './aof/log.ts';
import { LogWrites } from './aof-group-commit.ts';
import { systemText } from './disk/system-text.ts';
import type { SavingFacts } from './info.ts';
import type { RdbContent } from './rdb/file.ts';
import { capturedContent, loadSink } from './rdb/snapshot.ts';
import { type RewriteHost, Rewrites } from './rewrites.ts';
import type { BackgroundSaves } from './saver/saver.ts';

const notTurnedOn = 'Unable to turn on AOF. Check server logs.';

export class AppendOnlyFile implements RewriteHost {
  readonly rewrites: Rewrites;
  readonly writes: LogWrites = new LogWrites((error) => this.#lost(error));
  readonly #engine: Engine;
  readonly #saves: BackgroundSaves;
  readonly #onFatal: (reason: string) => void;
  /** The log on the disk is of other data than the node has: it is to be written anew. */
  #outdated = false;

  /** `onFatal` is called when a write can no longer be kept as promised: no reply may leave after it. */
  constructor(engine: Engine, saves: BackgroundSaves, onFatal: (reason: string) => void) {
    this.#engine = engine;
    this.#saves = saves;
    this.#onFatal = onFatal;
    this.rewrites = new Rewrites(engine, saves, this);
    engine.config.onChange((name) => {
      if (name === 'appendfsync' && this.log !== undefined) this.log.policy = this.#policy;
      if (name === 'aof-disable-auto-gc' && !engine.config.flag(name)) this.#clean();
    });
  }

  /** Undefined: none is kept. */
  get log(): AppendLog | undefined {
    return this.writes.log;
  }

  get place(): LogPlace {
    const { config } = this.#engine;
    return { dir: config.get('dir'), folder: config.get('appenddirname'), name: config.get('appendfilename') };
  }

  /** A write failed that may be tried again. */
  get isStuck(): boolean {
    return this.log?.failure !== undefined && !this.log.broken;
  }

  /** Why writes are refused now. */
  refusal(): ReplyError | undefined {
    const failure = this.log?.failure;
    return failure && new ReplyError(`MISCONF Errors writing to the AOF file: ${systemText(failure)}`);
  }

  get facts(): SavingFacts['log'] {
    const { log } = this;
    return log && { size: log.size, baseSize: log.baseSize, failed: log.failure !== undefined };
  }

  /** Before the node serves: fills the databases, then opens the log. */
  async load(): Promise<void> {
    const { world } = this.#engine;
    const started = world.now();
    const summary = await loadLog(this.place, this.#sink(), {
      ...this.#loadOptions,
      pause: (count: number) => loadPause(this.#engine, count),
    });
    if (summary !== undefined && summary.cut > 0) {
      world.log('!!! Warning: short read while loading the AOF file!!!');
      world.log(`AOF loaded anyway because aof-load-truncated is enabled: cut off ${summary.cut} bytes`);
    }
    if (summary !== undefined)
      progress(world, `DB loaded from append only file: ${secondsSince(world, started)} seconds`);
    this.writes.log = this.#open(false);
  }

  /** DEBUG LOADAOF: the log in place of what is in memory. Rejects as loadLog does. */
  async reload(): Promise<void> {
    const { databases } = this.#engine;
    for (const store of databases.stores) store.clear();
    this.#engine.functions?.replaceAll([]);
    await loadLog(this.place, { rdb: this.#rdbSink, onCommand: databaseApplier(this.#engine) }, this.#loadOptions);
  }

  /**
   * Turns the log on or off, as `appendonly` says now. Gives why it could not be turned on, in the words of
   * CONFIG SET; undefined: it is as the parameter says.
   */
  followParameter(inTransaction = false): string | undefined {
    const wanted = this.#engine.config.flag('appendonly');
    if (wanted === (this.log !== undefined)) return undefined;
    if (!wanted) {
      void this.close();
      return undefined;
    }
    try {
      this.writes.log = this.#open(true);
    } catch (error) {
      this.#note("Can't open or create the append-only file", error);
      return notTurnedOn;
    }
    this.#renew(inTransaction);
    return undefined;
  }

  /** All data was replaced by a copy from elsewhere. */
  replaced(): void {
    if (this.log !== undefined) this.#renew();
  }

  /** No log is kept from now on; resolves when its files are closed. */
  async close(): Promise<void> {
    this.writes.flush();
    const { log } = this;
    this.writes.log = undefined;
    log?.leave();
    await this.rewrites.cancel();
    await log?.close().catch((error: unknown) => this.#note('the log was not closed in order', error));
  }

  /** DEBUG AOF-FLUSH-SLEEP: the node stands still for so many ms before each write; 0: no longer. */
  sleepBeforeFlush(ms: number): void {
    const blockFor = this.#engine.node?.blockFor;
    this.writes.beforeFlush = ms > 0 && blockFor !== undefined ? () => blockFor(ms) : undefined;
  }

  // ---- what a rewrite asks for

  capture(): RdbContent {
    const functions = this.#engine.functions?.sources ?? [];
    return capturedContent(this.#engine.databases, { version: serverVersion, aofBase: true, functions });
  }

  onRewriteOver(): void {
    // The copy that was written is of the data before.
    if (this.#outdated && this.log !== undefined) this.#renew();
  }

  // ---- inside

  get #policy(): SyncPolicy {
    return this.#engine.config.get('appendfsync') as SyncPolicy;
  }

  get #loadOptions(): LogLoadOptions {
    const { config, databases } = this.#engine;
    return { databases: databases.stores.length, cutTail: config.flag('aof-load-truncated') };
  }

  /** Commands behind the base may call or replace its functions, so they are there at once. */
  get #rdbSink(): LogSink['rdb'] {
    const onFunction = (source: string): void => this.#engine.functions?.add(source);
    return { ...loadSink(this.#engine.databases, { dropExpired: false }).sink, onFunction };
  }

  #sink(): LogSink {
    const { registry, world } = this.#engine;
    const apply = databaseApplier(this.#engine);
    let started = world.now();
    return {
      rdb: this.#rdbSink,
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

  #open(turnedOn: boolean): AppendLog {
    const { world, config } = this.#engine;
    const options = {
      ...this.place,
      world,
      policy: this.#policy,
      rdbBase: () => config.flag('aof-use-rdb-preamble'),
      keepReplaced: () => config.flag('aof-disable-auto-gc'),
      stamped: () => config.flag('aof-timestamp-enabled'),
      turnedOn,
    };
    return new AppendLog(options, () => this.capture());
  }

  /** The log on the disk is of other data, or of none: writes go beside it until it was rewritten. */
  #renew(inTransaction = false): void {
    this.#outdated = true;
    if (this.rewrites.running) {
      // What it writes is of the data before.
      this.rewrites.kill();
      return;
    }
    this.#outdated = false;
    this.#outdateLog();
    if (this.#saves.running !== undefined || inTransaction) {
      this.rewrites.schedule();
      const why = inTransaction
        ? 'AOF was enabled during a transaction.'
        : 'AOF was enabled but there is already another background operation.';
      progress(this.#engine.world, `${why} An AOF background was scheduled to start when possible.`);
    } else this.rewrites.begin();
  }

  #outdateLog(): void {
    const { log } = this;
    try {
      log?.outdate();
    } catch (error) {
      this.#note('the log could not be begun anew', error);
      log?.breakOff(error as Error);
    }
  }

  /** Otherwise it is kept and tried again: `everysec` and `no` promise no more. */
  #lost(error: unknown): void {
    this.#note('a write could not be logged', error);
    if (this.log?.policy === 'always') {
      this.#onFatal("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...");
    }
  }

  #clean(): void {
    try {
      this.log?.clean();
    } catch (error) {
      this.#note('replaced files of the log could not be deleted', error);
    }
  }

  #note(what: string, error: unknown): void {
    this.#engine.world.log(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
