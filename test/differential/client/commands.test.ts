// Commands one by one on both libraries, with every kind of client.

import { deepEqual, fail } from 'node:assert/strict';
import { needRedisServer } from '../../kit/real-cluster.ts';
import { Pair, type Row, unusedDeviations, type Variant } from './harness.ts';
import { pipelines, scripts, transactions } from './rows-batches.ts';
import { handMade, messages, nodes, serverWords } from './rows-clients.ts';
import { blocking, hashes, lists, sets, sortedSets, streams } from './rows-collections.ts';
import { callbacks, keys, strings } from './rows-values.ts';

const groups: Readonly<Record<string, readonly Row[]>> = {
  strings,
  callbacks,
  keys,
  hashes,
  lists,
  sets,
  sortedSets,
  streams,
  pipelines,
  transactions,
  scripts,
  serverWords,
  handMade,
  nodes,
  messages,
};

/** Compared with one client only: they take the server's time, not the client's. */
const once: Readonly<Record<string, readonly Row[]>> = { blocking };

const variants: readonly Variant[] = [
  { name: 'RESP3', options: {} },
  { name: 'RESP2', options: { redisOptions: { protocol: 2 } } },
  { name: 'keyPrefix', options: { keyPrefix: 'p:' } },
  { name: 'Buffer keyPrefix', options: { keyPrefix: Buffer.from('b:') } },
  { name: 'keyPrefix of redisOptions', options: { redisOptions: { keyPrefix: 'q:' } } },
  { name: 'resp3 mapping', options: { redisOptions: { replyMapping: 'resp3' } } },
  { name: 'stringNumbers', options: { redisOptions: { stringNumbers: true } } },
];

describe('commands on ioredis and on lingcache', () => {
  before(function () {
    needRedisServer(this, 'commands on ioredis and on lingcache');
  });

  for (const variant of variants) {
    describe(variant.name, () => {
      let pair: Pair;
      before(async () => {
        pair = await Pair.open(variant);
      });
      after(() => pair?.close());

      for (const [group, rows] of Object.entries(variant.name === 'RESP3' ? { ...groups, ...once } : groups)) {
        it(`${group}: ${rows.length} rows`, async () => {
          const complaints = await pair.compare(group, rows);
          if (complaints.length > 0) fail(complaints.join('\n'));
        });
      }
    });
  }

  describe('afterwards', () => {
    it('has no deviation that no row shows', () => {
      deepEqual(Object.keys({ ...groups, ...once }).flatMap(unusedDeviations), []);
    });
  });
});
