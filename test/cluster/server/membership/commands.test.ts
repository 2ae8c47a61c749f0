import assert from 'node:assert/strict';
import { slotOf } from '../../../../lib/wire/slot.ts';
import { type BundledCluster, type BundledNode, startCluster } from '../../../../server/index.ts';
import { say } from '../../../kit/ask.ts';
import { until } from '../../../kit/until.ts';

// Subcommands of CLUSTER that need a cluster.

describe('CLUSTER in a cluster', function () {
  this.timeout(30_000);
  let cluster: BundledCluster;
  before(async () => {
    cluster = await startCluster({ bus: 'tcp', masters: 3, replicas: 1 });
  });
  after(() => cluster.close());

  it('LINKS: one to each peer and one from it, nothing waiting', async () => {
    const [first] = cluster.nodes as [BundledNode, ...BundledNode[]];
    const links = await until('all links', async () => {
      const found = (await say(first, 'CLUSTER', 'LINKS')) as unknown[][];
      return found.length === 10 ? found : undefined;
    });
    const since = Date.now() - 60_000;
    const seen = links!.map((link) => {
      const names = link.filter((_, at) => at % 2 === 0);
      assert.deepEqual(names, [
        'direction',
        'node',
        'create-time',
        'events',
        'send-buffer-allocated',
        'send-buffer-used',
      ]);
      const [direction, node, created, events, allocated, used] = link.filter((_, at) => at % 2 === 1);
      assert.ok(Number(created) > since && Number(created) <= Date.now() + 1000);
      assert.deepEqual([events, allocated, used], ['r', 0, 0]);
      return `${direction} ${node}`;
    });
    const others = cluster.nodes.slice(1).flatMap(({ id }) => [`to ${id}`, `from ${id}`]);
    assert.deepEqual(seen.sort(), others.sort());
  });

  it('INFO: messages by type, in the order of the types', async () => {
    const info = String(await say(cluster.nodes[0]!, 'CLUSTER', 'INFO'));
    assert.match(info, /stats_messages_ping_sent:\d+\r\ncluster_stats_messages_pong_sent:\d+\r\n/);
    assert.match(info, /stats_messages_ping_received:\d+\r\ncluster_stats_messages_pong_received:\d+\r\n/);
    assert.match(info, /total_cluster_links_buffer_limit_exceeded:0\r\n$/);
  });

  it('MYSHARDID: one for a master and its replica, another for others; it stays when they change places', async () => {
    const [first, second] = cluster.nodes as [BundledNode, BundledNode];
    const replica = cluster.nodes.find(({ masterId }) => masterId === first.id)!;
    const shard = String(await say(first, 'CLUSTER', 'MYSHARDID'));
    assert.match(shard, /^[0-9a-f]{40}$/);
    assert.notEqual(shard, first.id);
    assert.equal(await say(replica, 'CLUSTER', 'MYSHARDID'), shard);
    assert.notEqual(await say(second, 'CLUSTER', 'MYSHARDID'), shard);
    await cluster.failover(first);
    assert.equal(replica.role, 'master');
    assert.equal(await say(replica, 'CLUSTER', 'MYSHARDID'), shard);
    assert.equal(await say(first, 'CLUSTER', 'MYSHARDID'), shard);
  });

  it('SLOT-STATS: keys by slot, of a range or in order', async () => {
    const slot = slotOf('{tag}');
    const owner = cluster.ownerOf(slot);
    for (let at = 0; at < 5; at++) await say(owner, 'SET', `{tag}${at}`, 'x');
    const stat = (of: number, keys: number): unknown => [of, ['key-count', keys]];
    const stats = (...words: string[]): Promise<unknown> => say(owner, 'CLUSTER', 'SLOT-STATS', ...words);
    assert.deepEqual(await stats('SLOTSRANGE', String(slot), String(slot)), [stat(slot, 5)]);
    assert.deepEqual(await stats('ORDERBY', 'KEY-COUNT', 'LIMIT', '1'), [stat(slot, 5)]);
    const [start, end] = owner.slots[0]!;
    assert.deepEqual(await stats('ORDERBY', 'key-count', 'ASC', 'LIMIT', '2'), [stat(start, 0), stat(start + 1, 0)]);
    assert.equal(((await stats('SLOTSRANGE', '0', '16383')) as unknown[]).length, end - start + 1);
    assert.match(String(await stats('SLOTSRANGE', '5', '1')), /^-ERR Start slot number 5 is greater than end slot/);
    assert.match(String(await stats('SLOTSRANGE', '0', '16384')), /^-ERR Invalid or out of range slot/);
    assert.match(String(await stats('ORDERBY', 'cpu-usec')), /^-ERR Unrecognized sort metric/);
    assert.match(String(await stats('ORDERBY', 'key-count', 'LIMIT', '0')), /^-ERR Limit has to lie/);
    assert.match(String(await stats('NOSUCH', 'x')), /^-ERR syntax error/);
  });

  it('NODES shows when others last heard of this node itself', async () => {
    const [first] = cluster.nodes as [BundledNode, ...BundledNode[]];
    await until('somebody announced it', async () =>
      /myself,\w+ \S+ 0 [1-9]\d{12} /.test(String(await say(first, 'CLUSTER', 'NODES'))),
    );
  });
});
