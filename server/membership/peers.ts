// One node's side of the gossip: a link and a clock for every known peer, a tick ten times a second.
// Owns the links and the ping times; the state belongs to the host, which applies each Step.
// Invariant: at most one link per known peer, opened by the tick alone; a peer that neither answers nor says anything
// is suspected after nodeTimeout.

import type { Timer, World } from '../../lib/base/world.ts';
import type { Bus, Delivery } from '../bus/bus.ts';
import { isKnown, learn, loseAddress, startHandshake, updateAbout } from '../cluster/gossip.ts';
import { gossipSection } from '../cluster/gossip-section.ts';
import { withoutNode } from '../cluster/members.ts';
import { type Body, type GossipEntry, headerOf, type LocalStatus } from '../cluster/message.ts';
import type { ClaimFacts } from '../cluster/slot-claims.ts';
import { type ClusterNode, type ClusterState, myMaster, type Step } from '../cluster/state.ts';
import type { BusStats, PeerView } from '../cluster/text.ts';
import { Failures } from './failure-detector.ts';
import { type OpenLink, type Peer, PeerTable } from './peer-table.ts';

export interface PeersHost {
  readonly world: World;
  readonly state: ClusterState;
  readonly nodeTimeout: number;
  readonly claimFacts: ClaimFacts;
  apply(step: Step): void;
  status(): LocalStatus;
  randomId(): string;
  /** A PUBLISH or SPUBLISH of a peer, for local subscribers. */
  onPublish(kind: 'publish' | 'publishshard', channel: string, message: string): void;
  /** Everything about votes and manual failover; called after the message was learned from. */
  onCampaign(delivery: Delivery): void;
  onTick(): void;
}

const tickMs = 100;
const ticksPerDraw = 10;
const drawn = 5;
const minHandshakeMs = 1000;
/** A tick that comes this late means that this process was stopped or busy. */
const lateMs = 500;
/** Of the clocks of two machines. */
const clockSkewMs = 500;

export class Peers {
  readonly #host: PeersHost;
  readonly #failures: Failures;
  #bus: Bus | undefined;
  #timer: Timer | undefined;
  #ticks = 0;
  #tickedAt: number;
  #ownPong = 0;
  readonly #peers = new PeerTable();
  readonly #sent = new Map<string, number>();
  readonly #received = new Map<string, number>();

