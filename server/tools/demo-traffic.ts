// The load of the demo: loops that write and read all the time and check what they read.
// Owns: what was acknowledged, and the counts.

import type { Cluster } from '../../lib/index.ts';

export interface TrafficOptions {
  /** Loops, each with one call under way. */
  readonly lanes: number;
  /** Keys that nobody changes: they must always read as they were written. */
  readonly keys: number;
  readonly keyOf: (index: number) => string;
  readonly wordOf: (index: number) => string;
}

const ownKeys = 100;

export class Traffic {
  calls = 0;
  failed = 0;
  checked = 0;
  /** Writes that were acknowledged. */
  written = 0;
  /** Acknowledged writes that were not there any more while a loss was possible. */
  lost = 0;
  /** Milliseconds of the longest call since resetLongest(). */
  longest = 0;
  /** A master was killed: what had not reached its replica is counted as lost, and not as wrong. */
  mayLose = false;
  /** Of the keys that nobody changes, those to read; empty: all. */
  focus: readonly number[] = [];
  readonly wrong: string[] = [];
  readonly #cluster: Cluster;
  readonly #options: TrafficOptions;
  readonly #underWay = new Set<number>();
  #lanes: Promise<unknown> = Promise.resolve();
  #going = false;

  constructor(cluster: Cluster, options: TrafficOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  start(): void {
    this.#going = true;
    this.#lanes = Promise.all(Array.from({ length: this.#options.lanes }, (_, lane) => this.#run(lane)));
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#lanes;
  }

  resetLongest(): void {
    this.longest = 0;
  }

  /** Resolves when each loop has gone through all of its own keys once more: nothing from before is unread. */
  async settle(): Promise<void> {
    const upTo = this.calls + this.#options.lanes * ownKeys * 4;
    while (this.#going && this.calls < upTo) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async #run(lane: number): Promise<void> {
    const { keys, keyOf, wordOf } = this.#options;
    const values = new Array<number>(ownKeys).fill(0);
    for (let turn = 1; this.#going; turn++) {
      const mine = turn % ownKeys;
      const key = `traffic:${lane}:${mine}`;
      const last = values[mine]!;
      if (last > 0) this.#checkOwn(key, last, await this.#call(lane, () => this.#cluster.get(key)));
      if ((await this.#call(lane, () => this.#cluster.set(key, turn))) === 'OK') {
        values[mine] = turn;
        this.written++;
      }
      const at = lane * 1237 + turn * 7;
      const fixed = this.focus.length > 0 ? this.focus[at % this.focus.length]! : at % keys;
      const value = await this.#call(lane, () => this.#cluster.get(keyOf(fixed)));
      if (value !== undefined) this.#check(value === wordOf(fixed), keyOf(fixed), wordOf(fixed), value);
    }
  }

  #checkOwn(key: string, last: number, value: unknown): void {
    if (value === undefined) return;
    if (this.mayLose && Number(value ?? 0) < last) {
      this.checked++;
      this.lost++;
    } else this.#check(Number(value) === last, key, last, value);
  }

  #check(right: boolean, key: string, expected: unknown, value: unknown): void {
    this.checked++;
    if (!right) this.wrong.push(`${key}: expected ${String(expected)}, got ${String(value)}`);
  }

  async #call(lane: number, run: () => Promise<unknown>): Promise<unknown> {
    const started = performance.now();
    this.#underWay.add(lane);
    try {
      return await run();
    } catch {
      this.failed++;
      return undefined;
    } finally {
      this.calls++;
      this.#underWay.delete(lane);
      this.longest = Math.max(this.longest, performance.now() - started);
    }
  }

  /** Loops that wait for an answer now. */
  get waiting(): number {
    return this.#underWay.size;
  }
}
