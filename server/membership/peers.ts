// The gossip of one node: learns from every message, pings, answers, and detects who is silent, ten times a second.
// Owns: the clock of the gossip. Links and ping times are PeerLinks's, the state is LocalCluster's.
// Invariant: links are opened by the clock or when the set of nodes changes; a peer that neither answers nor sends
// anything is suspected after nodeTimeout.

import type { Timer } from '../../lib/base/world.ts';
import type { Bus, Delivery } from '../bus/bus.ts';
import { isKnown, learn, loseAddress, startHandshake } from '../cluster/gossip.ts';
import { withoutNode } from '../cluster/members.ts';
import type { GossipEntry } from '../cluster/message.ts';
import type { Failover } from './failover.ts';
import type { FailureDetector } from './failure-detector.ts';
import type { LocalCluster } from './local-cluster.ts';
import type { PeerLinks } from './peer-links.ts';
import type { Peer } from './peer-table.ts';

const tickMs = 100;
const ticksPerPing = 10;
const sampled = 5;
const minHandshakeMs = 1000;
/** A tick that comes this late means that this process was stopped or busy. */
const lateMs = 500;
/** Of the clocks of two machines. */
const clockSkewMs = 500;

export class Peers {
  readonly #cluster: LocalCluster;
  readonly #links: PeerLinks;
  readonly #failures: FailureDetector;
  readonly #failover: Failover;
  #timer: Timer | undefined;
  #ticks = 0;
  #tickedAt: number;

  constructor(cluster: LocalCluster, links: PeerLinks, failures: FailureDetector, failover: Failover) {
    this.#cluster = cluster;
    this.#links = links;
    this.#failures = failures;
    this.#failover = failover;
    this.#tickedAt = cluster.world.now();
  }

  /** `onTick` is called at the end of every tick. */
  start(bus: Bus, onTick: () => void): void {
    this.#links.start(bus, (delivery, peer) => this.#receive(delivery, peer));
    // Nodes that were started together need not ping at the same tick.
    this.#ticks = Math.floor(this.#cluster.world.random() * ticksPerPing);
    this.#connect();
    this.#schedule(onTick);
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** CLUSTER MEET: starts a handshake with the node at this address. */
  meet(host: string, port: number, cport: number): void {
    const cluster = this.#cluster;
    const id = cluster.randomId();
    cluster.apply(startHandshake(cluster.state, { host, port, cport }, id));
    if (!cluster.state.nodes.has(id)) return;
    this.#links.table.of(id, cluster.world.now()).meet = true;
    this.#connect();
  }

  /** Drops the link to a node; if it is still known, a new one is opened to where it is now. */
  unlink(id: string): void {
    this.#links.disconnect(id);
    this.#connect();
  }

  #connect(): void {
    for (const id of this.#links.closeUnknown()) this.#failures.forget(id);
    this.#links.connect();
  }

  #receive(delivery: Delivery, peer?: Peer): void {
    const { header, body } = delivery.message;
    const cluster = this.#cluster;
    const { table } = this.#links;
    if (peer !== undefined && isKnown(cluster.state, peer.id) && peer.id !== header.sender) {
      if ('gossip' in body) cluster.apply(loseAddress(cluster.state, peer.id));
      return;
    }
    table.heard(header.sender, cluster.world.now(), peer === undefined ? delivery.link : undefined);
    this.#learn(delivery, peer);
    if (body.kind === 'ping' || body.kind === 'meet') this.#links.pong(delivery);
    if (body.kind === 'pong' && peer !== undefined) this.#onPong(header.sender);
    if (isKnown(cluster.state, header.sender)) this.#act(delivery);
    // Whoever sends can be reached: no need to wait for the tick.
    const unlinked = table.get(header.sender)?.link === undefined && isKnown(cluster.state, header.sender);
    if (unlinked || cluster.state.nodes.size !== table.size + 1) this.#connect();
  }

