// A ledger of writes: each leaves an id of its own in a list on the servers, so that afterwards the outcomes of calls can
// be compared with what is there.
// Owns the writers and their book. Does not know what happens to the cluster meanwhile.
// Invariant: an id is written by one call alone; the outcome of a call is on record before the comparison.

import { Cluster, ReplyError } from '../../lib/index.ts';
import type { TestCluster } from './cluster.ts';

/** What the writers need of a client; lingcache's and ioredis's Cluster have it. */
export interface LedgerClient {
  rpush(key: string, ...values: string[]): Promise<unknown>;
}

export interface LedgerOptions {
  /** Who writes. Default: a lingcache Cluster that sends no write twice and waits up to 60 s for a node. */
  readonly client?: LedgerClient;
  /** Calls that are open at once. Default 8. */
  readonly writers?: number;
  /** Lists that are written to, each in a slot by itself. Default 64. */
  readonly keys?: number;
  /** Milliseconds that each writer pauses between two calls. Default 1. */
  readonly pauseMs?: number;
  /** The client may send a write again whose answer was lost: ids found twice are counted and no fault. Default false. */
  readonly resends?: boolean;
  /** Acknowledged writes may be lost. Default: where a step has crashed or cut off a master. */
  readonly mayLose?: boolean;
  /** Calls may fail. Default true; false: a failed call is a violation. */
  readonly mayFail?: boolean;
}

export interface LedgerReport {
  /** Calls made; of those, how many were acknowledged, and how many failed. */
  readonly calls: number;
  readonly acknowledged: number;
  readonly failed: number;
  /** Acknowledged, and not there. */
  readonly lost: number;
  /** There more than once. */
  readonly repeated: number;
  /** Failed without an answer, and there all the same. */
  readonly doneUnanswered: number;
  /** Error messages of calls that failed, with how often. */
  readonly errors: ReadonlyMap<string, number>;
  /** What must not be, in words; empty: all is well. */
  readonly violations: readonly string[];
}

type Outcome = 'open' | 'ok' | 'refused' | 'unknown';

const mostExamples = 10;
/** Milliseconds that open calls are waited for when the scenario is over. */
const endTimeoutMs = 90_000;

export class Ledger {
  readonly #cluster: TestCluster;
  readonly #options: LedgerOptions;
  readonly #client: LedgerClient;
  readonly #own: Cluster | undefined;
  readonly #book: { readonly key: string; outcome: Outcome }[] = [];
  readonly #errors = new Map<string, number>();
  readonly #pause: (ms: number) => Promise<void>;
  #working: Promise<void>[] = [];
  #stopped = false;

  /** `pause` waits on the clock of the machine. */
  constructor(cluster: TestCluster, options: LedgerOptions, password: string, pause: (ms: number) => Promise<void>) {
    this.#cluster = cluster;
    this.#options = options;
    this.#pause = pause;
    if (options.client === undefined) {
      this.#own = new Cluster(cluster.seeds, {
        resend: 'readonly',
        retryDeadline: 60_000,
        ...(password === '' ? {} : { redisOptions: { password } }),
      });
      this.#own.on('error', () => undefined);
    }
    this.#client = options.client ?? this.#own!;
  }

  start(): void {
    const { writers = 8 } = this.#options;
    this.#working = Array.from({ length: writers }, () => this.#write());
  }

  /** Calls that were made so far. */
  get calls(): number {
    return this.#book.length;
  }

  /** Stops the writers and waits for the calls that are open. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.race([Promise.all(this.#working), this.#pause(endTimeoutMs)]);
    this.#own?.disconnect();
  }

  /** Compares the book with what the masters hold. `crashed`: acknowledged writes may be lost. */
  async judge(crashed: boolean): Promise<LedgerReport> {
    const held = await this.#held();
    const { resends = false, mayLose = crashed, mayFail = true } = this.#options;
    const counts = { acknowledged: 0, failed: 0, lost: 0, repeated: 0, doneUnanswered: 0 };
    const wrong = new Map<string, string[]>();
    const blame = (what: string, id: number): void => {
      wrong.set(what, [...(wrong.get(what) ?? []), `${id} in ${this.#book[id]?.key ?? 'no list'}`]);
    };
    for (const [id, { outcome }] of this.#book.entries()) {
      const found = held.get(id) ?? 0;
      if (outcome === 'open') blame('never settled', id);
      if (outcome === 'ok') counts.acknowledged++;
      else counts.failed++;
      if (outcome !== 'ok' && !mayFail) blame('failed', id);
      if (outcome === 'refused' && found > 0) blame('refused by the server, and done', id);
      if (outcome === 'unknown' && found > 0) counts.doneUnanswered++;
      if (outcome === 'ok' && found === 0) counts.lost++;
      if (outcome === 'ok' && found === 0 && !mayLose) blame('acknowledged, and lost', id);
      if (found > 1) counts.repeated++;
      if (found > 1 && !resends) blame('done twice', id);
    }
    for (const id of held.keys()) if (this.#book[id] === undefined) blame('of nobody', id);
    const violations = [...wrong].map(
      ([what, ids]) => `${ids.length} ${what}: ${ids.slice(0, mostExamples).join(', ')}`,
    );
    return { calls: this.#book.length, ...counts, errors: this.#errors, violations };
  }

  async #write(): Promise<void> {
    const { keys = 64, pauseMs = 1 } = this.#options;
    while (!this.#stopped) {
      const id = this.#book.length;
      const entry = { key: `ledger:${id % keys}`, outcome: 'open' as Outcome };
      this.#book.push(entry);
      try {
        await this.#client.rpush(entry.key, String(id));
        entry.outcome = 'ok';
      } catch (error) {
        entry.outcome = error instanceof ReplyError || (error as Error).name === 'ReplyError' ? 'refused' : 'unknown';
        const message = String((error as Error).message).replace(/\d+/g, 'N');
        this.#errors.set(message, (this.#errors.get(message) ?? 0) + 1);
      }
      await this.#pause(pauseMs);
    }
  }

  /** How often each id is there. */
  async #held(): Promise<Map<number, number>> {
    const { keys = 64 } = this.#options;
    const held = new Map<number, number>();
    for (let at = 0; at < keys; at++) {
      for (const text of ((await this.#cluster.get(`ledger:${at}`)) ?? []) as string[]) {
        held.set(Number(text), (held.get(Number(text)) ?? 0) + 1);
      }
    }
    return held;
  }
}
