// Blocking calls of a cluster whose callers have left: the server must not go on with them. One with a connection of its
// own loses that; one that shares its node's (a batch's) is ended there by CLIENT UNBLOCK.

import type { World } from '../base/world.ts';
import { type Call, CallFlag, type Parcel, wantsOwnConnection } from '../connection/call.ts';
import type { Keeper } from '../connection/keeper.ts';
import type { NodePool } from '../router/node-pool.ts';
import { Unblocker } from './unblock.ts';

const blocksInOrder = CallFlag.blocking | CallFlag.inOrder;

export class AbandonedCalls {
  readonly #pool: NodePool;
  readonly #world: World;
  readonly #unblockers = new WeakMap<Keeper, Unblocker>();
  readonly #noted = new WeakMap<Call, Unblocker>();

  constructor(pool: NodePool, world: World) {
    this.#pool = pool;
    this.#world = world;
  }

  /** A parcel that may be given up is about to be sent to `key`. */
  note(parcel: Parcel, key: string | undefined): void {
    if (key === undefined || (parcel.flags & blocksInOrder) !== blocksInOrder) return;
    const unblocker = this.#unblockerOf(this.#pool.open(key).keeper);
    unblocker.note(parcel as Call);
    this.#noted.set(parcel as Call, unblocker);
  }

  release(parcel: Parcel): void {
    if (wantsOwnConnection(parcel)) this.#pool.release(parcel as Call);
    else this.#noted.get(parcel as Call)?.release(parcel as Call);
  }

  #unblockerOf(keeper: Keeper): Unblocker {
    let unblocker = this.#unblockers.get(keeper);
    if (unblocker === undefined) {
      const rules = { connectionName: undefined, retryDelay: () => null };
      const second = (): Keeper => this.#pool.keeper(keeper.address, false, { onState: () => {} }, rules);
      unblocker = new Unblocker(() => keeper, second, this.#world);
      this.#unblockers.set(keeper, unblocker);
    }
    return unblocker;
  }
}
