// Which connection a request is sent on: the master of its slot's shard, a replica for reads where they are scaled, any
// master for what has no keys, and one of its own for what blocks.
// Owns the connections of the map's masters, looked up once for each map. Knows no replies.

import type { World } from '../base/world.ts';
import { CallFlag, type Parcel, wantsOwnConnection } from '../connection/call.ts';
import type { Keeper } from '../connection/keeper.ts';
import { SlotMap } from '../topology/slot-map.ts';
import type { NodePool } from './node-pool.ts';
import type { ReadPolicy } from './read-policy.ts';

/** A user's own choice of node for a read: the key of one of the nodes offered (master first). */
export type ReadChoice = (keys: readonly string[], parcel: Parcel) => string | undefined;

export interface SelectorOptions {
  /** Who answers reads; undefined: the master. */
  readonly reads: ReadPolicy | undefined;
  /** The user's own choice, instead of the policy's. */
  readonly readChoice: ReadChoice | undefined;
}

export class NodeSelector {
  readonly #options: SelectorOptions;
  readonly #pool: NodePool;
  readonly #world: World;
  #map: SlotMap = SlotMap.of([]);
  /** Of each shard's master, beside map.shards; filled when first used. */
  #masters: (Keeper | undefined)[] = [];

  constructor(options: SelectorOptions, pool: NodePool, world: World) {
    this.#options = options;
    this.#pool = pool;
    this.#world = world;
  }

  /** Looks connections up anew, by this map. */
  use(map: SlotMap): void {
    this.#map = map;
    this.#masters = [];
  }

  /** A connection was replaced or let go. */
  forget(): void {
    this.#masters = [];
  }

  /** The connection to send on; undefined: nobody serves the slot. */
  select(parcel: Parcel): Keeper | undefined {
    const shared = this.selectShared(parcel);
    if (shared === undefined || !wantsOwnConnection(parcel)) return shared;
    return this.#pool.blockingLane(shared.address, parcel);
  }

  /** The connection to a node that a redirect has named. */
  selectAt(key: string, parcel: Parcel): Keeper {
    return wantsOwnConnection(parcel) ? this.#pool.blockingLane(key, parcel) : this.#pool.open(key).keeper;
  }

  /** The connection that calls of the slot share, also for one that blocks. */
  selectShared(parcel: Parcel): Keeper | undefined {
    if (parcel.slot < 0) return this.#anyMaster();
    if (this.#options.reads !== undefined && (parcel.flags & CallFlag.readOnly) !== 0 && parcel.redirects === 0) {
      return this.#reader(parcel, this.#options.reads);
    }
    const number = this.#map.table[parcel.slot]!;
    return number === 0 ? undefined : (this.#masters[number - 1] ?? this.#lookUp(number - 1));
  }

  #lookUp(index: number): Keeper {
    const master = this.#pool.open(this.#map.shards[index]!.master).keeper;
    this.#masters[index] = master;
    return master;
  }

  // A read that has been refused or lost goes to the master, unless the master is the one that is down.
  #reader(parcel: Parcel, reads: ReadPolicy): Keeper | undefined {
    const shard = this.#map.shardOf(parcel.slot);
    if (shard === undefined) return undefined;
    const { readChoice } = this.#options;
    const troubled = parcel.lastError !== undefined && this.#pool.usable(shard.master);
    const chosen = troubled
      ? shard.master
      : readChoice === undefined
        ? reads.pick(shard)
        : (readChoice([shard.master, ...shard.replicas], parcel) ?? shard.master);
    return this.#pool.open(this.#pool.usable(chosen) ? chosen : shard.master).keeper;
  }

  // A random one, that is up when there is one.
  #anyMaster(): Keeper | undefined {
    const { shards } = this.#map;
    if (shards.length === 0) return undefined;
    const start = Math.floor(this.#world.random() * shards.length);
    for (let step = 0; step < shards.length; step++) {
      const index = (start + step) % shards.length;
      const master = this.#masters[index] ?? this.#lookUp(index);
      if (master.state !== 'resting' && master.state !== 'ended' && !master.silent) return master;
    }
    return this.#masters[start];
  }
}
