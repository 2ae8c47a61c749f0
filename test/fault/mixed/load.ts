// A mixed load whose every reply can be judged: each value says its key and its version, each key has one writer.
// A reply of another key, of a version never written or of one older than what was acknowledged before the call is
// wrong. A lost call may have been done or not, and one sent again may be done twice: versions allow for that.

import { ManualWorld } from '../../../lib/base/world.ts';
import type { Cluster } from '../../../lib/index.ts';

export interface LoadOptions {
  readonly seed: number;
  /** Workers that each have one step under way; default 20. */
  readonly workers?: number;
  /** Keys of a worker; default 12. */
  readonly keys?: number;
  /** Milliseconds a worker rests between steps; default 0. */
  readonly pause?: number;
  /** Writes whose outcome is unknown are not sent again: a counter may not exceed the calls made. Default false. */
  readonly atMostOnce?: boolean;
  /** Errors that faults may surface; default none. */
  readonly mayFail?: (error: Error) => boolean;
}

interface Cell {
  readonly key: string;
  /** Last version whose write was acknowledged. */
  acked: number;
  /** Last version handed to the client. */
  tried: number;
}

type Result = [Error | null, unknown];

/** What `version` of `key` looks like; lengths from a few bytes to 200 kB. */
function contentOf(key: string, version: number): string {
  const length = version % 211 === 0 ? 200_000 : version % 17 === 0 ? 5000 : version % 60;
  return `${key}#${version}#${'x'.repeat(length)}`;
}

