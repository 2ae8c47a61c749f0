// One workload on one client: what is timed, and what is checked. Every value that comes back is compared with the
// one its key must have; a difference ends the run with an error.

import type { Times } from '../measure/times.ts';
import type { Peer } from '../peers/peer.ts';
import { countFor, readKey, valuesOf, writeKey } from './dataset.ts';
import { operationAt, type Workload } from './workloads.ts';

export interface Runner {
  /** Works for `seconds`, notes latencies in milliseconds, returns the number of commands answered. */
  run(seconds: number, times: Times): Promise<number>;
  /** Checks what the last run wrote. */
  verify(): Promise<void>;
}

interface Batch {
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  readonly readKeys: readonly string[];
  readonly writeKeys: readonly string[];
}

export class PeerRunner implements Runner {
  readonly #peer: Peer;
  readonly #workload: Workload;
  readonly #count: number;
  readonly #readKeys: readonly string[];
  readonly #writeKeys: readonly string[];
  readonly #expected: readonly string[];
  readonly #batches: readonly Batch[];
  #written: readonly string[] = [];
  #generation = 0;
  #next = 0;
  /** Keys written in this run: the first so many, round and round. */
  #wrote = new Uint8Array(0);

  constructor(peer: Peer, client: string, workload: Workload) {
    this.#peer = peer;
    this.#workload = workload;
    this.#count = countFor(workload.size);
    const indexes = Array.from({ length: this.#count }, (_, index) => index);
    this.#readKeys = indexes.map((index) => readKey(workload.size, index));
    this.#writeKeys = indexes.map((index) => writeKey(client, workload.size, index));
    this.#expected = valuesOf(workload.size, 0);
    this.#batches = workload.shape === 'batch' ? this.#makeBatches() : [];
  }

  /** Makes the values of the next run, which differ from all written before. */
  prepare(): void {
    this.#generation++;
    this.#wrote = new Uint8Array(this.#count);
    if (this.#workload.operation !== 'get') this.#written = valuesOf(this.#workload.size, this.#generation);
  }

  async run(seconds: number, times: Times): Promise<number> {
    const end = performance.now() + seconds * 1000;
    if (this.#workload.shape === 'loops') return this.#loops(end, times);
    const step = this.#workload.shape === 'burst' ? () => this.#burst() : () => this.#batch();
    let done = 0;
    for (let now = performance.now(); now < end; ) {
      done += await step();
      const after = performance.now();
      times.note(after - now);
      now = after;
    }
    return done;
  }

  async verify(): Promise<void> {
    const chunk = Math.min(this.#count, 100);
    for (let at = 0; at < this.#count; at += chunk) {
      const indexes = Array.from({ length: Math.min(chunk, this.#count - at) }, (_, index) => at + index);
      const wrote = indexes.filter((index) => this.#wrote[index] === 1);
      const values = await Promise.all(wrote.map((index) => this.#peer.get(this.#writeKeys[index]!)));
      wrote.forEach((index, position) => {
        if (values[position] !== this.#written[index]) throw wrong(this.#writeKeys[index]!, values[position]);
      });
    }
  }

  async #burst(): Promise<number> {
    const { width, operation } = this.#workload;
    const start = this.#take(width);
    const pending: Promise<unknown>[] = new Array(width);
    for (let at = 0; at < width; at++)
      pending[at] = this.#issue(operationAt(operation, at), (start + at) % this.#count);
    const answers = await Promise.all(pending);
    for (let at = 0; at < width; at++) this.#check(operationAt(operation, at), (start + at) % this.#count, answers[at]);
    return width;
  }

  // A mixed batch is two batches at once: one of the reads, one of the writes.
  async #batch(): Promise<number> {
    const { reads, writes, readKeys, writeKeys } =
      this.#batches[this.#take(this.#workload.width) / this.#workload.width]!;
    const got = reads.length === 0 ? undefined : this.#peer.getMany(readKeys);
    const set = writes.length === 0 ? undefined : this.#peer.setMany(writeKeys, this.#valuesFor(writes));
    if (got !== undefined) {
      const values = await got;
      for (let at = 0; at < reads.length; at++) this.#check('get', reads[at]!, values.at(at));
    }
    if (set !== undefined) {
      const confirmations = await set;
      for (let at = 0; at < writes.length; at++) this.#check('set', writes[at]!, confirmations.at(at));
    }
    return this.#workload.width;
  }

  #valuesFor(writes: readonly number[]): string[] {
    return writes.map((index) => this.#written[index]!);
  }

  // Key lists are made ahead of time: a user has them too.
  #makeBatches(): Batch[] {
    const { width, operation } = this.#workload;
    return Array.from({ length: this.#count / width }, (_, round) => {
      const indexes = Array.from({ length: width }, (_, at) => round * width + at);
      const reads = indexes.filter((index) => operationAt(operation, index) === 'get');
      const writes = indexes.filter((index) => operationAt(operation, index) === 'set');
      const readKeys = reads.map((index) => this.#readKeys[index]!);
      return { reads, writes, readKeys, writeKeys: writes.map((index) => this.#writeKeys[index]!) };
    });
  }

  async #loops(end: number, times: Times): Promise<number> {
    const { width, operation } = this.#workload;
    let done = 0;
    // One loop that throws ends the others too.
    let over = false;
    const loop = async (): Promise<void> => {
      for (let now = performance.now(); now < end && !over; ) {
        const number = this.#take(1);
        const kind = operationAt(operation, number);
        this.#check(kind, number, await this.#issue(kind, number));
        const after = performance.now();
        times.note(after - now);
        now = after;
        done++;
      }
    };
    try {
      await Promise.all(Array.from({ length: width }, loop));
    } finally {
      over = true;
    }
    return done;
  }

  #issue(kind: 'get' | 'set', index: number): Promise<unknown> {
    if (kind === 'get') return this.#peer.get(this.#readKeys[index]!);
    return this.#peer.set(this.#writeKeys[index]!, this.#written[index]!);
  }

  #check(kind: 'get' | 'set', index: number, answer: unknown): void {
    if (kind === 'get') {
      if (answer !== this.#expected[index]) throw wrong(this.#readKeys[index]!, answer);
      return;
    }
    if (answer !== 'OK') throw wrong(`SET ${this.#writeKeys[index]}`, answer);
    this.#wrote[index] = 1;
  }

  #take(width: number): number {
    const start = this.#next;
    this.#next = (start + width) % this.#count;
    return start;
  }
}

function wrong(key: string, answer: unknown): Error {
  if (answer instanceof Error) return new Error(`${key}: ${answer.message}`, { cause: answer });
  const text = typeof answer === 'string' ? JSON.stringify(answer.slice(0, 40)) : String(answer);
  return new Error(`wrong answer for ${key}: ${text}`);
}
