// The state of a cluster in figures, made out of what its nodes answered. Pure: texts in, metrics out.
// Knows CLUSTER NODES, CLUSTER INFO and INFO; never who asked or how. A figure that a node did not give is null.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { slotCount } from '../../../lib/wire/slot.ts';
import { numberOf, numbersByName, parseInfo } from '../link/info-text.ts';

/** What one node answered; undefined: it could not be asked. */
export interface NodeAnswers {
  /** Milliseconds that a PING took. */
  readonly latencyMs: number;
  readonly info: string;
  readonly clusterInfo: string;
  /** The node's own view. */
  readonly view: readonly NodeLine[];
}

export type NodeStatus = 'online' | 'suspected' | 'failed' | 'unreachable';

export interface NodeMetrics {
  readonly id: string;
  readonly address: string;
  readonly role: 'master' | 'replica';
  /** Id of the master that a replica follows. */
  readonly masterId: string | null;
  readonly status: NodeStatus;
  readonly slots: number;
  readonly keys: number | null;
  /** Commands per second. */
  readonly qps: number | null;
  readonly latencyMs: number | null;
  readonly memoryUsed: number | null;
  readonly connections: number | null;
  /** Error replies since the node started, and how many of them were MOVED or ASK. */
  readonly errors: number | null;
  readonly redirects: number | null;
  readonly configEpoch: number;
  /** Bus messages since the node started. */
  readonly messagesSent: number | null;
  readonly messagesReceived: number | null;
  /** When the node that was asked for the view heard of it last; milliseconds since 1970, 0: never. */
  readonly lastHeartbeat: number;
}

export type SlotMark = 'stable' | 'migrating' | 'importing' | 'unassigned';

/** A slot that is not simply served by its owner. */
export interface OpenSlot {
  readonly slot: number;
  readonly nodeId: string;
  readonly state: Exclude<SlotMark, 'stable' | 'unassigned'>;
  /** The other end. */
  readonly peerId: string;
}

export interface ClusterMetrics {
  readonly totalNodes: number;
  readonly masterNodes: number;
  readonly replicaNodes: number;
  readonly totalSlots: number;
  readonly assignedSlots: number;
  readonly unassignedSlots: number;
  readonly totalKeys: number;
  readonly currentEpoch: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly nodes: readonly NodeMetrics[];
  readonly openSlots: readonly OpenSlot[];
  /** All nodes that were asked give every slot to the same owner. */
  readonly agreed: boolean;
  /** Milliseconds since 1970. */
  readonly lastUpdate: number;
}

/** `view`: of the node that was asked first; `answers` by node id. */
export function clusterMetrics(
  view: readonly NodeLine[],
  answers: ReadonlyMap<string, NodeAnswers>,
  now: number,
): ClusterMetrics {
  const known = view.filter(({ flags }) => !flags.includes('handshake') && !flags.includes('noaddr'));
  const nodes = known.map((line) => nodeMetrics(line, answers.get(line.id), now));
  const masters = nodes.filter(({ role }) => role === 'master');
  const assigned = known.reduce((sum, line) => sum + slotsOf(line), 0);
  const sum = (values: readonly (number | null)[]): number => values.reduce<number>((all, one) => all + (one ?? 0), 0);
  const epochs = [...answers.values()].map(
    ({ clusterInfo }) => numberOf(parseInfo(clusterInfo), 'cluster_current_epoch') ?? 0,
  );
  return {
    totalNodes: nodes.length,
    masterNodes: masters.length,
    replicaNodes: nodes.length - masters.length,
    totalSlots: slotCount,
    assignedSlots: assigned,
    unassignedSlots: slotCount - assigned,
    totalKeys: sum(masters.map(({ keys }) => keys)),
    currentEpoch: Math.max(0, ...epochs),
    messagesSent: sum(nodes.map(({ messagesSent }) => messagesSent)),
    messagesReceived: sum(nodes.map(({ messagesReceived }) => messagesReceived)),
    nodes,
    openSlots: openSlots(answers),
    agreed: isAgreed([view, ...[...answers.values()].map((answer) => answer.view)]),
    lastUpdate: now,
  };
}

function nodeMetrics(line: NodeLine, answers: NodeAnswers | undefined, now: number): NodeMetrics {
  const info = parseInfo(answers?.info ?? '');
  const clusterInfo = parseInfo(answers?.clusterInfo ?? '');
  const keyspace = numbersByName(info, 'db').get('0');
  const errors = numbersByName(info, 'errorstat_');
  const redirects = (errors.get('MOVED')?.get('count') ?? 0) + (errors.get('ASK')?.get('count') ?? 0);
  return {
    id: line.id,
    address: `${line.host}:${line.port}`,
    role: line.flags.includes('slave') ? 'replica' : 'master',
    masterId: line.master,
    status: statusOf(line, answers !== undefined),
    slots: slotsOf(line),
    keys: answers === undefined ? null : (keyspace?.get('keys') ?? 0),
    qps: numberOf(info, 'instantaneous_ops_per_sec'),
    latencyMs: answers?.latencyMs ?? null,
    memoryUsed: numberOf(info, 'used_memory'),
    connections: numberOf(info, 'connected_clients'),
    errors: numberOf(info, 'total_error_replies'),
    redirects: answers === undefined ? null : redirects,
    configEpoch: line.configEpoch,
    messagesSent: numberOf(clusterInfo, 'cluster_stats_messages_sent'),
    messagesReceived: numberOf(clusterInfo, 'cluster_stats_messages_received'),
    lastHeartbeat: line.flags.includes('myself') ? now : line.pongReceived,
  };
}

function statusOf({ flags }: NodeLine, answered: boolean): NodeStatus {
  if (flags.includes('fail')) return 'failed';
  if (!answered) return 'unreachable';
  return flags.includes('fail?') ? 'suspected' : 'online';
}

function slotsOf({ ranges }: NodeLine): number {
  return ranges.reduce((sum, [start, end]) => sum + end - start + 1, 0);
}

function openSlots(answers: ReadonlyMap<string, NodeAnswers>): OpenSlot[] {
  const open: OpenSlot[] = [];
  for (const [nodeId, { view }] of answers) {
    const mine = view.find(({ flags }) => flags.includes('myself'));
    for (const [slot, peerId] of mine?.migrating ?? []) open.push({ slot, nodeId, state: 'migrating', peerId });
    for (const [slot, peerId] of mine?.importing ?? []) open.push({ slot, nodeId, state: 'importing', peerId });
  }
  return open.sort((a, b) => a.slot - b.slot);
}

function isAgreed(views: readonly (readonly NodeLine[])[]): boolean {
  const signatures = views.map((view) =>
    view
      .filter(({ ranges }) => ranges.length > 0)
      .map(({ id, ranges }) => `${id} ${ranges.join(' ')}`)
      .sort()
      .join('\n'),
  );
  return signatures.every((signature) => signature === signatures[0]);
}
