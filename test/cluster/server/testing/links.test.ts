// Links of lingcache/testing: slow, lossy, parted and dead, between clients and nodes and between nodes, the same for the
// bundled server in this process and for redis-server.

import assert from 'node:assert/strict';
import { Cluster } from '../../../../lib/index.ts';
import { startCluster, type TestCluster, type TestNode } from '../../../../server/testing/testing.ts';
import { needRedisServer } from '../../../kit/redis-server.ts';
import { programUnderTest } from '../../../kit/servers.ts';
import { until } from '../../../kit/until.ts';

const config = { 'cluster-node-timeout': '1000', 'repl-timeout': '60' };

async function took(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

for (const kind of ['in this process', 'of a real server'] as const) {
  describe(`testing: links of a cluster ${kind}`, function () {
    this.timeout(90_000);
    let cluster: TestCluster;
    let client: Cluster;

    before(async function () {
      if (kind === 'of a real server') needRedisServer(this);
      const server = programUnderTest() === 'redis-server' ? 'redis-7' : programUnderTest();
      cluster = await startCluster({ links: true, config, seed: 11, ...(kind === 'of a real server' && { server }) });
      client = new Cluster(cluster.seeds);
      client.on('error', () => undefined);
    });
    after(async () => {
      client?.disconnect();
      await cluster?.close();
    });
    afterEach(() => cluster?.reset());

    async function ownerAndKey(): Promise<{ owner: TestNode; replica: TestNode; others: TestNode[]; key: string }> {
      const key = 'k';
      const owner = await cluster.ownerOf(key);
      const [replica] = await cluster.replicas(owner);
      const others = cluster.nodes.filter((node) => node !== owner && node !== replica);
      return { owner, replica: replica!, others, key };
    }

    it('what is not there is found at once to be not there', async () => {
      assert.deepEqual([await cluster.get('none'), await cluster.dump()], [null, {}]);
    });

    it('clients and nodes meet at the proxies alone', async () => {
      assert.equal(await client.set('k', 'v'), 'OK');
      assert.equal(await cluster.get('k'), 'v');
      const slots = (await client.cluster('SLOTS')) as unknown as [number, number, ...[string, number][]][];
      const ports = slots.flatMap(([, , ...nodes]) => nodes.map(([, port]) => port));
      assert.deepEqual(ports.sort(), cluster.ports.sort());
      assert.ok(cluster.linkCounts.connections > 6 * 5, 'the bus goes through them too');
    });

    it('latency is added to every call, both ways, and ends with clear()', async () => {
      const { owner, key } = await ownerAndKey();
      await client.get(key);
      const slow = cluster.link('clients', owner, { latencyMs: 40 });
      assert.ok((await took(() => client.get(key))) >= 80);
      assert.throws(() => cluster.assertNoPendingFaults(), /links that were not healed/);
      slow.clear();
      cluster.assertNoPendingFaults();
    });

    it('what is behind something slow does not overtake it', async () => {
      const { owner, key } = await ownerAndKey();
      cluster.link('clients', owner, { latencyMs: 1, jitterMs: 20, chances: { halve: 0.5 } });
      const replies = await Promise.all(Array.from({ length: 50 }, () => client.incr(key)));
      assert.deepEqual(
        replies,
        Array.from({ length: 50 }, (_, at) => at + 1),
      );
      assert.ok(cluster.linkCounts.halve > 0);
    });

    it('bandwidth bounds how fast bytes come', async () => {
      const { owner, key } = await ownerAndKey();
      await client.set(key, 'x'.repeat(40_000));
      cluster.link(owner, 'clients', { bandwidth: 200_000, oneWay: true });
      assert.ok((await took(() => client.get(key))) >= 190);
    });

    it('reset connections are made anew, and calls go through', async () => {
      await client.set('k', '1');
      assert.ok(cluster.resetLinks() > 0);
      assert.equal(await client.get('k'), '1');
      cluster.link('clients', '*', { chances: { reset: 0.03, cutInside: 0.03 } });
      const { reset } = cluster.linkCounts;
      await until('some are lost', async () => {
        await client.get('k');
        return cluster.linkCounts.reset > reset + 1 && cluster.linkCounts.cutInside > 0;
      });
    });

    it('a lost link says nothing, and delivers when healed', async () => {
      const { owner, key } = await ownerAndKey();
      await client.set(key, 'v');
      cluster.link('clients', owner, { lost: true });
      let answer: string | null | undefined;
      const pending = client.get(key).then((value) => {
        answer = value;
      });
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(answer, undefined);
      cluster.heal();
      await pending;
      assert.equal(answer, 'v');
    });

    it('a replica lags by so much, and clients do not', async () => {
      const { replica, key } = await ownerAndKey();
      await client.set(key, 'before');
      await client.wait(1, 5000);
      const lagging = cluster.lag(replica, 300);
      const start = performance.now();
      assert.equal(await client.set(key, 'after'), 'OK');
      await replica.call('READONLY');
      const valueThere = async (): Promise<boolean> => {
        const offset = async (node: TestNode): Promise<string | undefined> =>
          /(?:master|slave)_repl_offset:(\d+)/.exec(String(await node.call('INFO', 'replication')))?.[1];
        return (await offset(replica)) === (await offset(await cluster.ownerOf(key)));
      };
      await until('it has come', valueThere);
      assert.ok(performance.now() - start >= 290);
      lagging.clear();
    });

    it('parted, the smaller side stops and the larger goes on; healed, all are one again', async () => {
      const { owner, replica, others, key } = await ownerAndKey();
      await client.set(key, 'before');
      await client.wait(1, 5000);
      cluster.partition([owner], [replica, ...others, 'clients']);
      await until('the replica has taken over', async () => {
        const text = String(await replica.call('CLUSTER', 'NODES'));
        return /myself,master/.test(text);
      });
      assert.equal(await client.set(key, 'after'), 'OK');
      await until('the other side knows that it is alone', async () =>
        /cluster_state:fail/.test(String(await owner.call('CLUSTER', 'INFO'))),
      );
      cluster.heal();
      await until('it follows', async () => /myself,slave/.test(String(await owner.call('CLUSTER', 'NODES'))));
      await cluster.settled();
      assert.equal(await cluster.get(key), 'after');
    });

    it('one way only, both sides still notice', async () => {
      const { owner, replica, others } = await ownerAndKey();
      cluster.partitionOneWay([owner], [replica, ...others]);
      await until('they take it for failed', async () => {
        const [other] = others;
        const line = String(await other!.call('CLUSTER', 'NODES'))
          .split('\n')
          .find((text) => text.startsWith(owner.id));
        return /fail/.test(line ?? '');
      });
    });

    it('without pings and pongs of the bus a node is taken for failed, although its links are up', async () => {
      const { owner, others } = await ownerAndKey();
      const isFailed = async (): Promise<boolean> => {
        const line = String(await others[0]!.call('CLUSTER', 'NODES'))
          .split('\n')
          .find((text) => text.startsWith(owner.id));
        return /fail/.test(line ?? '');
      };
      await until('nothing of an earlier fault is left', async () => !(await isFailed()));
      const before = cluster.linkCounts.dropped;
      cluster.link(owner, '*', { drop: ['ping', 'pong'], traffic: 'bus' });
      await until('it is', isFailed);
      assert.ok(cluster.linkCounts.dropped > before);
    });

    it('names the option that is wrong', () => {
      for (const [shape, message] of [
        [{ latency: 5 }, /^latency: a link has no such option/],
        [{ latencyMs: -1 }, /^latencyMs: /],
        [{ bandwidth: 0 }, /^bandwidth: /],
        [{ chances: { explode: 1 } }, /^chances: 'explode'/],
        [{ chances: { reset: 2 } }, /^chances.reset: /],
        [{ chances: { reset: 0.6, halve: 0.6 } }, /^chances: their sum/],
        [{ drop: ['pang'] }, /^drop: /],
        [{ traffic: 'all' }, /^traffic: /],
      ] as const) {
        assert.throws(() => cluster.link('clients', 0, shape as object), { name: 'RangeError', message });
      }
      assert.throws(() => cluster.partition([0]), /at least two groups/);
      assert.throws(() => cluster.partition([0], [0]), /in two groups/);
      assert.throws(() => cluster.partition([0], ['*']), /'\*' is in no group/);
      assert.throws(() => cluster.link('client', 0, {}), /no node client/);
    });
  });
}

describe('testing: a cluster without links', () => {
  it('says what to start it with', async () => {
    await using cluster = await startCluster({ masters: 1, replicas: 0 });
    assert.throws(() => cluster.link('clients', 0, {}), /start the cluster with \{ links: true \}/);
    assert.throws(() => cluster.partition([0], ['clients']), /partition: start the cluster with/);
  });
});
