// Connections for calls that may hold theirs until data arrives (BLPOP, XREAD BLOCK, ...): each such call has one to
// itself, so it never holds up others. Connections are used again; what has been idle for long is closed.

import { AbortError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { Call, RoutableRequest } from '../connection/call.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';

interface BlockingConnection {
  readonly connection: ReconnectingConnection;
  idleSince: number;
}

export class BlockingConnectionPool {
  readonly #make: () => ReconnectingConnection;
  readonly #world: World;
  readonly #limit: number;
  #senders: BlockingConnection[] = [];
  /** The connection that each call was given last. */
  readonly #carriers = new WeakMap<RoutableRequest, ReconnectingConnection>();

  /** `limit`: most connections; beyond it, calls share the connection with the fewest. */
  constructor(make: () => ReconnectingConnection, world: World, limit: number) {
    this.#make = make;
    this.#world = world;
    this.#limit = limit;
  }

  get size(): number {
    return this.#senders.length;
  }

  /** A connection without a call on it, for `request`. */
  pick(request: RoutableRequest): ReconnectingConnection {
    const connection = this.#pick();
    this.#carriers.set(request, connection);
    return connection;
  }

  #pick(): ReconnectingConnection {
    let best: BlockingConnection | undefined;
    if (this.#senders.some(isOver)) this.#senders = this.#senders.filter((sender) => !isOver(sender));
    for (const sender of this.#senders) {
      if (best === undefined || sender.connection.load < best.connection.load) best = sender;
      if (sender.connection.load === 0) break;
    }
    if (best === undefined || (best.connection.load > 0 && this.#senders.length < this.#limit)) {
      best = { connection: this.#make(), idleSince: 0 };
      this.#senders.push(best);
    }
    best.idleSince = this.#world.now();
    return best.connection;
  }

  /** Closes the connection that carries `call`, if one of these does. */
  release(call: Call): void {
    const connection = this.#carriers.get(call);
    if (connection === undefined) return;
    this.#carriers.delete(call);
    let carries = false;
    connection.forEachCall((one) => {
      carries ||= one === call;
    });
    if (carries) connection.close(new AbortError('Connection is closed.', { node: connection.address }));
  }

  /** Closes connections that have been idle for `ms`. */
  closeIdle(ms: number): void {
    const now = this.#world.now();
    this.#senders = this.#senders.filter((sender) => {
      if (sender.connection.load > 0) sender.idleSince = now;
      if (now - sender.idleSince < ms) return true;
      sender.connection.close(new AbortError('Connection is closed.', { node: sender.connection.address }));
      return false;
    });
  }

  forEachCall(visit: (call: Call) => void): void {
    for (const { connection } of this.#senders) connection.forEachCall(visit);
  }

  /** Closes the connections that have not been let in: what waits for them can wait elsewhere. */
  closeUnopened(): void {
    for (const { connection } of this.#senders) {
      if (connection.state !== 'up')
        connection.close(new AbortError('Connection is closed.', { node: connection.address }));
    }
  }

  /** Calls that block on these. */
  get load(): number {
    let load = 0;
    for (const { connection } of this.#senders) load += connection.load;
    return load;
  }

  /** Hands all connections over; whoever takes them closes them. */
  takeAll(): ReconnectingConnection[] {
    return this.#senders.splice(0).map(({ connection }) => connection);
  }

  close(reason: Error): void {
    for (const connection of this.takeAll()) connection.close(reason);
  }

  /** As close(), but calls that were written may still be answered; gives what resolves when those are closed. */
  leave(reason: Error): Promise<void>[] {
    return this.#senders.splice(0).flatMap(({ connection }) => connection.leaveIfBusy(reason));
  }
}

function isOver({ connection }: BlockingConnection): boolean {
  return connection.state === 'ended';
}
