// node-redis routes a whole multi() by its first key, so a batch is grouped by node by hand.

import { createCluster } from 'redis';
import type { BenchNode } from '../cluster/cluster.ts';
import { ByNode } from './by-node.ts';
import type { Peer } from './peer.ts';

export async function open(nodes: readonly BenchNode[]): Promise<Peer> {
  const cluster = createCluster({ rootNodes: nodes.map(({ host, port }) => ({ socket: { host, port } })) });
  cluster.on('error', () => undefined);
  await cluster.connect();
  const byNode = new ByNode(nodes);
  return {
    get: (key) => cluster.get(key),
    set: (key, value) => cluster.set(key, value),
    getMany: (keys) =>
      byNode.run(keys, (group) => {
        const multi = cluster.multi(keys[group[0]!]);
        for (const index of group) multi.get(keys[index]!);
        return multi.execAsPipeline() as unknown as Promise<unknown[]>;
      }),
    setMany: (keys, values) =>
      byNode.run(keys, (group) => {
        const multi = cluster.multi(keys[group[0]!]);
        for (const index of group) multi.set(keys[index]!, values[index]!);
        return multi.execAsPipeline() as unknown as Promise<unknown[]>;
      }),
    close: async () => {
      cluster.destroy();
    },
  };
}