  constructor(host: PeersHost) {
    this.#host = host;
    this.#tickedAt = host.world.now();
    this.#failures = new Failures({
      world: host.world,
      get state() {
        return host.state;
      },
      get nodeTimeout() {
        return host.nodeTimeout;
      },
      apply: (step) => host.apply(step),
      onVerdict: (id) => this.broadcast({ kind: 'fail', id }),
    });
  }

  get stats(): BusStats {
    return { sent: this.#sent, received: this.#received, overflows: this.#bus?.overflows ?? 0 };
  }

  start(bus: Bus): void {
    this.#bus = bus;
    // Nodes that were started together need not draw together.
    this.#ticks = Math.floor(this.#host.world.random() * ticksPerDraw);
    this.#link();
    this.#schedule();
  }

  close(): void {
    this.#timer?.cancel();
    this.#bus?.close();
    this.#bus = undefined;
    this.#peers.clear();
  }

  /** Of this node itself: when others last had a pong of it, as they tell. */
  view(id: string): PeerView | undefined {
    if (id === this.#host.state.myself) return { pingSent: 0, pongReceived: this.#ownPong, connected: true };
    return this.#peers.view(id);
  }

  links(id: string): OpenLink[] {
    return this.#peers.links(id);
  }

  reporters(id: string): number {
    return this.#failures.reporters(id).size;
  }

  meet(host: string, port: number, cport: number): void {
    const id = this.#host.randomId();
    this.#host.apply(startHandshake(this.#host.state, { host, port, cport }, id));
    if (!this.#host.state.nodes.has(id)) return;
    this.#peers.of(id, this.#host.world.now()).meet = true;
    this.#link();
  }

  /** Drops the link to a node; if it is still known, it is dialled anew where it is now. */
  unlink(id: string): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    const { link } = peer;
    peer.link = undefined;
    link?.close();
    this.#link();
  }

  /** The node met under the id `from` is `to`. */
  rename(from: string, to: string): void {
    this.#peers.rename(from, to);
  }

  /** Tells every peer at once what I am and own. */
  announce(): void {
    for (const { id } of this.#peers.all()) if (isKnown(this.#host.state, id)) this.#greet(id, 'pong');
  }

  /** The same to some. */
  announceTo(ids: Iterable<string>): void {
    for (const id of ids) this.#greet(id, 'pong');
  }

  ping(id: string): void {
    this.#greet(id, 'ping');
  }

  correct(to: string, about: string): void {
    const update = updateAbout(this.#host.state, about);
    if (update !== undefined) this.send(to, update);
  }

  broadcast(body: Body, force = false): void {
    for (const { id } of this.#peers.all()) if (isKnown(this.#host.state, id)) this.send(id, body, force);
  }

  /** To the nodes that share my slots. */
  broadcastToShard(body: Body): void {
    const master = myMaster(this.#host.state).id;
    for (const { id, master: its } of this.#host.state.nodes.values()) {
      if (id === master || its === master) this.send(id, body);
    }
  }

  send(id: string, body: Body, force = false): void {
    const link = this.#peers.get(id)?.link;
    if (link === undefined || !link.open) return;
    this.#count(this.#sent, body.kind);
    link.send({ header: headerOf(this.#host.state, { ...this.#host.status(), force }), body });
  }

  /** `peer`: it came on the link that we opened to that one. */
  receive(delivery: Delivery, peer?: Peer): void {
    const { header, body } = delivery.message;
    if (this.#bus === undefined) return;
    this.#count(this.#received, body.kind);
    if (peer !== undefined && isKnown(this.#host.state, peer.id) && peer.id !== header.sender) {
      if ('gossip' in body) this.#host.apply(loseAddress(this.#host.state, peer.id));
      return;
    }
    this.#peers.heard(header.sender, this.#host.world.now(), peer === undefined ? delivery.link : undefined);
    const facts = {
      ...this.#host.claimFacts,
      now: this.#host.world.now(),
      link: peer?.id,
      remoteHost: delivery.remoteHost,
      localHost: delivery.localHost,
      randomId: () => this.#host.randomId(),
    };
    this.#host.apply(learn(this.#host.state, delivery.message, facts));
    if (body.kind === 'ping' || body.kind === 'meet') this.#answer(delivery);
    if (body.kind === 'pong' && peer !== undefined) this.#onPong(header.sender);
    if (isKnown(this.#host.state, header.sender)) this.#act(delivery);
    // Whoever speaks is there to be spoken to: no need to wait for the tick.
    const mute = this.#peers.get(header.sender)?.link === undefined && isKnown(this.#host.state, header.sender);
    if (mute || this.#host.state.nodes.size !== this.#peers.size + 1) this.#link();
  }

  #act(delivery: Delivery): void {
    const { header, body } = delivery.message;
    if (body.kind === 'publish' || body.kind === 'publishshard') {
      this.#host.onPublish(body.kind, body.channel, body.message);
      return;
    }
    if (body.kind === 'fail') this.#failures.confirm(body.id);
    if ('gossip' in body) {
      if (header.role === 'master') this.#failures.hear(header.sender, body.gossip);
      for (const entry of body.gossip) this.#hearOfPong(entry);
    }
    this.#host.onCampaign(delivery);
  }

  /** Others had an answer of it: no need to ask so soon. */
  #hearOfPong({ id, suspect, failed, pongReceived }: GossipEntry): void {
    if (id === this.#host.state.myself) this.#ownPong = Math.max(this.#ownPong, pongReceived);
    const peer = this.#peers.get(id);
    if (peer === undefined || suspect || failed || peer.pingSent !== 0 || pongReceived <= peer.pongReceived) return;
    const node = this.#host.state.nodes.get(id);
    if (node === undefined || node.suspect || node.failed || this.#failures.reporters(id).size > 0) return;
    if (pongReceived <= this.#host.world.now() + clockSkewMs) peer.pongReceived = pongReceived;
  }

  #answer(delivery: Delivery): void {
    this.#count(this.#sent, 'pong');
    const body: Body = { kind: 'pong', gossip: this.#gossip() };
    delivery.answer({ header: headerOf(this.#host.state, this.#host.status()), body });
  }

  #onPong(id: string): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    peer.pongReceived = this.#host.world.now();
    peer.pingSent = 0;
    this.#failures.clear(id);
  }

  #greet(id: string, kind: 'ping' | 'pong' | 'meet'): void {
    const peer = this.#peers.get(id);
    if (peer?.link === undefined) return;
    if (kind === 'ping' && peer.pingSent === 0) peer.pingSent = this.#host.world.now();
    this.send(id, { kind, gossip: this.#gossip() });
  }

  #gossip(): GossipEntry[] {
    const { state, world } = this.#host;
    return gossipSection(
      state,
      (id) => this.#peers.times(id),
      () => world.random(),
    );
  }

  // ---- links

  /** A link for every node with an address, none for what is no longer known. */
  #link(): void {
    if (this.#bus === undefined) return;
    const { state } = this.#host;
    for (const { id, link } of this.#peers.all()) {
      if (state.nodes.has(id)) continue;
      this.#peers.delete(id);
      this.#failures.forget(id);
      link?.close();
    }
    for (const node of state.nodes.values()) {
      if (node.id === state.myself) continue;
      const peer = this.#peers.of(node.id, this.#host.world.now());
      if (peer.link === undefined && node.host !== '') this.#open(node, peer);
    }
  }

  #open(node: ClusterNode, peer: Peer): void {
    const link = this.#bus!.connect(node, {
      onOpen: () => {
        if (peer.link !== link) return;
        const { meet } = peer;
        peer.meet = false;
        this.#greet(peer.id, meet ? 'meet' : 'ping');
      },
      onMessage: (delivery) => {
        if (peer.link === link) this.receive(delivery, peer);
      },
      onClose: () => {
        // Left for the next tick to open again; the pending ping keeps its age, so that failure is noticed.
        if (peer.link === link) peer.link = undefined;
      },
    });
    peer.link = link;
    peer.linkedAt = this.#host.world.now();
  }

  // ---- the clock

  #schedule(): void {
    this.#timer = this.#host.world.after(tickMs, () => {
      if (this.#bus === undefined) return;
      this.#schedule();
      this.tick();
    });
  }

  tick(): void {
    const now = this.#host.world.now();
    this.#dropStrangers(now);
    this.#link();
    if (++this.#ticks % ticksPerDraw === 0) this.#pingOldest();
    // What came in meanwhile waits to be heard: nobody is judged before that.
    const late = now - this.#tickedAt > lateMs;
    this.#tickedAt = now;
    if (!late) for (const peer of this.#peers.all()) this.#watch(peer, now);
    this.#host.onTick();
  }

  /** Handshakes that led to nothing. */
  #dropStrangers(now: number): void {
    const { state, nodeTimeout } = this.#host;
    const limit = Math.max(nodeTimeout, minHandshakeMs);
    for (const { id, knownSince } of this.#peers.all()) {
      if (!state.nodes.get(id)?.handshake || now - knownSince <= limit) continue;
      this.#host.apply({ state: withoutNode(this.#host.state, id), effects: [] });
    }
  }

  /** Of a few drawn by lot, asks the one not heard from for longest. */
  #pingOldest(): void {
    const peers = this.#peers.all();
    let oldest: Peer | undefined;
    for (let left = drawn; left > 0 && peers.length > 0; left--) {
      const peer = peers[Math.floor(this.#host.world.random() * peers.length)]!;
      if (!peer.link?.open || peer.pingSent !== 0 || !isKnown(this.#host.state, peer.id)) continue;
      if (oldest === undefined || peer.pongReceived < oldest.pongReceived) oldest = peer;
    }
    if (oldest !== undefined) this.#greet(oldest.id, 'ping');
  }

  #watch(peer: Peer, now: number): void {
    const { nodeTimeout, state } = this.#host;
    const node = state.nodes.get(peer.id);
    if (node === undefined || node.handshake || node.host === '') return;
    const waited = peer.pingSent === 0 ? 0 : now - peer.pingSent;
    const silent = now - peer.heardAt;
    const { link } = peer;
    if (link !== undefined && waited > nodeTimeout / 2 && silent > nodeTimeout / 2) {
      // The link may be dead at the other end only: a new one will tell. The ping keeps its age.
      if (now - peer.linkedAt > nodeTimeout) {
        peer.link = undefined;
        link.close();
      }
    }
    if (peer.link !== undefined && peer.pingSent === 0 && now - peer.pongReceived > nodeTimeout / 2) {
      this.#greet(peer.id, 'ping');
      return;
    }
    if (Math.min(waited, silent) > nodeTimeout && !node.suspect && !node.failed) this.#failures.suspect(peer.id);
  }

  #count(counts: Map<string, number>, kind: string): void {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
}
