// What others read of a cluster client's inside, beside ioredis on one real cluster.
import assert from 'node:assert/strict';
import { Cluster as Peer } from 'ioredis';
import { Cluster } from '../../../lib/index.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../kit/real-cluster.ts';

describe('client: internals that others read', () => {
  let servers: RealCluster;
  let peer: Peer;
  let ours: Cluster;

  before(async function () {
    needRedisServer(this, 'internals that others read');
    this.timeout(60_000);
    servers = await startRealCluster();
    peer = new Peer(servers.seeds, { lazyConnect: true });
    ours = new Cluster(servers.seeds, { lazyConnect: true });
  });

  after(async () => {
    peer?.disconnect();
    ours?.disconnect();
    await servers?.stop();
  });

  it('calls back when ready, before and after', async () => {
    const before = new Promise((resolve) => ours.delayUntilReady(resolve));
    await Promise.all([peer.connect(), ours.connect()]);
    assert.equal(await before, undefined);
    assert.equal(await new Promise((resolve) => ours.delayUntilReady(resolve)), undefined);
  });

  it('has the slots, groups and nodes of ioredis', () => {
    const sorted = (slots: string[][]): string[][] => slots.map((keys) => [keys[0]!, ...keys.slice(1).sort()]);
    assert.deepEqual(sorted(ours.slots), sorted(peer.slots));
    assert.equal(ours.slots, ours.slots);
    const inside = peer as unknown as Pick<Cluster, '_groupsBySlot' | '_groupsIds' | 'connectionPool'>;
    assert.deepEqual(ours._groupsBySlot, inside._groupsBySlot);
    assert.deepEqual(Object.values(ours._groupsIds).sort(), Object.values(inside._groupsIds).sort());
    const keysOf = (cluster: typeof inside, role: 'master' | 'slave' | 'all'): string[] =>
      cluster.connectionPool
        .getNodes(role)
        .map(({ options }) => `${options.host}:${options.port}`)
        .sort();
    for (const role of ['master', 'slave', 'all'] as const) assert.deepEqual(keysOf(ours, role), keysOf(inside, role));
    for (const role of ['master', 'slave', 'all'] as const) {
      const named = [ours, inside].map(({ connectionPool: { nodes } }) => Object.keys(nodes[role]).sort());
      assert.deepEqual(named[0], named[1]);
      assert.ok(Object.values(ours.connectionPool.nodes[role]).every((node) => ours.nodes(role).includes(node)));
    }
    const [key] = ours.slots[0]!;
    assert.equal(
      ours.connectionPool.getInstanceByKey(key!),
      ours.nodes('master').find((node) => `${node.options.host}:${node.options.port}` === key),
    );
    assert.ok(ours.nodes('slave').includes(ours.connectionPool.getSampleInstance('slave')!));
    assert.equal(ours.connectionPool.getInstanceByKey('nowhere:1'), undefined);
  });

  it('is not taken for a client of node-redis, by what others look for', () => {
    for (const client of [ours, ...ours.nodes()]) {
      for (const name of ['scanIterator', 'masters', 'nodeClient', 'isOpen', 'isReady', 'destroy', 'v4', 'hSet']) {
        assert.equal(name in client, false, `${client.constructor.name}.${name}`);
      }
    }
  });

  it('rejects those who wait once the client has ended', async () => {
    const other = new Cluster(servers.seeds, { lazyConnect: true });
    const waiting = new Promise((resolve) => other.delayUntilReady(resolve));
    other.disconnect();
    assert.match(String(await waiting), /Cluster is ended/);
    assert.match(String(await new Promise((resolve) => other.delayUntilReady(resolve))), /Connection is closed/);
  });
});
