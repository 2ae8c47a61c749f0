// maxQueueLength and maxQueueBytes: one account of everything that waits in a client, wherever it waits.

import assert from 'node:assert/strict';
import { Cluster, type ClusterOptions, Redis } from '../../../lib/index.ts';
import { type Answer, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';

interface Failure {
  readonly code?: string;
  readonly message: string;
}

const keyOf: Record<'a' | 'b', string> = { a: 'foo', b: 'bar' };

describe('client: bounds of what waits', () => {
  let a: FakeNode;
  let b: FakeNode;
  let client: Cluster | Redis;
  let refuse: Answer;

  beforeEach(async () => {
    refuse = undefined;
    const open = new WeakMap<object, number>();
    const plain = (argv: readonly string[], socket: object): Answer => {
      if (argv[0] === 'cluster') {
        return argv[1]!.toLowerCase() === 'slots'
          ? slotsReply([
              { start: 0, end: 8191, nodes: [b] },
              { start: 8192, end: 16383, nodes: [a] },
            ])
          : clusterOk;
      }
      if (argv[0] === 'ping') return '+PONG\r\n';
      const queued = open.get(socket);
      if (argv[0] === 'exec') {
        open.delete(socket);
        return `*${queued}\r\n${'+OK\r\n'.repeat(queued!)}`;
      }
      if (argv[0] === 'multi') open.set(socket, 0);
      else if (queued !== undefined) open.set(socket, queued + 1);
      else if (refuse !== undefined) return refuse;
      return queued === undefined ? '+OK\r\n' : '+QUEUED\r\n';
    };
    a = await FakeNode.start(plain);
    b = await FakeNode.start(plain);
  });
  afterEach(async () => {
    client?.disconnect();
    await Promise.all([a.close(), b.close()]);
  });

  async function connect(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster([a.key], { silenceTimeout: 0, ...options });
    client = cluster;
    await cluster.ping();
    return cluster;
  }

  function outcome(promise: Promise<unknown>): Promise<unknown> {
    return promise.then(
      () => 'OK',
      ({ code }: Failure) => code,
    );
  }

  const refusedOf = (outcomes: readonly unknown[]): number => outcomes.filter((one) => one === 'ERR_QUEUE_FULL').length;

  /** Both nodes are known, and none but the first is connected: connections made from now on are let in by nobody. */
  async function whileDialing(options: ClusterOptions): Promise<Cluster> {
    const cluster = await connect({ maxQueueLength: 50, ...options });
    await cluster.set(keyOf.a, '1');
    await cluster.set(keyOf.b, '1');
    b.shy = true;
    b.cut();
    await until('b is dialed again', () =>
      cluster.stats().nodes.some(({ key, state }) => key === b.key && state === 'dialing'),
    );
    return cluster;
  }

  it('counts calls that wait for a node to be dialed', async () => {
    const cluster = await whileDialing({});
    const calls = Array.from({ length: 2000 }, () => outcome(cluster.set(keyOf.b, 'x')));
    assert.deepEqual(cluster.stats().queue.calls, 50);
    cluster.disconnect();
    assert.equal(refusedOf(await Promise.all(calls)), 1950);
    assert.deepEqual(cluster.stats().queue, { calls: 0, bytes: 0 });
  });

  it('counts calls of pipelines', async () => {
    const cluster = await whileDialing({});
    const batch = cluster.pipeline();
    for (let at = 0; at < 2000; at++) batch.set(keyOf.b, 'x');
    const running = batch.exec();
    assert.equal(cluster.stats().queue.calls, 50);
    cluster.disconnect();
    const results = await running;
    assert.equal(results!.filter(([error]) => (error as Failure | null)?.code === 'ERR_QUEUE_FULL').length, 1950);
  });

  it('refuses a transaction as a whole, and lets a smaller one in', async () => {
    const cluster = await whileDialing({});
    const large = cluster.multi();
    for (let at = 0; at < 60; at++) large.set(keyOf.b, 'x');
    await assert.rejects(large.exec(), { code: 'ERR_QUEUE_FULL' });
    assert.equal(cluster.stats().queue.calls, 0);
    const small = cluster.multi().set(keyOf.b, 'x').set(keyOf.b, 'y').exec();
    assert.equal(cluster.stats().queue.calls, 4);
    b.shy = false;
    b.cut();
    assert.deepEqual(await small, [
      [null, 'OK'],
      [null, 'OK'],
    ]);
    assert.deepEqual(cluster.stats().queue, { calls: 0, bytes: 0 });
  });

  it('counts calls that wait to be tried again', async () => {
    const cluster = await connect({ maxQueueLength: 50, retryDelayOnClusterDown: 60_000 });
    refuse = '-CLUSTERDOWN The cluster is down\r\n';
    let settled = 0;
    const calls = Array.from({ length: 200 }, () => outcome(cluster.set(keyOf.a, 'x')).finally(() => settled++));
    await until('they wait for a retry, or refused', () => cluster.stats().queue.calls === 50 && settled === 150);
    refuse = undefined;
    cluster.disconnect();
    assert.equal(refusedOf(await Promise.all(calls)), 150);
    assert.deepEqual(cluster.stats().queue, { calls: 0, bytes: 0 });
  });

  it('sums up over nodes whose sockets are behind', async () => {
    const maxQueueBytes = 20_000_000;
    const cluster = await connect({ maxQueueBytes });
    await Promise.all([cluster.set(keyOf.a, '1'), cluster.set(keyOf.b, '1')]);
    a.pause();
    b.pause();
    const value = 'x'.repeat(1_000_000);
    const calls: Promise<unknown>[] = [];
    for (let at = 0; at < 150; at++) calls.push(outcome(cluster.set(at % 2 === 0 ? keyOf.a : keyOf.b, value)));
    const { bytes } = cluster.stats().queue;
    assert.ok(bytes > maxQueueBytes / 2 && bytes <= maxQueueBytes + 2 * value.length, String(bytes));
    a.resume();
    b.resume();
    const refused = refusedOf(await Promise.all(calls));
    assert.ok(refused >= 120 && refused < 150, String(refused));
    await until('nothing waits', () => cluster.stats().queue.bytes === 0);
  });

  it('bounds a node by redisOptions, besides the client', async () => {
    const cluster = await whileDialing({ maxQueueLength: 1000, redisOptions: { maxQueueLength: 10 } });
    const calls = Array.from({ length: 30 }, () => outcome(cluster.set(keyOf.b, 'x')));
    assert.equal(cluster.stats().queue.calls, 10);
    cluster.disconnect();
    assert.equal(refusedOf(await Promise.all(calls)), 20);
  });

  it('still asks what it has to ask when the queue is full', async () => {
    const cluster = await whileDialing({ maxQueueLength: 1 });
    const waiting = cluster.set(keyOf.b, 'x');
    assert.equal(await outcome(cluster.set(keyOf.b, 'y')), 'ERR_QUEUE_FULL');
    b.shy = false;
    b.cut();
    await cluster.refreshSlotsCache();
    assert.equal(await waiting, 'OK');
  });

  it('says the size of one call that is larger than the bound', async () => {
    client = new Redis({ port: a.port, lazyConnect: true, maxQueueBytes: 100 });
    await assert.rejects(client.set('k', 'x'.repeat(200)), {
      code: 'ERR_QUEUE_FULL',
      message: 'A command of 204 bytes may not wait: maxQueueBytes is 100.',
    });
  });

  it('has no bound by default', () => {
    client = new Cluster([a.key], { lazyConnect: true });
    assert.equal(client.options.maxQueueBytes, Number.POSITIVE_INFINITY);
    assert.equal(client.options.maxQueueLength, Number.POSITIVE_INFINITY);
    client.disconnect();
    client = new Redis({ lazyConnect: true });
    assert.equal(client.options.maxQueueBytes, Number.POSITIVE_INFINITY);
    assert.equal(client.options.maxQueueLength, Number.POSITIVE_INFINITY);
  });

  it('holds nothing when all is answered, whatever went wrong in between', async () => {
    const cluster = await connect({ maxQueueLength: 300, maxQueueBytes: 100_000, retryDelayOnClusterDown: 5 });
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < 20; round++) {
      for (let at = 0; at < 30; at++) {
        const key = at % 2 === 0 ? keyOf.a : keyOf.b;
        if (at % 10 === 0) calls.push(outcome(cluster.multi().set(key, 'x'.repeat(at)).set(key, 'y').exec()));
        else calls.push(outcome(cluster.set(key, 'x'.repeat(at * 100))));
      }
      if (round % 5 === 1) a.cut();
      if (round % 5 === 2) b.cut();
      if (round % 5 === 3) refuse = '-CLUSTERDOWN The cluster is down\r\n';
      if (round % 5 === 4) refuse = undefined;
      const { queue } = cluster.stats();
      assert.ok(queue.calls >= 0 && queue.calls <= 300 && queue.bytes >= 0 && queue.bytes <= 100_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    refuse = undefined;
    await Promise.all(calls);
    await until('nothing waits', () => cluster.stats().queue.calls === 0);
    assert.deepEqual(cluster.stats().queue, { calls: 0, bytes: 0 });
  });
});
