// The same few things on a cluster of every kind of server that users have today.

import assert from 'node:assert/strict';
import { Cluster, type ClusterOptions, slotOf } from '../../lib/index.ts';
import { viewOfNodes, viewOfShards, viewOfSlots } from '../../lib/topology/view.ts';
import { LeftOut } from '../../lib/wire/left-out.ts';
import { type RealCluster, startRealCluster } from '../kit/real-cluster.ts';
import { needServer } from '../kit/servers.ts';
import { until } from '../kit/until.ts';

for (const name of ['redis-7', 'redis-8', 'valkey-8', 'valkey-9'] as const) {
  describe(`client on ${name}`, function () {
    this.timeout(60_000);
    let real: RealCluster;
    const clients: Cluster[] = [];

    before(async function () {
      real = await startRealCluster({ server: needServer(this, name, 'the client on it') });
      for (const node of real.nodes) {
        await node.ask('acl', 'setuser', 'noslots', 'on', '>p', '~*', '&*', '+@all', '-cluster|slots');
      }
    });
    after(() => real?.stop());
    afterEach(() => {
      for (const client of clients.splice(0)) client.disconnect();
    });

    const connect = (options: ClusterOptions = {}): Cluster => {
      const cluster = new Cluster(real.seeds, options);
      cluster.on('error', () => undefined);
      clients.push(cluster);
      return cluster;
    };

    it('SLOTS, SHARDS and NODES give the same map, and nothing is left out', async () => {
      const node = real.masters[0]!;
      const leftOut = new LeftOut();
      const views = [
        viewOfSlots(await node.ask('cluster', 'slots'), [], node.address, undefined, leftOut),
        viewOfShards(await node.ask('cluster', 'shards'), [], node.address, undefined, false, leftOut),
        viewOfNodes(await node.ask('cluster', 'nodes'), node.address, undefined, leftOut),
      ];
      const maps = views.map(({ shards }) =>
        shards.map(({ id, master, replicas, ranges }) => [id, master, [...replicas].sort(), ranges]).sort(),
      );
      assert.equal(maps[0]!.length, 3);
      assert.deepEqual(maps[1], maps[0]);
      assert.deepEqual(maps[2], maps[0]);
      assert.deepEqual(leftOut.list, []);
    });

    for (const redisOptions of [{}, { protocol: 2 }, { username: 'noslots', password: 'p' }] as const) {
      it(`works with ${JSON.stringify(redisOptions)}`, async () => {
        const cluster = connect({ redisOptions, scaleReads: 'all' });
        const keys = Array.from({ length: 40 }, (_, at) => `key:${at}`);
        await Promise.all(keys.map((key) => cluster.set(key, key)));
        await until('all are read', async () =>
          (await Promise.all(keys.map((key) => cluster.get(key)))).every((value, at) => value === keys[at]),
        );
        const messages: string[] = [];
        cluster.on('message', (_channel, text: string) => messages.push(text));
        cluster.on('smessage', (_channel, text: string) => messages.push(text));
        // Channels of its own: what the client before this one has published may still be on its way to other nodes.
        const own = JSON.stringify(redisOptions);
        await cluster.subscribe(`news ${own}`);
        await cluster.ssubscribe(`shard news ${own}`);
        await cluster.publish(`news ${own}`, 'one');
        await cluster.spublish(`shard news ${own}`, 'two');
        await until('both came', () => messages.toSorted().join() === 'one,two');
        const popped = cluster.blpop('list', 5);
        await cluster.rpush('list', 'x');
        assert.deepEqual(await popped, ['list', 'x']);
        assert.deepEqual(await cluster.multi().set('t', 1).incr('t').exec(), [
          [null, 'OK'],
          [null, 2],
        ]);
      });
    }

    it('follows a slot that moves', async () => {
      const cluster = connect();
      await cluster.set('moved', 1);
      const slot = slotOf('moved');
      const from = await real.ownerOf(slot);
      await real.moveSlot(slot, real.masters.find(({ id }) => id !== from.id)!);
      assert.equal(await cluster.incr('moved'), 2);
      assert.ok(cluster.stats().redirects.moved >= 1);
      await real.moveSlot(slot, from);
      assert.equal(await cluster.incr('moved'), 3);
    });
  });
}
