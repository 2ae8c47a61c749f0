// Clients from creation to end on both libraries.

import { deepEqual, fail } from 'node:assert/strict';
import { needRedisServer } from '../../kit/real-cluster.ts';
import { Pair, type Row, unusedDeviations } from './harness.ts';
import { documentedOfCluster } from './rows-cluster.ts';
import { lifecycle, single } from './rows-lifecycle.ts';

const groups: Readonly<Record<string, readonly Row[]>> = {
  lifecycle,
  single,
  'documented of a cluster': documentedOfCluster,
};

describe('lives of clients of ioredis and of lingcache', () => {
  let pair: Pair;
  before(async function () {
    needRedisServer(this, 'lives of clients of ioredis and of lingcache');
    pair = await Pair.open({ name: 'own clients', options: {} });
  });
  after(() => pair?.close());

  for (const [group, rows] of Object.entries(groups)) {
    for (const one of rows) {
      it(`${group}: ${one.name}`, async () => {
        const complaints = await pair.compare(group, [one]);
        if (complaints.length > 0) fail(complaints.join('\n'));
      });
    }
    it(`${group}: no deviation that no row shows`, () => {
      deepEqual(unusedDeviations(group), []);
    });
  }
});
