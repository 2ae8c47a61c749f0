import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../../lib/base/world.ts';
import { createEngine } from '../../../../../server/command/all.ts';
import { execute } from '../../../../../server/engine/dispatch.ts';
import { nobody } from '../../../../../server/engine/replay.ts';
import { Databases } from '../../../../../server/keyspace/databases.ts';
import { digestAll } from '../../../../../server/persistence/rdb/debug-digest.ts';
import { RdbReader } from '../../../../../server/persistence/rdb/file-reader.ts';
import { writeRdb } from '../../../../../server/persistence/rdb/file-writer.ts';
import { capturedContent, loadSink } from '../../../../../server/persistence/rdb/snapshot.ts';

// What was captured is written as it was, whatever commands do meanwhile.

const shapes: readonly string[] = [
  'SET k v',
  'APPEND s v',
  'SETRANGE s 3 v',
  'INCR n',
  'RPUSH l v v v',
  'LPOP l',
  'LSET l 0 v',
  'LTRIM l 0 2',
  'HSET h v v v v',
  'HDEL h v',
  'HINCRBY h count 1',
  'SADD e v v',
  'SPOP e',
  'SMOVE e e2 v',
  'ZADD z 3 v 4 v',
  'ZINCRBY z 1 v',
  'ZPOPMIN z',
  'ZUNIONSTORE z2 2 z z2',
  'XADD x * f v',
  'XTRIM x MAXLEN 3',
  'XREADGROUP GROUP g alice COUNT 1 STREAMS x >',
  'XACK x g 1-1',
  'XGROUP CREATECONSUMER x g v',
  'PEXPIRE k 100000',
  'PERSIST k',
  'DEL l',
  'DEL h',
  'RENAME e e2',
  'COPY z z2 REPLACE',
  'GETEX s PX 5000',
  'BITOP NOT s s',
  'PFADD hll v',
  'SORT l ALPHA STORE l',
  'FLUSHDB',
  'SWAPDB 0 1',
  'SELECT 1',
  'SELECT 0',
];

describe('contents that were captured', () => {
  it('are written as they were, while every kind of write goes on (200 seeds)', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const world = new ManualWorld({ seed });
      const engine = createEngine({ world });
      const client = engine.connect(nobody);
      const chance = (bound: number): number => Math.floor(world.random() * bound);
      const run = (line: string): void => {
        const words = line
          .split(' ')
          .map((word) => (word === 'v' ? `v${chance(9)}` : /^[klhezxs]$/.test(word) ? `${word}${chance(3)}` : word));
        execute(engine, client, words);
      };
      execute(engine, client, ['XGROUP', 'CREATE', 'x0', 'g', '0', 'MKSTREAM']);
      for (let count = 0; count < 150; count++) run(shapes[chance(shapes.length - 4)]!);
      const { databases } = engine;
      databases.mode = 'applying';
      const before = digestAll(databases);
      databases.mode = 'primary';
      const content = capturedContent(databases, { version: '7.0.15' });
      const chunks: Buffer[] = [];
      for (const chunk of writeRdb(content, { chunkBytes: 1 })) {
        chunks.push(chunk);
        for (let count = chance(6); count > 0; count--) run(shapes[chance(shapes.length)]!);
        world.forward(chance(3000));
      }
      content.release?.();
      assert.equal(databases.onTouch, undefined);
      const copy = new Databases(world, { count: databases.stores.length });
      const reader = new RdbReader(loadSink(copy, { dropExpired: false }).sink, { databases: copy.stores.length });
      reader.feed(Buffer.concat(chunks));
      reader.end();
      copy.mode = 'applying';
      assert.equal(digestAll(copy), before, `seed ${seed}`);
      engine.stop();
    }
  });
});
