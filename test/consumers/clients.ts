// The clients a consumer is handed: our Cluster and our Redis where it documents ioredis's. With CONTROL=ioredis the
// same tests run on ioredis itself, which distinguishes a fault of ours from one of the consumer or the test.

import { once } from 'node:events';
import { Cluster as PeerCluster, Redis as PeerRedis } from 'ioredis';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from '../../lib/index.ts';
import { type BundledCluster, type BundledNode, startCluster, startNode } from '../../server/index.ts';
import { type RealCluster, sharedRealCluster } from '../kit/real-cluster.ts';
import { type RealNode, startRealNode } from '../kit/redis-server.ts';

const control = process.env['CONTROL'] === 'ioredis';

export type Client = Cluster | Redis;

export function makeCluster(cluster: Pick<RealCluster, 'seeds'>, options: ClusterOptions = {}): Cluster {
  if (control) return new PeerCluster(cluster.seeds, options as object) as unknown as Cluster;
  return new Cluster(cluster.seeds, options);
}

function makeRedis(node: { readonly host: string; readonly port: number }, options: RedisOptions = {}): Redis {
  const where = { ...options, host: node.host, port: node.port };
  return control ? (new PeerRedis(where as object) as unknown as Redis) : new Redis(where);
}

/** A kind of client, and the server it talks to. */
export interface Kind {
  readonly name: string;
  /** One server, whose keys need not be in one slot. */
  readonly single: boolean;
  /** To be called in `before`, and `stop` in `after`. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A client of its own; `stop` disconnects what the test has left open. */
  make(): Client;
}

/** Cluster on the 3 + 3 cluster all suites share, Redis on a server of its own, and both on our own server. */
export function kinds(redisOptions: RedisOptions = {}): Kind[] {
  const ours = [bundledClusterKind(redisOptions), bundledNodeKind(redisOptions)];
  return [clusterKind(redisOptions), redisKind(redisOptions), ...ours];
}

function bundledClusterKind(redisOptions: RedisOptions): Kind {
  const open = new Set<Client>();
  let cluster: BundledCluster | undefined;
  return {
    name: 'Cluster of bundled nodes',
    single: false,
    start: async () => {
      cluster = await startCluster({ masters: 3, replicas: 1 });
    },
    stop: async () => {
      for (const client of open) client.disconnect();
      await cluster?.close();
    },
    make: () => remember(open, makeCluster(cluster!, { redisOptions })),
  };
}

function bundledNodeKind(redisOptions: RedisOptions): Kind {
  const open = new Set<Client>();
  let node: BundledNode | undefined;
  return {
    name: 'Redis on a bundled node',
    single: true,
    start: async () => {
      node = await startNode();
    },
    stop: async () => {
      for (const client of open) client.disconnect();
      await node?.kill();
    },
    make: () => remember(open, makeRedis(node!, redisOptions)),
  };
}

function clusterKind(redisOptions: RedisOptions): Kind {
  const open = new Set<Client>();
  let cluster: RealCluster;
  return {
    name: 'Cluster',
    single: false,
    start: async () => {
      cluster = await sharedRealCluster();
    },
    stop: async () => {
      for (const client of open) client.disconnect();
      await cluster?.flush();
    },
    make: () => remember(open, makeCluster(cluster, { redisOptions })),
  };
}

function redisKind(redisOptions: RedisOptions): Kind {
  const open = new Set<Client>();
  let node: RealNode | undefined;
  return {
    name: 'Redis',
    single: true,
    start: async () => {
      node = await startRealNode();
    },
    stop: async () => {
      for (const client of open) client.disconnect();
      await node?.stop();
    },
    make: () => remember(open, makeRedis(node!, redisOptions)),
  };
}

function remember<C extends Client>(open: Set<Client>, client: C): C {
  open.add(client);
  return client;
}

/** Resolves once the client has ended; ioredis's quit() resolves a little earlier. */
export async function ended(client: Client): Promise<void> {
  if (client.status !== 'end') await once(client, 'end');
}
