// Watches a cluster: asks its nodes every few seconds and keeps the latest figures.
// Owns: the figures of the last round, and the timer.
// Does not know: what the figures mean (metrics.ts, health.ts); changes nothing in the cluster.
// Invariant: at most one round of questions is under way.

import type { Timer } from '../../../lib/base/world.ts';
import { type ClusterLink, isMaster, isReachable, ownerIn } from '../link/cluster-link.ts';
import { type ClusterHealth, healthOf } from './health.ts';
import { type ClusterMetrics, clusterMetrics, type NodeMetrics, type SlotMark } from './metrics.ts';
import { metricsText } from './report.ts';
import { countSlotKeys, surveyCluster } from './survey.ts';

export interface SlotMetrics {
  readonly slot: number;
  /** Its owner; null when it belongs to nobody. */
  readonly nodeId: string | null;
  /** Null when the owner could not be asked. */
  readonly keys: number | null;
  readonly state: SlotMark;
}

const defaultIntervalMs = 5000;

/** Watches a cluster from outside: health, slots, lag and load by node, as data and as text. */
export class ClusterMonitor {
  readonly #link: ClusterLink;
  #latest: ClusterMetrics | undefined;
  #timer: Timer | undefined;
  #updating: Promise<ClusterMetrics> | undefined;
  #running = false;

  constructor(link: ClusterLink) {
    this.#link = link;
  }

  /** The figures of the last round; undefined before the first. */
  get latest(): ClusterMetrics | undefined {
    return this.#latest;
  }

  /** Asks now. Rejects when no node of the cluster can be asked. */
  update(): Promise<ClusterMetrics> {
    this.#updating ??= this.#ask().finally(() => {
      this.#updating = undefined;
    });
    return this.#updating;
  }

  /** Asks every `intervalMs` (default 5000) until `stop()`; `onUpdate` gets the figures, or why there are none. */
  start(
    onUpdate: (metrics: ClusterMetrics | Error) => void = () => undefined,
    intervalMs: number = defaultIntervalMs,
  ): void {
    if (!Number.isFinite(intervalMs) || intervalMs < 1)
      throw new RangeError(`intervalMs: ${intervalMs} is not 1 or more`);
    this.stop();
    this.#running = true;
    const round = async (): Promise<void> => {
      const outcome = await this.update().catch((error: Error) => error);
      if (!this.#running) return;
      this.#timer = this.#link.world.after(intervalMs, () => void round());
      onUpdate(outcome);
    };
    void round();
  }

  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
  }

  /** Of the last round; asks first when there was none. */
  async node(id: string): Promise<NodeMetrics | undefined> {
    const metrics = this.#latest ?? (await this.update());
    return metrics.nodes.find((node) => node.id === id);
  }

  /** One slot as it is now. */
  async slot(slot: number): Promise<SlotMetrics> {
    const view = await this.#link.view();
    const nodeId = ownerIn(view, slot);
    const owner = view.find(({ id }) => id === nodeId);
    if (owner === undefined) return { slot, nodeId: null, keys: null, state: 'unassigned' };
    const single = { ...owner, ranges: [[slot, slot] as const] };
    const counts = await countSlotKeys(this.#link, [single]).catch(() => new Map<number, number>());
    const { openSlots } = await this.update();
    const open = openSlots.find((one) => one.slot === slot && one.nodeId === nodeId);
    return { slot, nodeId: owner.id, keys: counts.get(slot) ?? null, state: open?.state ?? 'stable' };
  }

  /** Keys of every slot, by slot; slots of nodes that cannot be asked are missing. */
  async slotKeys(): Promise<Map<number, number>> {
    const view = await this.#link.view();
    return countSlotKeys(
      this.#link,
      view.filter((node) => isMaster(node) && isReachable(node)),
    );
  }

  /** Of the last round; asks first when there was none. */
  async health(): Promise<ClusterHealth> {
    return healthOf(this.#latest ?? (await this.update()));
  }

  /** Figures as a text for people. */
  text(metrics: ClusterMetrics): string {
    return metricsText(metrics);
  }

  async #ask(): Promise<ClusterMetrics> {
    const { view, answers } = await surveyCluster(this.#link);
    this.#latest = clusterMetrics(view, answers, this.#link.world.wallClock());
    return this.#latest;
  }
}
