// The ledger proof in short: every fault once, on a cluster and on a single server. LEDGER_SEED may be given. The long
// run is ledger.ts.

import assert from 'node:assert/strict';
import { needRedisServer } from '../../kit/redis-server.ts';
import { faultNames, play, shapes, sumOf } from './run.ts';

const seed = Number(process.env['LEDGER_SEED'] ?? Date.now() % 1_000_000);

/** Who meets which faults: each fault once on a cluster, and most on a single server, without a wait for them all. */
const groups: { shape: string; faults: readonly string[] }[] = [
  { shape: 'cluster-3-all', faults: ['pause all', 'garble', 'slot moves', 'frozen for good', 'unreadable replies'] },
  { shape: 'cluster-2-readonly', faults: ['stop', 'cuts', 'manual failover', 'reconnectOnError 2'] },
  { shape: 'redis-3-all', faults: ['sleep', 'cuts', 'unreadable replies', 'SIGKILL and restart'] },
  { shape: 'redis-2-readonly', faults: ['pause writes', 'garble', 'reconnectOnError 2'] },
];

describe('fault: the ledger, in short', function () {
  this.timeout(180_000);
  before(function () {
    needRedisServer(this);
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.log(`        LEDGER_SEED=${seed}`);
  });

  for (const kind of ['cluster', 'redis']) {
    it(`${kind}: each write is found as often as its outcome allows`, async () => {
      // On servers of their own, so side by side: most of the time is the faults' own.
      await Promise.all(groups.filter(({ shape }) => shape.startsWith(kind)).map(check));
    });
  }

  async function check({ shape, faults }: (typeof groups)[number]): Promise<void> {
    for (const name of faults) assert.ok(faultNames.includes(name), name);
    const reports = await play({
      seed,
      shapes: shapes.filter(({ name }) => name === shape),
      faults,
      commands: 1000 * faults.length,
      brief: true,
    });
    const sum = sumOf(reports);
    console.log(
      `        ${shape}: ${sum.commands} commands, ${sum.rejected} rejected, ${sum.repeated} repeated by the rules of resending`,
    );
    assert.equal(reports.length, faults.length);
    assert.ok(sum.ok > 0);
    assert.deepEqual(sum.violations.slice(0, 10), []);
  }
});
