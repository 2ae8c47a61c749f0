// Packets of the bus that a node does not hear: of some kinds (DEBUG DROP-CLUSTER-PACKET-FILTER) or of some nodes, as
// behind a broken network. Wraps the bus that a node is given; the links stay up, and nobody is notified.

import type { Bus, BusAddress, BusLink, Delivery, LinkEvents, OpenBus } from '../bus/bus.ts';
import type { MessageKind } from '../cluster/message.ts';

export class PacketFilter {
  /** Packets of this kind are not heard; undefined: all are. */
  kind: MessageKind | undefined;
  #senders: ReadonlySet<string> = new Set();
  #dropped = 0;

  /** Packets dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Nothing of these nodes is heard any more; an empty list ends it. To part two nodes, both must be deaf. */
  ignoreNodes(ids: Iterable<string>): void {
    this.#senders = new Set(ids);
  }

  bus(open: OpenBus): OpenBus {
    return (address, onInbound) => {
      const bus = open(address, (delivery) => {
        if (this.#passes(delivery)) onInbound(delivery);
      });
      return new FilteredBus(bus, (delivery) => this.#passes(delivery));
    };
  }

  #passes({ message: { header, body } }: Delivery): boolean {
    if (body.kind !== this.kind && !this.#senders.has(header.sender)) return true;
    this.#dropped++;
    return false;
  }
}

class FilteredBus implements Bus {
  readonly #bus: Bus;
  readonly #passes: (delivery: Delivery) => boolean;

  constructor(bus: Bus, passes: (delivery: Delivery) => boolean) {
    this.#bus = bus;
    this.#passes = passes;
  }

  get overflows(): number {
    return this.#bus.overflows;
  }

  connect(address: BusAddress, events: LinkEvents): BusLink {
    return this.#bus.connect(address, {
      onOpen: () => events.onOpen?.(),
      onMessage: (delivery) => {
        if (this.#passes(delivery)) events.onMessage(delivery);
      },
      onClose: () => events.onClose(),
    });
  }

  close(): void {
    this.#bus.close();
  }
}
