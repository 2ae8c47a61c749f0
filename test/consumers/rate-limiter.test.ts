// rate-limiter-flexible over our clients: a script of its own (defineCommand with an array), multi, status.

import assert from 'node:assert/strict';
import { BurstyRateLimiter, RateLimiterQueue, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { needRedisServer } from '../kit/real-cluster.ts';
import { type Client, ended, kinds } from './clients.ts';

for (const kind of kinds()) {
  describe(`consumers: rate-limiter-flexible on ${kind.name}`, () => {
    let client: Client;
    let prefix = 0;

    const limiter = (points: number, duration: number, more: object = {}): RateLimiterRedis =>
      new RateLimiterRedis({ storeClient: client, points, duration, keyPrefix: `limit${prefix++}`, ...more });

    before(async function () {
      needRedisServer(this, 'rate-limiter-flexible');
      await kind.start();
      client = kind.make();
    });
    after(() => kind.stop());

    it('allows as many points as were given, for each key', async () => {
      const three = limiter(3, 60);
      for (const key of ['ann', 'bob', 'cid']) {
        for (let left = 2; left >= 0; left--) assert.equal((await three.consume(key)).remainingPoints, left);
        const refused = await three.consume(key).catch((error: unknown) => error);
        assert.ok(refused instanceof RateLimiterRes);
        assert.equal(refused.consumedPoints, 4);
        assert.ok(refused.msBeforeNext > 0 && refused.msBeforeNext <= 60_000);
      }
    });

    it('counts concurrent consumers exactly', async () => {
      const ten = limiter(10, 60);
      const outcomes = await Promise.allSettled(Array.from({ length: 40 }, () => ten.consume('everyone')));
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 10);
    });

    it('gets, sets, rewards, penalizes, blocks and deletes', async () => {
      const five = limiter(5, 60);
      assert.equal(await five.get('ann'), null);
      await five.consume('ann', 2);
      assert.equal((await five.get('ann'))?.consumedPoints, 2);
      assert.equal((await five.penalty('ann', 2)).consumedPoints, 4);
      assert.equal((await five.reward('ann', 1)).consumedPoints, 3);
      await five.set('ann', 5, 30);
      await assert.rejects(five.consume('ann'));
      assert.equal(await five.delete('ann'), true);
      assert.equal(await five.delete('ann'), false);
      await five.block('ann', 30);
      const refused = await five.consume('ann').catch((error: unknown) => error);
      assert.ok(refused instanceof RateLimiterRes && refused.msBeforeNext > 0);
    });

    it('keeps points that never expire (multi of INCRBY and PTTL)', async () => {
      const endless = limiter(2, 0);
      assert.equal((await endless.consume('ann')).consumedPoints, 1);
      assert.equal((await endless.consume('ann')).consumedPoints, 2);
      await assert.rejects(endless.consume('ann'));
      assert.equal((await endless.get('ann'))?.msBeforeNext, -1);
    });

    it('blocks in memory, bursts and queues', async () => {
      const blocked = limiter(1, 60, { inMemoryBlockOnConsumed: 1, inMemoryBlockDuration: 60 });
      await blocked.consume('ann');
      await assert.rejects(blocked.consume('ann'));
      await assert.rejects(blocked.consume('ann'));
      const bursty = new BurstyRateLimiter(limiter(1, 60), limiter(2, 60));
      for (let at = 0; at < 3; at++) await bursty.consume('ann');
      await assert.rejects(bursty.consume('ann'));
      const queue = new RateLimiterQueue(limiter(2, 1));
      assert.equal(await queue.removeTokens(1), 1);
      assert.equal(await queue.removeTokens(1), 0);
    });

    it('refuses at once while the client is not ready, when asked to', async () => {
      const gone = kind.make();
      await gone.ping();
      await gone.quit();
      await ended(gone);
      const strict = new RateLimiterRedis({ storeClient: gone, points: 1, duration: 1, rejectIfRedisNotReady: true });
      await assert.rejects(strict.consume('ann'), /not ready/);
    });
  });
}
