// The bus between nodes of one process: messages travel as values through queues, one turn of the event loop each
// way, in order. Nodes share nothing but this directory of endpoints.
// Invariant: nothing is delivered inside the call that sends it; a full queue closes the link instead of growing.

import { setImmediate } from '../../lib/base/turns.ts';
import type { Message } from '../cluster/message.ts';
import type { Bus, BusAddress, BusLink, Delivery, LinkEvents, OpenBus } from './bus.ts';

const queueLimit = 10_000;
const anyHost = new Set(['', '0.0.0.0', '::']);

// Endpoints of this process by bus port: the only state that nodes share.
const directory = new Map<number, Endpoint[]>();

class Endpoint implements Bus {
  readonly address: BusAddress;
  readonly onInbound: (delivery: Delivery) => void;
  readonly links = new Set<Link>();
  closed = false;
  overflows = 0;
  #queue: (() => void)[] = [];
  #scheduled = false;

  constructor(address: BusAddress, onInbound: (delivery: Delivery) => void) {
    this.address = address;
    this.onInbound = onInbound;
  }

  connect(to: BusAddress, events: LinkEvents): BusLink {
    const peer = directory.get(to.cport)?.find((other) => reaches(other.address.host, to.host));
    const link = new Link(this, peer, to.host, events);
    if (peer === undefined) this.post(() => link.close());
    else {
      this.links.add(link);
      peer.links.add(link);
      this.post(() => link.open && events.onOpen?.());
    }
    return link;
  }

  /** Queues work of this endpoint; false when it cannot take more. */
  post(work: () => void): boolean {
    if (this.closed) return false;
    if (this.#queue.length >= queueLimit) {
      this.overflows++;
      return false;
    }
    this.#queue.push(work);
    this.#schedule();
    return true;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#queue = [];
    const others = (directory.get(this.address.cport) ?? []).filter((endpoint) => endpoint !== this);
    if (others.length > 0) directory.set(this.address.cport, others);
    else directory.delete(this.address.cport);
    for (const link of [...this.links]) link.close();
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const work = this.#queue;
      this.#queue = [];
      for (const run of work) if (!this.closed) run();
    });
  }
}

class Link implements BusLink {
  open = true;
  /** What was sent is with the other node already. */
  readonly waiting = 0;
  readonly #from: Endpoint;
  readonly #to: Endpoint | undefined;
  readonly #toHost: string;
  readonly #events: LinkEvents;

  constructor(from: Endpoint, to: Endpoint | undefined, toHost: string, events: LinkEvents) {
    this.#from = from;
    this.#to = to;
    this.#toHost = toHost;
    this.#events = events;
  }

  send(message: Message): void {
    if (!this.open || this.#to === undefined) return;
    const to = this.#to;
    const delivery: Delivery = {
      message,
      remoteHost: this.#from.address.host,
      localHost: this.#toHost,
      link: this,
      answer: (answer) => this.#answer(answer),
    };
    if (!to.post(() => this.open && to.onInbound(delivery))) this.close();
  }

  #answer(message: Message): void {
    const delivery: Delivery = {
      message,
      remoteHost: this.#toHost,
      localHost: this.#from.address.host,
      link: this,
      answer: (answer) => this.send(answer),
    };
    if (!this.#from.post(() => this.open && this.#events.onMessage(delivery))) this.close();
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.#from.links.delete(this);
    this.#to?.links.delete(this);
    this.#from.post(() => this.#events.onClose());
  }
}

function reaches(bound: string, asked: string): boolean {
  return bound === asked || anyHost.has(bound);
}

export const openLoopbackBus: OpenBus = (address, onInbound) => {
  const taken = directory.get(address.cport) ?? [];
  if (taken.some((other) => reaches(other.address.host, address.host))) {
    throw new Error(`bus port ${address.cport} is already used by a node of this process`);
  }
  const endpoint = new Endpoint(address, onInbound);
  directory.set(address.cport, [...taken, endpoint]);
  return endpoint;
};
