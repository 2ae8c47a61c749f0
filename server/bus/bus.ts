// The contract between the gossip and whatever carries it. A bus opens one outbound link per peer and hands over what
// arrives on inbound ones; a message that answers another goes back on the link that brought it.

import type { Message } from './message.ts';

export interface BusAddress {
  readonly host: string;
  readonly cport: number;
}

export interface BusLink {
  /** False once closed by either side; a closed link is never opened again. */
  readonly open: boolean;
  send(message: Message): void;
  close(): void;
}

/** A message and where it came from; `localHost` is the address of ours that it was sent to. */
export interface Delivery {
  readonly message: Message;
  readonly remoteHost: string;
  readonly localHost: string;
  /** Sends back on the same link. */
  answer(message: Message): void;
}

export interface LinkEvents {
  onMessage(delivery: Delivery): void;
  /** Once, also when the peer could not be reached at all; never from inside connect(). */
  onClose(): void;
}

export interface Bus {
  connect(address: BusAddress, events: LinkEvents): BusLink;
  /** Holds back everything that arrives, as a frozen process would; false lets it in again, in order. */
  hold(held: boolean): void;
  close(): void;
}

/** Starts to listen at `address`. Throws when it is taken. */
export type OpenBus = (address: BusAddress, onInbound: (delivery: Delivery) => void) => Bus;
