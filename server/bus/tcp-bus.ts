// The bus over TCP, in the bytes of redis-server 7.0: carries messages between nodes in any processes.
// Owns the links of one node, in and out, and their clock; knows nothing of what messages mean beyond ping and pong.
// Invariant: at most one inbound link per known peer, the newest; the end of an outbound link is noticed by the clock
// alone, so that a peer that refuses is dialled again ten times a second at most.

import type { Timer, World } from '../../lib/base/world.ts';
import type { Message } from '../cluster/message.ts';
import type { Bus, BusAddress, BusLink, Delivery, LinkEvents, OpenBus } from './bus.ts';
import { decodePacket, encodePacket } from './codec.ts';
import { knowsExtensions, messageFrom, packetFor, type SenderFacts } from './codec-message.ts';
import { BadPacket } from './codec-packet.ts';
import {
  type BusListener,
  dialLink,
  type LinkSettings,
  type LinkTls,
  openBusListener,
  type SocketLink,
} from './link.ts';

export interface TcpBusSettings {
  readonly world: World;
  /** Milliseconds of silence until a peer is suspected; the deadlines of links follow from it. */
  readonly nodeTimeout: number;
  readonly sender: SenderFacts;
  /** Bytes that may wait on one link; 0: the bus's own bound. */
  readonly sendLimit: number;
  /** Undefined, the default: without TLS. */
  readonly tls?: LinkTls | undefined;
  /** The address that links come from; '', the default: the one that the bus listens on. */
  readonly source?: string;
  /** Whether `id` is a node of the cluster, not in handshake. */
  knows(id: string): boolean;
}

/** A bus port that is bound, and the bus that may be opened there once. */
export interface BusPort {
  readonly cport: number;
  readonly open: OpenBus;
  /** Links that were closed because too much waited on them. */
  readonly overflows: number;
  /** Closes the bus too. Resolves when the port is free again. */
  close(): Promise<void>;
}

const cronMs = 100;
const hardSendLimit = 256 << 20;
const packetLimit = 64 << 20;
const inboundLimit = 4096;
/** A tick that comes this late means that nothing was read for as long. */
const lateMs = 500;
const minConnectMs = 1000;
const minIdleMs = 60_000;
const complainEveryMs = 1000;

/** A further address with the same bus port; an optional one may be missing on this machine. */
export interface OtherHost {
  readonly host: string;
  readonly optional: boolean;
}

/** Binds the bus port, 0 for any free one. Rejects when it is taken. */
export async function bindTcpBus(
  address: BusAddress,
  settings: TcpBusSettings,
  others: readonly OtherHost[] = [],
): Promise<BusPort> {
  const bus = new TcpBus(address.host, settings);
  try {
    await bus.bind(address.host, address.cport);
    for (const { host, optional } of others) {
      await bus.bind(host, bus.cport, true).catch((error: unknown) => {
        if (!optional) throw error;
      });
    }
  } catch (error) {
    await bus.close();
    throw error;
  }
  return bus;
}

interface Inbound {
  readonly link: SocketLink;
  /** The known node that speaks on it. */
  peer: string | undefined;
}

class TcpBus implements Bus, BusPort {
  readonly #host: string;
  readonly #settings: TcpBusSettings;
  readonly #links: LinkSettings;
  readonly #inbound = new Set<Inbound>();
  readonly #byPeer = new Map<string, Inbound>();
  readonly #outbound = new Set<Outbound>();
  readonly #listeners: BusListener[] = [];
  #onInbound: ((delivery: Delivery) => void) | undefined;
  #timer: Timer | undefined;
  #tickedAt: number;
  #closed: Promise<void> | undefined;
  #complainedAt = Number.NEGATIVE_INFINITY;
  overflows = 0;

