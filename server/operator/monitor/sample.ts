// One sample of a cluster: what every node answered at one time, as values. Pure: answers in, a sample out.
// Knows INFO, CLUSTER INFO and CLUSTER NODES of Redis 7 and 8, Valkey 8 and 9 and bundled nodes; never who asked.
// Invariant: counters are kept as the server counts them; what they mean by second is rates.ts's affair.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { slotCount } from '../../../lib/wire/slot.ts';
import { type InfoFields, numberOf, numbersByName, parseInfo } from '../link/info-text.ts';
import { type ClusterHealth, healthOf } from './health.ts';
import { type ClusterMetrics, clusterMetrics, type NodeAnswers, type NodeMetrics } from './metrics.ts';

export interface CommandCounts {
  readonly calls: number;
  /** Microseconds in all. */
  readonly usec: number;
  readonly rejected: number;
  readonly failed: number;
}

interface DatabaseKeys {
  readonly keys: number;
  readonly expires: number;
}

export interface NodeSample extends NodeMetrics {
  readonly host: string;
  readonly port: number;
  /** Id of the master of its shard: its own where it is one. */
  readonly shard: string;
  /** `redis 7.0.15`, `valkey 9.1.2`; `''` when it did not answer. */
  readonly server: string;
  /** Empty when the node did not answer. */
  readonly info: InfoFields;
  readonly clusterInfo: InfoFields;
  readonly commands: ReadonlyMap<string, CommandCounts>;
  /** Error replies by their first word. */
  readonly errorReplies: ReadonlyMap<string, number>;
  readonly databases: ReadonlyMap<number, DatabaseKeys>;
  /** Bytes of the master's stream that a replica has not applied; null for a master, and where either end is unknown. */
  readonly lagBytes: number | null;
  /** Whether a replica hears its master; null for a master. */
  readonly linkUp: boolean | null;
}

export interface ClusterSample {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Milliseconds of a clock that never goes back: for rates. */
  readonly clock: number;
  readonly metrics: ClusterMetrics;
  readonly health: ClusterHealth;
  readonly nodes: readonly NodeSample[];
  /** For every slot the index of its owner in `nodes`; -1: nobody. */
  readonly owners: Int16Array;
}

/** `view`: of the node that was asked first; `answers` by node id. */
export function clusterSample(
  view: readonly NodeLine[],
  answers: ReadonlyMap<string, NodeAnswers>,
  time: { readonly at: number; readonly clock: number },
): ClusterSample {
  const metrics = clusterMetrics(view, answers, time.at);
  const lines = new Map(view.map((line) => [line.id, line]));
  const infos = new Map([...answers].map(([id, answer]) => [id, parseInfo(answer.info)]));
  const nodes = metrics.nodes.map((node) => nodeSample(node, lines.get(node.id)!, answers.get(node.id), infos));
  return { ...time, metrics, health: healthOf(metrics), nodes, owners: ownersOf(nodes, lines) };
}

const nothing: InfoFields = new Map();

function nodeSample(
  node: NodeMetrics,
  line: NodeLine,
  answers: NodeAnswers | undefined,
  infos: ReadonlyMap<string, InfoFields>,
): NodeSample {
  const info = infos.get(node.id) ?? nothing;
  const replica = node.role === 'replica';
  return {
    ...node,
    host: line.host,
    port: line.port,
    shard: node.masterId ?? node.id,
    server: serverName(info),
    info,
    clusterInfo: answers === undefined ? nothing : parseInfo(answers.clusterInfo),
    commands: commandsOf(info),
    errorReplies: new Map([...numbersByName(info, 'errorstat_')].map(([name, one]) => [name, one.get('count') ?? 0])),
    databases: databasesOf(info),
    lagBytes: replica ? lagOf(info, infos.get(node.masterId ?? '')) : null,
    linkUp: replica && info.size > 0 ? info.get('master_link_status') === 'up' : null,
  };
}

function serverName(info: InfoFields): string {
  const valkey = info.get('valkey_version');
  if (valkey !== undefined) return `valkey ${valkey}`;
  const redis = info.get('redis_version');
  return redis === undefined ? '' : `redis ${redis}`;
}

function commandsOf(info: InfoFields): Map<string, CommandCounts> {
  const found = [...numbersByName(info, 'cmdstat_')].map(([name, one]): [string, CommandCounts] => [
    name,
    {
      calls: one.get('calls') ?? 0,
      usec: one.get('usec') ?? 0,
      rejected: one.get('rejected_calls') ?? 0,
      failed: one.get('failed_calls') ?? 0,
    },
  ]);
  return new Map(found);
}

function databasesOf(info: InfoFields): Map<number, DatabaseKeys> {
  const found = new Map<number, DatabaseKeys>();
  for (const [name, one] of numbersByName(info, 'db')) {
    const keys = one.get('keys');
    if (/^\d{1,5}$/.test(name) && keys !== undefined)
      found.set(Number(name), { keys, expires: one.get('expires') ?? 0 });
  }
  return found;
}

/** The two were not asked at the same moment, so a replica may seem to be ahead: that is no lag. */
function lagOf(replica: InfoFields, master: InfoFields | undefined): number | null {
  const mine = numberOf(replica, 'slave_repl_offset');
  const theirs = master === undefined ? null : numberOf(master, 'master_repl_offset');
  return mine === null || theirs === null ? null : Math.max(0, theirs - mine);
}

function ownersOf(nodes: readonly NodeSample[], lines: ReadonlyMap<string, NodeLine>): Int16Array {
  const owners = new Int16Array(slotCount).fill(-1);
  for (const [index, { id }] of nodes.entries()) {
    for (const [start, end] of lines.get(id)?.ranges ?? []) owners.fill(index, start, end + 1);
  }
  return owners;
}

/** Slots as ranges, for people and for JSON: `0-99 200`. */
export function rangesText(owners: Int16Array, index: number): string {
  const parts: string[] = [];
  for (let start = owners.indexOf(index); start >= 0; start = owners.indexOf(index, start)) {
    let end = start;
    while (end + 1 < owners.length && owners[end + 1] === index) end++;
    parts.push(start === end ? String(start) : `${start}-${end}`);
    start = end + 1;
  }
  return parts.join(' ');
}
