// Four cluster clients behind the few calls that the cases need, each with its default options.
// Owns: the clients it opens. Does not know: what a case looks for.

import type { Seed } from '../../server/index.ts';

export const contenderNames = ['lingcache', 'ioredis', 'node-redis', 'glide'] as const;
export type ContenderName = (typeof contenderNames)[number];

export interface Contender {
  get(key: string): Promise<unknown>;
  set(key: string, value: string): Promise<unknown>;
  mget(keys: readonly string[]): Promise<unknown>;
  /** GET of each key, in one pipeline as the client has it; an Error in place of a result. */
  pipeline(keys: readonly string[]): Promise<readonly unknown[]>;
  close(): void;
}

export function openContender(name: ContenderName, seeds: readonly Seed[]): Promise<Contender> {
  const open = { lingcache: openLingcache, ioredis: openIoredis, 'node-redis': openNodeRedis, glide: openGlide };
  return open[name](seeds);
}

interface IoredisShaped {
  on(event: 'error', listener: () => void): unknown;
  ping(): Promise<unknown>;
  get(key: string): Promise<unknown>;
  set(key: string, value: string): Promise<unknown>;
  mget(...keys: string[]): Promise<unknown>;
  pipeline(commands: string[][]): { exec(): Promise<[Error | null, unknown][] | null> };
  disconnect(): void;
}

async function ofIoredis(client: IoredisShaped): Promise<Contender> {
  client.on('error', () => undefined);
  await client.ping();
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    mget: (keys) => client.mget(...keys),
    pipeline: async (keys) => {
      const results = (await client.pipeline(keys.map((key) => ['get', key])).exec()) ?? [];
      return results.map(([error, value]) => error ?? value);
    },
    close: () => client.disconnect(),
  };
}

async function openLingcache(seeds: readonly Seed[]): Promise<Contender> {
  const { Cluster } = await import('../../lib/index.ts');
  return ofIoredis(new Cluster([...seeds]) as unknown as IoredisShaped);
}

async function openIoredis(seeds: readonly Seed[]): Promise<Contender> {
  const { Cluster } = await import('ioredis');
  return ofIoredis(new Cluster([...seeds]) as unknown as IoredisShaped);
}

async function openNodeRedis(seeds: readonly Seed[]): Promise<Contender> {
  const { createCluster } = await import('redis');
  const client = createCluster({ rootNodes: seeds.map(({ host, port }) => ({ socket: { host, port } })) });
  client.on('error', () => undefined);
  await client.connect();
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    mget: (keys) => client.mGet([...keys]),
    pipeline: (keys) => {
      const multi = client.multi();
      for (const key of keys) multi.get(key);
      return multi.execAsPipeline() as unknown as Promise<unknown[]>;
    },
    close: () => client.destroy(),
  };
}

async function openGlide(seeds: readonly Seed[]): Promise<Contender> {
  const { ClusterBatch, GlideClusterClient, Logger } = await import('@valkey/valkey-glide');
  Logger.setLoggerConfig('error');
  const client = await GlideClusterClient.createClient({ addresses: seeds.map(({ host, port }) => ({ host, port })) });
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    mget: (keys) => client.mget([...keys]),
    pipeline: async (keys) => {
      const batch = new ClusterBatch(false);
      for (const key of keys) batch.get(key);
      return (await client.exec(batch, false)) ?? [];
    },
    close: () => client.close(),
  };
}