export class MixedLoad {
  /** Replies that cannot be right, at most the first 100. */
  readonly wrong: string[] = [];
  /** Errors by text. */
  readonly errors = new Map<string, number>();
  /** Errors that `mayFail` does not allow, at most the first 100. */
  readonly refused: Error[] = [];
  /** Steps that ended, by kind. */
  readonly steps: Record<string, number> = {};
  readonly #client: Cluster;
  readonly #chance: ManualWorld;
  readonly #options: LoadOptions;
  readonly #workers: Worker[] = [];
  readonly #open = new Set<Promise<unknown>>();
  #running = false;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(client: Cluster, options: LoadOptions) {
    this.#client = client;
    this.#options = options;
    this.#chance = new ManualWorld({ seed: options.seed });
    const { workers = 20, keys = 12 } = options;
    for (let at = 0; at < workers; at++) this.#workers.push(new Worker(at, keys, this));
  }

  get client(): Cluster {
    return this.#client;
  }

  get total(): number {
    return Object.values(this.steps).reduce((sum, count) => sum + count, 0);
  }

  /** One key of each slot that it works on. */
  get keys(): string[] {
    return this.#workers.flatMap((worker) => worker.keys);
  }

  /** Whole numbers from 0 to `limit` - 1, by the seed. */
  pick(limit: number): number {
    return Math.floor(this.#chance.random() * limit);
  }

  anyWorker(): Worker {
    return this.#workers[this.pick(this.#workers.length)]!;
  }

  start(): void {
    this.#running = true;
    this.#ended = Promise.all(this.#workers.map((worker) => this.#work(worker)));
  }

  /** Ends after the steps under way. Resolves to how many calls had not settled after `limit` ms. */
  async stop(limit: number): Promise<number> {
    this.#running = false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, limit);
    });
    await Promise.race([this.#ended, late]);
    clearTimeout(timer);
    return this.#open.size;
  }

  /** Reads every key back: what was acknowledged last, or something newer, must be there. */
  async verify(): Promise<void> {
    for (const worker of this.#workers) await worker.readAll();
  }

  /** A call made and followed; undefined when it failed. `key` is what the error must name. */
  async ask<T>(promise: Promise<T>, key?: string): Promise<T | undefined> {
    const followed = promise.then(
      (value) => value,
      (error: Error) => {
        this.fail(error, key);
        return undefined;
      },
    );
    this.#open.add(followed);
    try {
      return await followed;
    } finally {
      this.#open.delete(followed);
    }
  }

  fail(error: Error & { command?: { args: unknown[] } }, key?: string): void {
    const named = error.command?.args[0];
    if (key !== undefined && named !== key) this.blame(`the error of ${key} names ${String(named)}`);
    const text = `${error.name}: ${error.message}`.replace(/\d{2,}/g, 'n').slice(0, 160);
    this.errors.set(text, (this.errors.get(text) ?? 0) + 1);
    if (!(this.#options.mayFail?.(error) ?? false) && this.refused.length < 100) this.refused.push(error);
  }

  get atMostOnce(): boolean {
    return this.#options.atMostOnce ?? false;
  }

  blame(what: string): void {
    if (this.wrong.length < 100) this.wrong.push(what);
  }

  /** Judges the value read of a cell; `least` is the oldest version it may have. */
  judge(where: string, cell: Cell, reply: unknown, least: number): void {
    if (reply === null) {
      if (least > 0) this.blame(`${where} ${cell.key}: null, version ${least} was acknowledged`);
      return;
    }
    const version = typeof reply === 'string' ? Number(reply.split('#', 2)[1]) : Number.NaN;
    if (!(version >= 1) || version > cell.tried || reply !== contentOf(cell.key, version)) {
      this.blame(`${where} ${cell.key}: ${JSON.stringify(reply)?.slice(0, 80)}, versions 1 to ${cell.tried} exist`);
    } else if (version < least) {
      this.blame(`${where} ${cell.key}: version ${version}, ${least} was acknowledged`);
    }
  }

  async #work(worker: Worker): Promise<void> {
    const { pause = 0 } = this.#options;
    while (this.#running) {
      const kind = await worker.step();
      this.steps[kind] = (this.steps[kind] ?? 0) + 1;
      await new Promise<void>((resolve) => (pause > 0 ? setTimeout(resolve, pause) : setImmediate(resolve)));
    }
  }
}

/** The only writer of its keys; reads those of all. */
class Worker {
  /** Over many slots. */
  readonly cells: Cell[];
  /** On one slot. */
  readonly tagged: Cell[];
  readonly #counter: string;
  readonly #tagCounter: string;
  #counted = 0;
  #counts = 0;
  #tagCounted = 0;
  #tagCounts = 0;
  readonly #load: MixedLoad;

  constructor(number: number, keys: number, load: MixedLoad) {
    const cell = (key: string): Cell => ({ key, acked: 0, tried: 0 });
    this.cells = Array.from({ length: keys }, (_, at) => cell(`w${number}:${at}`));
    this.tagged = Array.from({ length: 4 }, (_, at) => cell(`{w${number}}:${at}`));
    this.#counter = `count:${number}`;
    this.#tagCounter = `{w${number}}:count`;
    this.#load = load;
  }

  get keys(): string[] {
    return [...this.cells.map(({ key }) => key), this.tagged[0]!.key, this.#counter];
  }

  /** One call or batch of calls; resolves to its kind when it has been judged. */
  async step(): Promise<string> {
    const turn = this.#load.pick(100);
    if (turn < 25) return this.#set();
    if (turn < 55) return this.#get();
    if (turn < 65) return this.#increment();
    if (turn < 78) return this.#pipeline();
    if (turn < 88) return this.#multi();
    return turn < 94 ? this.#mset() : this.#mget();
  }

  async readAll(): Promise<void> {
    const { client } = this.#load;
    for (const cell of [...this.cells, ...this.tagged]) {
      const least = cell.acked;
      const reply = await this.#load.ask(client.get(cell.key));
      if (reply !== undefined) this.#load.judge('at the end', cell, reply, least);
    }
    for (const [key, counted, calls] of [
      [this.#counter, this.#counted, this.#counts],
      [this.#tagCounter, this.#tagCounted, this.#tagCounts],
    ] as const) {
      const reply = await this.#load.ask(client.get(key));
      if (reply === undefined) continue;
      const most = this.#load.atMostOnce ? calls : Number.MAX_SAFE_INTEGER;
      if (!(Number(reply) >= counted && Number(reply) <= most)) {
        this.#load.blame(`at the end ${key}: ${reply}, ${counted} was acknowledged, ${calls} calls made`);
      }
    }
  }

  #any(cells: readonly Cell[]): Cell {
    return cells[this.#load.pick(cells.length)]!;
  }

  async #set(): Promise<string> {
    const cell = this.#any(this.cells);
    const version = ++cell.tried;
    this.#written(
      cell,
      version,
      await this.#load.ask(this.#load.client.set(cell.key, contentOf(cell.key, version)), cell.key),
    );
    return 'set';
  }

  #written(cell: Cell, version: number, reply: unknown): void {
    if (reply === 'OK') cell.acked = version;
    else if (reply !== undefined) this.#load.blame(`SET ${cell.key}: ${JSON.stringify(reply)?.slice(0, 80)}`);
  }

  async #get(): Promise<string> {
    const cell = this.#any(this.#load.anyWorker().cells);
    const least = cell.acked;
    const reply = await this.#load.ask(this.#load.client.get(cell.key), cell.key);
    if (reply !== undefined) this.#load.judge('GET', cell, reply, least);
    return 'get';
  }

  async #increment(): Promise<string> {
    this.#counts++;
    const reply = await this.#load.ask(this.#load.client.incr(this.#counter), this.#counter);
    if (reply !== undefined) this.#counted = this.#larger('INCR', reply, this.#counted, this.#counts);
    return 'incr';
  }

  #larger(where: string, reply: unknown, before: number, calls: number): number {
    const most = this.#load.atMostOnce ? calls : Number.MAX_SAFE_INTEGER;
    if (typeof reply === 'number' && reply > before && reply <= most) return reply;
    this.#load.blame(
      `${where}: ${JSON.stringify(reply)?.slice(0, 80)}, ${before} was answered before, ${calls} calls made`,
    );
    return before;
  }

  /** SET and GET of several keys; a GET finds what the SET before it wrote. */
  async #pipeline(): Promise<string> {
    const pipeline = this.#load.client.pipeline();
    const used = new Map<Cell, number>();
    for (let count = 1 + this.#load.pick(8); count > 0; count--) used.set(this.#any(this.cells), 0);
    for (const cell of used.keys()) {
      const version = ++cell.tried;
      used.set(cell, version);
      pipeline.set(cell.key, contentOf(cell.key, version)).get(cell.key);
    }
    const results = (await this.#load.ask(pipeline.exec())) as Result[] | undefined;
    if (results === undefined) return 'pipeline';
    if (results.length !== used.size * 2) this.#load.blame(`pipeline of ${used.size * 2}: ${results.length} results`);
    let at = 0;
    for (const [cell, version] of used) {
      const before = cell.acked;
      const set = this.#settled(results[at++], cell.key);
      this.#written(cell, version, set);
      const got = this.#settled(results[at++], cell.key);
      if (got !== undefined) this.#load.judge('pipeline GET', cell, got, set === 'OK' ? version : before);
    }
    return 'pipeline';
  }

  #settled(result: Result | undefined, key?: string): unknown {
    if (result === undefined) return undefined;
    if (result[0] === null) return result[1];
    this.#load.fail(result[0], key);
    return undefined;
  }

  async #multi(): Promise<string> {
    const cell = this.#any(this.tagged);
    const version = ++cell.tried;
    this.#tagCounts++;
    const multi = this.#load.client.multi();
    multi.set(cell.key, contentOf(cell.key, version)).get(cell.key).incr(this.#tagCounter);
    const results = (await this.#load.ask(multi.exec())) as Result[] | null | undefined;
    if (results === undefined) return 'multi';
    if (results?.length !== 3) {
      this.#load.blame(`EXEC of 3: ${JSON.stringify(results)?.slice(0, 80)}`);
      return 'multi';
    }
    this.#written(cell, version, this.#settled(results[0]));
    this.#load.judge('EXEC', cell, this.#settled(results[1]), version);
    this.#tagCounted = this.#larger('EXEC', this.#settled(results[2]), this.#tagCounted, this.#tagCounts);
    return 'multi';
  }

  async #mset(): Promise<string> {
    const versions = this.tagged.map((cell) => ++cell.tried);
    const words = this.tagged.flatMap(({ key }, at) => [key, contentOf(key, versions[at]!)]);
    const reply = await this.#load.ask(this.#load.client.mset(...words));
    this.tagged.forEach((cell, at) => {
      this.#written(cell, versions[at]!, reply);
    });
    return 'mset';
  }

  async #mget(): Promise<string> {
    const { tagged } = this.#load.anyWorker();
    const least = tagged.map(({ acked }) => acked);
    const replies = await this.#load.ask(this.#load.client.mget(tagged.map(({ key }) => key)));
    if (replies === undefined) return 'mget';
    if (replies.length !== tagged.length) this.#load.blame(`MGET of ${tagged.length}: ${replies.length} values`);
    tagged.forEach((cell, at) => {
      this.#load.judge('MGET', cell, replies[at], least[at]!);
    });
    return 'mget';
  }
}
