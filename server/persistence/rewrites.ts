// Rewrites of the append only log: when one is due, the one under way, and how the last one went. The counterpart of
// bgsave.ts for the log.
// Owns: the rewrite under way and the figures of INFO about rewrites.
// Does not know: when the log is opened, turned off or outdated; what the bytes of a base are.
// Invariant: at most one rewrite is under way, and one that is not wanted any more leaves no file and no failure behind.

import { rmSync } from 'node:fs';
import { progress } from '../../lib/base/world.ts';
import type { Engine } from '../engine/engine.ts';
import { savePace } from '../engine/save-pace.ts';
import { type WriteBase, writeBaseAlone } from './aof/base.ts';
import type { LogPlace } from './aof/folder.ts';
import type { AppendLog } from './aof/log.ts';
import { baseRequest } from './base-save.ts';
import { systemText } from './disk/system-text.ts';
import type { SavingFacts } from './info.ts';
import type { RdbContent } from './rdb/file.ts';
import {
  type BackgroundSaves,
  noteSpawnFailure,
  type RunningSave,
  type SaveEnd,
  SpawnError,
  unwantedSignal,
} from './saver/saver.ts';

/** Rewrites that failed one after another until their tries are spaced out. */
const freeFailures = 3;
/** Between tries to rewrite the log, which double. */
const maxPauseMinutes = 60;
const retryMs = 1000;

/** A rewrite came to no end. */
class UnfinishedRewrite extends Error {
  readonly end: SaveEnd;

  constructor(end: SaveEnd) {
    super('the rewrite was not finished');
    this.end = end;
  }
}

interface Rewrite {
  save: RunningSave | undefined;
  done: Promise<void>;
  unwanted: boolean;
}

/** Whoever keeps the log that is rewritten. */
export interface RewriteHost {
  /** Undefined: none is kept. */
  readonly log: AppendLog | undefined;
  readonly place: LogPlace;
  /** The data as it is now. */
  capture(): RdbContent;
  /** Called when a rewrite is over, whatever became of it. */
  onRewriteOver(): void;
}

export class Rewrites {
  /** Begun since the counters were reset. */
  count = 0;
  readonly #engine: Engine;
  readonly #saves: BackgroundSaves;
  readonly #host: RewriteHost;
  #running: Rewrite | undefined;
  /** One is to start once nothing else of the kind is under way. */
  #scheduled = false;
  #ok = true;
  #startedAt = 0;
  #lastSeconds = -1;
  /** One after another. */
  #failures = 0;
  /** The number of failures whose pause the log has. */
  #limited = 0;

