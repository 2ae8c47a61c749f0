// What a change of the cluster means for the data and the clients of one node.
// Owns nothing. Does not know: how the cluster came to its decision; that is server/membership's.
// Invariant: what is flushed or dropped here is logged and replicated like a client's command.

import type { GuardView } from '../cluster/guard.ts';
import type { ClusterNode, ClusterState } from '../cluster/state.ts';
import type { Engine } from '../engine/engine.ts';
import type { Store } from '../keyspace/store.ts';
import type { NodeData } from '../membership/local-cluster.ts';
import type { PersistenceManager } from '../persistence/persistence.ts';
import type { NodeReplication } from '../replication/replication.ts';
import { dropKeys, dropShardChannels, redirectBlockedClients } from './slot-loss.ts';

export interface MemberDataOptions {
  readonly engine: Engine;
  readonly replication: NodeReplication;
  /** Undefined: nothing is kept on the disk. */
  readonly persistence: PersistenceManager | undefined;
  /** Keeps the configuration of the cluster; returns when it is on the disk. */
  readonly save: (state: ClusterState) => void;
  /** As NodeData. */
  readonly advertise: NodeData['advertise'];
}

export class MemberData implements NodeData {
  readonly #engine: Engine;
  readonly #store: Store;
  readonly #replication: NodeReplication;
  readonly #persistence: PersistenceManager | undefined;
  readonly save: (state: ClusterState) => void;
  readonly advertise: NodeData['advertise'];

  constructor({ engine, replication, persistence, save, advertise }: MemberDataOptions) {
    this.#engine = engine;
    this.#store = engine.databases.stores[0]!;
    this.#replication = replication;
    this.#persistence = persistence;
    this.save = save;
    this.advertise = advertise;
  }

  keysInSlot(slot: number): number {
    return this.#store.countInSlot(slot);
  }

  has(key: string): boolean {
    return this.#store.has(key);
  }

  /** 0 while a copy comes in: what is here is about to go, so clients are not sent here, nor is it worth a vote. */
  get offset(): number {
    return this.#replication.replica.link?.copy === undefined ? this.#replication.offset : 0;
  }

  get masterLinked(): boolean {
    return this.#replication.linked;
  }

  /** Nodes that talk TLS are known by their ports with TLS, which is not where the stream is without. */
  follow({ host, port, plainPort }: ClusterNode): void {
    const secure = this.#engine.config.flag('tls-replication');
    this.#replication.follow({ host, port: secure ? port : plainPort || port });
  }

  promote(): void {
    this.#replication.promote();
  }

  flush(): void {
    this.#engine.databases.clear();
    this.#replication.forget();
    this.#persistence?.onEffects([{ db: 0, argv: ['FLUSHALL'] }]);
  }

  dropKeys(slots: readonly number[]): void {
    dropKeys(this.#engine, this.#store, slots);
  }

  pauseWrites(paused: boolean): void {
    if (paused) this.#engine.pauses.pause('failover', 'writes');
    else this.#engine.pauses.resume('failover');
  }

  onPublish(kind: 'publish' | 'publishshard', channel: string, message: string): void {
    if (kind === 'publish') this.#engine.pubsub.publish(channel, message);
    else this.#engine.pubsub.publishShard(channel, message);
  }

  onRoutesChanged(state: ClusterState, view: GuardView): void {
    redirectBlockedClients(this.#engine, state, view);
  }

  onSlotsLeft(left: (slot: number) => boolean): void {
    dropShardChannels(this.#engine, left);
  }
}
