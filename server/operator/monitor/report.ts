// Metrics as a text for people: the cluster in a few lines, then a line for each node.

import { healthOf } from './health.ts';
import type { ClusterMetrics, NodeMetrics } from './metrics.ts';

const headings = ['node', 'role', 'status', 'slots', 'keys', 'ops/s', 'ms', 'memory', 'clients', 'errors', 'redirects'];

export function metricsText(metrics: ClusterMetrics): string {
  const { state, problems } = healthOf(metrics);
  const rows = [headings, ...metrics.nodes.map(rowOf)];
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return [
    `health: ${state}`,
    ...problems.map((problem) => `  ${problem}`),
    `nodes: ${metrics.totalNodes} (${metrics.masterNodes} masters, ${metrics.replicaNodes} replicas)`,
    `slots: ${metrics.assignedSlots} of ${metrics.totalSlots} assigned, ${openCount(metrics)} open`,
    `keys: ${metrics.totalKeys}`,
    `epoch: ${metrics.currentEpoch}`,
    `messages: ${metrics.messagesSent} sent, ${metrics.messagesReceived} received`,
    '',
    ...rows.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    ),
    '',
  ].join('\n');
}

function openCount({ openSlots }: ClusterMetrics): number {
  return new Set(openSlots.map(({ slot }) => slot)).size;
}

function rowOf(node: NodeMetrics): string[] {
  const figures = [node.slots, node.keys, node.qps, node.latencyMs, node.memoryUsed, node.connections, node.errors];
  const cells = [...figures, node.redirects].map((figure) =>
    figure === null ? '-' : String(Math.round(figure * 10) / 10),
  );
  return [node.address, node.role, node.status, ...cells];
}
