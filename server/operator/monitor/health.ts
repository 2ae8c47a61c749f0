// Is the cluster well? One word and the reasons for it, judged from the metrics. Pure.

import type { ClusterMetrics } from './metrics.ts';

export type HealthWord = 'ok' | 'migrating' | 'degraded';

export interface ClusterHealth {
  /** `degraded` wins over `migrating`. */
  readonly state: HealthWord;
  /** One line for each thing that is not as it should be. */
  readonly problems: readonly string[];
}

export function healthOf(metrics: ClusterMetrics): ClusterHealth {
  const problems: string[] = [];
  for (const { address, status, role, slots } of metrics.nodes) {
    if (status !== 'online')
      problems.push(`${role} ${address} is ${status}${slots > 0 ? `, with ${slots} slots` : ''}`);
  }
  if (metrics.unassignedSlots > 0) problems.push(`${metrics.unassignedSlots} slots belong to nobody`);
  if (!metrics.agreed) problems.push('the nodes do not agree on the owners of the slots');
  problems.push(...halfOpen(metrics));
  if (problems.length > 0) return { state: 'degraded', problems };
  return { state: metrics.openSlots.length > 0 ? 'migrating' : 'ok', problems };
}

/** A slot on its way is open at both ends; one that is open at one end only was left behind by somebody. */
function halfOpen({ openSlots }: ClusterMetrics): string[] {
  const isPair = (state: string, nodeId: string, peerId: string) => (slot: (typeof openSlots)[number]) =>
    slot.state !== state && slot.nodeId === peerId && slot.peerId === nodeId;
  return openSlots
    .filter(
      ({ slot, state, nodeId, peerId }) =>
        !openSlots.filter((other) => other.slot === slot).some(isPair(state, nodeId, peerId)),
    )
    .map(({ slot, state, nodeId }) => `slot ${slot} is ${state} at ${nodeId.slice(0, 8)} and at nobody else`);
}
