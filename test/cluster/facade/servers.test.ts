// The same few things on a cluster of every kind of server that users have today.

import assert from 'node:assert/strict';
import { Cluster, type ClusterOptions, slotOf } from '../../../lib/index.ts';
import { viewOfNodes, viewOfShards, viewOfSlots } from '../../../lib/topology/view.ts';
import { LeftOut } from '../../../lib/wire/left-out.ts';
import { type RealCluster, type RealNode, startRealCluster } from '../../kit/real-cluster.ts';
import { needServer } from '../../kit/servers.ts';
import { until } from '../../kit/until.ts';

/** What the servers have beyond Redis 7.0. */
const newer = {
  'redis-7': { hashFields: false, msetex: false, vectorSets: false, clusterScan: false },
  'redis-8': { hashFields: true, msetex: false, vectorSets: true, clusterScan: false },
  'valkey-8': { hashFields: false, msetex: false, vectorSets: false, clusterScan: false },
  'valkey-9': { hashFields: true, msetex: true, vectorSets: false, clusterScan: true },
} as const;

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

    it('takes its own newer commands, with a key prefix too', async () => {
      const cluster = connect({ keyPrefix: 'p:' });
      const has = newer[name];
      if (has.hashFields) {
        assert.equal(await cluster.hsetex('h', 'EX', 100, 'FIELDS', 2, 'f', 'v', 'g', 'w'), 1);
        const [ttl] = await cluster.httl('h', 'FIELDS', 1, 'f');
        assert.ok(ttl! > 0 && ttl! <= 100, String(ttl));
        assert.deepEqual(await cluster.hgetex('h', 'PERSIST', 'FIELDS', 1, 'f'), ['v']);
        assert.deepEqual(await cluster.hpttl('h', 'FIELDS', 2, 'f', 'none'), [-1, -2]);
        assert.deepEqual(await cluster.hpexpire('h', 50_000, 'NX', 'FIELDS', 1, 'f'), [1]);
        assert.deepEqual(await cluster.hgetdel('h', 'FIELDS', 1, 'g'), ['w']);
        assert.equal(await connect().call('HLEN', 'p:h'), 1);
      }
      if (has.msetex) {
        assert.equal(await cluster.msetex(2, '{t}a', 1, '{t}b', 2, 'NX', 'EX', 100), 1);
        assert.equal(await cluster.delifeq('{t}a', 'other'), 0);
        assert.equal(await cluster.delifeq('{t}a', 1), 1);
        assert.equal(await cluster.set('{t}b', 3, 'IFEQ', 2), 'OK');
      }
      if (has.vectorSets) {
        assert.equal(await cluster.vadd('v', 'VALUES', 2, 1, 0, 'e'), 1);
        assert.equal(await cluster.vcard('v'), 1);
        assert.equal(await cluster.vrandmember('v'), 'e');
        assert.deepEqual(await cluster.vsim('v', 'ELE', 'e'), ['e']);
      }
      if (has.clusterScan) {
        const keys = Array.from({ length: 50 }, (_, at) => `scanned:${at}`);
        const plain = connect();
        await Promise.all(keys.map((key) => plain.set(key, 1)));
        const found = new Set<string>();
        let cursor = '0';
        do {
          const [next, page] = await plain.clusterscan(cursor, 'MATCH', 'scanned:*', 'COUNT', 1000);
          for (const key of page) found.add(key);
          cursor = next;
        } while (cursor !== '0');
        assert.deepEqual([...found].sort(), keys.sort());
      }
      assert.ok(/^[0-9a-f]{40}$/.test(String(await cluster.cluster('MYID'))));
    });

    // Where fields expire at all.
    const whereFieldsExpire = newer[name].hashFields ? it : (): void => undefined;
    whereFieldsExpire('forgets what it keeps of a hash whose field expires by itself', async () => {
      const keeping = connect({ clientSideCache: {} });
      const other = connect();
      await other.hset('short', 'f', 'v', 'g', 'w');
      await other.hpexpire('short', 100, 'FIELDS', 1, 'f');
      assert.equal(await keeping.hget('short', 'f'), 'v');
      assert.deepEqual(await keeping.hgetall('short'), { f: 'v', g: 'w' });
      assert.ok(keeping.stats().cache!.entries >= 2);
      // Nobody touches the key meanwhile: the server itself removes the field, and says so.
      await until('it has heard of it', () => keeping.stats().cache!.invalidations > 0);
      assert.equal(await keeping.hget('short', 'f'), null);
      assert.deepEqual(await keeping.hgetall('short'), { g: 'w' });
    });

    const onValkey = name.startsWith('valkey') ? it : (): undefined => undefined;
    onValkey('reads from the nodes of its availability zone', async () => {
      for (const node of real.nodes) {
        const zone = real.masters.includes(node) ? 'zone-a' : 'zone-b';
        await node.ask('config', 'set', 'availability-zone', zone);
      }
      const reads = async (nodes: readonly RealNode[]): Promise<number> => {
        const texts = await Promise.all(nodes.map((node) => node.ask('info', 'commandstats')));
        return texts.reduce<number>(
          (sum, text) => sum + Number(/cmdstat_get:calls=(\d+)/.exec(String(text))?.[1] ?? 0),
          0,
        );
      };
      for (const [zone, near, far] of [
        ['zone-b', real.replicas, real.masters],
        ['zone-a', real.masters, real.replicas],
      ] as const) {
        const cluster = connect({ scaleReads: 'all', availabilityZone: zone, replicaCheckInterval: 20 });
        const keys = Array.from({ length: 60 }, (_, at) => `zoned:${at}`);
        await Promise.all(keys.map((key) => cluster.set(key, 1)));
        await until(`reads stay in ${zone}`, async () => {
          const before = [await reads(near), await reads(far)];
          await Promise.all(keys.map((key) => cluster.get(key)));
          const after = [await reads(near), await reads(far)];
          return after[0]! - before[0]! === keys.length && after[1] === before[1];
        });
      }
    });

    if (newer[name].hashFields) {
      it('a field that runs out leaves the near cache', async () => {
        const [cluster, writer] = [connect({ clientSideCache: {} }), connect()];
        await writer.hset('fields', { short: 1, long: 2 });
        assert.deepEqual(await cluster.hgetall('fields'), { short: '1', long: '2' });
        assert.equal(await cluster.hget('fields', 'short'), '1');
        assert.deepEqual(await writer.hpexpire('fields', 200, 'FIELDS', 1, 'short'), [1]);
        await until('the field is gone', async () => (await cluster.hget('fields', 'short')) === null);
        assert.deepEqual(await cluster.hgetall('fields'), { long: '2' });
        assert.ok(cluster.stats().cache!.hits > 0, 'nothing was cached');
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