  #learn({ message, remoteHost, localHost }: Delivery, peer: Peer | undefined): void {
    const { world, state, data, settings } = this.#cluster;
    const facts = {
      keysInSlot: (slot: number) => data.keysInSlot(slot),
      allowReplicaMigration: settings.allowReplicaMigration,
      now: world.now(),
      link: peer?.id,
      remoteHost,
      localHost,
      randomId: () => this.#cluster.randomId(),
    };
    this.#cluster.apply(learn(state, message, facts));
  }

  #act(delivery: Delivery): void {
    const { header, body } = delivery.message;
    if (body.kind === 'publish' || body.kind === 'publishshard') {
      this.#cluster.data.onPublish(body.kind, body.channel, body.message);
      return;
    }
    if (body.kind === 'fail') this.#failures.confirm(body.id);
    if ('gossip' in body) {
      if (header.role === 'master') this.#failures.report(header.sender, body.gossip);
      for (const entry of body.gossip) this.#adoptPongTime(entry);
    }
    this.#failover.onMessage(delivery);
  }

  /** Others had a pong of it: no need to ping it so soon. */
  #adoptPongTime({ id, suspect, failed, pongReceived }: GossipEntry): void {
    const { state, world } = this.#cluster;
    if (id === state.myself) this.#links.ownPong = Math.max(this.#links.ownPong, pongReceived);
    const peer = this.#links.table.get(id);
    if (peer === undefined || suspect || failed || peer.pingSent !== 0 || pongReceived <= peer.pongReceived) return;
    const node = state.nodes.get(id);
    if (node === undefined || node.suspect || node.failed || this.#failures.reporters(id).size > 0) return;
    if (pongReceived <= world.now() + clockSkewMs) peer.pongReceived = pongReceived;
  }

  #onPong(id: string): void {
    const peer = this.#links.table.get(id);
    if (peer === undefined) return;
    peer.pongReceived = this.#cluster.world.now();
    peer.pingSent = 0;
    this.#failures.clear(id);
  }

  // ---- the clock

  #schedule(onTick: () => void): void {
    this.#timer = this.#cluster.world.after(tickMs, () => {
      if (!this.#links.open) return;
      this.#schedule(onTick);
      this.#tick();
      onTick();
    });
  }

  #tick(): void {
    const now = this.#cluster.world.now();
    this.#dropStaleHandshakes(now);
    this.#connect();
    if (++this.#ticks % ticksPerPing === 0) this.#pingOldest();
    // Messages that came in meanwhile are still to be read: nobody is judged before that.
    const late = now - this.#tickedAt > lateMs;
    this.#tickedAt = now;
    if (!late) for (const peer of this.#links.table.all()) this.#watch(peer, now);
  }

  /** Forgets nodes whose handshake was not completed in time. */
  #dropStaleHandshakes(now: number): void {
    const { state, settings } = this.#cluster;
    const limit = Math.max(settings.nodeTimeout, minHandshakeMs);
    for (const { id, knownSince } of this.#links.table.all()) {
      if (!state.nodes.get(id)?.handshake || now - knownSince <= limit) continue;
      this.#cluster.apply({ state: withoutNode(this.#cluster.state, id), effects: [] });
    }
  }

  /** Of a few random peers, pings the one whose last pong is the oldest. */
  #pingOldest(): void {
    const peers = this.#links.table.all();
    const { state, world } = this.#cluster;
    let oldest: Peer | undefined;
    for (let left = sampled; left > 0 && peers.length > 0; left--) {
      const peer = peers[Math.floor(world.random() * peers.length)]!;
      if (!peer.link?.open || peer.pingSent !== 0 || !isKnown(state, peer.id)) continue;
      if (oldest === undefined || peer.pongReceived < oldest.pongReceived) oldest = peer;
    }
    if (oldest !== undefined) this.#links.ping(oldest.id);
  }

  #watch(peer: Peer, now: number): void {
    const { nodeTimeout } = this.#cluster.settings;
    const node = this.#cluster.state.nodes.get(peer.id);
    if (node === undefined || node.handshake || node.host === '') return;
    const waited = peer.pingSent === 0 ? 0 : now - peer.pingSent;
    const silent = now - peer.heardAt;
    const { link } = peer;
    if (link !== undefined && waited > nodeTimeout / 2 && silent > nodeTimeout / 2) {
      // The link may be dead at the other end only: a new one will show. The ping keeps its age.
      if (now - peer.linkedAt > nodeTimeout) {
        peer.link = undefined;
        link.close();
      }
    }
    if (peer.link !== undefined && peer.pingSent === 0 && now - peer.pongReceived > nodeTimeout / 2) {
      this.#links.ping(peer.id);
      return;
    }
    if (Math.min(waited, silent) > nodeTimeout && !node.suspect && !node.failed) this.#failures.suspect(peer.id);
  }
}
