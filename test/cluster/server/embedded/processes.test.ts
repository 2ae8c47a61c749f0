import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { slotOf } from '../../../../lib/wire/slot.ts';
import { type ProcessCluster, startCluster } from '../../../../server/index.ts';
import { ask, say } from '../../../kit/ask.ts';
import { until } from '../../../kit/until.ts';

describe('startCluster with processes', function () {
  this.timeout(60_000);
  let cluster: ProcessCluster;
  const slot = slotOf('foo');

  before(async () => {
    const config = { 'cluster-require-full-coverage': 'no', 'cluster-node-timeout': '1000', appendfsync: 'always' };
    cluster = await startCluster({ processes: true, masters: 3, replicas: 0, config });
  });

  after(async () => {
    if (cluster === undefined) return;
    const { dir, nodes } = cluster;
    await cluster.close();
    assert.deepEqual(
      nodes.map(({ running }) => running),
      [false, false, false],
    );
    assert.equal(existsSync(dir), false);
  });

  it('serves from its first moment, each node in a process of its own', async () => {
    const pids = new Set(cluster.nodes.map(({ pid }) => pid));
    assert.deepEqual([pids.size, pids.has(process.pid)], [3, false]);
    const owner = await cluster.ownerOf(slot);
    assert.equal(await ask(owner, 'SET', 'foo', 'bar'), 'OK');
    for (const node of cluster.nodes) {
      assert.equal(String(await ask(node, 'CLUSTER', 'MYID')), node.id);
      if (node !== owner) assert.equal(await say(node, 'GET', 'foo'), `-MOVED ${slot} 127.0.0.1:${owner.port}`);
    }
  });

  it('moves slots, alone and by an operator', async () => {
    const owner = await cluster.ownerOf(slot);
    const target = cluster.nodes.find((node) => node !== owner)!;
    assert.equal(await cluster.moveSlot(slot, target.id), 1);
    assert.equal(await cluster.moveSlot(slot, target), 0);
    assert.equal(String(await ask(target, 'GET', 'foo')), 'bar');
    const operator = cluster.operator();
    const check = await operator.monitor.update();
    await operator.close();
    assert.equal(check.nodes.length, 3);
  });

  it('kills a node as kill -9 does; its acknowledged writes are there when it comes back', async () => {
    const node = await cluster.ownerOf(slot);
    const { pid } = node;
    await ask(node, 'SET', 'foo', 'kept');
    await node.kill('SIGKILL');
    assert.equal(node.running, false);
    assert.throws(() => process.kill(pid, 0), /ESRCH/);
    const other = cluster.nodes.find((each) => each !== node)!;
    await until('it is seen to fail', async () => /,?fail /.test(String(await ask(other, 'CLUSTER', 'NODES'))));
    await node.start();
    assert.notEqual(node.pid, pid);
    await cluster.settled();
    assert.equal(String(await ask(node, 'GET', 'foo')), 'kept');
  });

  it('stops a node in its tracks, and in order', async () => {
    const [node] = cluster.nodes;
    node!.pause();
    let answered = false;
    const answer = ask(node!, 'PING').then((reply) => {
      answered = true;
      return reply;
    });
    await ask(cluster.nodes[1]!, 'DEBUG', 'SLEEP', '0.1');
    assert.equal(answered, false);
    node!.resume();
    assert.equal(await answer, 'PONG');
    await node!.stop();
    assert.equal(node!.running, false);
    await node!.restart();
    assert.equal(await ask(node!, 'PING'), 'PONG');
  });

  it('rejects with what a process said of its own failure', async () => {
    const before = process.env['NODE_OPTIONS'];
    process.env['NODE_OPTIONS'] = '--require=/no/such/file.js';
    try {
      const starting = startCluster({ processes: true, masters: 1, replicas: 0 });
      await assert.rejects(starting, /the node at port \d+: Error: Cannot find module '\/no\/such\/file\.js'/);
    } finally {
      if (before === undefined) delete process.env['NODE_OPTIONS'];
      else process.env['NODE_OPTIONS'] = before;
    }
  });

  it('refuses what processes cannot share', async () => {
    await assert.rejects(startCluster({ processes: true, bus: 'loopback' }), /bus: processes talk over tcp/);
    await assert.rejects(startCluster({ processes: true, masters: 0 }), /masters/);
  });
});
