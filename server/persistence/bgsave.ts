// One node's snapshots: SAVE and BGSAVE, the save points that start one by themselves, and how the last one went.
// Knows the engine and the snapshot file; when the process ends is not its affair.
// Invariant: at most one snapshot is under way; what changed while it was written still counts as changed.

import { join } from 'node:path';
import { progress, type Timer } from '../../lib/base/world.ts';
import type { Engine } from '../engine/engine.ts';
import { savePace } from '../engine/save-pace.ts';
import { serverVersion } from '../engine/version.ts';
import { type SnapshotFacts, saveSnapshot, saveSnapshotSlowly } from './rdb/snapshot.ts';

const cronMs = 100;
/** After one that failed, save points wait so long. */
const retryMs = 5000;

export class Snapshots {
  readonly #engine: Engine;
  #running: Promise<void> | undefined;
  #abort = new AbortController();
  #timer: Timer | undefined;
  /** Milliseconds. */
  #startedAt = 0;
  #triedAt = Number.NEGATIVE_INFINITY;
  /** Whole seconds since the epoch. */
  lastSave: number;
  ok = true;
  /** Whole seconds the last BGSAVE took; -1: there was none. */
  lastSeconds = -1;
  count = 0;
  /** In the background, whatever became of them. */
  begun = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.lastSave = Math.floor(engine.world.wallClock() / 1000);
  }

  get path(): string {
    return join(this.#engine.config.get('dir'), this.#engine.config.get('dbfilename'));
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Whole seconds the one under way has taken; -1: none is. */
  get seconds(): number {
    return this.running ? Math.floor((this.#engine.world.now() - this.#startedAt) / 1000) : -1;
  }

  /** `save 900 1 300 10` as pairs of seconds and changes. */
  get points(): [seconds: number, changes: number][] {
    const numbers = this.#engine.config.get('save').split(' ').filter(Boolean).map(Number);
    return Array.from({ length: numbers.length / 2 }, (_, at) => [numbers[2 * at]!, numbers[2 * at + 1]!]);
  }

  /** Begins to heed the save points. */
  watch(): void {
    this.#timer = this.#engine.world.after(cronMs, () => {
      this.#check();
      this.watch();
    });
  }

  /** Writes one before it returns; false: it failed, the log says why. */
  now(): boolean {
    const { databases, world } = this.#engine;
    try {
      saveSnapshot(this.path, databases, this.#facts());
    } catch (error) {
      this.#progress(`Error saving DB on disk in ${this.path}`, error);
      return false;
    }
    progress(world, 'DB saved on disk');
    this.#succeeded(databases.dirty);
    return true;
  }

  /** Writes one while other work goes on. */
  soon(): void {
    const { databases, world } = this.#engine;
    this.begun++;
    this.#startedAt = world.now();
    this.#triedAt = this.#startedAt;
    const changes = databases.dirty;
    this.#abort = new AbortController();
    progress(world, `Background saving started by pid ${process.pid}`);
    this.#running = saveSnapshotSlowly(this.path, databases, this.#facts(), savePace(this.#engine, this.#abort.signal))
      .then(() => {
        progress(world, 'DB saved on disk');
        progress(world, 'Background saving terminated with success');
        this.#succeeded(changes);
      })
      .catch((error: unknown) => {
        if (this.#abort.signal.aborted) {
          progress(world, 'Background saving was ended');
          return;
        }
        this.ok = false;
        this.#progress('Background saving error', error);
      })
      .finally(() => {
        this.lastSeconds = this.seconds;
        this.#running = undefined;
      });
  }

  /** Gives up the one under way: what it would hold is not wanted any more. */
  end(): void {
    if (this.running) this.#abort.abort(new Error('it is not wanted any more'));
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.end();
    await this.#running;
  }

  #facts(): SnapshotFacts {
    const functions = this.#engine.functions?.sources ?? [];
    return { version: serverVersion, functions, more: this.#engine.replication?.facts() ?? [] };
  }

  #check(): void {
    if (this.running) return;
    const { databases, world } = this.#engine;
    const now = world.now();
    if (!this.ok && now - this.#triedAt < retryMs) return;
    for (const [seconds, changes] of this.points) {
      if (databases.dirty < changes || world.wallClock() / 1000 - this.lastSave <= seconds) continue;
      progress(world, `${changes} changes in ${seconds} seconds. Saving...`);
      this.soon();
      return;
    }
  }

  #succeeded(changes: number): void {
    this.ok = true;
    this.count++;
    this.lastSave = Math.floor(this.#engine.world.wallClock() / 1000);
    // Less when everything was replaced in the meantime.
    this.#engine.databases.dirty = Math.max(0, this.#engine.databases.dirty - changes);
  }

  #progress(what: string, error: unknown): void {
    this.#engine.world.log(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
