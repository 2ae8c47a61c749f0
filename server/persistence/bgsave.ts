// One node's snapshots: the one that is loaded, SAVE and BGSAVE, the save points that start one by themselves, and how the
// last one went.
// Owns: the snapshot under way, one that is scheduled, and the figures of INFO about snapshots.
// Does not know: the append only file, nor when the process ends.
// Invariant: at most one snapshot is under way; what changed while it was written still counts as changed.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { progress, type Timer } from '../../lib/base/world.ts';
import type { Engine } from '../engine/engine.ts';
import { loadPause, secondsSince } from '../engine/load-pace.ts';
import { type SavePace, savePace } from '../engine/save-pace.ts';
import { serverVersion } from '../engine/version.ts';
import { systemText } from './disk/system-text.ts';
import type { SavingFacts } from './info.ts';
import type { RdbContent } from './rdb/file.ts';
import { rdbPieces } from './rdb/file-writer.ts';
import { capturedContent, loadSnapshot, type SnapshotFacts, saveSnapshot } from './rdb/snapshot.ts';
import { InProcessSaver } from './saver/in-process.ts';
import {
  BackgroundSaves,
  noteSpawnFailure,
  type RunningSave,
  type SaveEnd,
  type SaveRequest,
  unwantedSignal,
} from './saver/saver.ts';

const cronMs = 100;
/** After one that failed, save points wait so long. */
const retryMs = 5000;
const mebibyte = 1 << 20;

export class Snapshots {
  readonly #engine: Engine;
  readonly #saves: BackgroundSaves;
  #running: RunningSave | undefined;
  /** That of a node that stops. */
  #last: RunningSave | undefined;
  #timer: Timer | undefined;
  /** One is to start once nothing else of the kind is under way. */
  #scheduled = false;
  /** Of the one that was loaded. */
  #loaded = { keys: 0, expired: 0 };
  /** Milliseconds. */
  #startedAt = 0;
  #triedAt = Number.NEGATIVE_INFINITY;
  /** Whole seconds since the epoch. */
  lastSave: number;
  ok = true;
  /** Whole seconds the last BGSAVE took; -1: there was none. */
  lastSeconds = -1;
  /** SAVE and BGSAVE, whatever became of them. */
  count = 0;
  /** In the background, whatever became of them. */
  begun = 0;

  constructor(engine: Engine, saves: BackgroundSaves) {
    this.#engine = engine;
    this.#saves = saves;
    this.lastSave = Math.floor(engine.world.wallClock() / 1000);
  }

  get path(): string {
    return join(this.#engine.config.get('dir'), this.#engine.config.get('dbfilename'));
  }

  /** An RDB is being written in the background, to the disk or to replicas. */
  get running(): boolean {
    const { running } = this.#saves;
    return running !== undefined && running.kind !== 'aof';
  }

  /** Whole seconds the one under way has taken; -1: none is. */
  get seconds(): number {
    return this.#running === undefined ? -1 : Math.floor((this.#engine.world.now() - this.#startedAt) / 1000);
  }

  /** `save 900 1 300 10` as pairs of seconds and changes. */
  get points(): [seconds: number, changes: number][] {
    const numbers = this.#engine.config.get('save').split(' ').filter(Boolean).map(Number);
    return Array.from({ length: numbers.length / 2 }, (_, at) => [numbers[2 * at]!, numbers[2 * at + 1]!]);
  }

  /** Save points are set: a snapshot is of use whoever asked for it. */
  get wantedAnyway(): boolean {
    return this.points.length > 0;
  }

  get facts(): SavingFacts['snapshots'] {
    const { lastSave, ok, running, seconds, lastSeconds, count } = this;
    return { lastSave, ok, running, seconds, lastSeconds, count };
  }

  /** Keys that were loaded when the node started, and those that had run out. */
  get loaded(): SavingFacts['loaded'] {
    return this.#loaded;
  }

  /** CONFIG RESETSTAT. */
  resetCounts(): void {
    this.begun = 0;
    this.count = 0;
  }

  /**
   * Before the node serves: fills the databases, if there is a file. Keys that have run out are left out, except where
   * `following` a primary: that one says when they go.
   */
  async load({ following }: { readonly following: boolean }): Promise<void> {
    if (!existsSync(this.path)) return;
    const { databases, world, replication, functions } = this.#engine;
    const started = world.now();
    const found = await loadSnapshot(this.path, databases, {
      dropExpired: !following,
      pause: (keys) => loadPause(this.#engine, keys),
    });
    const { keys, expired, empty, aux } = found;
    functions?.replaceAll(found.functions);
    this.#loaded = { keys, expired };
    progress(world, `Loading RDB produced by version ${aux.get('redis-ver') ?? aux.get('valkey-ver') ?? 'unknown'}`);
    for (const key of found.emptyKeys) progress(world, `rdb load: skipping empty key: ${key}`);
    progress(world, `Done loading RDB, keys loaded: ${keys}, keys expired: ${expired}, empty keys skipped: ${empty}.`);
    progress(world, `DB loaded from disk: ${secondsSince(world, started)} seconds`);
    replication?.restore(aux, found.expiredKeys);
  }

  /** Begins to follow the save points. */
  watch(): void {
    this.#timer = this.#engine.world.after(cronMs, () => {
      this.#check();
      this.watch();
    });
  }

  /** SAVE: as now(), and counted. */
  save(): boolean {
    this.count++;
    return this.now();
  }

