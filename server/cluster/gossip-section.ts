// The gossip section of a ping or pong: a few random nodes, and all that this node suspects, so that reports meet quickly.
// Pure but for chance. Invariant: this node (it is in the header) and nodes without an address are never in it.

import { type GossipEntry, gossipEntry } from './message.ts';
import { slotsOwned } from './slots.ts';
import type { ClusterNode, ClusterState } from './state.ts';

export interface PingTimes {
  readonly pingSent: number;
  readonly pongReceived: number;
  readonly linked: boolean;
}

const leastEntries = 3;
const unheard: PingTimes = { pingSent: 0, pongReceived: 0, linked: false };

// Keyed by the map of nodes, which is replaced whenever one of them changes.
const listed = new WeakMap<ClusterState['nodes'], readonly ClusterNode[]>();

function listOf(nodes: ClusterState['nodes']): readonly ClusterNode[] {
  let list = listed.get(nodes);
  if (list === undefined) {
    list = [...nodes.values()];
    listed.set(nodes, list);
  }
  return list;
}

/** The entries of a ping or pong. */
export function gossipSection(
  state: ClusterState,
  times: (id: string) => PingTimes | undefined,
  random: () => number,
): GossipEntry[] {
  const nodes = listOf(state.nodes);
  let fresh = nodes.length - 2;
  const wanted = Math.min(Math.max(leastEntries, Math.floor(nodes.length / 10)), fresh);
  const chosen = new Map<string, GossipEntry>();
  for (let tries = 3 * wanted; fresh > 0 && chosen.size < wanted && tries > 0; tries--) {
    const node = nodes[Math.floor(random() * nodes.length)]!;
    if (node.id === state.myself || node.suspect || chosen.has(node.id)) continue;
    fresh--;
    const time = times(node.id) ?? unheard;
    const reachable = time.linked || slotsOwned(state, node.id) > 0;
    if (canBeDialled(node) && reachable) chosen.set(node.id, gossipEntry(node, time));
  }
  for (const node of nodes) {
    if (!node.suspect || chosen.has(node.id) || !canBeDialled(node)) continue;
    chosen.set(node.id, gossipEntry(node, times(node.id) ?? unheard));
  }
  return [...chosen.values()];
}

function canBeDialled(node: ClusterNode): boolean {
  return !node.handshake && node.host !== '';
}
