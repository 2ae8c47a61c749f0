// What is known of each peer beside the state: the links to and from it, when it was asked, when it answered.
// Knows no messages and sends none. Invariant: one record a peer, which keeps its times when the peer is renamed.

import type { BusLink, LinkView } from '../bus/bus.ts';
import type { PingTimes } from '../cluster/gossip-section.ts';
import type { PeerView } from '../cluster/text.ts';

export interface OpenLink {
  readonly direction: 'to' | 'from';
  readonly openedAt: number;
  /** Bytes. */
  readonly waiting: number;
}

export interface Peer {
  id: string;
  link: BusLink | undefined;
  linkedAt: number;
  inbound: LinkView | undefined;
  inboundAt: number;
  /** When the ping left that has no pong yet; 0: none. */
  pingSent: number;
  pongReceived: number;
  /** When anything last came from it. */
  heardAt: number;
  readonly knownSince: number;
  /** Send it MEET first, until that was sent. */
  meet: boolean;
}

export class PeerTable {
  readonly #peers = new Map<string, Peer>();

  get size(): number {
    return this.#peers.size;
  }

  get(id: string): Peer | undefined {
    return this.#peers.get(id);
  }

  /** Safe against changes while it is gone through. */
  all(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  /** The record of a peer, a new one if need be. */
  of(id: string, now: number): Peer {
    let peer = this.#peers.get(id);
    if (peer === undefined) {
      const times = { pingSent: 0, pongReceived: 0, heardAt: 0, linkedAt: 0, inboundAt: 0, knownSince: now };
      peer = { id, link: undefined, inbound: undefined, meet: false, ...times };
      this.#peers.set(id, peer);
    }
    return peer;
  }

  rename(from: string, to: string): void {
    const peer = this.#peers.get(from);
    if (peer === undefined) return;
    this.#peers.delete(from);
    peer.id = to;
    this.#peers.set(to, peer);
  }

  delete(id: string): void {
    this.#peers.delete(id);
  }

  clear(): void {
    this.#peers.clear();
  }

  /** Something came from `id`; `inbound`: on that link, which it opened. */
  heard(id: string, now: number, inbound: LinkView | undefined): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    peer.heardAt = now;
    if (inbound === undefined || peer.inbound === inbound) return;
    peer.inbound = inbound;
    peer.inboundAt = now;
  }

  view(id: string): PeerView | undefined {
    const peer = this.#peers.get(id);
    if (peer === undefined) return undefined;
    const { pingSent, pongReceived, link } = peer;
    return { pingSent, pongReceived, connected: link?.open ?? false };
  }

  times(id: string): PingTimes | undefined {
    const peer = this.#peers.get(id);
    if (peer === undefined) return undefined;
    const { pingSent, pongReceived, link } = peer;
    return { pingSent, pongReceived, linked: link?.open ?? false };
  }

  /** The open links to a peer and from it. */
  links(id: string): OpenLink[] {
    const { link, linkedAt, inbound, inboundAt } = this.#peers.get(id) ?? {};
    const open: OpenLink[] = [];
    if (link?.open) open.push({ direction: 'to', openedAt: linkedAt!, waiting: link.waiting });
    if (inbound?.open) open.push({ direction: 'from', openedAt: inboundAt!, waiting: inbound.waiting });
    return open;
  }
}
