import assert from 'node:assert/strict';
import { Load, Writer } from '../../../fault/mixed/data.ts';
import { MixedCluster } from '../../../fault/mixed/kit.ts';
import { needRedisServer } from '../../../kit/real-cluster.ts';

// The short form of test/fault/mixed/mixed.ts, without anybody's death.

describe('a cluster of redis-server and our nodes, made by redis-cli', function () {
  this.timeout(90_000);
  let cluster: MixedCluster;
  let load: Load;
  let writer: Writer;

  before(async function () {
    needRedisServer(this, 'a cluster of redis-server and our nodes');
    cluster = await MixedCluster.start(1);
    load = new Load(cluster.seeds, 1, 600);
    writer = new Writer(cluster.seeds, 1);
  });
  after(async () => {
    await writer?.stop();
    writer?.close();
    load?.close();
    await cluster?.end();
  });

  it('moves slots both ways under writes, hands roles over both ways, and pairs of both kinds hold the same data', async () => {
    assert.match(await cluster.create(), /masters real, ours, real/);
    await load.fill();
    writer.start();
    await cluster.reshard('real', 'ours', 60);
    await cluster.reshard('ours', 'real', 60);
    await cluster.cutLinks('real');
    await cluster.cutLinks('ours');
    assert.match(await cluster.failover('ours'), /^2 changed roles, /);
    await writer.stop();
    await cluster.inStep();
    assert.match(await cluster.compare(), /^(?:(?:real\/ours|ours\/real) \d+(?:, |$)){3}/);
    await load.verify();
    await writer.verify();
    assert.ok(writer.acknowledged > 0);
    assert.equal(writer.failed, 0);
  });
});