  constructor(engine: Engine, saves: BackgroundSaves, host: RewriteHost) {
    this.#engine = engine;
    this.#saves = saves;
    this.#host = host;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Resolves when the one under way is over. */
  get done(): Promise<void> {
    return this.#running?.done ?? Promise.resolve();
  }

  /** One is to start once nothing else of the kind is under way. */
  schedule(): void {
    this.#scheduled = true;
  }

  /** As schedule(), for a user who asks for one: earlier failures do not hold it up. */
  request(): void {
    this.schedule();
    this.#failures = 0;
  }

  /** CONFIG RESETSTAT. */
  resetCounts(): void {
    this.count = 0;
    this.#failures = 0;
  }

  /** Begins one; false: that failed, and the log says why. */
  begin(): boolean {
    const { world, config } = this.#engine;
    const log = this.#host.log;
    this.#startedAt = world.now();
    this.count++;
    this.#scheduled = false;
    const rewrite: Rewrite = { save: undefined, done: Promise.resolve(), unwanted: false };
    const write = this.#writerOf(rewrite);
    const capture = (): RdbContent => this.#host.capture();
    const how = { rdb: config.flag('aof-use-rdb-preamble'), keepReplaced: config.flag('aof-disable-auto-gc') };
    const work =
      log === undefined ? writeBaseAlone(this.#host.place, capture, write, how) : log.rewrite(capture, write);
    this.#running = rewrite;
    rewrite.done = this.#settle(work, rewrite, log);
    return rewrite.save !== undefined;
  }

  /** What the one under way would write is not wanted any more. */
  kill(): void {
    const rewrite = this.#running;
    if (rewrite === undefined || rewrite.unwanted) return;
    rewrite.unwanted = true;
    progress(this.#engine.world, `Killing running AOF rewrite child: ${rewrite.save?.pid ?? 0}`);
    rewrite.save?.kill();
  }

  /** None is wanted any more; resolves when the one under way is over. */
  cancel(): Promise<void> {
    this.#scheduled = false;
    this.kill();
    return this.done;
  }

  /** Begins one if it is time for it; nothing may be under way. */
  tend(): void {
    if (this.#isDue()) this.begin();
  }

  get facts(): SavingFacts['rewrites'] {
    const seconds = this.running ? this.#seconds : -1;
    return {
      running: this.running,
      seconds,
      lastSeconds: this.#lastSeconds,
      ok: this.#ok,
      count: this.count,
      failures: this.#failures,
      scheduled: this.#scheduled,
    };
  }

  get #seconds(): number {
    return Math.floor((this.#engine.world.now() - this.#startedAt) / 1000);
  }

  #writerOf(rewrite: Rewrite): WriteBase {
    const { world, config } = this.#engine;
    return async (order) => {
      rewrite.save = this.#saves.begin(baseRequest(order, config, savePace(this.#engine)));
      progress(world, `Background append only file rewriting started by pid ${rewrite.save.pid}`);
      const end = await rewrite.save.ended;
      if (end.how !== 'done') throw new UnfinishedRewrite(end);
      if (rewrite.unwanted) {
        rmSync(order.path, { force: true });
        throw new UnfinishedRewrite({ how: 'killed', signal: unwantedSignal });
      }
      progress(world, 'Background AOF rewrite terminated with success');
    };
  }

  async #settle(work: Promise<void>, rewrite: Rewrite, log: AppendLog | undefined): Promise<void> {
    try {
      await work;
      this.#ok = true;
      this.#failures = 0;
      progress(this.#engine.world, 'Background AOF rewrite finished successfully');
    } catch (error) {
      if (!rewrite.unwanted) {
        this.#noteFailure(error);
        // The log on the disk is still of other data.
        if (log?.apart === true && log === this.#host.log) this.#scheduled = true;
      }
    }
    this.#lastSeconds = this.#seconds;
    this.#running = undefined;
    this.#host.onRewriteOver();
  }

  #noteFailure(error: unknown): void {
    const { world } = this.#engine;
    if (error instanceof SpawnError) {
      this.#ok = false;
      noteSpawnFailure(world, "Can't rewrite append only file in background", error);
      return;
    }
    const end = error instanceof UnfinishedRewrite ? error.end : undefined;
    if (end?.how === 'killed') {
      world.log(`Background AOF rewrite terminated by signal ${end.signal}`);
      if (end.signal === unwantedSignal) return;
    } else {
      const why = end?.how === 'failed' ? end.error : (error as Error);
      if (why !== undefined) world.log(`Write error writing append only file on disk: ${systemText(why)}`);
      world.log('Background AOF rewrite terminated with error');
    }
    this.#ok = false;
    this.#failures++;
  }

  #isDue(): boolean {
    const { config, world } = this.#engine;
    const log = this.#host.log;
    const failures = this.#failures;
    const pause = failures < freeFailures ? 0 : Math.min(2 ** (failures - freeFailures), maxPauseMinutes) * 60_000;
    const wait = this.#startedAt + (failures > 0 ? Math.max(pause, retryMs) : 0) - world.now();
    if (this.#scheduled || log?.broken === true) return wait <= 0;
    const percentage = config.number('auto-aof-rewrite-percentage');
    if (log === undefined || percentage <= 0 || log.size <= config.number('auto-aof-rewrite-min-size')) return false;
    const grown = ((log.size - log.baseSize) * 100) / Math.max(1, log.baseSize);
    if (grown < percentage) return false;
    if (pause > 0 && wait > 0) {
      this.#noteLimit(pause);
      return false;
    }
    progress(world, `Starting automatic rewriting of AOF on ${Math.floor(grown)}% growth`);
    return true;
  }

  /** Once for each pause. */
  #noteLimit(pauseMs: number): void {
    if (this.#limited === this.#failures) return;
    this.#limited = this.#failures;
    const minutes = pauseMs / 60_000;
    this.#engine.world.log(
      `Background AOF rewrite has repeatedly failed and triggered the limit, will retry in ${minutes} minutes`,
    );
  }
}
