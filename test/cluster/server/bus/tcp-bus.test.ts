import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Cluster } from '../../../../lib/index.ts';
import { slotOf } from '../../../../lib/wire/slot.ts';
import { type BundledCluster, type BundledNode, startCluster, startNode } from '../../../../server/index.ts';
import { ask } from '../../../kit/ask.ts';
import { until } from '../../../kit/until.ts';

// Our nodes among themselves, every word between them sent as packets over sockets.

const config = { 'cluster-node-timeout': '1000' };

describe('a cluster of our nodes on the TCP bus', function () {
  this.timeout(30_000);

  describe('started as one', () => {
    let cluster: BundledCluster;
    beforeEach(async () => {
      cluster = await startCluster({ bus: 'tcp', masters: 3, replicas: 1, config });
    });
    afterEach(() => cluster.close());

    it('serves, moves a slot and fails over by agreement, no write lost', async () => {
      const client = new Cluster(cluster.seeds);
      try {
        const keys = Array.from({ length: 200 }, (_, at) => `key:${at}`);
        await Promise.all(keys.map((key) => client.set(key, key)));
        const owner = cluster.ownerOf(slotOf('key:7'));
        const target = cluster.nodes.find((node) => node.role === 'master' && node !== owner)!;
        assert.ok((await cluster.moveSlot(slotOf('key:7'), target)) > 0);
        await cluster.failover(owner);
        assert.equal(owner.role, 'replica');
        await cluster.settled();
        assert.deepEqual(await Promise.all(keys.map((key) => client.get(key))), keys);
      } finally {
        client.disconnect();
      }
    });

    it('elects a replica when a master is killed; the master comes back as its replica', async () => {
      const lost = cluster.ownerOf(0);
      await lost.kill();
      const newPrimary = (await until('a replica is elected', () => {
        try {
          return cluster.ownerOf(0);
        } catch {
          return undefined;
        }
      }))!;
      await cluster.settled();
      assert.ok(newPrimary.state!.currentEpoch > 3);
      await lost.restart();
      await until('it follows', () => lost.role === 'replica' && lost.masterId === newPrimary.id);
    });

    it('notices a frozen master, elects another, and takes the first back when it thaws', async () => {
      const frozen = cluster.ownerOf(0);
      const others = cluster.nodes.filter((node) => node !== frozen);
      frozen.pause();
      const newPrimary = (await until('a replica is elected', () =>
        others.find((node) => node.role === 'master' && node.state!.owners.get(0) === node.id),
      ))!;
      frozen.resume();
      await until('it follows', () => frozen.role === 'replica' && frozen.masterId === newPrimary.id);
      await cluster.settled();
      const view = await until('all is well', async () => {
        const text = String(await ask(newPrimary, 'CLUSTER', 'NODES'));
        return /fail|disconnected/.test(text) ? undefined : text;
      });
      assert.match(view!, new RegExp(`^${frozen.id} .* slave ${newPrimary.id} `, 'm'));
    });

    it('carries messages to subscribers on other nodes', async () => {
      const [publisher, subscriber] = [new Cluster(cluster.seeds), new Cluster(cluster.seeds)];
      try {
        const got: string[] = [];
        subscriber.on('message', (_channel, text) => void got.push(String(text)));
        await subscriber.subscribe('news');
        const bytes = 'h\u00e9llo \r\n\0';
        for (const node of cluster.nodes) await ask(node, 'PUBLISH', 'news', 'from everywhere');
        await publisher.publish('news', bytes);
        await until('all arrived', () => got.length === cluster.nodes.length + 1);
        assert.ok(got.includes(bytes));
      } finally {
        publisher.disconnect();
        subscriber.disconnect();
      }
    });
  });

  describe('met one by one', () => {
    let nodes: BundledNode[];
    beforeEach(async () => {
      nodes = await Promise.all([1, 2, 3].map(() => startNode({ cluster: true, bus: 'tcp', config })));
    });
    afterEach(() => Promise.all(nodes.map((node) => node.kill())));

    it('all know all by gossip, share out the slots and serve', async () => {
      const [first, second, third] = nodes as [BundledNode, BundledNode, BundledNode];
      await ask(first, 'CLUSTER', 'MEET', '127.0.0.1', String(second.port));
      await ask(second, 'CLUSTER', 'MEET', '127.0.0.1', String(third.port));
      await until('all know all', () =>
        nodes.every(({ state }) => [...state!.nodes.values()].filter(({ handshake }) => !handshake).length === 3),
      );
      await Promise.all([
        ask(first, 'CLUSTER', 'ADDSLOTSRANGE', '0', '5000'),
        ask(second, 'CLUSTER', 'ADDSLOTSRANGE', '5001', '10000'),
        ask(third, 'CLUSTER', 'ADDSLOTSRANGE', '10001', '16383'),
      ]);
      await until('all are ok', async () => {
        const infos = await Promise.all(nodes.map((node) => ask(node, 'CLUSTER', 'INFO')));
        return infos.every((info) => String(info).includes('cluster_state:ok'));
      });
      // Epochs were equal at first: the collision must have been settled.
      await until('every epoch is its own', () => {
        const epochs = [...first.state!.nodes.values()].map(({ configEpoch }) => configEpoch);
        return new Set(epochs).size === 3;
      });
    });
  });

  it('a bus port that is taken is an error, and nothing stays open', async () => {
    const { port } = await startNode({ cluster: true, bus: 'tcp' }).then(async (node) => {
      await node.kill();
      return node;
    });
    const other = createServer().listen(port + 10_000, '127.0.0.1');
    await once(other, 'listening');
    await assert.rejects(startNode({ port, cluster: true, bus: 'tcp' }), /EADDRINUSE/);
    await new Promise((resolve) => other.close(resolve));
    const node = await startNode({ port, cluster: true, bus: 'tcp' });
    await node.kill();
  });
});
