// cluster_state, and when it changes: a cluster that broke is down at once, one that healed is up only after a while,
// so that a master that was away learns of its successor before it takes a write.
// Knows no clock: times are arguments, in ms. Invariant: without a majority of masters it is never up.

import { type Coverage, coverage } from './failure.ts';
import { type ClusterState, me } from './state.ts';

export interface HealthFacts {
  readonly now: number;
  readonly nodeTimeout: number;
  readonly requireFullCoverage: boolean;
}

/** A master that just started waits this long. */
const firstWaitMs = 2000;
const leastRejoinMs = 500;
const mostRejoinMs = 5000;

export class Health {
  #up: boolean;
  #startedAt: number | undefined;
  #seen: (Pick<ClusterState, 'nodes' | 'owners'> & { readonly coverage: Coverage }) | undefined;
  #minorityAt = Number.NEGATIVE_INFINITY;

  /** `up`: what to begin with; false for any node that may have missed something. */
  constructor(up: boolean) {
    this.#up = up;
  }

  get up(): boolean {
    return this.#up;
  }

  /** Only nodes and owners count, and few states are new in these. */
  #coverage(state: ClusterState): Coverage {
    const { nodes, owners } = state;
    if (this.#seen?.nodes !== nodes || this.#seen.owners !== owners) {
      this.#seen = { nodes, owners, coverage: coverage(state) };
    }
    return this.#seen.coverage;
  }

  /** Looks again; true when the verdict changed. */
  review(state: ClusterState, facts: HealthFacts): boolean {
    const { now } = facts;
    const master = me(state).role === 'master';
    this.#startedAt ??= now;
    if (master && !this.#up && now - this.#startedAt < firstWaitMs) return false;
    const { covered, majority } = this.#coverage(state);
    if (!majority) this.#minorityAt = now;
    const up = majority && (covered || !facts.requireFullCoverage);
    if (up === this.#up) return false;
    const rejoinMs = Math.min(Math.max(facts.nodeTimeout, leastRejoinMs), mostRejoinMs);
    if (up && master && now - this.#minorityAt < rejoinMs) return false;
    this.#up = up;
    return true;
  }
}
