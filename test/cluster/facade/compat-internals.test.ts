// What others read of a cluster client's inside, beside ioredis on one real cluster.
import assert from 'node:assert/strict';
import { Cluster as Peer, Redis as PeerRedis } from 'ioredis';
import { Cluster, Redis } from '../../../lib/index.ts';
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

  it('has the socket, the database and the queues of ioredis in a Redis', async () => {
    const { port } = servers.seeds[0]!;
    const looks: unknown[] = [];
    for (const Client of [PeerRedis, Redis as unknown as typeof PeerRedis]) {
      const client = new Client({ host: '127.0.0.1', port, lazyConnect: true, username: 'default' });
      const inside = client as unknown as Inside;
      const seen: unknown[] = [inside.commandQueue.length, inside.offlineQueue.length, inside.condition ?? null];
      seen.push(inside.connector.stream ?? null);
      const connecting = client.connect();
      const early = [client.get('{a}1'), client.get('{a}2').catch(() => null)];
      const { length } = inside.offlineQueue;
      const waiting = inside.offlineQueue.toArray().map(({ command }) => [command.name, [...command.args]]);
      seen.push(length, inside.offlineQueue.isEmpty(), waiting);
      await connecting;
      await Promise.allSettled(early);
      seen.push(inside.connector.stream === client.stream, typeof inside.connector.stream?.unref);
      const { select, auth, subscriber } = inside.condition!;
      seen.push(select, auth, subscriber);
      const blocked = client.client('PAUSE', 60_000, 'WRITE');
      await blocked;
      const outcomes = Promise.allSettled([client.flushall(), client.echo('behind')]);
      seen.push(inside.commandQueue.length, inside.commandQueue.size(), inside.commandQueue.isEmpty());
      seen.push(inside.commandQueue.peekFront()?.command.name);
      seen.push(inside.commandQueue.toArray().map(({ command }) => command.name));
      client.disconnect();
      await outcomes;
      seen.push(inside.commandQueue.length, inside.commandQueue.peekFront() ?? null);
      const other = new Client({ host: '127.0.0.1', port });
      await other.client('UNPAUSE');
      other.disconnect();
      looks.push(seen);
    }
    assert.deepEqual(looks[1], looks[0]);
  });

  it("has the socket of a cluster's node", async () => {
    const [node] = ours.nodes('master') as unknown as [Inside & Redis];
    await node!.ping();
    assert.ok(node!.connector.stream);
    assert.equal(node!.connector.stream, node!.stream);
    assert.equal(node!.commandQueue.length, 0);
    const answer = node!.ping();
    assert.equal(node!.commandQueue.peekFront()!.command.name, 'ping');
    await answer;
  });
});

interface Queue {
  readonly length: number;
  size(): number;
  isEmpty(): boolean;
  peekFront(): { readonly command: { readonly name: string } } | undefined;
  toArray(): { readonly command: { readonly name: string; readonly args: readonly unknown[] } }[];
}

interface Inside {
  readonly connector: { readonly stream?: { unref(): void } };
  readonly commandQueue: Queue;
  readonly offlineQueue: Queue;
  readonly condition: { readonly select: number; readonly auth: unknown; readonly subscriber: unknown } | null;
}
