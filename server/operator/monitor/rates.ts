// What happens by second, from two samples. Pure.
// Invariant: a node that restarted between the two, or was not there, has no rates: a counter that began anew is no
// negative rate, and none is made up.

import { numberOf } from '../link/info-text.ts';
import type { ClusterSample, CommandCounts, NodeSample } from './sample.ts';

export interface CommandRate {
  readonly name: string;
  readonly perSecond: number;
  /** Mean of this interval; 0 when there was no call. */
  readonly usecPerCall: number;
  /** Share of the interval that the server spent in it, 0 to 1 for one thread. */
  readonly busy: number;
}

export interface NodeRates {
  readonly opsPerSecond: number;
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  readonly errorsPerSecond: number;
  readonly redirectsPerSecond: number;
  readonly expiredPerSecond: number;
  readonly evictedPerSecond: number;
  /** Hits of all look-ups, 0 to 1; null when there was none. */
  readonly hitShare: number | null;
  /** CPU time used by second of time, all threads. */
  readonly cpu: number | null;
  /** Most frequent first. */
  readonly commands: readonly CommandRate[];
}

/** By node id; a node without an entry has no rates. */
export type ClusterRates = ReadonlyMap<string, NodeRates>;

export function ratesBetween(before: ClusterSample, after: ClusterSample): ClusterRates {
  const seconds = (after.clock - before.clock) / 1000;
  const rates = new Map<string, NodeRates>();
  if (!(seconds > 0)) return rates;
  const earlier = new Map(before.nodes.map((node) => [node.id, node]));
  for (const node of after.nodes) {
    const old = earlier.get(node.id);
    if (old !== undefined && isSameRun(old, node)) rates.set(node.id, nodeRates(old, node, seconds));
  }
  return rates;
}

function isSameRun(old: NodeSample, node: NodeSample): boolean {
  const run = node.info.get('run_id');
  return run !== undefined && run === old.info.get('run_id');
}

function nodeRates(old: NodeSample, node: NodeSample, seconds: number): NodeRates {
  const grown = (name: string): number =>
    Math.max(0, (numberOf(node.info, name) ?? 0) - (numberOf(old.info, name) ?? 0));
  const perSecond = (name: string): number => grown(name) / seconds;
  const hits = grown('keyspace_hits');
  const lookups = hits + grown('keyspace_misses');
  const cpu = grown('used_cpu_sys') + grown('used_cpu_user');
  return {
    opsPerSecond: perSecond('total_commands_processed'),
    bytesInPerSecond: perSecond('total_net_input_bytes'),
    bytesOutPerSecond: perSecond('total_net_output_bytes'),
    errorsPerSecond: perSecond('total_error_replies'),
    redirectsPerSecond: Math.max(0, (node.redirects ?? 0) - (old.redirects ?? 0)) / seconds,
    expiredPerSecond: perSecond('expired_keys'),
    evictedPerSecond: perSecond('evicted_keys'),
    hitShare: lookups === 0 ? null : hits / lookups,
    cpu: numberOf(node.info, 'used_cpu_user') === null ? null : cpu / seconds,
    commands: commandRates(old.commands, node.commands, seconds),
  };
}

const none: CommandCounts = { calls: 0, usec: 0, rejected: 0, failed: 0 };

function commandRates(
  old: ReadonlyMap<string, CommandCounts>,
  now: ReadonlyMap<string, CommandCounts>,
  seconds: number,
): CommandRate[] {
  const rates: CommandRate[] = [];
  for (const [name, counts] of now) {
    const before = old.get(name) ?? none;
    // CONFIG RESETSTAT sets them back while the server goes on.
    const calls = counts.calls - before.calls;
    const usec = counts.usec - before.usec;
    if (calls <= 0 || usec < 0) continue;
    rates.push({ name, perSecond: calls / seconds, usecPerCall: usec / calls, busy: usec / 1e6 / seconds });
  }
  return rates.sort((one, other) => other.perSecond - one.perSecond);
}

/** Of several nodes together. */
export function totalCommands(rates: Iterable<NodeRates>): CommandRate[] {
  const sums = new Map<string, { perSecond: number; busy: number }>();
  for (const { commands } of rates) {
    for (const { name, perSecond, busy } of commands) {
      const sum = sums.get(name) ?? { perSecond: 0, busy: 0 };
      sums.set(name, { perSecond: sum.perSecond + perSecond, busy: sum.busy + busy });
    }
  }
  return [...sums]
    .map(([name, { perSecond, busy }]) => ({ name, perSecond, busy, usecPerCall: (busy * 1e6) / perSecond }))
    .sort((one, other) => other.perSecond - one.perSecond);
}