  /** Writes one before it returns; false: it failed, the log says why. */
  now(): boolean {
    const { databases, world, config } = this.#engine;
    const how = { checksum: config.flag('rdbchecksum'), compress: config.flag('rdbcompression') };
    try {
      saveSnapshot(this.path, databases, this.#content, how);
    } catch (error) {
      this.#progress(`Error saving DB on disk in ${this.path}`, error);
      return false;
    }
    progress(world, 'DB saved on disk');
    this.#succeeded(databases.dirty);
    return true;
  }

  /** The last one of a node that stops: as now(), or, slowed down as the parameters say, while a promise is open. */
  last(): boolean | Promise<boolean> {
    const pace = savePace(this.#engine);
    if (pace === undefined) return this.now();
    const content = capturedContent(this.#engine.databases, this.#content);
    this.#last = new BackgroundSaves(new InProcessSaver()).begin(this.#request(content, pace));
    return this.#last.ended.then((end) => {
      if (end.how === 'done') progress(this.#engine.world, 'DB saved on disk');
      if (end.how === 'failed') this.#progress(`Error saving DB on disk in ${this.path}`, end.error);
      return end.how === 'done';
    });
  }

  /**
   * Writes one while other work goes on: of what the databases hold, or of `captured`, which is of this moment, too.
   * Undefined: none could be begun, and the log says why.
   */
  begin(captured?: RdbContent): RunningSave | undefined {
    const { databases, world } = this.#engine;
    this.begun++;
    this.count++;
    this.#triedAt = world.now();
    const changes = databases.dirty;
    const content = captured ?? capturedContent(databases, this.#content);
    try {
      this.#running = this.#saves.begin(this.#request(content, savePace(this.#engine)));
    } catch (error) {
      this.ok = false;
      this.begun--;
      noteSpawnFailure(world, "Can't save in background", error);
      return undefined;
    }
    this.#startedAt = world.now();
    const { pid, ended } = this.#running;
    progress(world, `Background saving started by pid ${pid}`);
    void ended.then((end) => this.#onEnded(end, changes));
    return this.#running;
  }

  /** One is to start once nothing else of the kind is under way. */
  schedule(): void {
    this.#scheduled = true;
  }

  /** Begins the one that was scheduled; false: none was. Nothing may be under way. */
  beginScheduled(): boolean {
    if (!this.#scheduled) return false;
    this.#scheduled = false;
    this.begin();
    return true;
  }

  /** Gives up the one under way: what it would hold is not wanted any more. */
  end(): void {
    if (this.running) this.#saves.running?.kill();
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.end();
    this.#last?.kill();
    await Promise.all([this.#running?.ended, this.#last?.ended]);
  }

  #request(content: RdbContent, pace: SavePace | undefined): SaveRequest {
    const { config } = this.#engine;
    return {
      kind: 'rdb',
      rdb: true,
      checksum: config.flag('rdbchecksum'),
      target: { path: this.path, before: join(config.get('dir'), 'temp-'), after: '.rdb' },
      content,
      pieces: rdbPieces(content, config.flag('rdbcompression') ? 'later' : 'never', pace?.chunkBytes),
      pace,
    };
  }

  #onEnded(end: SaveEnd, changes: number): void {
    const { world } = this.#engine;
    this.lastSeconds = this.seconds;
    this.#running = undefined;
    switch (end.how) {
      case 'done': {
        progress(world, 'DB saved on disk');
        const megabytes = Math.floor(this.#saves.lastKept.rdb / mebibyte);
        progress(world, `Fork CoW for RDB: current ${megabytes} MB, peak ${megabytes} MB, average ${megabytes} MB`);
        progress(world, 'Background saving terminated with success');
        this.#succeeded(changes);
        break;
      }
      case 'failed':
        this.ok = false;
        if (end.error !== undefined) world.log(`Write error saving DB on disk: ${systemText(end.error)}`);
        world.log('Background saving error');
        break;
      case 'killed':
        this.#noteKill(end.signal);
    }
  }

  #noteKill(signal: number): void {
    const { world } = this.#engine;
    const line = `Background saving terminated by signal ${signal}`;
    if (signal === unwantedSignal) {
      progress(world, line);
      return;
    }
    this.ok = false;
    world.log(line);
  }

  /** What a snapshot says beside the data. */
  get #content(): SnapshotFacts {
    const functions = this.#engine.functions?.sources ?? [];
    return { version: serverVersion, functions, more: this.#engine.replication?.facts() ?? [] };
  }

  #check(): void {
    const { busy, databases, world } = this.#engine;
    if (this.#saves.running !== undefined || busy !== undefined) return;
    const now = world.now();
    if (!this.ok && now - this.#triedAt < retryMs) return;
    for (const [seconds, changes] of this.points) {
      if (databases.dirty < changes || world.wallClock() / 1000 - this.lastSave <= seconds) continue;
      progress(world, `${changes} changes in ${seconds} seconds. Saving...`);
      this.begin();
      return;
    }
  }

  #succeeded(changes: number): void {
    this.ok = true;
    this.lastSave = Math.floor(this.#engine.world.wallClock() / 1000);
    // Less when everything was replaced in the meantime.
    this.#engine.databases.dirty = Math.max(0, this.#engine.databases.dirty - changes);
  }

  #progress(what: string, error: unknown): void {
    this.#engine.world.log(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
