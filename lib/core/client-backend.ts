// What the methods of a client stand on, whatever the client is: a cluster, a server of one's own, or one node of a
// cluster. Contracts only.

import type { Socket } from 'node:net';
import type { Call, Dispatcher, RoutableRequest } from '../connection/call.ts';
import type { Status } from './lifecycle.ts';

export interface ClientBackend {
  /** Where replies and losses of the client's calls go. */
  readonly dispatcher: Dispatcher;
  /** One node takes everything: the keys of a transaction may be in any slots, and subscriptions share the connection. */
  readonly oneNode: boolean;
  readonly status: Status;
  /** The database that calls go to. */
  readonly database: number;
  /** Rejections carry the stack of the line that made the call. */
  readonly friendlyErrors: boolean;
  /**
   * Takes what was made just now, by a method or by a batch, through the stages of its way: refused, limited, divided,
   * answered from the near cache, held until the client is ready, or sent.
   */
  submit(request: RoutableRequest): void;
  /** Why this client cannot carry out a call, whatever the server would say. */
  refusalOf(call: Call): Error | undefined;
  /** `host:port` of the node that is to answer; undefined while nobody knows. */
  addressOf(call: Call): string | undefined;
  /** A call that travels inside a transaction, which `exec` ends: announced before it is sent. */
  watch(call: Call, exec: Call): void;
  /** A blocking call is about to be submitted whose caller may leave it. */
  mayRelease(call: Call): void;
  /** Ends a blocking call on the server whose caller has left. */
  release(call: Call): void;
  /** Resolves when everything is answered and QUIT said, or nobody will answer. */
  quit(): Promise<'OK'>;
  /** After quit(), before callers hear of it: closes what has not closed by itself. */
  depart(): void;
}

/** The backend of a Redis: of one's own, or of a cluster's nodes(). */
export interface NodeBackend extends ClientBackend {
  /** The connection's socket; undefined while there is none. */
  readonly socket: Socket | undefined;
  /** The connection receives messages and takes no other commands (RESP2, subscribed). */
  readonly subscribed: boolean;
  /** Calls that the connection has taken and that have no answer yet, in their order. */
  forEachSent(visit: (call: Call) => void): void;
  /** Calls that wait: for the client to be ready, or to be sent again. */
  forEachHeld(visit: (request: RoutableRequest) => void): void;
  /** Resolves at `ready`. */
  connect(): Promise<void>;
  disconnect(reconnect: boolean): void;
}
