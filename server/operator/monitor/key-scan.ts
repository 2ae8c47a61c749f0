// Walks the keys of every master by SCAN, every database, no faster than is allowed: for the biggest and hottest keys.
// Owns: the cursors and the pace.
// Invariant: at most one question to a node is under way, on a connection of its own, and no key is changed or touched.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, isMaster, isReachable, RefusedError } from '../link/cluster-link.ts';
import { parseInfo } from '../link/info-text.ts';

export interface KeyScanOptions {
  /** Keys that are looked at by second, on every node. Default 20000. */
  readonly keysPerSecond?: number | undefined;
  /** Keys that are looked at on every node. Default: all. */
  readonly limit?: number | undefined;
  readonly match?: string | undefined;
  readonly type?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  onProgress?(done: number, total: number): void;
}

export interface ScannedKey {
  readonly key: string;
  readonly database: number;
  readonly node: string;
  /** What was asked about it; ReplyErrors as values. */
  readonly replies: readonly unknown[];
}

/** A question about a key: arguments before its name, and after it. */
export type KeyQuestion = readonly [before: readonly string[], after: readonly string[]];

export interface ScanOutcome {
  readonly scanned: number;
  readonly total: number;
  /** The limit, or the signal, came before the end. */
  readonly partial: boolean;
  /** Nodes that could not be scanned, with the reason. */
  readonly problems: readonly string[];
}

const page = 500;
/** A lane beside that of other questions: SELECT must not reach those. */
const scanLane = 1000;

/** `onKey` may see a key twice, as SCAN does. Resolves when every master was walked. */
export async function scanKeys(
  link: ClusterLink,
  questions: readonly KeyQuestion[],
  onKey: (key: ScannedKey) => void,
  options: KeyScanOptions = {},
): Promise<ScanOutcome> {
  const masters = (await link.view()).filter((node) => isMaster(node) && node.ranges.length > 0);
  const walks = masters.map((node) => new NodeWalk(link, node, questions, onKey, options));
  await Promise.all(walks.map((walk) => walk.start()));
  let reported = 0;
  const total = walks.reduce((sum, walk) => sum + walk.total, 0);
  const report = (): void => {
    reported = walks.reduce((sum, walk) => sum + walk.scanned, 0);
    options.onProgress?.(Math.min(reported, total), total);
  };
  await Promise.all(walks.map((walk) => walk.run(report)));
  report();
  return {
    scanned: reported,
    total,
    partial: walks.some((walk) => walk.partial),
    problems: walks.flatMap((walk) => (walk.problem === undefined ? [] : [walk.problem])),
  };
}

class NodeWalk {
  scanned = 0;
  total = 0;
  partial = false;
  problem: string | undefined;
  readonly #link: ClusterLink;
  readonly #node: NodeLine;
  readonly #address: string;
  readonly #questions: readonly KeyQuestion[];
  readonly #onKey: (key: ScannedKey) => void;
  readonly #options: KeyScanOptions;
  #databases: number[] = [];

  constructor(
    link: ClusterLink,
    node: NodeLine,
    questions: readonly KeyQuestion[],
    onKey: (key: ScannedKey) => void,
    options: KeyScanOptions,
  ) {
    this.#link = link;
    this.#node = node;
    this.#address = `${node.host}:${node.port}`;
    this.#questions = questions;
    this.#onKey = onKey;
    this.#options = options;
  }

  async start(): Promise<void> {
    if (!isReachable(this.#node)) {
      this.problem = `${this.#address}: not reachable`;
      return;
    }
    try {
      const keyspace = parseInfo(String(await this.#link.ask(this.#node, ['INFO', 'keyspace'])));
      for (const [name, text] of keyspace) {
        const database = /^db(\d{1,5})$/.exec(name)?.[1];
        const keys = /^keys=(\d+)/.exec(text)?.[1];
        if (database === undefined || keys === undefined) continue;
        this.#databases.push(Number(database));
        this.total += Number(keys);
      }
    } catch (error) {
      this.problem = (error as Error).message;
    }
  }

  async run(report: () => void): Promise<void> {
    try {
      for (const database of this.#databases) await this.#walk(database, report);
    } catch (error) {
      this.problem = (error as Error).message;
    }
  }

  async #walk(database: number, report: () => void): Promise<void> {
    let cursor = '0';
    const { signal, limit = Number.POSITIVE_INFINITY, match, type } = this.#options;
    const narrow = [...(match === undefined ? [] : ['MATCH', match]), ...(type === undefined ? [] : ['TYPE', type])];
    do {
      if (signal?.aborted === true || this.scanned >= limit) {
        this.partial = true;
        return;
      }
      const started = this.#link.world.now();
      const reply = await this.#ask(database, [['SCAN', cursor, 'COUNT', String(page), ...narrow]]);
      const [next, keys] = reply[0] as [string, string[]];
      await this.#look(database, keys);
      // Pages with few matches were walked too.
      this.scanned += Math.max(keys.length, narrow.length > 0 ? page : 0);
      report();
      cursor = next;
      await this.#pace(Math.max(keys.length, page), started);
    } while (cursor !== '0');
  }

  async #look(database: number, keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const asked = keys.flatMap((key) => this.#questions.map(([before, after]) => [...before, key, ...after]));
    const replies = await this.#exchange(database, asked);
    const width = this.#questions.length;
    for (const [at, key] of keys.entries())
      this.#onKey({ key, database, node: this.#address, replies: replies.slice(at * width, (at + 1) * width) });
  }

  async #ask(database: number, commands: readonly (readonly string[])[]): Promise<unknown[]> {
    const replies = await this.#exchange(database, commands);
    for (const [at, reply] of replies.entries())
      if (reply instanceof ReplyError) throw new RefusedError(this.#node, commands[at]!, reply.message);
    return replies;
  }

  /** In one write with its SELECT: a connection that was dialled anew is in database 0. */
  async #exchange(database: number, commands: readonly (readonly string[])[]): Promise<unknown[]> {
    if (database === 0) return this.#link.exchange(this.#node, commands, this.#link.timeoutMs, scanLane);
    const all = [['SELECT', String(database)], ...commands];
    const [selected, ...replies] = await this.#link.exchange(this.#node, all, this.#link.timeoutMs, scanLane + 1);
    if (selected instanceof ReplyError) throw new RefusedError(this.#node, all[0]!, selected.message);
    return replies;
  }

  async #pace(keys: number, started: number): Promise<void> {
    const { keysPerSecond = 20_000, signal } = this.#options;
    const rest = (keys / keysPerSecond) * 1000 - (this.#link.world.now() - started);
    if (rest <= 0 || signal?.aborted === true) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.#link.world.after(rest, end, true);
      signal?.addEventListener('abort', end);
    });
  }
}

/** Keeps the `size` entries with the greatest figures, greatest first. */
export class Top<T> {
  readonly #size: number;
  readonly #figure: (entry: T) => number;
  readonly #entries: T[] = [];

  constructor(size: number, figure: (entry: T) => number) {
    this.#size = size;
    this.#figure = figure;
  }

  get entries(): readonly T[] {
    return this.#entries;
  }

  add(entry: T): void {
    const figure = this.#figure(entry);
    const last = this.#entries.at(-1);
    if (this.#entries.length >= this.#size && (last === undefined || this.#figure(last) >= figure)) return;
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#figure(this.#entries[middle]!) >= figure) low = middle + 1;
      else high = middle;
    }
    this.#entries.splice(low, 0, entry);
    if (this.#entries.length > this.#size) this.#entries.pop();
  }
}
