// The network of a simulated cluster: links that keep order, each with its own delays, that stall or go dead when
// nodes are parted, break when a node dies, and do not say so at once.

import type { Bus, BusAddress, BusLink, Delivery, LinkEvents, OpenBus } from '../../../server/bus/bus.ts';
import type { Message } from '../../../server/cluster/message.ts';
import type { SimulatedTime } from './world.ts';

const queueLimit = 10_000;

export interface NetOptions {
  /** Ms after which a connection that hangs is given up. */
  readonly connectMs: number;
  /** Called for every message that leaves a node. */
  readonly onSend: (from: number, to: number, message: Message) => void;
}

export class SimulatedNet {
  readonly time: SimulatedTime;
  readonly options: NetOptions;
  /** By bus port. */
  readonly ends = new Map<number, End>();
  /** Nodes of different parts cannot reach each other. */
  parts = new Map<number, number>();
  /** The most ms that a message takes. */
  slowness = 5;
  sent = 0;

  constructor(time: SimulatedTime, options: NetOptions) {
    this.time = time;
    this.options = options;
  }

  readonly open: OpenBus = (address, onInbound) => {
    const end = new End(this, address, onInbound);
    this.ends.set(address.cport, end);
    return end;
  };

  reaches(a: number, b: number): boolean {
    return (this.parts.get(a) ?? 0) === (this.parts.get(b) ?? 0);
  }

  /** Parts the nodes; half of the links that cross forget what is on them, the others keep it for later. */
  part(parts: Map<number, number>): void {
    this.parts = parts;
    for (const end of this.ends.values()) {
      for (const link of end.links) {
        if (!this.reaches(link.from.cport, link.to.cport) && this.time.random() < 0.5) link.dead = true;
      }
    }
  }

  heal(): void {
    this.parts = new Map();
    for (const end of this.ends.values()) for (const link of end.links) link.flush();
  }
}

class End implements Bus {
  readonly net: SimulatedNet;
  readonly cport: number;
  readonly onInbound: (delivery: Delivery) => void;
  readonly links = new Set<SimulatedLink>();
  readonly overflows = 0;
  closed = false;

  constructor(net: SimulatedNet, address: BusAddress, onInbound: (delivery: Delivery) => void) {
    this.net = net;
    this.cport = address.cport;
    this.onInbound = onInbound;
  }

  connect(address: BusAddress, events: LinkEvents): BusLink {
    const link = new SimulatedLink(this.net, this, address.cport, events);
    this.links.add(link);
    return link;
  }

  /** Runs what reaches this node. */
  take(run: () => void): void {
    if (!this.closed) run();
  }

  close(): void {
    this.closed = true;
    if (this.net.ends.get(this.cport) === this) this.net.ends.delete(this.cport);
    for (const link of [...this.links]) link.break();
  }
}

class SimulatedLink implements BusLink {
  readonly net: SimulatedNet;
  readonly from: End;
  readonly to: { readonly cport: number };
  readonly waiting = 0;
  open = true;
  /** Nothing on it arrives any more, and nobody is notified. */
  dead = false;
  #peer: End | undefined;
  readonly #events: LinkEvents;
  // Messages on their way there and back; each way keeps its order.
  readonly #ways = [newWay(), newWay()] as const;

  constructor(net: SimulatedNet, from: End, cport: number, events: LinkEvents) {
    this.net = net;
    this.from = from;
    this.to = { cport };
    this.#events = events;
    net.time.after(net.time.between(0, net.slowness), () => this.#arrive());
    net.time.after(net.options.connectMs, () => {
      if (this.#peer === undefined) this.break();
    });
  }

  #arrive(): void {
    const { net, from, to } = this;
    if (!this.open || !net.reaches(from.cport, to.cport)) return;
    const peer = net.ends.get(to.cport);
    if (peer === undefined) {
      this.break();
      return;
    }
    this.#peer = peer;
    peer.links.add(this);
    from.take(() => this.open && this.#events.onOpen?.());
    this.flush();
  }

  send(message: Message): void {
    if (!this.open) return;
    this.net.sent++;
    this.net.options.onSend(this.from.cport, this.to.cport, message);
    this.#put(0, message);
  }

  #answer(message: Message): void {
    if (!this.open) return;
    this.net.sent++;
    this.net.options.onSend(this.to.cport, this.from.cport, message);
    this.#put(1, message);
  }

  #put(way: 0 | 1, message: Message): void {
    if (this.dead) return;
    const { time, slowness } = this.net;
    const queue = this.#ways[way];
    if (queue.messages.length >= queueLimit) {
      this.break();
      return;
    }
    queue.messages.push(message);
    queue.lastAt = Math.max(queue.lastAt, time.now + time.random() * slowness);
    time.after(queue.lastAt - time.now, () => this.#deliver(way, 1));
  }

  /** What was kept while the nodes were parted arrives now. */
  flush(): void {
    for (const way of [0, 1] as const) this.#deliver(way, this.#ways[way].messages.length);
  }

  #deliver(way: 0 | 1, count: number): void {
    const peer = this.#peer;
    if (peer === undefined || this.dead || !this.net.reaches(this.from.cport, this.to.cport)) return;
    const { messages } = this.#ways[way];
    for (let left = count; left > 0 && messages.length > 0; left--) {
      const message = messages.shift()!;
      const delivery = { message, link: this, remoteHost: '10.0.0.1', localHost: '10.0.0.1' };
      if (way === 0) peer.take(() => peer.onInbound({ ...delivery, answer: (answer) => this.#answer(answer) }));
      else {
        const answer = (more: Message): void => this.send(more);
        this.from.take(() => this.open && this.#events.onMessage({ ...delivery, answer }));
      }
    }
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    // What was sent before may still arrive, or not.
    if (this.net.time.random() < 0.5) this.dead = true;
    this.from.links.delete(this);
    this.#peer?.links.delete(this);
    this.net.time.after(100, () => this.from.take(() => this.#events.onClose()));
  }

  /** The other side is gone, or the way to it. The opener is notified when that is possible. */
  break(): void {
    this.dead = true;
    if (this.net.reaches(this.from.cport, this.to.cport) || this.#peer === undefined) this.close();
    else this.#peer.links.delete(this);
  }
}

interface Way {
  readonly messages: Message[];
  lastAt: number;
}

function newWay(): Way {
  return { messages: [], lastAt: 0 };
}
