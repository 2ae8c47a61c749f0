// The contract between gossip and its transport (loopback.ts in this process, tcp-bus.ts in the bytes of redis-server).
// Owns: nothing; an implementation opens one outbound link per peer and delivers what arrives on inbound ones.
// Does not know: what a message means, nor the state of the cluster.
// Invariant: a reply to a message goes back on the link that brought the message.

import type { Message } from '../cluster/message.ts';

export interface BusAddress {
  readonly host: string;
  readonly cport: number;
}

/** What can be seen of a link in either direction. */
export interface LinkView {
  /** False once closed by either side; a closed link is never opened again. */
  readonly open: boolean;
  /** Bytes that wait to be sent. */
  readonly waiting: number;
  close(): void;
}

export interface BusLink extends LinkView {
  send(message: Message): void;
}

/** A message and where it came from; `localHost` is the address of ours that it was sent to. */
export interface Delivery {
  readonly message: Message;
  readonly remoteHost: string;
  readonly localHost: string;
  readonly link: LinkView;
  /** Sends back on the same link. */
  answer(message: Message): void;
}

export interface LinkEvents {
  /** Once, when the peer was reached: never called, it could not be. Never from inside connect(). */
  onOpen?(): void;
  onMessage(delivery: Delivery): void;
  /** Once, also when the peer could not be reached at all; never from inside connect(). */
  onClose(): void;
}

export interface Bus {
  connect(address: BusAddress, events: LinkEvents): BusLink;
  /** Links closed because too much waited on them. */
  readonly overflows: number;
  close(): void;
}

/** Starts to listen at `address`. Throws when it is taken. */
export type OpenBus = (address: BusAddress, onInbound: (delivery: Delivery) => void) => Bus;
