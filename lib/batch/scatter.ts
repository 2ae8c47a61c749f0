// A batch in flight: parcels go out in order, results come back by index. Where each goes, and where it goes again
// when refused, is the dispatcher's business; since every call of one tick to one node leaves in one write, sending
// them one after another *is* grouping them by node. Only what was refused travels twice.
// Invariant: exactly one result per call; the batch is done when the last one is in.

import type { Call, CallGroup } from '../connection/call.ts';

/** `[null, value]`, or `[error]` alone, as ioredis has it. */
export type BatchResult = [error: Error | null, result: unknown];

export class Scatter implements CallGroup {
  readonly results: BatchResult[];
  #open: number;
  readonly #done: (results: BatchResult[]) => void;

  constructor(size: number, done: (results: BatchResult[]) => void) {
    this.results = new Array<BatchResult>(size);
    this.#open = size;
    this.#done = done;
    if (size === 0) done(this.results);
  }

  settled(call: Call, error: Error | null, value: unknown): void {
    this.results[call.index] = error === null ? [null, value] : ([error] as unknown as BatchResult);
    if (--this.#open === 0) this.#done(this.results);
  }
}
