// What CLUSTER NODES, SLOTS, SHARDS and INFO answer: the state as lib/wire prints it.
// Invariant: SLOTS and the ranges of NODES are ascending and maximal, so that every node that agrees prints the same.

import { type NodeLine, printNodeLine } from '../../lib/wire/cluster-nodes.ts';
import type { Shard, ShardNode, SlotNode, SlotRange } from '../../lib/wire/cluster-text.ts';
import { votingMasters } from './failure.ts';
import { type EndpointType, endpointOf, portFor } from './guard.ts';
import { messageKinds } from './message.ts';
import { ownedRanges, rangesOf } from './slots.ts';
import { type ClusterNode, type ClusterState, me, myMaster, replicasOf } from './state.ts';

/** What the bus knows of a peer; times in ms. */
export interface PeerView {
  readonly pingSent: number;
  readonly pongReceived: number;
  readonly connected: boolean;
}

const unlinked: PeerView = { pingSent: 0, pongReceived: 0, connected: false };

export type PeerViews = (id: string) => PeerView | undefined;

/** `plain`: for a client without TLS. */
export function nodeLine(state: ClusterState, node: ClusterNode, peers: PeerViews, plain = false): string {
  const mine = node.id === state.myself;
  const master = node.master === null ? undefined : state.nodes.get(node.master);
  const peer = peers(node.id) ?? unlinked;
  const line: NodeLine = {
    id: node.id,
    host: node.host,
    port: portFor(node, plain),
    cport: node.cport,
    hostname: node.hostname,
    flags: flagWords(node, mine),
    master: node.master,
    pingSent: Math.floor(peer.pingSent),
    pongReceived: Math.floor(peer.pongReceived),
    configEpoch: (master ?? node).configEpoch,
    connected: mine || peer.connected,
    ranges: rangesOf(state, node.id),
    migrating: mine ? state.migrating : new Map(),
    importing: mine ? state.importing : new Map(),
  };
  return printNodeLine(line);
}

export function flagWords(node: ClusterNode, mine: boolean): string[] {
  const flags: string[] = [];
  if (mine) flags.push('myself');
  if (!node.handshake || mine) flags.push(node.role === 'replica' ? 'slave' : 'master');
  if (node.suspect) flags.push('fail?');
  if (node.failed) flags.push('fail');
  if (node.handshake) flags.push('handshake');
  if (!mine && node.host === '') flags.push('noaddr');
  if (node.noFailover) flags.push('nofailover');
  return flags;
}

export function nodesText(state: ClusterState, peers: PeerViews, plain = false): string {
  return [...state.nodes.values()].map((node) => `${nodeLine(state, node, peers, plain)}\n`).join('');
}

export function slotRanges(state: ClusterState, type: EndpointType, plain = false): SlotRange[] {
  const serving = new Map<string, SlotNode[]>();
  return ownedRanges(state).map(({ start, end, owner }) => {
    let nodes = serving.get(owner);
    if (nodes === undefined) {
      const replicas = replicasOf(state, owner).filter((node) => !node.failed && node.offset > 0);
      nodes = [state.nodes.get(owner)!, ...replicas].map((node) => slotNode(node, type, plain));
      serving.set(owner, nodes);
    }
    return { start, end, nodes };
  });
}

function slotNode(node: ClusterNode, type: EndpointType, plain: boolean): SlotNode {
  const withIp = type === 'ip' ? {} : { ip: node.host };
  const withHostname = type === 'hostname' || node.hostname === '' ? {} : { hostname: node.hostname };
  return { host: endpointOf(node, type), port: portFor(node, plain), id: node.id, ...withIp, ...withHostname };
}

/** `secure`: the nodes' own ports are those with TLS. */
export function shards(state: ClusterState, type: EndpointType, secure = false): Shard[] {
  const masters = [...state.nodes.values()].filter((node) => node.role === 'master' && !node.handshake);
  return masters.map((master) => ({
    slots: rangesOf(state, master.id),
    nodes: [master, ...replicasOf(state, master.id)].map((node) => shardNode(node, type, secure)),
  }));
}

function shardNode(node: ClusterNode, type: EndpointType, secure: boolean): ShardNode {
  const plainPort = secure ? node.plainPort : node.port;
  return {
    id: node.id,
    ...(plainPort > 0 ? { port: plainPort } : {}),
    ...(secure ? { tlsPort: node.port } : {}),
    ip: node.host,
    endpoint: endpointOf(node, type),
    ...(node.hostname === '' ? {} : { hostname: node.hostname }),
    role: node.role,
    replicationOffset: node.offset,
    health: node.failed ? 'fail' : node.role === 'replica' && node.offset === 0 ? 'loading' : 'online',
  };
}

/** Messages sent and received by type, in the order of redis's message types. */
export interface BusStats {
  readonly sent: ReadonlyMap<string, number>;
  readonly received: ReadonlyMap<string, number>;
  /** Links closed because too much waited on them. */
  readonly overflows: number;
}

export function infoText(state: ClusterState, up: boolean, stats: BusStats): string {
  const voters = votingMasters(state);
  const counts = { assigned: 0, ok: 0, pfail: 0, fail: 0 };
  for (const [owner, count] of state.owners.counts) {
    const node = state.nodes.get(owner)!;
    counts.assigned += count;
    counts[node.failed ? 'fail' : node.suspect ? 'pfail' : 'ok'] += count;
  }
  const lines = [
    `cluster_state:${up ? 'ok' : 'fail'}`,
    `cluster_slots_assigned:${counts.assigned}`,
    `cluster_slots_ok:${counts.ok}`,
    `cluster_slots_pfail:${counts.pfail}`,
    `cluster_slots_fail:${counts.fail}`,
    `cluster_known_nodes:${state.nodes.size}`,
    `cluster_size:${voters.length}`,
    `cluster_current_epoch:${state.currentEpoch}`,
    `cluster_my_epoch:${(me(state).role === 'replica' ? myMaster(state) : me(state)).configEpoch}`,
    ...statLines(stats.sent, 'sent'),
    ...statLines(stats.received, 'received'),
    `total_cluster_links_buffer_limit_exceeded:${stats.overflows}`,
  ];
  return `${lines.join('\r\n')}\r\n`;
}

function statLines(counts: ReadonlyMap<string, number>, way: string): string[] {
  let sum = 0;
  const lines: string[] = [];
  for (const kind of messageKinds) {
    const count = counts.get(kind);
    if (count === undefined) continue;
    sum += count;
    lines.push(`cluster_stats_messages_${kind}_${way}:${count}`);
  }
  lines.push(`cluster_stats_messages_${way}:${sum}`);
  return lines;
}
