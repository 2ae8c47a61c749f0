// Growth of what goes over a socket: channels, signals, batches, held calls. Client and peer do the same on the same
// servers, each on connections of its own that are made before the clock starts.

import { Cluster as PeerCluster, Redis as PeerRedis } from 'ioredis';
import { Cluster, Redis } from '../../lib/index.ts';
import type { BenchCluster } from '../cluster/cluster.ts';
import { type GrowthCase, type Run, thousands, timed, watched } from './case.ts';

const channelSizes = [1000, 8000, 100_000];
const redial = (): number => 1;

interface PubSub {
  ping(): Promise<unknown>;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(): Promise<unknown>;
  disconnect(): void;
  on(event: 'error', listener: () => void): unknown;
}

const namesOf = (count: number): string[] => Array.from({ length: count }, (_, at) => `channel:${at}`);

export function networkCases(cluster: BenchCluster): GrowthCase[] {
  const [node] = cluster.nodes;
  const { host, port } = node!;
  const ours = (): PubSub => new Redis({ host, port, retryStrategy: redial }) as unknown as PubSub;
  const theirs = (): PubSub => new PeerRedis({ host, port, retryStrategy: redial }) as unknown as PubSub;
  const admin = (): PeerRedis => new PeerRedis({ host, port });

  async function using(make: () => PubSub, act: (client: PubSub) => Promise<Run>): Promise<Run> {
    const client = make();
    client.on('error', () => undefined);
    try {
      await client.ping();
      return await act(client);
    } finally {
      client.disconnect();
    }
  }

  const subscribe = (make: () => PubSub) => (size: number) =>
    using(make, (client) => watched(() => client.subscribe(...namesOf(size))));

  const unsubscribe = (make: () => PubSub) => (size: number) =>
    using(make, async (client) => {
      await client.subscribe(...namesOf(size));
      return watched(() => client.unsubscribe());
    });

  const singly = (make: () => PubSub) => (size: number) =>
    using(make, (client) => watched(() => Promise.all(namesOf(size).map((name) => client.subscribe(name)))));

  // From the cut until the server has the last channel again.
  const again = (make: () => PubSub) => (size: number) =>
    using(make, async (client) => {
      const names = namesOf(size);
      await client.subscribe(...names);
      const server = admin();
      try {
        const list = String(await server.client('LIST', 'TYPE', 'PUBSUB'));
        const id = /id=(\d+)/.exec(list)![1]!;
        const run = await watched(async () => {
          await server.client('KILL', 'ID', id);
          const last = names.at(-1)!;
          for (;;) {
            const [, count] = (await server.pubsub('NUMSUB', last)) as [string, number];
            if (Number(count) === 1) return;
          }
        });
        // Until it has read all confirmations: what it still waits for would be rejected, and nobody is there to hear.
        await client.ping();
        return run;
      } finally {
        server.disconnect();
      }
    });

  return [
    {
      name: 'subscribe to n channels',
      sizes: channelSizes,
      match: 8000,
      run: subscribe(ours),
      peer: subscribe(theirs),
    },
    { name: 'subscribe to n, one a call', sizes: channelSizes, match: 8000, run: singly(ours), peer: singly(theirs) },
    {
      name: 'unsubscribe from all n',
      sizes: channelSizes,
      match: 8000,
      run: unsubscribe(ours),
      peer: unsubscribe(theirs),
    },
    { name: 'subscribe again after a cut', sizes: channelSizes, match: 8000, run: again(ours), peer: again(theirs) },
    ...clusterCases(cluster),
  ];
}

function clusterCases({ nodes }: BenchCluster): GrowthCase[] {
  const starts = nodes.map(({ host, port }) => ({ host, port }));

  async function using(act: (client: Cluster) => Promise<Run>): Promise<Run> {
    const client = new Cluster(starts);
    try {
      await client.set('key', 'value');
      return await act(client);
    } finally {
      client.disconnect();
    }
  }

  async function peer(act: (client: PeerCluster) => Promise<Run>): Promise<Run> {
    const client = new PeerCluster(starts);
    try {
      await client.set('key', 'value');
      return await act(client);
    } finally {
      client.disconnect();
    }
  }

  const repeat = (size: number, act: (at: number) => Promise<unknown>): Promise<unknown> =>
    Promise.all(Array.from({ length: size }, (_, at) => act(at)));

  return [
    {
      name: 'shard channels, one a call',
      sizes: thousands,
      run: (size) => using((client) => watched(() => repeat(size, (at) => client.ssubscribe(`shard:${at}`)))),
    },
    {
      name: 'calls at once under one signal',
      sizes: thousands,
      run: (size) =>
        using((client) => {
          const { signal } = new AbortController();
          return watched(() => repeat(size, () => client.withAbortSignal(signal).get('key')));
        }),
    },
    {
      name: 'calls given up by one signal',
      sizes: thousands,
      run: (size) =>
        using((client) => {
          const controller = new AbortController();
          const calls = repeat(size, () =>
            client
              .withAbortSignal(controller.signal)
              .get('key')
              .catch(() => undefined),
          );
          return timed(() => {
            controller.abort();
            return calls;
          });
        }),
    },
    {
      name: 'pipeline of n GETs',
      sizes: thousands,
      run: (size) =>
        using((client) => {
          const batch = client.pipeline();
          for (let at = 0; at < size; at++) batch.get('key');
          return watched(() => batch.exec());
        }),
      peer: (size) =>
        peer((client) => {
          const batch = client.pipeline();
          for (let at = 0; at < size; at++) batch.get('key');
          return watched(() => batch.exec());
        }),
    },
    {
      name: 'transaction of n SETs',
      sizes: thousands,
      run: (size) =>
        using((client) => {
          const batch = client.multi();
          for (let at = 0; at < size; at++) batch.set('key', 'value');
          return watched(() => batch.exec());
        }),
      peer: (size) =>
        peer((client) => {
          const batch = client.multi();
          for (let at = 0; at < size; at++) batch.set('key', 'value');
          return watched(() => batch.exec());
        }),
    },
    {
      name: 'calls held until ready',
      sizes: thousands,
      run: async (size) => {
        const client = new Cluster(starts);
        try {
          return await timed(() => repeat(size, () => client.get('key')));
        } finally {
          client.disconnect();
        }
      },
      peer: async (size) => {
        const client = new PeerCluster(starts);
        try {
          return await timed(() => repeat(size, () => client.get('key')));
        } finally {
          client.disconnect();
        }
      },
    },
    {
      name: 'MGET of n keys, split by slot',
      sizes: thousands,
      run: async (size) => {
        const client = new Cluster(starts, { crossSlot: 'split' });
        try {
          await client.set('key', 'value');
          const keys = Array.from({ length: size }, (_, at) => `key:${at}`);
          return await watched(() => client.mget(...keys));
        } finally {
          client.disconnect();
        }
      },
    },
  ];
}
