// 300 jobs of BullMQ, each processed once while the server pauses and the queue's slot moves. The long run is
// ledger-bullmq.ts.

import assert from 'node:assert/strict';
import { needRedisServer } from '../../kit/redis-server.ts';
import { type BullPlan, complaintsAbout, playBull } from './bullmq-run.ts';

describe('fault: the ledger of a BullMQ queue, in short', function () {
  this.timeout(90_000);
  before(function () {
    needRedisServer(this);
  });

  for (const kind of ['Cluster', 'Redis'] as const) {
    it(`${kind}: each job is processed once`, async () => {
      const plan: BullPlan = { kind, jobs: 300, faults: 2 };
      const report = await playBull(plan);
      assert.deepEqual(complaintsAbout(report, plan), []);
      assert.equal(report.processed, 300);
    });
  }
});
