// One node's side of the gossip: a link and a clock for every known peer, a tick ten times a second.
// Owns the links, the ping times and the failure reports; the state belongs to the host, which applies each Step.
// Invariant: exactly one link per known peer whose address is known; a silent peer is suspected after nodeTimeout.

import type { Timer, World } from '../../lib/base/world.ts';
import type { ClaimFacts } from '../cluster/claims.ts';
import { judge, markFailed, recover, suspect } from '../cluster/failure.ts';
import { withoutNode } from '../cluster/members.ts';
import { type ClusterNode, type ClusterState, me, type Step } from '../cluster/state.ts';
import type { BusStats, PeerView } from '../cluster/text.ts';
import type { Bus, BusLink, Delivery } from './bus.ts';
import { isKnown, learn, startHandshake, updateAbout } from './gossip.ts';
import { type Body, type GossipEntry, gossipEntry, headerOf, type Standing } from './message.ts';
import { FailureReports } from './reports.ts';

export interface PeersHost {
  readonly world: World;
  readonly state: ClusterState;
  readonly nodeTimeout: number;
  readonly claimFacts: ClaimFacts;
  apply(step: Step): void;
  standing(): Standing;
  randomId(): string;
  /** A PUBLISH or SPUBLISH of a peer, for local subscribers. */
  onPublish(kind: 'publish' | 'publishshard', channel: string, message: string): void;
  /** Everything about votes and manual failover; called after the message was learned from. */
  onCampaign(delivery: Delivery): void;
  onTick(): void;
}

interface Peer {
  link: BusLink | undefined;
  pingSent: number;
  pongReceived: number;
  linkedAt: number;
  readonly knownSince: number;
  meet: boolean;
  failedAt: number;
}

const tickMs = 100;
const pingEveryMs = 1000;
const minHandshakeMs = 1000;
const gossipLimit = 64;

export class Peers {
  readonly #host: PeersHost;
  #bus: Bus | undefined;
  #timer: Timer | undefined;
  readonly #peers = new Map<string, Peer>();
  readonly #reports = new FailureReports();
  readonly #sent = new Map<string, number>();
  readonly #received = new Map<string, number>();

  constructor(host: PeersHost) {
    this.#host = host;
  }

