// Blocking calls of a cluster whose callers have left: the server must not go on with them. One with a connection of its
// own loses that; one that shares its node's (a batch's) is ended there by CLIENT UNBLOCK.

import type { World } from '../base/world.ts';
import { type Call, CallFlag, type RoutableRequest, wantsOwnConnection } from '../connection/call.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import type { NodePool } from '../router/node-pool.ts';
import { Unblocker } from './unblock.ts';

const blocksInOrder = CallFlag.blocking | CallFlag.inOrder;

export class AbandonedCalls {
  readonly #pool: NodePool;
  readonly #world: World;
  readonly #unblockers = new WeakMap<ReconnectingConnection, Unblocker>();
  readonly #noted = new WeakMap<Call, Unblocker>();

  constructor(pool: NodePool, world: World) {
    this.#pool = pool;
    this.#world = world;
  }

  /** A request that may be given up is about to be sent to `key`. */
  note(request: RoutableRequest, key: string | undefined): void {
    if (key === undefined || (request.flags & blocksInOrder) !== blocksInOrder) return;
    const unblocker = this.#unblockerOf(this.#pool.open(key).connection);
    unblocker.note(request as Call);
    this.#noted.set(request as Call, unblocker);
  }

  release(request: RoutableRequest): void {
    if (wantsOwnConnection(request)) this.#pool.release(request as Call);
    else this.#noted.get(request as Call)?.release(request as Call);
  }

  #unblockerOf(connection: ReconnectingConnection): Unblocker {
    let unblocker = this.#unblockers.get(connection);
    if (unblocker === undefined) {
      const rules = { connectionName: undefined, retryDelay: () => null };
      const second = (): ReconnectingConnection =>
        this.#pool.connection(connection.address, false, { onState: () => {} }, rules);
      unblocker = new Unblocker(() => connection, second, this.#world);
      this.#unblockers.set(connection, unblocker);
    }
    return unblocker;
  }
}
