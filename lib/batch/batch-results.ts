// A batch in flight: requests go out in order, results come back by index. Where each goes, and where it goes again
// when refused, is the dispatcher's business; since every call of one tick to one node leaves in one write, sending
// them one after another *is* grouping them by node. Only what was refused travels twice.
// Invariant: exactly one result per call; the batch is done when the last one is in.

import type { Call, CallGroup } from '../connection/call.ts';

/** `[null, value]`, or `[error]` alone, as ioredis has it. */
export type BatchResult = [error: Error | null, result: unknown];

export class BatchResults implements CallGroup {
  readonly #arrived: (BatchResult | undefined)[];
  #open: number;
  #done: (results: BatchResult[]) => void;

  constructor(size: number, done: (results: BatchResult[]) => void) {
    this.#arrived = new Array<BatchResult | undefined>(size);
    this.#open = size;
    this.#done = done;
    if (size === 0) done([]);
  }

  get begun(): boolean {
    return this.#open < this.#arrived.length;
  }

  settled(call: Call, error: Error | null, value: unknown): void {
    this.#arrived[call.index] = error === null ? [null, value] : ([error] as unknown as BatchResult);
    if (--this.#open === 0) this.#finish();
  }

  // The caller gets a copy, and nothing stays here, neither the list nor the way to whom it was given: what outlived its
  // youth while the batch was under way would keep the values alive until the next full collection.
  #finish(): void {
    const results = this.#arrived.slice() as BatchResult[];
    this.#arrived.fill(undefined);
    const done = this.#done;
    this.#done = nothing;
    done(results);
  }
}

function nothing(): void {}
