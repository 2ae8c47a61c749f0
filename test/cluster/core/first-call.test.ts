// What a call waits for that is issued before the client is ready: the map and its node, side by side with the look at the
// cluster's state.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Cluster } from '../../../lib/index.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';

describe('client: the first call', () => {
  let seed: FakeNode;
  let owner: FakeNode;
  /** The connection whose CLUSTER INFO has no answer yet. */
  let asking: Socket | undefined;

  beforeEach(async () => {
    asking = undefined;
    owner = await FakeNode.start((argv) => (argv[0] === 'get' ? bulk('v') : '+OK\r\n'));
    seed = await FakeNode.start((argv, socket) => {
      if (argv[0] !== 'cluster') return '+OK\r\n';
      if (argv[1]!.toLowerCase() === 'info') asking = socket;
      if (argv[1]!.toLowerCase() !== 'slots') return argv[1] === 'INFO' ? undefined : clusterOk;
      const [mine, other] = [seed, owner].map(({ port }) => ({ host: '127.0.0.1', port }));
      // The slot of k is 7629.
      return slotsReply([
        { start: 0, end: 5000, nodes: [mine!] },
        { start: 5001, end: 16383, nodes: [other!] },
      ]);
    });
  });
  afterEach(() => Promise.all([seed.close(), owner.close()]));

  it('has its node connected while the cluster is asked whether it is well', async () => {
    const cluster = new Cluster([{ host: '127.0.0.1', port: seed.port }]);
    const answer = cluster.get('k');
    await until('the owner is connected', () => owner.count('hello') > 0);
    assert.ok(asking !== undefined);
    assert.equal(cluster.status, 'connect');
    assert.deepEqual(owner.commands, []);
    asking.write(clusterOk);
    assert.equal(await answer, 'v');
    assert.equal(owner.connections, 1);
    await cluster.quit();
  });

  it('has nobody else connected for what any node may answer', async () => {
    const cluster = new Cluster([{ host: '127.0.0.1', port: seed.port }]);
    const answer = cluster.ping();
    await until('the state is asked for', () => asking !== undefined);
    assert.equal(owner.connections, 0);
    asking!.write(clusterOk);
    assert.equal(await answer, 'OK');
    cluster.disconnect();
  });

  it('has nobody connected for a read that a replica may answer', async () => {
    const cluster = new Cluster([{ host: '127.0.0.1', port: seed.port }], { scaleReads: 'slave' });
    const answer = cluster.get('k');
    await until('the state is asked for', () => asking !== undefined);
    assert.equal(owner.connections, 0);
    asking!.write(clusterOk);
    assert.equal(await answer, 'v');
    cluster.disconnect();
  });
});
