// What happened between two samples, as events: role changes, failovers, slots that moved, nodes that failed. Pure.
// Invariant: an event is of what two samples show; what came and went between them is not seen.

import { type ClusterSample, type NodeSample, rangesText } from './sample.ts';

type EventKind =
  | 'added'
  | 'removed'
  | 'failover'
  | 'role'
  | 'follows'
  | 'status'
  | 'restarted'
  | 'link'
  | 'slots-moved'
  | 'slots-unassigned'
  | 'slot-open'
  | 'slot-closed'
  | 'health';

export interface ClusterEvent {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly kind: EventKind;
  /** `bad`: somebody should look; `good`: it is over; `info`: as intended. */
  readonly severity: 'bad' | 'good' | 'info';
  /** Address of the node it is about; `''`: the cluster. */
  readonly node: string;
  readonly text: string;
}

/** Ascending by importance of what they are about: nodes, then slots, then the cluster. */
export function eventsBetween(before: ClusterSample, after: ClusterSample): ClusterEvent[] {
  const old = new Map(before.nodes.map((node) => [node.id, node]));
  const now = new Map(after.nodes.map((node) => [node.id, node]));
  const event = (kind: EventKind, severity: ClusterEvent['severity'], node: string, text: string): ClusterEvent => ({
    at: after.at,
    kind,
    severity,
    node,
    text,
  });
  const events: ClusterEvent[] = [];
  for (const node of after.nodes) {
    const past = old.get(node.id);
    if (past === undefined) events.push(event('added', 'info', node.address, `${node.role} joined the cluster`));
    else events.push(...nodeEvents(past, node, now, event));
  }
  for (const node of before.nodes) {
    if (!now.has(node.id)) events.push(event('removed', 'info', node.address, `${node.role} left the cluster`));
  }
  events.push(...slotEvents(before, after, event), ...openEvents(before, after, event));
  return [...events, ...healthEvents(before, after, event)];
}

type MakeEvent = (kind: EventKind, severity: ClusterEvent['severity'], node: string, text: string) => ClusterEvent;

function nodeEvents(
  past: NodeSample,
  node: NodeSample,
  nodes: ReadonlyMap<string, NodeSample>,
  event: MakeEvent,
): ClusterEvent[] {
  const events: ClusterEvent[] = [];
  const { address } = node;
  const leader = nodes.get(node.masterId ?? '')?.address ?? 'an unknown node';
  if (past.role !== node.role) events.push(roleEvent(past, node, nodes, leader, event));
  else if (past.masterId !== node.masterId) events.push(event('follows', 'info', address, `now follows ${leader}`));
  if (past.status !== node.status) {
    const severity = node.status === 'online' ? 'good' : 'bad';
    events.push(event('status', severity, address, `${past.status} -> ${node.status}`));
  }
  const run = node.info.get('run_id');
  if (run !== undefined && past.info.has('run_id') && past.info.get('run_id') !== run)
    events.push(event('restarted', 'bad', address, 'the server was started anew'));
  if (past.linkUp !== null && node.linkUp !== null && past.linkUp !== node.linkUp) {
    const text = node.linkUp ? `hears ${leader} again` : `does not hear ${leader}`;
    events.push(event('link', node.linkUp ? 'good' : 'bad', address, text));
  }
  return events;
}

function roleEvent(
  past: NodeSample,
  node: NodeSample,
  nodes: ReadonlyMap<string, NodeSample>,
  leader: string,
  event: MakeEvent,
): ClusterEvent {
  if (node.role === 'replica') return event('role', 'info', node.address, `is a replica of ${leader} now`);
  const former = nodes.get(past.masterId ?? '');
  const text = former === undefined ? 'is a master now' : `took over from ${former.address}, with ${node.slots} slots`;
  return event('failover', 'info', node.address, text);
}

/** One event for each pair of owners, whatever the number of slots. Slots that changed owners with a failover are its. */
function slotEvents(before: ClusterSample, after: ClusterSample, event: MakeEvent): ClusterEvent[] {
  const moved = new Map<string, { from: NodeSample | undefined; to: NodeSample | undefined; count: number }>();
  for (const [slot, index] of after.owners.entries()) {
    const from = before.nodes[before.owners[slot]!];
    const to = after.nodes[index];
    if (from?.id === to?.id) continue;
    const pair = `${from?.id} ${to?.id}`;
    const sum = moved.get(pair) ?? { from, to, count: 0 };
    sum.count++;
    moved.set(pair, sum);
  }
  return [...moved.values()].flatMap(({ from, to, count }) => {
    if (to === undefined)
      return [event('slots-unassigned', 'bad', from?.address ?? '', `${count} slots belong to nobody now`)];
    if (from !== undefined && isFailover(from, to, before)) return [];
    return [event('slots-moved', 'info', to.address, `got ${count} slots from ${from?.address ?? 'nobody'}`)];
  });
}

function isFailover(from: NodeSample, to: NodeSample, before: ClusterSample): boolean {
  return before.nodes.find(({ id }) => id === to.id)?.masterId === from.id;
}

/** At most so many slots by their number in one sample. */
const slotsNamed = 16;

function openEvents(before: ClusterSample, after: ClusterSample, event: MakeEvent): ClusterEvent[] {
  const nameOf = (sample: ClusterSample, id: string): string =>
    sample.nodes.find((node) => node.id === id)?.address ?? id.slice(0, 8);
  const keyed = (sample: ClusterSample) =>
    new Map(sample.metrics.openSlots.map((open) => [`${open.slot} ${open.nodeId} ${open.state}`, open]));
  const [old, now] = [keyed(before), keyed(after)];
  const opened = [...now].filter(([key]) => !old.has(key)).slice(0, slotsNamed);
  const closed = [...old].filter(([key]) => !now.has(key)).slice(0, slotsNamed);
  return [
    ...opened.map(([, { slot, state, nodeId, peerId }]) => {
      const way = state === 'migrating' ? 'to' : 'from';
      return event('slot-open', 'info', nameOf(after, nodeId), `slot ${slot} ${state} ${way} ${nameOf(after, peerId)}`);
    }),
    ...closed.map(([, { slot, state, nodeId }]) =>
      event('slot-closed', 'info', nameOf(before, nodeId), `slot ${slot} no longer ${state}`),
    ),
  ];
}

function healthEvents(before: ClusterSample, after: ClusterSample, event: MakeEvent): ClusterEvent[] {
  const [old, { state, problems }] = [before.health, after.health];
  if (old.state === state) return [];
  const text = `${old.state} -> ${state}${problems.length > 0 ? `: ${problems[0]}` : ''}`;
  return [event('health', state === 'degraded' ? 'bad' : state === 'ok' ? 'good' : 'info', '', text)];
}

/** What a watcher prints first: how things stand. */
export function openingText(sample: ClusterSample): string {
  const { metrics, health } = sample;
  const masters = sample.nodes
    .map((node, index) => ({ node, ranges: rangesText(sample.owners, index) }))
    .filter(({ ranges }) => ranges !== '')
    .map(({ node, ranges }) => `${node.address} ${ranges}`);
  const counts = `${metrics.masterNodes} masters, ${metrics.replicaNodes} replicas`;
  return [`${health.state}: ${counts}, ${metrics.assignedSlots} slots assigned`, ...masters.slice(0, 50)].join('\n');
}
