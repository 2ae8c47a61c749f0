// The order of events, callbacks and promises of a client of one server, on ioredis and on lingcache.

import { deepEqual, fail } from 'node:assert/strict';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { judge, libraries, unusedDeviations } from './harness.ts';
import { runAlone } from './rows-alone.ts';
import { sequenceRows } from './rows-sequences.ts';

describe('sequences of a client of one server, of ioredis and of lingcache', () => {
  let node: RealNode | undefined;
  before(async function () {
    needRedisServer(this);
    node = await startRealNode();
  });
  after(() => node?.stop());

  for (const row of sequenceRows) {
    it(row.name, async () => {
      const [theirs, ours] = [
        await runAlone(row, libraries[0]!, node!.port),
        await runAlone(row, libraries[1]!, node!.port),
      ];
      const complaint = judge(`sequences: ${row.name}`, 'alone', theirs, ours);
      if (complaint !== undefined) fail(complaint);
    });
  }

  it('no deviation that no row shows', () => {
    deepEqual(unusedDeviations('sequences'), []);
  });
});
