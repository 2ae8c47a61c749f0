// Who does not answer: my own suspicions, what other masters report, and the verdict when enough of them agree.
// Owns the reports and the times of the verdicts; the marks themselves are in the state.
// Invariant: a verdict needs my own suspicion and a majority of masters, or the word of a node that had both.

import type { World } from '../../lib/base/world.ts';
import { judge, markFailed, quorum, recover, suspect } from '../cluster/failure.ts';
import type { GossipEntry } from '../cluster/message.ts';
import type { ClusterState, Step } from '../cluster/state.ts';
import { FailureReports } from './failure-reports.ts';

export interface FailuresHost {
  readonly world: World;
  readonly state: ClusterState;
  readonly nodeTimeout: number;
  apply(step: Step): void;
  /** Tells everyone that a node failed. */
  onVerdict(id: string): void;
}

export class Failures {
  readonly #host: FailuresHost;
  readonly #reports = new FailureReports();
  readonly #failedAt = new Map<string, number>();

  constructor(host: FailuresHost) {
    this.#host = host;
  }

  /** A ping has waited too long. */
  suspect(id: string): void {
    this.#host.apply(suspect(this.#host.state, id, true));
    // Otherwise the next report decides, as in redis-server: it comes with the next greeting of any who suspects it.
    if (quorum(this.#host.state) === 1) this.#judge(id);
  }

  /** What a master says of others. */
  hear(reporter: string, entries: readonly GossipEntry[]): void {
    for (const { id, suspect: suspected, failed } of entries) {
      if (id === this.#host.state.myself || !this.#host.state.nodes.has(id)) continue;
      if (suspected || failed) {
        this.#reports.add(id, reporter, this.#host.world.now());
        this.#judge(id);
      } else this.#reports.withdraw(id, reporter);
    }
  }

  /** The majority's verdict, told by a node that knows it. */
  confirm(id: string): void {
    const step = markFailed(this.#host.state, id);
    if (step.state === this.#host.state) return;
    this.#failedAt.set(id, this.#host.world.now());
    this.#host.apply(step);
  }

  /** It answered. */
  clear(id: string): void {
    const { state, world, nodeTimeout } = this.#host;
    const node = state.nodes.get(id);
    if (node?.suspect) this.#host.apply(suspect(state, id, false));
    else if (node?.failed) {
      const since = this.#failedAt.get(id) ?? Number.NEGATIVE_INFINITY;
      this.#host.apply(recover(state, id, world.now() - since, 2 * nodeTimeout));
    }
  }

  /** Masters whose report of `id` is not too old. */
  reporters(id: string): ReadonlySet<string> {
    return this.#reports.fresh(id, this.#host.world.now() - 2 * this.#host.nodeTimeout);
  }

  forget(id: string): void {
    this.#reports.forget(id);
    this.#failedAt.delete(id);
  }

  #judge(id: string): void {
    const step = judge(this.#host.state, id, this.reporters(id));
    if (step.state === this.#host.state) return;
    this.#failedAt.set(id, this.#host.world.now());
    this.#host.apply(step);
    this.#host.onVerdict(id);
  }
}
