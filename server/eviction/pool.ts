// The best candidates for eviction that were seen so far: an approximation of the whole order, made of samples.
// Knows no keys' meaning. Invariant: candidates ascend by score, and no entry is in the pool twice.

import type { Entry, Store } from '../keyspace/store.ts';

const size = 16;

export interface Candidate {
  readonly store: Store;
  readonly entry: Entry;
  /** The greater, the sooner it goes. */
  readonly score: number;
}

export class EvictionPool {
  readonly #candidates: Candidate[] = [];

  get size(): number {
    return this.#candidates.length;
  }

  /** Keeps the candidate when there is room for it, or when it is better than the worst one. */
  offer(candidate: Candidate): void {
    const kept = this.#candidates;
    if (kept.length === size && candidate.score <= kept[0]!.score) return;
    if (kept.some(({ entry }) => entry === candidate.entry)) return;
    let at = kept.length;
    while (at > 0 && kept[at - 1]!.score > candidate.score) at--;
    kept.splice(at, 0, candidate);
    if (kept.length > size) kept.shift();
  }

  /** Takes out the best one. */
  take(): Candidate | undefined {
    return this.#candidates.pop();
  }

  clear(): void {
    this.#candidates.length = 0;
  }
}
