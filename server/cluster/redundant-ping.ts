// Whether a ping or pong brings any news: in a stable cluster none does, and there are many.
// Pure. Invariant: what is old news here changes nothing in any rule of gossip.ts; in doubt it is news.

import type { GossipEntry, Header, Message } from './message.ts';
import { bitmapOf, sameSlots } from './slots.ts';
import { type ClusterNode, type ClusterState, me } from './state.ts';

export interface OldNewsFacts {
  /** Id under which the link is kept, when the message came back on a link that we opened. */
  readonly link: string | undefined;
  readonly remoteHost: string;
}

export function isRedundantPing(state: ClusterState, { header, body }: Message, facts: OldNewsFacts): boolean {
  if (body.kind !== 'ping' && body.kind !== 'pong') return false;
  const sender = state.nodes.get(header.sender);
  if (sender === undefined || sender.handshake || (facts.link !== undefined && facts.link !== sender.id)) return false;
  // Slots that are nobody's for sure need a closer look at what is claimed, and what is not.
  if (state.unclaimed.size > 0 || state.importedSlots.size > 0) return false;
  if (body.kind === 'ping' && facts.link === undefined && !isWhereItWas(sender, header, facts)) return false;
  return (
    isWhatItWas(state, sender, header) && !mustAct(state, sender) && body.gossip.every((entry) => knows(state, entry))
  );
}

function isWhereItWas(sender: ClusterNode, header: Header, { remoteHost }: OldNewsFacts): boolean {
  if ((header.host || remoteHost) !== sender.host) return false;
  return header.port === sender.port && header.cport === sender.cport && header.plainPort === sender.plainPort;
}

function isWhatItWas(state: ClusterState, sender: ClusterNode, header: Header): boolean {
  if (header.role !== sender.role || header.master !== sender.master) return false;
  if (header.offset !== sender.offset || header.noFailover !== sender.noFailover) return false;
  if (header.hostname !== sender.hostname || header.currentEpoch > state.currentEpoch) return false;
  if (sender.role === 'master') {
    if (header.configEpoch !== sender.configEpoch) return false;
    if (header.shard !== '' && header.shard !== sender.shard) return false;
  }
  return sameSlots(header.bitmap, bitmapOf(state, header.master ?? sender.id));
}

/** What this node may still have to do although it receives the same again. */
function mustAct(state: ClusterState, sender: ClusterNode): boolean {
  const mine = me(state);
  if (mine.host === '') return true;
  if (mine.role === 'master') return sender.role === 'master' && sender.configEpoch === mine.configEpoch;
  return mine.master === null || state.nodes.get(mine.master)?.role !== 'master';
}

function knows(state: ClusterState, { id, host }: GossipEntry): boolean {
  if (host === '') return true;
  const node = state.nodes.get(id);
  return node !== undefined && !node.suspect && !node.failed;
}
