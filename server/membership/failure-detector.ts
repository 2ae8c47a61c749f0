// Failure detection: this node's own suspicions, the reports of other masters, the verdict when enough of them agree.
// Owns the reports and the times of the verdicts; the marks themselves are in the state.
// Invariant: a verdict needs this node's own suspicion and a majority of masters, or the FAIL of a node that had both.

import { judge, markFailed, quorum, recover, suspect } from '../cluster/failure.ts';
import type { GossipEntry } from '../cluster/message.ts';
import type { Step } from '../cluster/state.ts';
import { FailureReports } from './failure-reports.ts';
import type { LocalCluster } from './local-cluster.ts';
import type { PeerLinks } from './peer-links.ts';

export class FailureDetector {
  readonly #cluster: LocalCluster;
  readonly #links: PeerLinks;
  readonly #reports = new FailureReports();
  readonly #failedAt = new Map<string, number>();

  constructor(cluster: LocalCluster, links: PeerLinks) {
    this.#cluster = cluster;
    this.#links = links;
  }

  /** A ping has waited too long. */
  suspect(id: string): void {
    this.#cluster.apply(suspect(this.#cluster.state, id, true));
    // Otherwise the next report decides, as in redis-server: it comes with the next ping of any node that suspects it.
    if (quorum(this.#cluster.state) === 1) this.#judge(id);
  }

  /** The gossip of a master about others. */
  report(reporter: string, entries: readonly GossipEntry[]): void {
    for (const { id, suspect: suspected, failed } of entries) {
      if (id === this.#cluster.state.myself || !this.#cluster.state.nodes.has(id)) continue;
      if (suspected || failed) {
        this.#reports.add(id, reporter, this.#cluster.world.now());
        this.#judge(id);
      } else this.#reports.withdraw(id, reporter);
    }
  }

  /** FAIL: the majority's verdict, broadcast by a node that knows it. */
  confirm(id: string): void {
    this.#mark(id, markFailed(this.#cluster.state, id));
  }

  /** It answered. */
  clear(id: string): void {
    const { state, world, settings } = this.#cluster;
    const node = state.nodes.get(id);
    if (node?.suspect) this.#cluster.apply(suspect(state, id, false));
    else if (node?.failed) {
      const since = this.#failedAt.get(id) ?? Number.NEGATIVE_INFINITY;
      this.#cluster.apply(recover(state, id, world.now() - since, 2 * settings.nodeTimeout));
    }
  }

  /** Masters whose report of `id` is not too old. */
  reporters(id: string): ReadonlySet<string> {
    return this.#reports.fresh(id, this.#cluster.world.now() - 2 * this.#cluster.settings.nodeTimeout);
  }

  forget(id: string): void {
    this.#reports.forget(id);
    this.#failedAt.delete(id);
  }

  #judge(id: string): void {
    const step = judge(this.#cluster.state, id, this.reporters(id));
    if (this.#mark(id, step)) this.#links.broadcast({ kind: 'fail', id });
  }

  /** Whether the step changes anything: the node was not marked as failed before. */
  #mark(id: string, step: Step): boolean {
    if (step.state === this.#cluster.state) return false;
    this.#failedAt.set(id, this.#cluster.world.now());
    this.#cluster.apply(step);
    return true;
  }
}
