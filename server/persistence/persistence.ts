// Keeps one node's data on the disk: loads it before the node serves, takes snapshots, logs every write.
// Owns: the snapshots and the append only file of a node that was given a `dir`; which of both the next background work is.
// Does not know: sockets and the cluster, nor the bytes of a file (rdb/, aof/).
// Invariant: once the log is open, the effects of a command are in it (with `always` on the disk) before its reply
// leaves; when that cannot be had with `always`, the node stops instead of replying.

import { progress, type Timer } from '../../lib/base/world.ts';
import { ReplyError } from '../../lib/wire/reply.ts';
import type { Engine } from '../engine/engine.ts';
import type { Effect, PersistencePort } from '../engine/ports.ts';
import { AppendOnlyFile } from './append-only-file.ts';
import { Snapshots } from './bgsave.ts';
import { persistenceLines } from './info.ts';
import { InProcessSaver } from './saver/in-process.ts';
import { BackgroundSaves } from './saver/saver.ts';

const snapshotRefusal = new ReplyError(
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
);
const cronMs = 100;

export class PersistenceManager implements PersistencePort {
  readonly snapshots: Snapshots;
  readonly aof: AppendOnlyFile;
  /** What is under way in the background, of the whole node. */
  readonly saves: BackgroundSaves;
  readonly #engine: Engine;
  #timer: Timer | undefined;
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
    this.saves = saves;
    this.snapshots = new Snapshots(engine, saves);
    this.aof = new AppendOnlyFile(engine, saves, onFatal);
    engine.config.onChange((name) => {
      if (name === 'appendonly') this.followParameter();
    });
  }

  /** Fills the databases from the log when there is to be one, else from the snapshot; then opens the log. */
  async load(how: { readonly following: boolean }): Promise<void> {
    const { config } = this.#engine;
    await this.#whileLoading(() => (config.flag('appendonly') ? this.aof.load() : this.snapshots.load(how)));
    this.snapshots.watch();
    this.#watch();
  }

  /** DEBUG LOADAOF: the log in place of what is in memory. Rejects as loadLog does. */
  reloadLog(): Promise<void> {
    this.flush();
    return this.#whileLoading(() => this.aof.reload());
  }

  async #whileLoading(load: () => Promise<void>): Promise<void> {
    this.loading = true;
    try {
      await load();
      this.#engine.databases.dirty = 0;
    } finally {
      this.loading = false;
    }
  }

  onEffects(effects: readonly Effect[]): void {
    if (!this.loading) this.aof.writes.append(effects);
  }

  canFlushReplies(again: () => void): boolean {
    return this.aof.writes.canFlushReplies(again);
  }

  flush(): void {
    this.aof.writes.flush();
  }

  /** Bytes that wait to be logged. */
  get logBuffer(): number {
    return this.aof.log?.waiting ?? 0;
  }

  followParameter(inTransaction = false): string | undefined {
    return this.loading ? undefined : this.aof.followParameter(inTransaction);
  }

  /** All data was replaced by a copy from elsewhere. */
  replaced(): void {
    const { running } = this.saves;
    if (running?.kind === 'rdb') {
      progress(
        this.#engine.world,
        `The data was replaced while a snapshot was written. Killing process ${running.pid} and removing its temp file`,
      );
      running.kill();
    }
    this.aof.replaced();
  }

  /** All data was flushed by command: a snapshot under way would hold what is gone, and so does the last one. */
  flushed(): void {
    this.snapshots.end();
    if (this.snapshots.wantedAnyway) this.snapshots.now();
  }

  /** Why writes are refused now: what they change could not be kept. */
  refusal(): ReplyError | undefined {
    const { config } = this.#engine;
    if (!this.snapshots.ok && config.flag('stop-writes-on-bgsave-error') && config.get('save') !== '') {
      return snapshotRefusal;
    }
    return this.aof.refusal();
  }

  /** The lines of INFO persistence. `copying`: a snapshot is on its way to replicas, which counts as one. */
  info(copying: boolean): string[] {
    const { snapshots, aof, saves } = this;
    return persistenceLines(this.#engine, {
      snapshots: { ...snapshots.facts, running: snapshots.running || copying },
      loaded: snapshots.loaded,
      rewrites: aof.rewrites.facts,
      current: saves.running?.progress,
      lastKept: saves.lastKept,
      log: aof.facts,
    });
  }

  /** Snapshots and rewrites begun in the background. */
  get begun(): number {
    return this.snapshots.begun + this.aof.rewrites.count;
  }

  /** CONFIG RESETSTAT. */
  resetCounts(): void {
    this.snapshots.resetCounts();
    this.aof.rewrites.resetCounts();
  }

  // ---- the end

  /** Before the node stops: whether it may, unless by force; ends background work. */
  mayStop(force: boolean): boolean {
    const { world } = this.#engine;
    const { log, rewrites } = this.aof;
    if (this.snapshots.running) {
      world.log('There is a child saving an .rdb. Killing it!');
      this.snapshots.end();
    }
    if (log?.apart === true) {
      world.log(force ? 'Writing initial AOF. Exit anyway.' : "Writing initial AOF, can't exit.");
      if (!force) return false;
    }
    if (rewrites.running) {
      world.log('There is a child rewriting the AOF. Killing it!');
      rewrites.kill();
    }
    if (log !== undefined) progress(world, 'Calling fsync() on the AOF file.');
    return true;
  }

  /** Before the node stops: writes a last snapshot, which may take its time. False: it failed. */
  saveLast(always: boolean): boolean | Promise<boolean> {
    if (!always && !this.snapshots.wantedAnyway) return true;
    progress(this.#engine.world, 'Saving the final RDB snapshot before exiting.');
    return this.snapshots.last();
  }

  /** Ends background work and puts the log in order. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.aof.rewrites.kill();
    await Promise.allSettled([this.snapshots.close(), this.aof.rewrites.done]);
    await this.aof.close();
  }

  // ---- background work

  #watch(): void {
    this.#timer = this.#engine.world.after(cronMs, () => {
      this.#tend();
      this.#watch();
    });
  }

  #tend(): void {
    const { aof } = this;
    if (aof.rewrites.running || this.saves.running !== undefined || this.#engine.busy !== undefined) return;
    if (this.snapshots.beginScheduled()) return;
    // Writes are refused meanwhile, so none of them would try it.
    if (aof.isStuck) this.onEffects([]);
    else aof.rewrites.tend();
  }
}