  constructor(host: string, settings: TcpBusSettings) {
    this.#host = host;
    this.#settings = settings;
    this.#tickedAt = settings.world.now();
    this.#links = {
      world: settings.world,
      connectMs: () => Math.max(settings.nodeTimeout, minConnectMs),
      stuckMs: () => Math.max(settings.nodeTimeout, minConnectMs),
      sendLimit: () => settings.sendLimit || hardSendLimit,
      tls: settings.tls,
      packetLimit,
    };
  }

  /** `apart`: one of several addresses, each for its own kind of IP. */
  async bind(host: string, cport: number, apart = false): Promise<void> {
    this.#listeners.push(
      await openBusListener({ host, cport, ipv6Only: apart }, this.#links, (link) => this.#accept(link)),
    );
  }

  get cport(): number {
    return this.#listeners[0]?.port ?? 0;
  }

  /** What arrived before waits in its socket. The address may name another port: the one that is announced to peers. */
  readonly open: OpenBus = (_address, onInbound) => {
    if (this.#onInbound !== undefined || this.#closed !== undefined) throw new Error('this bus port was opened before');
    this.#onInbound = onInbound;
    for (const { link } of this.#inbound) link.setReading(true);
    this.#schedule();
    return this;
  };

  connect(address: BusAddress, events: LinkEvents): BusLink {
    const link = dialLink(address, this.#settings.source || this.#host, this.#links);
    const outbound = new Outbound(this, link, events);
    this.#outbound.add(outbound);
    link.start({
      onOpen: () => events.onOpen?.(),
      onPacket: (bytes) => this.#onAnswer(outbound, address, bytes),
      onClose: (reason) => {
        if (link.overflowed) this.#onOverflow(`${address.host}:${address.cport}: ${reason}`);
      },
    });
    return outbound;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#timer?.cancel();
    for (const { link } of this.#outbound) link.close('the bus was closed');
    for (const { link } of this.#inbound) link.close('the bus was closed');
    this.#outbound.clear();
    this.#inbound.clear();
    this.#byPeer.clear();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  /** Puts a message on a link. */
  put(link: SocketLink, message: Message): void {
    let bytes: Buffer;
    try {
      bytes = encodePacket(packetFor(message, this.#settings.sender, link.extended));
    } catch (error) {
      // A setting that has no place on the wire (an address to announce, say) must not end the node.
      if (!(error instanceof RangeError)) throw error;
      this.#complain(`a message could not be sent: ${error.message}`);
      return;
    }
    link.send(bytes);
  }

  // ---- inbound

  #accept(link: SocketLink): void {
    const inbound: Inbound = { link, peer: undefined };
    link.start({
      onPacket: (bytes) => this.#onPacket(inbound, bytes),
      onClose: (reason) => {
        this.#inbound.delete(inbound);
        if (inbound.peer !== undefined && this.#byPeer.get(inbound.peer) === inbound) this.#byPeer.delete(inbound.peer);
        if (link.overflowed) this.#onOverflow(`${link.remoteHost}: ${reason}`);
        else if (link.garbled) this.#complain(`closed the link from ${link.remoteHost}: ${reason}`);
      },
    });
    if (this.#closed !== undefined) link.close('the bus was closed');
    else if (!this.#makeRoom()) link.close(`more than ${inboundLimit} links`);
    else {
      this.#inbound.add(inbound);
      link.setReading(this.#onInbound !== undefined);
    }
  }

  /** Links of unknown nodes go first, the oldest before the others. */
  #makeRoom(): boolean {
    if (this.#inbound.size < inboundLimit) return true;
    for (const inbound of this.#inbound) {
      if (inbound.peer !== undefined) continue;
      this.#inbound.delete(inbound);
      inbound.link.close('room was needed for others');
      return true;
    }
    return false;
  }

  #onPacket(inbound: Inbound, bytes: Buffer): void {
    const message = this.#decode(bytes, inbound.link);
    if (message === undefined || this.#onInbound === undefined || this.#closed !== undefined) return;
    const { link } = inbound;
    this.#onInbound({
      message,
      link,
      remoteHost: link.remoteHost,
      localHost: link.localHost,
      answer: (answer) => this.put(link, answer),
    });
    if (inbound.peer === undefined && this.#settings.knows(message.header.sender)) {
      this.#bind(inbound, message.header.sender);
    }
  }

  #bind(inbound: Inbound, peer: string): void {
    const older = this.#byPeer.get(peer);
    inbound.peer = peer;
    this.#byPeer.set(peer, inbound);
    older?.link.close('the peer opened another link');
  }

  // ---- outbound

  #onAnswer(outbound: Outbound, address: BusAddress, bytes: Buffer): void {
    const message = this.#decode(bytes, outbound.link);
    if (message === undefined || this.#closed !== undefined || !outbound.open) return;
    outbound.events.onMessage({
      message,
      link: outbound,
      remoteHost: address.host,
      localHost: outbound.link.localHost,
      answer: (answer) => this.put(outbound.link, answer),
    });
  }

  #decode(bytes: Buffer, link: SocketLink): Message | undefined {
    const packet = decodePacket(bytes);
    if (!(packet instanceof BadPacket)) {
      link.extended ||= knowsExtensions(packet);
      return messageFrom(packet);
    }
    this.#complain(`a packet was dropped: ${packet.message}`);
    return undefined;
  }

  #onOverflow(text: string): void {
    this.overflows++;
    this.#complain(`closed the link to ${text}`);
  }

  /** One line a second at most, whatever unknown nodes send. */
  #complain(text: string): void {
    const now = this.#settings.world.now();
    if (this.#closed !== undefined || now - this.#complainedAt < complainEveryMs) return;
    this.#complainedAt = now;
    this.#settings.world.log(`bus: ${text}`);
  }

  // ---- the clock

  #schedule(): void {
    this.#timer = this.#settings.world.after(cronMs, () => {
      if (this.#closed !== undefined) return;
      this.#tick();
      this.#schedule();
    });
  }

  #tick(): void {
    const now = this.#settings.world.now();
    // This process was stopped or busy: what came meanwhile is read before any link is judged.
    if (now - this.#tickedAt > lateMs) {
      for (const { link } of this.#inbound) link.excuse(now);
      for (const { link } of this.#outbound) link.excuse(now);
    }
    this.#tickedAt = now;
    const { nodeTimeout } = this.#settings;
    for (const { link } of this.#inbound) {
      link.check(now);
      if (now - link.heardAt > Math.max(minIdleMs, 4 * nodeTimeout)) link.close('silent for too long');
    }
    for (const outbound of this.#outbound) {
      outbound.link.check(now);
      if (outbound.open) continue;
      this.#outbound.delete(outbound);
      outbound.events.onClose();
    }
  }
}

/** A link that this node opened; what its peer answers comes back on it. */
class Outbound implements BusLink {
  readonly link: SocketLink;
  readonly events: LinkEvents;
  readonly #bus: TcpBus;

  constructor(bus: TcpBus, link: SocketLink, events: LinkEvents) {
    this.#bus = bus;
    this.link = link;
    this.events = events;
  }

  get open(): boolean {
    return this.link.open;
  }

  get waiting(): number {
    return this.link.waiting;
  }

  send(message: Message): void {
    this.#bus.put(this.link, message);
  }

  close(): void {
    this.link.close('not needed any more');
  }
}
