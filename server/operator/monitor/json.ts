// A sample with its rates as JSON: what `stat --json`, `top --json` and the dashboard give. Plain objects only.

import type { ClusterRates, CommandRate } from './rates.ts';
import { totalCommands } from './rates.ts';
import { type ClusterSample, rangesText } from './sample.ts';

export interface NodeJson {
  readonly id: string;
  readonly address: string;
  readonly role: 'master' | 'replica';
  readonly masterId: string | null;
  readonly status: string;
  readonly server: string;
  readonly slots: number;
  /** `0-99 200`. */
  readonly ranges: string;
  readonly keys: number | null;
  readonly memoryUsed: number | null;
  readonly maxMemory: number | null;
  readonly connections: number | null;
  readonly latencyMs: number | null;
  readonly uptimeSeconds: number | null;
  readonly lagBytes: number | null;
  readonly linkUp: boolean | null;
  readonly errors: number | null;
  readonly redirects: number | null;
  readonly configEpoch: number;
  /** By second, since the sample before; null for the first: then `opsPerSecond` is the server's own figure. */
  readonly opsPerSecond: number | null;
  readonly bytesInPerSecond: number | null;
  readonly bytesOutPerSecond: number | null;
  readonly redirectsPerSecond: number | null;
  readonly errorsPerSecond: number | null;
  readonly hitShare: number | null;
  readonly cpu: number | null;
}

export interface SampleJson {
  readonly at: string;
  readonly health: string;
  readonly problems: readonly string[];
  readonly nodes: readonly NodeJson[];
  readonly totals: {
    readonly masters: number;
    readonly replicas: number;
    readonly keys: number;
    readonly slotsAssigned: number;
    readonly slotsUnassigned: number;
    readonly memoryUsed: number;
    readonly connections: number;
    readonly opsPerSecond: number;
    readonly currentEpoch: number;
    readonly viewsAgree: boolean;
  };
  readonly openSlots: readonly { slot: number; nodeId: string; state: string; peerId: string }[];
  /** Called most first; empty in the first sample. */
  readonly commands: readonly CommandRate[];
}

const commandsAtMost = 50;

export function sampleJson(sample: ClusterSample, rates: ClusterRates): SampleJson {
  const nodes = sample.nodes.map((_, index) => nodeJson(sample, index, rates));
  const sum = (figure: (node: NodeJson) => number | null): number =>
    nodes.reduce((all, node) => all + (figure(node) ?? 0), 0);
  const { metrics, health } = sample;
  return {
    at: new Date(sample.at).toISOString(),
    health: health.state,
    problems: health.problems,
    nodes,
    totals: {
      masters: metrics.masterNodes,
      replicas: metrics.replicaNodes,
      keys: metrics.totalKeys,
      slotsAssigned: metrics.assignedSlots,
      slotsUnassigned: metrics.unassignedSlots,
      memoryUsed: sum(({ memoryUsed }) => memoryUsed),
      connections: sum(({ connections }) => connections),
      opsPerSecond: sum(({ opsPerSecond }) => opsPerSecond),
      currentEpoch: metrics.currentEpoch,
      viewsAgree: metrics.agreed,
    },
    openSlots: metrics.openSlots,
    commands: totalCommands(rates.values()).slice(0, commandsAtMost),
  };
}

function nodeJson(sample: ClusterSample, index: number, rates: ClusterRates): NodeJson {
  const node = sample.nodes[index]!;
  const rate = rates.get(node.id);
  const figure = (name: string): number | null => {
    const text = node.info.get(name);
    return text === undefined ? null : Number(text);
  };
  return {
    id: node.id,
    address: node.address,
    role: node.role,
    masterId: node.masterId,
    status: node.status,
    server: node.server,
    slots: node.slots,
    ranges: rangesText(sample.owners, index),
    keys: keysOf(node.databases, node.info.size > 0),
    memoryUsed: node.memoryUsed,
    maxMemory: figure('maxmemory'),
    connections: node.connections,
    latencyMs: node.latencyMs,
    uptimeSeconds: figure('uptime_in_seconds'),
    lagBytes: node.lagBytes,
    linkUp: node.linkUp,
    errors: node.errors,
    redirects: node.redirects,
    configEpoch: node.configEpoch,
    opsPerSecond: rate?.opsPerSecond ?? node.qps,
    bytesInPerSecond: rate?.bytesInPerSecond ?? null,
    bytesOutPerSecond: rate?.bytesOutPerSecond ?? null,
    redirectsPerSecond: rate?.redirectsPerSecond ?? null,
    errorsPerSecond: rate?.errorsPerSecond ?? null,
    hitShare: rate?.hitShare ?? null,
    cpu: rate?.cpu ?? null,
  };
}

/** Of all databases. */
function keysOf(databases: ReadonlyMap<number, { readonly keys: number }>, answered: boolean): number | null {
  return answered ? [...databases.values()].reduce((sum, { keys }) => sum + keys, 0) : null;
}
