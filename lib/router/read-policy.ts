// Which node of a shard a read goes to. Pure: chance is handed in.

import type { Shard } from '../topology/slot-map.ts';

export type ReadScaling = 'master' | 'slave' | 'all';

/** The address for a read; writes always go to the master. */
export function pickForRead(shard: Shard, scaling: ReadScaling, random: () => number): string {
  if (scaling === 'master' || shard.replicas.length === 0) return shard.master;
  if (scaling === 'slave') return shard.replicas[Math.floor(random() * shard.replicas.length)]!;
  const index = Math.floor(random() * (shard.replicas.length + 1));
  return index === 0 ? shard.master : shard.replicas[index - 1]!;
}
