// How a cluster's classic subscriptions find a node: a connection may take its time, others are tried beside it, and a
// call that finds none gets the reason.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Cluster, type ClusterOptions } from '../../../lib/index.ts';
import { type Answer, bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';

function confirmations(argv: readonly string[]): string {
  const [kind, ...names] = argv as [string, ...string[]];
  return names.map((name, at) => `>3\r\n${bulk(kind)}${bulk(name)}:${at + 1}\r\n`).join('');
}

describe('client: how a subscriber finds its node', () => {
  const nodes: FakeNode[] = [];
  let client: Cluster | undefined;

  afterEach(async () => {
    client?.disconnect();
    await Promise.all(nodes.splice(0).map((node) => node.close()));
  });

  /** A cluster of nodes that confirm subscriptions, unless `special` says something else. */
  async function cluster(
    count: number,
    options: ClusterOptions = {},
    special: (argv: readonly string[], node: FakeNode, socket: Socket) => Answer | 'usual' = () => 'usual',
  ): Promise<Cluster> {
    for (let at = 0; at < count; at++) {
      const node: FakeNode = await FakeNode.start((argv, socket) => {
        const said = special(argv, node, socket);
        if (said !== 'usual') return said;
        if (/^p?(un)?subscribe$/.test(argv[0]!)) return confirmations(argv);
        if (argv[0] !== 'cluster') return bulk(argv.join(' '));
        if (argv[1]!.toLowerCase() !== 'slots') return clusterOk;
        const size = Math.ceil(16384 / count);
        return slotsReply(
          nodes.map((one, index) => ({
            start: index * size,
            end: Math.min(16383, (index + 1) * size - 1),
            nodes: [one],
          })),
        );
      });
      nodes.push(node);
    }
    client = new Cluster([nodes[0]!.port], options);
    client.on('error', () => {});
    await client.ping();
    // So that all nodes are known and up.
    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((key) => client!.get(key)));
    return client;
  }

  const subscribes = (): number => nodes.reduce((sum, node) => sum + node.count('subscribe'), 0);
  const connections = (): number => nodes.reduce((sum, node) => sum + node.connections, 0);

  it('a node that takes 3 s to let in is waited for', async function () {
    this.timeout(30_000);
    const subscribing = await cluster(1);
    const node = nodes[0]!;
    const before = node.connections;
    node.delay = 3000;
    assert.equal(await subscribing.subscribe('news'), 1);
    assert.equal(node.connections, before + 1);
  });

  it('others are tried beside a slow one, no more than three at a time, and the first that is up is taken', async function () {
    this.timeout(60_000);
    const subscribing = await cluster(4);
    const before = connections();
    for (const node of nodes) node.delay = 9000;
    const subscribed = subscribing.subscribe('news');
    await until('a second is tried', () => connections() === before + 2);
    await until('a third is tried', () => connections() === before + 3);
    assert.equal(await subscribed, 1);
    assert.equal(connections(), before + 3);
    assert.equal(subscribes(), 1);
    await until('the others are closed', () => nodes.reduce((sum, node) => sum + node.open, 0) === nodes.length + 1);
  });

  it('nodes that refuse are tried again after pauses that grow, and the call gets the reason', async () => {
    let refusing = false;
    const subscribing = await cluster(3, { retryDeadline: 2000 }, (argv, _node, socket) => {
      if (refusing && argv[0] === 'subscribe') {
        socket.destroy();
        return undefined;
      }
      return 'usual';
    });
    refusing = true;
    const before = connections();
    const calls: Promise<unknown>[] = [subscribing.subscribe('news'), subscribing.psubscribe('n*')];
    for (const call of calls) {
      await assert.rejects(call, (error: Error & { code: string; attempts: number }) => {
        assert.equal(error.code, 'ERR_RETRY_DEADLINE');
        assert.match(error.message, /^No answer to p?subscribe within 2000ms \(retryDeadline\)\. 127\.0\.0\.1:\d+: /);
        assert.ok(error.attempts > 0);
        return true;
      });
    }
    const dials = connections() - before;
    assert.ok(dials >= 3 && dials <= 12, `${dials} connections`);
    // What was refused to its caller is wanted no longer.
    refusing = false;
    const tries = subscribes();
    assert.equal(await subscribing.subscribe('other'), 1);
    const words = nodes.flatMap((node) => node.seen.filter(({ argv }) => argv[0] === 'subscribe')).length;
    assert.equal(words, tries + 1);
  });

  it('an unsubscribe that nobody answers is given up as well', async () => {
    const subscribing = await cluster(1, { retryDeadline: 300 }, (argv) =>
      argv[0] === 'unsubscribe' ? undefined : 'usual',
    );
    await subscribing.subscribe('news');
    await assert.rejects(subscribing.unsubscribe('news'), { code: 'ERR_RETRY_DEADLINE' });
  });

  it('a shard subscription that nobody answers gets what it waited for', async () => {
    const subscribing = await cluster(1, { retryDeadline: 300 }, (argv) =>
      argv[0] === 'ssubscribe' ? undefined : 'usual',
    );
    await assert.rejects(subscribing.ssubscribe('news'), (error: Error & { code: string }) => {
      assert.equal(error.code, 'ERR_RETRY_DEADLINE');
      assert.match(error.message, new RegExp(`${nodes[0]!.key}: no answer yet`));
      return true;
    });
  });

  it('a refused subscription is not wanted any more', async () => {
    const subscribing = await cluster(1, {}, (argv) =>
      argv[0] === 'subscribe' && argv[1] === 'secret' ? '-NOPERM no\r\n' : 'usual',
    );
    await subscribing.subscribe('news');
    await assert.rejects(subscribing.subscribe('secret'), /NOPERM/);
    const before = subscribes();
    nodes[0]!.cut();
    await until('it is subscribed again', () => subscribes() > before);
    assert.deepEqual(nodes[0]!.seen.filter(({ argv }) => argv[0] === 'subscribe').at(-1)!.argv, ['subscribe', 'news']);
  });

  it('SUBSCRIBE is written once, and once more on each new connection', async () => {
    const subscribing = await cluster(1);
    await subscribing.subscribe('a', 'b');
    assert.equal(subscribes(), 1);
    nodes[0]!.cut();
    await until('it is subscribed again', () => subscribes() === 2);
    const late = subscribing.subscribe('c');
    await late;
    assert.deepEqual(
      nodes[0]!.seen.filter(({ argv }) => argv[0] === 'subscribe').map(({ argv }) => argv.slice(1).join()),
      ['a,b', 'a,b', 'c'],
    );
  });

  for (const connectionName of [undefined, 'app']) {
    it(`connections that carry messages are named (${connectionName ?? 'no name given'})`, async () => {
      const subscribing = await cluster(1, { redisOptions: { connectionName } }, (argv) =>
        argv[0] === 'ssubscribe' ? confirmations(argv) : 'usual',
      );
      await subscribing.subscribe('news');
      await subscribing.ssubscribe('news');
      const names = nodes[0]!.seen
        .filter(({ argv }) => argv[0] === 'client' && argv[1] === 'setname')
        .map(({ argv }) => argv[2]);
      const tail = connectionName === undefined ? '' : ':app';
      for (const part of ['subscriber', 'ssubscriber']) assert.ok(names.includes(`ioredis-cluster(${part})${tail}`));
    });
  }

  it('a node that lets nobody in is left when connectTimeout ends', async () => {
    const subscribing = await cluster(1, { retryDeadline: 400, redisOptions: { connectTimeout: 100 } });
    nodes[0]!.shy = true;
    await assert.rejects(subscribing.subscribe('news'), /127\.0\.0\.1:\d+: connect ETIMEDOUT/);
  });
});
