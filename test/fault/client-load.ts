// Clients in a process of their own, for proofs that measure what they get while the proof itself does something else.
// Each lane reads three times and writes once, one call after the other; failed calls are counted and not repeated.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Cluster } from '../../lib/index.ts';

interface LoadOptions {
  readonly seeds: readonly { readonly host: string; readonly port: number }[];
  /** Calls under way at once. */
  readonly lanes: number;
  readonly keys: number;
}

export interface LoadCounts {
  readonly done: number;
  readonly failed: number;
  readonly slowestMs: number;
  /** Of a thousand calls 999 are quicker. */
  readonly p999Ms: number;
}

const program = fileURLToPath(import.meta.url);

export class ClientLoad {
  readonly #child: ChildProcess;

  constructor(options: LoadOptions) {
    this.#child = fork(program, [JSON.stringify(options)]);
  }

  /** Since the last question. */
  async counts(): Promise<LoadCounts> {
    const answered = once(this.#child, 'message');
    this.#child.send('counts');
    return ((await answered) as [LoadCounts])[0];
  }

  /** What clients get while `work` lasts. */
  async during(
    work: () => Promise<unknown>,
  ): Promise<LoadCounts & { readonly perSecond: number; readonly tookMs: number }> {
    await this.counts();
    const begun = performance.now();
    await work();
    const tookMs = performance.now() - begun;
    const counts = await this.counts();
    return { ...counts, perSecond: (counts.done / (performance.now() - begun)) * 1000, tookMs };
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill();
    await gone;
  }
}

const bucketsPerMs = 10;

class Counts {
  readonly #buckets = new Uint32Array(60_000);
  #done = 0;
  #failed = 0;
  #slowestMs = 0;

  add(ok: boolean, ms: number): void {
    if (ok) this.#done++;
    else this.#failed++;
    this.#slowestMs = Math.max(this.#slowestMs, ms);
    this.#buckets[Math.min(this.#buckets.length - 1, Math.floor(ms * bucketsPerMs))]!++;
  }

  get report(): LoadCounts {
    let left = (this.#done + this.#failed) * 0.001;
    let at = this.#buckets.length - 1;
    while (at > 0 && left > this.#buckets[at]!) left -= this.#buckets[at--]!;
    return { done: this.#done, failed: this.#failed, slowestMs: this.#slowestMs, p999Ms: (at + 1) / bucketsPerMs };
  }
}

async function run({ seeds, lanes, keys }: LoadOptions): Promise<void> {
  const client = new Cluster([...seeds]);
  client.on('error', () => undefined);
  let counts = new Counts();
  process.on('message', () => {
    process.send!(counts.report);
    counts = new Counts();
  });
  const lane = async (first: number): Promise<void> => {
    for (let at = first; ; at += 13) {
      const key = `key:${at % keys}`;
      const begun = performance.now();
      const call = at % 4 === 0 ? client.set(key, `value:${at}`) : client.get(key);
      const ok = await call.then(
        () => true,
        () => false,
      );
      counts.add(ok, performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, at) => lane(at * 97)));
}

if (process.argv[1] === program) await run(JSON.parse(process.argv[2]!) as LoadOptions);
