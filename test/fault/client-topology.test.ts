// The cluster's shape changes for good while the client holds an old picture of it: nodes come back at other
// addresses, replicas take over, slots are given away, a node is forgotten. Real nodes; a steady load judges replies.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, slotOf } from '../../lib/index.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../kit/real-cluster.ts';
import { until } from '../kit/until.ts';
import { agreement } from './agreement.ts';
import { MixedLoad } from './mixed/load.ts';
import { introduce, type MovedNode, moveHouse } from './mixed/moved-house.ts';

/** Runs `change` under load; nothing may fail, be wrong or stay open. */
async function underLoad(client: Cluster, change: () => Promise<void>): Promise<void> {
  const load = new MixedLoad(client, { seed: 5, workers: 6, pause: 5 });
  load.start();
  await until('the load runs', () => load.total > 50);
  await change();
  const before = load.total;
  await until('the load goes on', () => load.total > before + 50);
  assert.equal(await load.stop(20_000), 0, 'promises that never settled');
  await load.verify();
  assert.deepEqual(load.wrong, []);
  assert.deepEqual(load.refused, []);
}

describe('fault: a topology that changes for good', function () {
  this.timeout(90_000);
  let cluster: RealCluster | undefined;
  let client: Cluster | undefined;
  let moved: MovedNode[] = [];

  before(function () {
    needRedisServer(this, 'topology tests');
  });
  afterEach(async () => {
    client?.disconnect();
    await Promise.all(moved.map((node) => node.stop()));
    moved = [];
    await cluster?.stop();
    cluster = undefined;
  });

  for (const way of ['one kept seed', 'seeds from a lookup'] as const) {
    it(`finds a cluster that came back on new ports altogether, by ${way}`, async () => {
      const real = await startRealCluster({ replicas: 0 });
      cluster = real;
      // The kept seed is the only node that stays where it was.
      const kept = way === 'one kept seed' ? real.nodes[0] : undefined;
      const leaving = real.nodes.filter((node) => node !== kept);
      let lookup = real.seeds.slice(0, 1);
      const looked: number[] = [];
      client = new Cluster(kept === undefined ? lookup : real.seeds.slice(0, 2), {
        clusterRetryStrategy(this: { startupNodes?: unknown }, times) {
          looked.push(times);
          this.startupNodes = lookup;
          return 50;
        },
      });
      client.on('error', () => undefined);
      const keys = Array.from({ length: 60 }, (_, at) => `house:${at}`);
      for (const key of keys) await client.set(key, `of ${key}`);
      const houses = await moveHouse(real, leaving);
      moved = houses;
      if (kept === undefined) lookup = houses.map(({ host, port }) => ({ host, port }));
      await introduce(kept ?? houses[0]!, houses);
      await agreement(kept === undefined ? houses : [kept, ...houses]);
      for (const key of keys) assert.equal(await client.get(key), `of ${key}`);
      const expected = [...(kept === undefined ? [] : [kept]), ...houses].map(({ port }) => port).sort();
      await until('the client holds the new addresses only', () => {
        const held = client!.nodes().map((node) => node.options.port!);
        return held.sort().join() === expected.join();
      });
      if (kept === undefined) assert.ok(looked.length > 0, 'the lookup was never asked');
    });
  }

  it('follows one master that restarts at a new address', async () => {
    const real = await startRealCluster({ replicas: 0 });
    cluster = real;
    client = new Cluster(real.seeds.slice(0, 1));
    const node = real.masters[2]!;
    const keys = Array.from({ length: 60 }, (_, at) => `one:${at}`);
    for (const key of keys) await client.set(key, `of ${key}`);
    const asked: Promise<unknown>[] = [];
    moved = await moveHouse(real, [node]);
    const house = moved[0]!;
    // Asked while nobody serves the slots: answered when the node is back, at an address unknown so far.
    for (const key of keys) asked.push(client.get(key));
    await introduce(real.masters[0]!, [house]);
    assert.deepEqual(
      await Promise.all(asked),
      keys.map((key) => `of ${key}`),
    );
    assert.ok(client.nodes('master').some(({ options }) => options.port === house.port));
    await until('the old address is gone', () => !client!.nodes().some(({ options }) => options.port === node.port));
  });

  it('goes on while every replica in turn takes over by CLUSTER FAILOVER', async () => {
    const real = await startRealCluster();
    cluster = real;
    client = new Cluster(real.seeds.slice(0, 2));
    await underLoad(client, async () => {
      for (const replica of real.replicas) {
        assert.equal(await replica.ask('cluster', 'failover'), 'OK');
        await until('the replica is master', async () =>
          /role:master/.test(String(await replica.ask('info', 'replication'))),
        );
      }
    });
    await until('the client sees the roles as they are', () => {
      const masters = client!.nodes('master').map(({ options }) => options.port!);
      return (
        masters.sort().join() ===
        real.replicas
          .map(({ port }) => port)
          .sort()
          .join()
      );
    });
  });

  it('waits for slots that were deleted until they are added again, elsewhere', async () => {
    const real = await startRealCluster({ replicas: 0, config: { 'cluster-require-full-coverage': 'no' } });
    cluster = real;
    client = new Cluster(real.seeds);
    const slot = slotOf('lost');
    const giver = await real.ownerOf(slot);
    const taker = real.masters.find(({ id }) => id !== giver.id)!;
    assert.equal(await client.get('lost'), null);
    for (const node of real.masters) await node.ask('cluster', 'delslots', String(slot));
    const setting = client.set('lost', 'and found');
    const batch = client.pipeline().set('lost', 'and found').get('lost').exec();
    // Neighbours are served meanwhile.
    await until('a neighbour answers', async () => (await client!.set('kept', 'yes')) === 'OK');
    await pause(300);
    await taker.ask('cluster', 'addslots', String(slot));
    assert.equal(await setting, 'OK');
    assert.deepEqual(await batch, [
      [null, 'OK'],
      [null, 'and found'],
    ]);
    assert.equal(await taker.ask('get', 'lost'), 'and found');
  });

  it('lets go of a node that gave its slots away and was forgotten', async () => {
    const real = await startRealCluster({ replicas: 0, masters: 4 });
    cluster = real;
    // The node that leaves is the first seed.
    const leaver = real.masters[3]!;
    const newPrimary = real.masters[0]!;
    client = new Cluster(
      [leaver, newPrimary].map(({ host, port }) => ({ host, port })),
      { slotsRefreshInterval: 500 },
    );
    await underLoad(client, async () => {
      await real.cli(
        ...['--cluster', 'reshard', newPrimary.address, '--cluster-from', leaver.id, '--cluster-to', newPrimary.id],
        ...['--cluster-slots', '4096', '--cluster-yes', '--cluster-pipeline', '50'],
      );
      const rest = real.masters.filter((node) => node !== leaver);
      for (const node of rest) await node.ask('cluster', 'forget', leaver.id);
      await leaver.kill();
    });
    await until('the client holds three nodes', () => client!.nodes().length === 3);
    assert.ok(!client.nodes().some(({ options }) => options.port === leaver.port));
  });
});
