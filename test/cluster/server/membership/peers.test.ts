import assert from 'node:assert/strict';
import { GlideClusterClient } from '@valkey/valkey-glide';
import { Cluster as IoRedisCluster } from 'ioredis';
import { createCluster } from 'redis';
import { slotOf } from '../../../../lib/wire/slot.ts';
import { type BundledCluster, startCluster } from '../../../../server/index.ts';

// Other people's clients on our server: each connects by itself, then reads and writes while slots move under it.

interface Peer {
  get(key: string): Promise<string | null>;
  set(key: string, value: string): Promise<unknown>;
  close(): Promise<unknown>;
}

const keys = Array.from({ length: 200 }, (_, at) => `{user:${at % 10}}:${at}`);
const slots = [...new Set(keys.map((key) => slotOf(key)))];

// Glide sends ASKING apart from its command on a shared connection, so that concurrent calls can lose it and see MOVED,
// on redis-server as here: it is given one worker.
const workersOf: Readonly<Record<string, number>> = { glide: 1 };

const peers: Record<string, (cluster: BundledCluster) => Promise<Peer>> = {
  ioredis: async (cluster) => {
    const client = new IoRedisCluster(cluster.seeds);
    await new Promise((resolve, reject) => client.once('ready', resolve).once('error', reject));
    return { get: (key) => client.get(key), set: (key, value) => client.set(key, value), close: () => client.quit() };
  },
  'node-redis': async (cluster) => {
    const client = createCluster({ rootNodes: cluster.seeds.map((socket) => ({ socket })) });
    const errors: unknown[] = [];
    client.on('error', (error) => errors.push(error));
    await client.connect();
    return {
      get: (key) => client.get(key),
      set: (key, value) => client.set(key, value),
      close: async () => {
        await client.close();
        assert.deepEqual(errors, []);
      },
    };
  },
  glide: async (cluster) => {
    const client = await GlideClusterClient.createClient({
      addresses: cluster.seeds.map(({ host, port }) => ({ host, port })),
      requestTimeout: 5000,
    });
    return {
      get: async (key) => (await client.get(key)) as string | null,
      set: (key, value) => client.set(key, value),
      close: async () => client.close(),
    };
  },
};

describe('peers on the bundled cluster, while slots move', function () {
  this.timeout(30_000);
  let cluster: BundledCluster;

  beforeEach(async () => {
    cluster = await startCluster();
  });
  afterEach(() => cluster.close());

  for (const [name, connect] of Object.entries(peers)) {
    it(`${name}: no error and no wrong value`, async () => {
      const peer = await connect(cluster);
      const written = new Map<string, number>();
      for (const key of keys) {
        await peer.set(key, '0');
        written.set(key, 0);
      }
      let moving = true;
      let calls = 0;
      // Each worker has its own keys, so it knows what it must read.
      const worker = async (own: readonly string[]): Promise<void> => {
        while (moving) {
          for (const key of own) {
            const next = written.get(key)! + 1;
            await peer.set(key, String(next));
            written.set(key, next);
            assert.equal(await peer.get(key), String(next), key);
            calls += 2;
          }
        }
      };
      const count = workersOf[name] ?? 4;
      const parts = Array.from({ length: count }, (_, part) => keys.filter((_key, at) => at % count === part));
      const workers = parts.map(worker);
      const moves = (async () => {
        try {
          for (let round = 0; round < 2; round++) {
            for (const slot of slots) {
              const from = cluster.nodes.indexOf(cluster.ownerOf(slot));
              await cluster.moveSlot(slot, (from + 1) % 3, { batch: 3, pauseMs: 2 });
            }
          }
        } finally {
          moving = false;
        }
      })();
      await Promise.all([moves, ...workers]);
      for (const [key, value] of written) assert.equal(await peer.get(key), String(value), key);
      assert.ok(calls >= 200, `only ${calls} calls while the slots moved`);
      await peer.close();
    });
  }
});