  get stats(): BusStats {
    return { sent: this.#sent, received: this.#received };
  }

  start(bus: Bus): void {
    this.#bus = bus;
    this.#link();
    this.#schedule();
  }

  close(): void {
    this.#timer?.cancel();
    this.#bus?.close();
    this.#bus = undefined;
    this.#peers.clear();
  }

  view(id: string): (PeerView & { readonly linkedAt: number }) | undefined {
    const peer = this.#peers.get(id);
    if (peer === undefined) return undefined;
    const { pingSent, pongReceived, linkedAt } = peer;
    return { pingSent, pongReceived, linkedAt, connected: peer.link?.open ?? false };
  }

  reporters(id: string): number {
    return this.#freshReports(id).size;
  }

  meet(host: string, port: number, cport: number): void {
    const id = this.#host.randomId();
    this.#host.apply(startHandshake(this.#host.state, { host, port, cport }, id));
    if (!this.#host.state.nodes.has(id)) return;
    this.#peerOf(id).meet = true;
    this.#link();
  }

  unlink(id: string): void {
    const peer = this.#peers.get(id);
    this.#peers.delete(id);
    peer?.link?.close();
    this.#link();
  }

  /** Tells every peer at once what I am and own. */
  announce(): void {
    this.broadcast(() => ({ kind: 'pong', gossip: this.#gossip() }));
  }

  correct(to: string, about: string): void {
    const update = updateAbout(this.#host.state, about);
    if (update !== undefined) this.send(to, update);
  }

  broadcast(body: () => Body, force = false): void {
    for (const id of this.#peers.keys()) if (isKnown(this.#host.state, id)) this.send(id, body(), force);
  }

  send(id: string, body: Body, force = false): void {
    const link = this.#peers.get(id)?.link;
    if (link === undefined || !link.open) return;
    this.#count(this.#sent, body.kind);
    link.send({ header: headerOf(this.#host.state, { ...this.#host.standing(), force }), body });
  }

  receive(delivery: Delivery, link?: string): void {
    const { header, body } = delivery.message;
    if (this.#bus === undefined) return;
    this.#count(this.#received, body.kind);
    if (link !== undefined && isKnown(this.#host.state, link) && link !== header.sender) {
      this.#peers.get(link)?.link?.close();
      return;
    }
    const facts = {
      ...this.#host.claimFacts,
      now: this.#host.world.now(),
      link,
      remoteHost: delivery.remoteHost,
      localHost: delivery.localHost,
      randomId: () => this.#host.randomId(),
    };
    this.#host.apply(learn(this.#host.state, delivery.message, facts));
    if (body.kind === 'ping' || body.kind === 'meet') this.#answer(delivery);
    if (body.kind === 'pong' && link !== undefined) this.#onPong(header.sender);
    if (isKnown(this.#host.state, header.sender)) this.#act(delivery);
    this.#link();
  }

  #act(delivery: Delivery): void {
    const { header, body } = delivery.message;
    if (body.kind === 'publish' || body.kind === 'publishshard') {
      this.#host.onPublish(body.kind, body.channel, body.message);
      return;
    }
    if (body.kind === 'fail') this.#fail(body.id);
    if ('gossip' in body && header.role === 'master') this.#hearReports(header.sender, body.gossip);
    this.#host.onCampaign(delivery);
  }

  #answer(delivery: Delivery): void {
    this.#count(this.#sent, 'pong');
    const body: Body = { kind: 'pong', gossip: this.#gossip() };
    delivery.answer({ header: headerOf(this.#host.state, this.#host.standing()), body });
  }

  #onPong(id: string): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    peer.pongReceived = this.#host.world.now();
    peer.pingSent = 0;
    this.#host.apply(suspect(this.#host.state, id, false));
    if (!this.#host.state.nodes.get(id)?.failed) return;
    const downFor = this.#host.world.now() - peer.failedAt;
    this.#host.apply(recover(this.#host.state, id, downFor, 2 * this.#host.nodeTimeout));
  }

  #gossip(): GossipEntry[] {
    const entries: GossipEntry[] = [];
    for (const node of this.#host.state.nodes.values()) {
      if (node.id === this.#host.state.myself || node.handshake || node.host === '') continue;
      if (entries.length < gossipLimit || node.suspect) entries.push(gossipEntry(node));
    }
    return entries;
  }

  // ---- links

  #peerOf(id: string): Peer {
    let peer = this.#peers.get(id);
    if (peer === undefined) {
      const knownSince = this.#host.world.now();
      const times = { pingSent: 0, pongReceived: 0, linkedAt: 0, knownSince, failedAt: 0 };
      peer = { link: undefined, meet: false, ...times };
      this.#peers.set(id, peer);
    }
    return peer;
  }

  /** A link for every node with an address, none for what is no longer known. */
  #link(): void {
    if (this.#bus === undefined) return;
    const { state } = this.#host;
    for (const [id, peer] of this.#peers) {
      if (state.nodes.has(id)) continue;
      this.#peers.delete(id);
      this.#reports.forget(id);
      peer.link?.close();
    }
    for (const node of state.nodes.values()) {
      if (node.id === state.myself || node.host === '') continue;
      const peer = this.#peerOf(node.id);
      if (peer.link === undefined) this.#open(node, peer);
    }
  }

  #open(node: ClusterNode, peer: Peer): void {
    const now = this.#host.world.now();
    const link = this.#bus!.connect(node, {
      onMessage: (delivery) => this.receive(delivery, node.id),
      onClose: () => {
        // Left for the next tick to open again; the pending ping keeps its age, so that failure is noticed.
        if (peer.link === link) peer.link = undefined;
      },
    });
    peer.link = link;
    peer.linkedAt = now;
    if (peer.pingSent === 0) peer.pingSent = now;
    this.send(node.id, { kind: peer.meet ? 'meet' : 'ping', gossip: this.#gossip() });
    peer.meet = false;
  }

  // ---- the clock

  #schedule(): void {
    this.#timer = this.#host.world.after(tickMs, () => {
      if (this.#bus === undefined) return;
      this.tick();
      this.#schedule();
    });
  }

  tick(): void {
    const now = this.#host.world.now();
    const { state, nodeTimeout } = this.#host;
    for (const [id, peer] of [...this.#peers]) {
      const node = state.nodes.get(id);
      if (node?.handshake && now - peer.knownSince > Math.max(nodeTimeout, minHandshakeMs)) {
        this.#host.apply({ state: withoutNode(this.#host.state, id), effects: [] });
        continue;
      }
      const every = Math.min(nodeTimeout / 2, pingEveryMs);
      if (peer.link?.open && peer.pingSent === 0 && now - peer.pongReceived >= every) {
        peer.pingSent = now;
        this.send(id, { kind: 'ping', gossip: this.#gossip() });
      }
      if (peer.pingSent !== 0 && now - peer.pingSent > nodeTimeout && !node?.handshake) this.#suspect(id);
    }
    this.#link();
    this.#host.onTick();
  }

  // ---- failure

  #suspect(id: string): void {
    const before = this.#host.state;
    this.#host.apply(suspect(before, id, true));
    if (this.#host.state !== before) this.announce();
    this.#judge(id);
  }

  #hearReports(reporter: string, entries: readonly GossipEntry[]): void {
    for (const entry of entries) {
      if (entry.suspect || entry.failed) {
        this.#reports.add(entry.id, reporter, this.#host.world.now());
        this.#judge(entry.id);
      } else this.#reports.withdraw(entry.id, reporter);
    }
  }

  #freshReports(id: string): Set<string> {
    return this.#reports.fresh(id, this.#host.world.now() - 2 * this.#host.nodeTimeout);
  }

  #judge(id: string): void {
    const step = judge(this.#host.state, id, this.#freshReports(id));
    if (step.state === this.#host.state) return;
    this.#peerOf(id).failedAt = this.#host.world.now();
    this.#host.apply(step);
    this.broadcast(() => ({ kind: 'fail', id }));
  }

  #fail(id: string): void {
    const step = markFailed(this.#host.state, id);
    if (step.state === this.#host.state || id === me(step.state).id) return;
    this.#peerOf(id).failedAt = this.#host.world.now();
    this.#host.apply(step);
  }

  #count(counts: Map<string, number>, kind: string): void {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
}
