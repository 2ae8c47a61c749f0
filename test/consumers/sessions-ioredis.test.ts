// connect-redis 8, the last one that takes an ioredis client as it is. It distinguishes clients by what they have.

import assert from 'node:assert/strict';
import { needRedisServer } from '../kit/real-cluster.ts';
import { type Client, kinds } from './clients.ts';
import { installed } from './optional.ts';

interface Session {
  readonly cookie: object;
  readonly visits: number;
  readonly id?: string;
}

interface Store {
  get(id: string): Promise<Session | null>;
  set(id: string, session: Session): Promise<void>;
  touch(id: string, session: Session): Promise<void>;
  destroy(id: string): Promise<void>;
  clear(): Promise<void>;
  ids(): Promise<string[]>;
  all(): Promise<Session[]>;
  length(): Promise<number>;
}

interface ConnectRedis {
  readonly RedisStore: new (options: { client: Client; prefix: string; ttl: number }) => Store;
}

const visited = (visits: number): Session => ({ cookie: {}, visits });

for (const kind of kinds()) {
  describe(`consumers: connect-redis 8 on ${kind.name}`, () => {
    let client: Client;
    let store: Store;

    before(async function () {
      needRedisServer(this, 'connect-redis 8');
      const found = installed<ConnectRedis>('connect-redis-8');
      if (found === undefined) this.skip();
      await kind.start();
      client = kind.make();
      store = new found.RedisStore({ client, prefix: 's:', ttl: 300 });
    });
    after(() => kind.stop());

    it('keeps sessions, for as long as configured', async () => {
      await Promise.all(Array.from({ length: 12 }, (_, n) => store.set(`id${n}`, visited(n))));
      const kept = await Promise.all(Array.from({ length: 12 }, (_, n) => store.get(`id${n}`)));
      assert.deepEqual(
        kept,
        Array.from({ length: 12 }, (_, n) => visited(n)),
      );
      const left = await client.ttl('s:id3');
      assert.ok(left > 290 && left <= 300);
      await client.expire('s:id3', 5);
      await store.touch('id3', visited(3));
      assert.ok((await client.ttl('s:id3')) > 290);
      await store.destroy('id3');
      assert.equal(await store.get('id3'), null);
      assert.equal(await store.get('nobody'), null);
    });

    // It scans one node and deletes with one DEL: on a cluster no ioredis client can help it.
    if (kind.name === 'Redis') {
      it('lists, counts and clears', async () => {
        await store.clear();
        await Promise.all([1, 2, 3].map((n) => store.set(`id${n}`, visited(n))));
        assert.deepEqual((await store.ids()).sort(), ['id1', 'id2', 'id3']);
        assert.deepEqual((await store.all()).map(({ visits }) => visits).sort(), [1, 2, 3]);
        await store.clear();
        assert.equal(await store.length(), 0);
      });
    }
  });
}
