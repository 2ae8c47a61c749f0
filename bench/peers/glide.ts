import { ClusterBatch, GlideClusterClient, Logger } from '@valkey/valkey-glide';
import type { BenchNode } from '../cluster/cluster.ts';
import type { Answers, Peer } from './peer.ts';

const requestTimeout = 10_000;

export async function open(nodes: readonly BenchNode[]): Promise<Peer> {
  // Its warnings about redirections would fill the screen.
  Logger.setLoggerConfig('error');
  const client = await GlideClusterClient.createClient({
    addresses: nodes.map(({ host, port }) => ({ host, port })),
    requestTimeout,
    inflightRequestsLimit: 10_000,
  });
  const run = async (batch: ClusterBatch): Promise<Answers> => {
    const answers = await client.exec(batch, false, { timeout: requestTimeout });
    if (answers === null) throw new Error('exec() gave no results');
    return answers;
  };
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    getMany: (keys) => {
      const batch = new ClusterBatch(false);
      for (const key of keys) batch.get(key);
      return run(batch);
    },
    setMany: (keys, values) => {
      const batch = new ClusterBatch(false);
      for (let index = 0; index < keys.length; index++) batch.set(keys[index]!, values[index]!);
      return run(batch);
    },
    close: async () => {
      client.close();
    },
  };
}
