// Which connection a request is sent on: the master of its slot's shard, a replica for reads where they are scaled, any
// master for what has no keys, and one of its own for what blocks.
// Owns the connections of the map's masters, looked up once for each map. Knows no replies.

import type { World } from '../base/world.ts';
import { CallFlag, type RoutableRequest, wantsOwnConnection } from '../connection/call.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import { SlotMap } from '../topology/slot-map.ts';
import type { NodePool } from './node-pool.ts';
import type { ReadPolicy } from './read-policy.ts';

/** A user's own choice of node for a read: the key of one of the nodes offered (master first). */
export type ReadChoice = (keys: readonly string[], request: RoutableRequest) => string | undefined;

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
  #map: SlotMap = SlotMap.empty;
  /** Of each shard's master, beside map.shards; filled when first used. */
  #masters: (ReconnectingConnection | undefined)[] = [];

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
  select(request: RoutableRequest): ReconnectingConnection | undefined {
    const shared = this.selectShared(request);
    if (shared === undefined || !wantsOwnConnection(request)) return shared;
    return this.#pool.blockingConnection(shared.address, request);
  }

  /** The connection to a node that a redirect has named. */
  selectAt(key: string, request: RoutableRequest): ReconnectingConnection {
    return wantsOwnConnection(request) ? this.#pool.blockingConnection(key, request) : this.#pool.open(key).connection;
  }

  /** The connection that calls of the slot share, also for one that blocks. */
  selectShared(request: RoutableRequest): ReconnectingConnection | undefined {
    if (request.slot < 0) return this.#anyMaster();
    const reads = this.#readsFor(request);
    return reads === undefined ? this.#masterOf(request.slot) : this.#reader(request, reads);
  }

  /** The connection that the map alone decides: none for what any node answers, or where one of several is chosen. */
  selectByMap(request: RoutableRequest): ReconnectingConnection | undefined {
    const chosen = request.slot < 0 || this.#readsFor(request) !== undefined;
    return chosen ? undefined : this.#masterOf(request.slot);
  }

  #readsFor(request: RoutableRequest): ReadPolicy | undefined {
    return (request.flags & CallFlag.readOnly) !== 0 && request.redirects === 0 ? this.#options.reads : undefined;
  }

  /** Undefined for a slot that nobody is known to own. */
  #masterOf(slot: number): ReconnectingConnection | undefined {
    const number = this.#map.table[slot]!;
    return number === 0 ? undefined : (this.#masters[number - 1] ?? this.#lookUp(number - 1));
  }

  #lookUp(index: number): ReconnectingConnection {
    const master = this.#pool.open(this.#map.shards[index]!.master).connection;
    this.#masters[index] = master;
    return master;
  }

  // A read that has been refused or lost goes to the master, unless the master is the one that is down.
  #reader(request: RoutableRequest, reads: ReadPolicy): ReconnectingConnection | undefined {
    const shard = this.#map.shardOf(request.slot);
    if (shard === undefined) return undefined;
    const { readChoice } = this.#options;
    const troubled = request.lastError !== undefined && this.#pool.usable(shard.master);
    const chosen = troubled
      ? shard.master
      : readChoice === undefined
        ? reads.pick(shard)
        : (readChoice([shard.master, ...shard.replicas], request) ?? shard.master);
    return this.#pool.open(this.#pool.usable(chosen) ? chosen : shard.master).connection;
  }

  // A random one, that is up when there is one.
  #anyMaster(): ReconnectingConnection | undefined {
    const { shards } = this.#map;
    if (shards.length === 0) return undefined;
    const start = Math.floor(this.#world.random() * shards.length);
    for (let step = 0; step < shards.length; step++) {
      const index = (start + step) % shards.length;
      const master = this.#masters[index] ?? this.#lookUp(index);
      if (master.state !== 'backoff' && master.state !== 'ended' && !master.peer.silent) return master;
    }
    return this.#masters[start];
  }
}
