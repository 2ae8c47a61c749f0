// Connections for calls that may hold theirs until data arrives (BLPOP, XREAD BLOCK, ...): each such call has one to
// itself, so it never holds up others. Lanes are used again; what has been idle for long is closed.

import { AbortError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { Call, RoutableRequest } from '../connection/call.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';

interface BlockingLane {
  readonly connection: ReconnectingConnection;
  idleSince: number;
}

export class BlockingConnectionPool {
  readonly #make: () => ReconnectingConnection;
  readonly #world: World;
  readonly #limit: number;
  #lanes: BlockingLane[] = [];
  /** The lane that each call was given last. */
  readonly #carriers = new WeakMap<RoutableRequest, ReconnectingConnection>();

  /** `limit`: most connections; beyond it, calls share the lane with the fewest. */
  constructor(make: () => ReconnectingConnection, world: World, limit: number) {
    this.#make = make;
    this.#world = world;
    this.#limit = limit;
  }

  get size(): number {
    return this.#lanes.length;
  }

  /** A lane without a call on it, for `parcel`. */
  pick(request: RoutableRequest): ReconnectingConnection {
    const connection = this.#pick();
    this.#carriers.set(request, connection);
    return connection;
  }

  #pick(): ReconnectingConnection {
    let best: BlockingLane | undefined;
    if (this.#lanes.some(isOver)) this.#lanes = this.#lanes.filter((sender) => !isOver(sender));
    for (const sender of this.#lanes) {
      if (best === undefined || sender.connection.load < best.connection.load) best = sender;
      if (sender.connection.load === 0) break;
    }
    if (best === undefined || (best.connection.load > 0 && this.#lanes.length < this.#limit)) {
      best = { connection: this.#make(), idleSince: 0 };
      this.#lanes.push(best);
    }
    best.idleSince = this.#world.now();
    return best.connection;
  }

  /** Closes the lane that carries `call`, if one of these does. */
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

  /** Closes lanes that have been idle for `ms`. */
  closeIdle(ms: number): void {
    const now = this.#world.now();
    this.#lanes = this.#lanes.filter((sender) => {
      if (sender.connection.load > 0) sender.idleSince = now;
      if (now - sender.idleSince < ms) return true;
      sender.connection.close(new AbortError('Connection is closed.', { node: sender.connection.address }));
      return false;
    });
  }

  forEachCall(visit: (call: Call) => void): void {
    for (const { connection } of this.#lanes) connection.forEachCall(visit);
  }

  /** Closes the lanes that have not been let in: what waits for them can wait elsewhere. */
  closeUnopened(): void {
    for (const { connection } of this.#lanes) {
      if (connection.state !== 'up')
        connection.close(new AbortError('Connection is closed.', { node: connection.address }));
    }
  }

  /** Calls that block on these. */
  get load(): number {
    let load = 0;
    for (const { connection } of this.#lanes) load += connection.load;
    return load;
  }

  /** Hands all lanes over; whoever takes them closes them. */
  takeAll(): ReconnectingConnection[] {
    return this.#lanes.splice(0).map(({ connection }) => connection);
  }

  close(reason: Error): void {
    for (const connection of this.takeAll()) connection.close(reason);
  }

  /** As close(), but calls that were written may still be answered; gives what resolves when those lanes are closed. */
  leave(reason: Error): Promise<void>[] {
    return this.#lanes.splice(0).flatMap(({ connection }) => connection.leaveIfBusy(reason));
  }
}

function isOver({ connection }: BlockingLane): boolean {
  return connection.state === 'ended';
}
