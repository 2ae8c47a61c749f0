// Every public promise of the clients, as the hang proof asks for it: an act is done with a client of its own and gives
// a promise, which has to settle within a budget.

import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from '../../../lib/index.ts';
import { key, type Scene } from './faults.ts';

/** Each limit that a user can set, ms. */
const limit = 1500;

type Client = Cluster | Redis;
export type Kind = 'Cluster' | 'Redis';

export interface Act {
  readonly name: string;
  readonly only?: Kind;
  /** ms; default `limit`. */
  readonly budget?: number;
  readonly options?: object;
  /** The client is not to connect before the act. */
  readonly lazy?: boolean;
  run(client: Client): Promise<unknown>;
}

const limits: object = {
  commandTimeout: limit,
  connectTimeout: limit,
  maxLoadingRetryTime: limit,
  quitTimeout: limit,
  disconnectTimeout: limit,
};

export function makeClient(kind: Kind, { seeds, sick }: Scene, { options, lazy = false }: Act): Client {
  const client =
    kind === 'Cluster'
      ? new Cluster(seeds, {
          retryDeadline: limit,
          slotsRefreshTimeout: 500,
          quitTimeout: limit,
          lazyConnect: lazy,
          redisOptions: limits,
          ...options,
        } as ClusterOptions)
      : new Redis({ ...sick, ...limits, lazyConnect: lazy, ...options } as RedisOptions);
  client.on('error', () => undefined);
  return client;
}

async function drain(stream: AsyncIterable<unknown>): Promise<number> {
  let batches = 0;
  for await (const _ of stream) batches++;
  return batches;
}

const common: Act[] = [
  { name: 'get', run: (client) => client.get(key) },
  { name: 'incr', run: (client) => client.incr(key) },
  { name: 'set of 1 MB', run: (client) => client.set(key, Buffer.alloc(1 << 20)) },
  { name: 'call', run: (client) => client.call('object', 'encoding', key) },
  { name: 'unknown command', run: (client) => client.call('my.command', key) },
  { name: 'without key', run: (client) => client.publish('channel', 'text') },
  { name: 'blpop of 1 s', budget: limit + 1000, run: (client) => client.blpop(key, 1) },
  {
    name: 'xread block 500',
    budget: limit + 500,
    run: (client) => client.xread('BLOCK', 500, 'STREAMS', key, '$'),
  },
  { name: 'wait of 500', budget: limit + 500, run: (client) => client.wait(1, 500) },
  {
    name: 'blockingTimeout',
    options: { blockingTimeout: 500, redisOptions: { ...limits, blockingTimeout: 500 } },
    budget: limit + 600,
    run: (client) => client.blpop(key, 0),
  },
  { name: 'pipeline', run: (client) => client.pipeline().get(key).incr(key).exec() },
  { name: 'multi', run: (client) => client.multi().get(key).incr(key).exec() },
  {
    name: 'defined script',
    run: (client) => {
      client.defineCommand('scripted', { numberOfKeys: 1, lua: 'return 1' });
      return (client as unknown as { scripted(key: string): Promise<unknown> }).scripted(key);
    },
  },
  {
    name: 'withAbortSignal',
    budget: 300,
    run: (client) => client.withAbortSignal(AbortSignal.timeout(300)).get(key),
  },
  { name: 'quit', run: (client) => client.quit() },
  {
    name: 'quit behind a call',
    run: async (client) => {
      const call = client.get(key);
      await Promise.allSettled([call, client.quit()]);
    },
  },
  { name: 'quit twice', run: (client) => Promise.allSettled([client.quit(), client.quit()]) },
  {
    name: 'quit of a client that was never used',
    lazy: true,
    run: (client) => client.quit(),
  },
  {
    name: 'call, then disconnect',
    run: (client) => {
      const call = client.get(key);
      client.disconnect();
      return call;
    },
  },
  {
    name: 'call, then disposal',
    run: async (client) => {
      const call = client.incr(key);
      const ended = client.status === 'end' ? undefined : once(client, 'end');
      client[Symbol.dispose]();
      await Promise.allSettled([call, ended]);
    },
  },
  { name: 'connect', lazy: true, budget: 2 * limit, run: (client) => client.connect() },
  {
    name: 'duplicate and connect',
    budget: 2 * limit,
    run: (client) => {
      const options = { lazyConnect: true };
      const twin = client instanceof Redis ? client.duplicate(options) : client.duplicate([], options);
      twin.on('error', () => undefined);
      return twin.connect().finally(() => twin.disconnect());
    },
  },
  { name: 'subscribe', run: (client) => client.subscribe('channel') },
  { name: 'psubscribe', run: (client) => client.psubscribe('chan*') },
  { name: 'ssubscribe', run: (client) => client.ssubscribe(key) },
  {
    name: 'subscribe and unsubscribe',
    run: (client) => Promise.allSettled([client.subscribe('channel'), client.unsubscribe('channel')]),
  },
  { name: 'unsubscribe of nothing', run: (client) => client.unsubscribe('channel') },
  // A scan ends when it makes no progress for as long as retryDeadline, and refreshes the map between its nodes.
  { name: 'scanStream', budget: 3 * limit, run: (client) => drain(client.scanStream()) },
  {
    name: 'callback',
    run: (client) => new Promise((resolve) => client.get(key, (error, value) => resolve(error ?? value))),
  },
];

const ofClusters: Act[] = [
  { name: 'refreshSlotsCache', run: (client) => (client as Cluster).refreshSlotsCache() },
  { name: 'nodes()[i].get', run: (client) => nodesOf(client, (node) => node.get(key)) },
  { name: 'nodes()[i].pipeline', run: (client) => nodesOf(client, (node) => node.pipeline().get(key).exec()) },
  { name: 'nodes()[i].quit', run: (client) => nodesOf(client, (node) => node.quit()) },
  { name: 'scanKeys', budget: 3 * limit, run: (client) => drain((client as Cluster).scanKeys()) },
  { name: 'fanOut', options: { fanOut: true }, run: (client) => client.dbsize() },
  { name: 'split mget', options: { crossSlot: 'split' }, run: (client) => client.mget(key, 'bar') },
  { name: 'near cache', options: { clientSideCache: {} }, run: (client) => client.get(key) },
  { name: 'read from replicas', options: { scaleReads: 'all' }, run: (client) => client.get(key) },
];

const ofRedis: Act[] = [
  {
    name: 'monitor',
    only: 'Redis',
    budget: 2 * limit,
    run: async (client) => (await (client as Redis).monitor()).disconnect(),
  },
  { name: 'select', only: 'Redis', run: (client) => (client as Redis).select(1) },
];

function nodesOf(client: Client, ask: (node: Redis) => Promise<unknown>): Promise<unknown> {
  return Promise.allSettled((client as Cluster).nodes().map((node) => ask(node)));
}

export const acts: readonly Act[] = [
  ...common,
  ...ofClusters.map((act): Act => ({ ...act, only: 'Cluster' })),
  ...ofRedis,
];

/** Makes a client ready, for faults that come later; one that is lazy stays as it is. */
export async function whenReady(client: Client, { lazy = false }: Act): Promise<void> {
  if (lazy) return;
  for (let waited = 0; client.status !== 'ready'; waited += 10) {
    if (waited > 5000) throw new Error(`the client is ${client.status} before the fault`);
    await pause(10);
  }
}
