import assert from 'node:assert/strict';
import { type BundledCluster, startCluster } from '../../../../server/index.ts';
import { ask, say } from '../../../kit/ask.ts';
import { until } from '../../../kit/until.ts';
import { forceCopy, replicasOf, untilEqual, untilLinked } from './kit.ts';

// A replica in the midst of a copy: however small the copy is, `key-load-delay` slows it down, INFO says that the node
// is loading, and its cluster sends no clients there.

describe('a replica that takes in a copy', function () {
  this.timeout(60_000);
  let cluster: BundledCluster;

  before(async () => {
    cluster = await startCluster({ masters: 3, replicas: 1, config: { 'enable-debug-command': 'yes' } });
  });

  after(() => cluster?.close());

  it('is loading, and is not among the nodes of its slots until the copy is whole', async () => {
    const master = cluster.nodes[0]!;
    const replica = (await replicasOf(master, cluster.nodes))[0]!;
    await untilLinked(replica);
    const inSlots = async (): Promise<boolean> =>
      ((await ask(master, 'CLUSTER', 'SLOTS')) as unknown[][]).some((row) =>
        row.slice(2).some((node) => (node as unknown[])[1] === replica.port),
      );
    await until('the replica is offered to clients', inSlots);
    await ask(master, 'DEBUG', 'POPULATE', '300', 'k', '100');
    assert.equal(await say(replica, 'CONFIG', 'SET', 'key-load-delay', '20000'), 'OK');
    assert.equal(await say(replica, 'CONFIG', 'SET', 'loading-process-events-interval-bytes', '1024'), 'OK');
    await forceCopy(master);
    await until('it is hidden', async () => !(await inSlots()));
    assert.match(String(await ask(replica, 'INFO', 'persistence')), /^loading:1\r$/m);
    assert.equal(await say(replica, 'CONFIG', 'SET', 'key-load-delay', '0'), 'OK');
    await untilLinked(replica);
    await until('it is back', inSlots);
    assert.match(String(await ask(replica, 'INFO', 'persistence')), /^loading:0\r$/m);
    await untilEqual(master, replica);
  });
});
