import assert from 'node:assert/strict';
import { slotOf } from '../../../../lib/wire/slot.ts';
import { type BundledCluster, type BundledNode, startCluster } from '../../../../server/index.ts';
import { say as saying } from '../../../kit/ask.ts';
import { until } from '../../../kit/until.ts';

// The network between two parts of a cluster breaks and is mended: every packet of the bus between them is dropped.

const config = { 'cluster-node-timeout': '1000' };

const say = async (node: BundledNode, ...argv: string[]): Promise<string> => String(await saying(node, ...argv));

function part(one: readonly BundledNode[], other: readonly BundledNode[]): void {
  for (const node of one) node.server.packetFilter.ignoreNodes(other.map(({ id }) => id));
  for (const node of other) node.server.packetFilter.ignoreNodes(one.map(({ id }) => id));
}

describe('a cluster whose network breaks', function () {
  this.timeout(30_000);
  let cluster: BundledCluster;

  beforeEach(async () => {
    cluster = await startCluster({ bus: 'tcp', masters: 3, replicas: 1, config });
  });
  afterEach(() => cluster.close());

  it('goes on in the larger part, takes no write in the smaller, and is one again when mended', async () => {
    const [lost, kept] = cluster.nodes as [BundledNode, BundledNode];
    const newPrimary = cluster.nodes.find(({ masterId }) => masterId === lost.id)!;
    const stray = cluster.nodes.find(({ masterId }) => masterId === kept.id)!;
    const small = [lost, stray];
    const large = cluster.nodes.filter((node) => !small.includes(node));
    const key = Array.from({ length: 10_000 }, (_, at) => `key:${at}`).find(
      (name) => cluster.ownerOf(slotOf(name)) === lost,
    )!;
    assert.equal(await say(lost, 'SET', key, 'before'), 'OK');
    part(small, large);
    await until('the smaller part stops', async () =>
      (await say(lost, 'SET', key, 'alone')).startsWith('-CLUSTERDOWN'),
    );
    await until('the larger part has a new owner', () => newPrimary.role === 'master' && newPrimary.server.member.up);
    assert.equal(await say(newPrimary, 'SET', key, 'after'), 'OK');
    assert.match(await say(kept, 'GET', key), new RegExp(`^-MOVED \\d+ 127.0.0.1:${newPrimary.port}$`));
    assert.match(await say(lost, 'SET', key, 'late'), /^-CLUSTERDOWN/);
    assert.match(await say(stray, 'GET', key), /^-CLUSTERDOWN/);
    part([], cluster.nodes);
    await until('the old master follows', () => lost.role === 'replica' && lost.masterId === newPrimary.id);
    await cluster.settled();
    assert.equal(await say(newPrimary, 'GET', key), 'after');
    await until('it has what was written meanwhile', () => lost.server.store.has(key) && lost.server.synced);
    assert.match(await say(lost, 'SET', key, 'again'), new RegExp(`^-MOVED \\d+ 127.0.0.1:${newPrimary.port}$`));
    await until('clients are sent there again', async () => {
      const views = await Promise.all(cluster.nodes.map((node) => say(node, 'CLUSTER', 'SLOTS')));
      return views.every((view) => view.includes(`,${lost.port},`));
    });
    await until('nobody is thought lost', async () => {
      const texts = await Promise.all(cluster.nodes.map((node) => say(node, 'CLUSTER', 'NODES')));
      return texts.every((text) => !/fail/.test(text));
    });
  });
});
