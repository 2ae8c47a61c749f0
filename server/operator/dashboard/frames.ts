// Samples as what the page is sent. Pure.

import { slotCount } from '../../../lib/wire/slot.ts';
import { numberOf } from '../link/info-text.ts';
import type { ClusterRates } from '../monitor/rates.ts';
import type { ClusterSample } from '../monitor/sample.ts';
import type { SampledCluster } from '../monitor/sampler.ts';
import type { SlotCountsSample, SlotLoad } from '../monitor/slot-counts.ts';
import type { Frame, MoveRow, NodeRow, Totals } from './protocol.ts';

const hotSlots = 20;

export function frameOf(
  { sample, rates, events }: SampledCluster,
  loads: readonly SlotLoad[],
  moves: readonly MoveRow[],
): Frame {
  const { metrics, health } = sample;
  const nameOf = (id: string): string => sample.nodes.find((node) => node.id === id)?.address ?? id.slice(0, 8);
  const nodes = sample.nodes.map((_, at) => nodeRow(sample, at, rates));
  return {
    health: health.state,
    problems: health.problems.slice(0, 20),
    nodes,
    owners: ownerRanges(sample.owners),
    open: metrics.openSlots.slice(0, 200).map(({ slot, state, nodeId, peerId }) => {
      return { slot, state, node: nameOf(nodeId), peer: nameOf(peerId) };
    }),
    hot: loads.slice(0, hotSlots),
    totals: totalsOf(sample, nodes, rates),
    events,
    moves,
    viewsAgree: metrics.agreed,
    epoch: metrics.currentEpoch,
  };
}

function nodeRow(sample: ClusterSample, index: number, rates: ClusterRates): NodeRow {
  const node = sample.nodes[index]!;
  const rate = rates.get(node.id);
  return {
    id: node.id,
    address: node.address,
    role: node.role,
    shard: node.shard,
    status: node.status,
    server: node.server,
    slots: node.slots,
    keys: node.info.size === 0 ? null : [...node.databases.values()].reduce((sum, { keys }) => sum + keys, 0),
    memory: node.memoryUsed,
    maxMemory: numberOf(node.info, 'maxmemory'),
    clients: node.connections,
    pingMs: node.latencyMs,
    lagBytes: node.lagBytes,
    linkUp: node.linkUp,
    ops: rate?.opsPerSecond ?? node.qps,
    cpu: rate?.cpu ?? null,
    redirects: rate?.redirectsPerSecond ?? null,
  };
}

function totalsOf({ at, metrics }: ClusterSample, nodes: readonly NodeRow[], rates: ClusterRates): Totals {
  const sum = (figures: Iterable<number | null>): number =>
    [...figures].reduce<number>((all, one) => all + (one ?? 0), 0);
  const all = [...rates.values()];
  return {
    at,
    ops: sum(nodes.map(({ ops }) => ops)),
    bytesIn: sum(all.map(({ bytesInPerSecond }) => bytesInPerSecond)),
    bytesOut: sum(all.map(({ bytesOutPerSecond }) => bytesOutPerSecond)),
    redirects: sum(all.map(({ redirectsPerSecond }) => redirectsPerSecond)),
    errors: sum(all.map(({ errorsPerSecond }) => errorsPerSecond)),
    memory: sum(nodes.map(({ memory }) => memory)),
    keys: metrics.totalKeys,
    clients: sum(nodes.map(({ clients }) => clients)),
  };
}

function ownerRanges(owners: Int16Array): [number, number, number][] {
  const ranges: [number, number, number][] = [];
  for (const [slot, owner] of owners.entries()) {
    const last = ranges.at(-1);
    if (last !== undefined && last[2] === owner && last[1] === slot - 1) last[1] = slot;
    else if (owner >= 0) ranges.push([slot, slot, owner]);
  }
  return ranges;
}

/** A digit 0 to f for each slot; 0 is no key at all. */
export function heatDigits({ slots }: SlotCountsSample): string {
  const most = Math.max(1, ...[...slots.values()].map(({ keys }) => keys));
  return Array.from({ length: slotCount }, (_, slot) => {
    const keys = slots.get(slot)?.keys ?? 0;
    return keys === 0 ? '0' : Math.max(1, Math.round(Math.sqrt(keys / most) * 15)).toString(16);
  }).join('');
}
