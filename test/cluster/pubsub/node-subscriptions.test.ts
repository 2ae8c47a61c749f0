// Subscriptions on the objects of nodes(): keyspace notifications are published by the node that holds the key.

import assert from 'node:assert/strict';
import { Cluster, type ClusterOptions, type Redis } from '../../../lib/index.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../kit/real-cluster.ts';
import { until } from '../../kit/until.ts';

describe('subscriptions on nodes of a cluster', function () {
  this.timeout(60_000);
  let real: RealCluster;
  const clients: Cluster[] = [];

  before(async function () {
    needRedisServer(this, 'subscriptions on nodes');
    real = await startRealCluster({ replicas: 0, config: { 'notify-keyspace-events': 'KEA' } });
  });
  after(() => real?.stop());
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect();
  });

  const connect = async (options: ClusterOptions = {}): Promise<Cluster> => {
    const cluster = new Cluster(real.seeds, { lazyConnect: true, ...options });
    cluster.on('error', () => undefined);
    cluster.on('node error', () => undefined);
    clients.push(cluster);
    await cluster.connect();
    return cluster;
  };

  /** Key -> events of it, by all nodes together. */
  const listen = (nodes: readonly Redis[]): Map<string, string[]> => {
    const events = new Map<string, string[]>();
    for (const node of nodes) {
      node.on('pmessage', (_pattern, channel: string, event: string) => {
        const key = channel.replace('__keyspace@0__:', '');
        events.set(key, [...(events.get(key) ?? []), event]);
      });
    }
    return events;
  };

  /** Connections of a node that are subscribed. */
  const subscribed = async (at: number): Promise<string[]> => {
    const list = String(await real.masters[at]!.ask('client', 'list'));
    return list.split('\n').filter((line) => / psub=[1-9]/.test(line));
  };

  for (const protocol of [3, 2] as const) {
    it(`keyspace notifications come from every node, and commands go on, RESP${protocol}`, async () => {
      const cluster = await connect({ redisOptions: { protocol } });
      const nodes = cluster.nodes('master');
      const events = listen(nodes);
      const counts = await Promise.all(nodes.map((node) => node.psubscribe('__keyspace@0__:*')));
      assert.deepEqual(counts, [1, 1, 1]);
      const keys = Array.from({ length: 30 }, (_, at) => `note:${protocol}:${at}`);
      await Promise.all(keys.map((key) => cluster.set(key, 1)));
      await until('every key was notified', () => keys.every((key) => events.has(key)));
      assert.deepEqual([...new Set([...events.values()].flat())], ['set']);
      assert.ok((await Promise.all(nodes.map((node) => node.dbsize()))).every((size) => size > 0));
      // The cluster's own connection has no subscription: these are its nodes' second ones.
      for (const at of [0, 1, 2]) assert.equal((await subscribed(at)).length, 1);
      assert.deepEqual(await Promise.all(nodes.map((node) => node.punsubscribe('__keyspace@0__:*'))), [0, 0, 0]);
      for (const at of [0, 1, 2]) await until('closed with the last', async () => (await subscribed(at)).length === 0);
    });
  }

  it('after a loss the connection is dialed and subscribed again', async () => {
    const cluster = await connect();
    const nodes = cluster.nodes('master');
    const events = listen(nodes);
    await Promise.all(nodes.map((node) => node.psubscribe('__keyspace@0__:again*', 'other')));
    for (const at of [0, 1, 2]) {
      for (const line of await subscribed(at)) {
        await real.masters[at]!.ask('client', 'kill', 'id', /id=(\d+)/.exec(line)![1]!);
      }
    }
    for (const at of [0, 1, 2]) await until('subscribed again', async () => (await subscribed(at)).length === 1);
    await until('a notification comes', async () => {
      await cluster.incr('again');
      return events.has('again');
    });
    assert.equal(await nodes[0]!.psubscribe('third'), 3);
  });

  it('on the Cluster itself they would come from one node: that is warned of, once', async () => {
    const warnings: string[] = [];
    const note = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', note);
    const cluster = await connect();
    await cluster.subscribe('news');
    await cluster.psubscribe('__keyspace@0__:*');
    await cluster.psubscribe(Buffer.from('__keyevent@0__:*'));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', note);
    assert.deepEqual(warnings, [
      "Keyspace notifications come from the node that holds the key: subscribe on each of cluster.nodes('master').",
    ]);
  });

  it('ends with the cluster, and a batch on a node cannot subscribe', async () => {
    const cluster = await connect();
    const [node] = cluster.nodes('master');
    for (const batch of [node!.pipeline(), node!.multi()]) {
      assert.throws(() => batch.psubscribe('a*'), { message: /^psubscribe cannot be part of a pipeline on a node/ });
    }
    assert.equal(await node!.subscribe('one', 'two'), 2);
    cluster.disconnect();
    await assert.rejects(node!.subscribe('three'), { message: 'Node is disconnected' });
    for (const at of [0, 1, 2]) {
      await until(
        'nothing is left open',
        async () => !/ sub=[1-9]/.test(String(await real.masters[at]!.ask('client', 'list'))),
      );
    }
  });
});
