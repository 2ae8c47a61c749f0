// node-redlock over our clients: EVALSHA with arrays and callbacks, NOSCRIPT left to the consumer.

import assert from 'node:assert/strict';
import Redlock from 'redlock';
import { needRedisServer } from '../kit/real-cluster.ts';
import { type Client, ended, kinds } from './clients.ts';

for (const kind of kinds()) {
  describe(`consumers: redlock on ${kind.name}`, () => {
    let client: Client;
    let redlock: Redlock;
    const faults: unknown[] = [];

    before(async function () {
      needRedisServer(this, 'redlock');
      await kind.start();
      client = kind.make();
      redlock = new Redlock([client], { retryCount: 2, retryDelay: 10, retryJitter: 5 });
      redlock.on('clientError', (error) => faults.push(error));
    });
    after(() => kind.stop());
    afterEach(() => assert.deepEqual(faults, []));

    it('locks, refuses a second holder, extends and unlocks', async () => {
      const lock = await redlock.lock('{locks}:one', 5000);
      assert.equal(await client.get('{locks}:one'), lock.value);
      await assert.rejects(redlock.lock('{locks}:one', 5000), Redlock.LockError);
      const before = lock.expiration;
      await lock.extend(60_000);
      assert.ok(lock.expiration > before);
      assert.ok((await client.pttl('{locks}:one')) > 5000);
      await lock.unlock();
      assert.equal(await client.exists('{locks}:one'), 0);
      await (await redlock.lock('{locks}:one', 5000)).unlock();
    });

    it('locks several resources of one slot at once', async () => {
      const names = ['{locks}:a', '{locks}:b', '{locks}:c'];
      const lock = await redlock.lock(names, 5000);
      assert.equal(await client.exists(...names), 3);
      await assert.rejects(redlock.lock('{locks}:b', 5000), Redlock.LockError);
      await lock.unlock();
      assert.equal(await client.exists(...names), 0);
    });

    it('lets one holder at a time into a critical section', async () => {
      const patient = new Redlock([client], { retryCount: -1, retryDelay: 5, retryJitter: 3 });
      let inside = 0;
      let most = 0;
      let total = 0;
      const enter = async (): Promise<void> => {
        const lock = await patient.lock('section', 5000);
        most = Math.max(most, ++inside);
        const seen = total;
        await client.ping();
        total = seen + 1;
        inside--;
        await lock.unlock();
      };
      await Promise.all(Array.from({ length: 12 }, enter));
      assert.deepEqual({ most, total }, { most: 1, total: 12 });
    });

    it('gets NOSCRIPT after the scripts were flushed', async () => {
      if ('nodes' in client) for (const node of client.nodes('master')) await node.script('FLUSH');
      else await client.script('FLUSH');
      const locks = await Promise.all(['k1', 'k2', 'k3', 'k4'].map((key) => redlock.lock(key, 5000)));
      await Promise.all(locks.map((lock) => lock.unlock()));
      assert.deepEqual(await Promise.all(['k1', 'k2', 'k3', 'k4'].map((key) => client.exists(key))), [0, 0, 0, 0]);
    });

    it('quits the clients it was given', async () => {
      const own = kind.make();
      await own.ping();
      await new Redlock([own]).quit();
      await ended(own);
    });
  });
}
