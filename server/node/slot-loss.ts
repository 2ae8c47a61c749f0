// What a node does when slots leave it: drops the keys it lost, redirects clients that are blocked on keys or subscribed there.

import { slotOfBinary } from '../../lib/wire/slot.ts';
import { type GuardView, guard } from '../cluster/guard.ts';
import { type ClusterState, myMaster } from '../cluster/state.ts';
import { keysOf } from '../engine/call-traits.ts';
import type { Engine } from '../engine/engine.ts';
import type { Store } from '../keyspace/store.ts';

export function dropKeys(engine: Engine, store: Store, slots: readonly number[]): void {
  for (const slot of slots) {
    for (const key of store.keysInSlot(slot, store.countInSlot(slot))) {
      if (!store.delete(key)) continue;
      store.changed(key, 'g', 'del');
      engine.effect(store, ['DEL', key]);
    }
  }
  engine.finish();
}

/** Shard subscribers subscribe anew where the slot is served now, also after a failover within the shard. */
export function dropShardChannels(engine: Engine, left: (slot: number) => boolean): void {
  if (engine.pubsub.shardChannels.size === 0) return;
  engine.pubsub.dropShardChannels((channel) => left(slotOfBinary(channel)));
}

/** Redirects blocked clients and drops shard subscriptions whose slots are served elsewhere now. */
export function redirectBlockedClients(engine: Engine, state: ClusterState, view: GuardView): void {
  if (engine.blocked.count === 0 && engine.pubsub.shardChannels.size === 0) return;
  engine.blocked.refuse((client, argv) => {
    const command = engine.registry.find(argv);
    if (command instanceof Error) return undefined;
    const flags = {
      write: true,
      shardChannel: false,
      migrate: false,
      asking: false,
      readonly: client.readonly,
      plain: client.plain,
    };
    return guard(view, { keys: keysOf(command.row, argv), ...flags });
  });
  const mine = myMaster(state).id;
  engine.pubsub.dropShardChannels((channel) => state.owners.get(slotOfBinary(channel)) !== mine);
}
