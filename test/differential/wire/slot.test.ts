// slotOf against CLUSTER KEYSLOT of a real node and of ours: hash tags, text beyond ASCII, any bytes.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Cluster, type Redis, slotOf } from '../../../lib/index.ts';
import { slotOfBinary } from '../../../lib/wire/slot.ts';
import { startCluster } from '../../../server/index.ts';
import { needRedisServer, sharedRealCluster } from '../../kit/real-cluster.ts';

const pieces = fc.array(fc.constantFrom('{', '}', 'a', 'tag', 'é', '日本', '\u{1f600}', '', ' ', '\0', 'x'), {
  maxLength: 8,
});
const texts = fc.oneof(
  pieces.map((parts) => parts.join('')),
  fc.string({ unit: 'grapheme' }),
);
const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));

/** Asks about many keys in one pipeline. */
async function keySlots(node: Redis, keys: readonly (string | Buffer)[]): Promise<number[]> {
  const pipeline = node.pipeline();
  for (const key of keys) pipeline.cluster('KEYSLOT', key);
  const results = (await pipeline.exec())!;
  return results.map(([error, slot]) => {
    assert.equal(error, null);
    return slot as number;
  });
}

async function compare(node: Redis): Promise<void> {
  const wellKnown = ['{a{b}c', '{a{b}c}', 'foo{}{bar}', 'foo{{bar}}zap', 'foo{bar}{zap}', '{}', '{', '}{', '', '{\0}'];
  await fc.assert(
    fc.asyncProperty(
      fc.array(texts, { minLength: 50, maxLength: 50 }),
      fc.array(bytes, { minLength: 50, maxLength: 50 }),
      async (some, raw) => {
        const keys = [...wellKnown, ...some, ...raw];
        const slots = await keySlots(node, keys);
        keys.forEach((key, at) => {
          assert.equal(slotOf(key), slots[at], JSON.stringify(key));
          assert.equal(slotOf(Buffer.from(key as string)), slots[at]);
          assert.equal(slotOfBinary(Buffer.from(key as string).toString('latin1')), slots[at]);
        });
      },
    ),
    { numRuns: 30, endOnFailure: true },
  );
}

describe('slots, as servers compute them', function () {
  this.timeout(30_000);

  it('equal CLUSTER KEYSLOT of redis-server', async function () {
    needRedisServer(this, 'slots against redis-server');
    const cluster = new Cluster((await sharedRealCluster()).seeds);
    try {
      await cluster.ping();
      await compare(cluster.nodes('master')[0]!);
    } finally {
      await cluster.quit();
    }
  });

  it('equal CLUSTER KEYSLOT of the bundled server', async () => {
    const bundled = await startCluster({ masters: 3, replicas: 0 });
    const cluster = new Cluster([...bundled.seeds]);
    try {
      await cluster.ping();
      await compare(cluster.nodes('master')[0]!);
    } finally {
      await cluster.quit();
      await bundled.close();
    }
  });
});
