// The bus links of this node to its peers, and everything that is sent on them.
// Owns: the table of peers with their links and ping times, and the counts of messages.
// Does not know: what a message means; what comes in goes to the receiver given to start().
// Invariant: at most one link to each known peer; nothing is sent to a node that the state does not know.

import type { Bus, Delivery } from '../bus/bus.ts';
import { isKnown, updateAbout } from '../cluster/gossip.ts';
import { gossipSection } from '../cluster/gossip-section.ts';
import { type Body, type GossipEntry, headerOf } from '../cluster/message.ts';
import { type ClusterNode, myMaster } from '../cluster/state.ts';
import type { BusStats, PeerView } from '../cluster/text.ts';
import type { LocalCluster } from './local-cluster.ts';
import { type OpenLink, type Peer, PeerTable } from './peer-table.ts';

/** Called with every message; `peer`: it came on the link that this node opened to that one. */
export type MessageReceiver = (delivery: Delivery, peer?: Peer) => void;

export class PeerLinks {
  readonly table: PeerTable = new PeerTable();
  readonly #cluster: LocalCluster;
  #bus: Bus | undefined;
  #receive: MessageReceiver = () => undefined;
  /** When others last had a pong of this node, by their gossip. */
  ownPong = 0;
  readonly #sent = new Map<string, number>();
  readonly #received = new Map<string, number>();

  constructor(cluster: LocalCluster) {
    this.#cluster = cluster;
  }

  get stats(): BusStats {
    return { sent: this.#sent, received: this.#received, overflows: this.#bus?.overflows ?? 0 };
  }

  get open(): boolean {
    return this.#bus !== undefined;
  }

  start(bus: Bus, receive: MessageReceiver): void {
    this.#bus = bus;
    this.#receive = receive;
  }

  close(): void {
    this.#bus?.close();
    this.#bus = undefined;
    this.table.clear();
  }

  /** Ping times and link of a peer, or of this node itself. */
  view(id: string): PeerView | undefined {
    if (id === this.#cluster.state.myself) return { pingSent: 0, pongReceived: this.ownPong, connected: true };
    return this.table.view(id);
  }

  /** The open links to a peer and from it. */
  links(id: string): OpenLink[] {
    return this.table.links(id);
  }

  /** Opens a link to every known node with an address that has none. */
  connect(): void {
    if (this.#bus === undefined) return;
    const { state, world } = this.#cluster;
    for (const node of state.nodes.values()) {
      if (node.id === state.myself) continue;
      const peer = this.table.of(node.id, world.now());
      if (peer.link === undefined && node.host !== '') this.#open(this.#bus, node, peer);
    }
  }

  /** Closes the links to nodes that the state does not know any more, and returns their ids. */
  closeUnknown(): string[] {
    if (this.#bus === undefined) return [];
    const closed: string[] = [];
    for (const { id, link } of this.table.all()) {
      if (this.#cluster.state.nodes.has(id)) continue;
      this.table.delete(id);
      closed.push(id);
      link?.close();
    }
    return closed;
  }

  /** Closes the link to a node. */
  disconnect(id: string): void {
    const peer = this.table.get(id);
    if (peer === undefined) return;
    const { link } = peer;
    peer.link = undefined;
    link?.close();
  }

  /** Closes the link that a node opened to this one. */
  disconnectInbound(id: string): void {
    this.table.get(id)?.inbound?.close();
  }

  #open(bus: Bus, node: ClusterNode, peer: Peer): void {
    const link = bus.connect(node, {
      onOpen: () => {
        if (peer.link !== link) return;
        const { meet } = peer;
        peer.meet = false;
        this.sendGossip(peer.id, meet ? 'meet' : 'ping');
      },
      onMessage: (delivery) => {
        if (peer.link === link) this.receive(delivery, peer);
      },
      onClose: () => {
        // The next tick opens it again; the pending ping keeps its age, so that the failure is detected.
        if (peer.link === link) peer.link = undefined;
      },
    });
    peer.link = link;
    peer.linkedAt = this.#cluster.world.now();
  }

  /** A message came in: on the link to `peer`, or on one that its sender opened. */
  receive(delivery: Delivery, peer?: Peer): void {
    if (this.#bus === undefined) return;
    count(this.#received, delivery.message.body.kind);
    this.#receive(delivery, peer);
  }

  // ---- sending

  /** Sends every peer a pong with this node's state. */
  announce(): void {
    for (const { id } of this.table.all()) if (isKnown(this.#cluster.state, id)) this.sendGossip(id, 'pong');
  }

  /** As `announce()`, to some. */
  announceTo(ids: Iterable<string>): void {
    for (const id of ids) this.sendGossip(id, 'pong');
  }

  ping(id: string): void {
    this.sendGossip(id, 'ping');
  }

  /** Answers a ping or a meet. */
  pong(delivery: Delivery): void {
    count(this.#sent, 'pong');
    this.#cluster.answer(delivery, { kind: 'pong', gossip: this.#gossip() });
  }

  /** UPDATE: sends `to` the slots and the epoch of `about`. */
  correct(to: string, about: string): void {
    const update = updateAbout(this.#cluster.state, about);
    if (update !== undefined) this.send(to, update);
  }

  broadcast(body: Body, force = false): void {
    for (const { id } of this.table.all()) if (isKnown(this.#cluster.state, id)) this.send(id, body, force);
  }

  /** To the nodes of this node's shard. */
  broadcastToShard(body: Body): void {
    const { state } = this.#cluster;
    const master = myMaster(state).id;
    for (const { id, master: its } of state.nodes.values()) {
      if (id === master || its === master) this.send(id, body);
    }
  }

  send(id: string, body: Body, force = false): void {
    const link = this.table.get(id)?.link;
    if (link === undefined || !link.open) return;
    count(this.#sent, body.kind);
    const status = { ...this.#cluster.status(), force };
    link.send({ header: headerOf(this.#cluster.state, status), body });
  }

  sendGossip(id: string, kind: 'ping' | 'pong' | 'meet'): void {
    const peer = this.table.get(id);
    if (peer?.link === undefined) return;
    if (kind === 'ping' && peer.pingSent === 0) peer.pingSent = this.#cluster.world.now();
    this.send(id, { kind, gossip: this.#gossip() });
  }

  #gossip(): GossipEntry[] {
    const { state, world } = this.#cluster;
    return gossipSection(
      state,
      (id) => this.table.times(id),
      () => world.random(),
    );
  }
}

function count(counts: Map<string, number>, kind: string): void {
  counts.set(kind, (counts.get(kind) ?? 0) + 1);
}
