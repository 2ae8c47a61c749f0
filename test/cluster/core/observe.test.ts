// Diagnostics channels and stats(): what is published, in which shape, and that ioredis's own publications look alike.

import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { channel, tracingChannel } from 'node:diagnostics_channel';
import { Cluster as Peer } from 'ioredis';
import { Cluster, Redis } from '../../../lib/index.ts';
import { slotOf } from '../../../lib/wire/slot.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { needRedisServer, type RealCluster, sharedRealCluster } from '../../kit/real-cluster.ts';

type Heard = [event: string, context: Record<string, unknown>];

/** Listens to a tracing channel (or a plain one) for the time of `act`. */
async function heardOf(name: string, act: () => Promise<unknown>): Promise<Heard[]> {
  const heard: Heard[] = [];
  const note = (event: string) => (context: unknown) => {
    heard.push([event, { ...(context as object) }]);
  };
  const handlers = {
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
    error: note('error'),
  };
  const plain = note('message');
  tracingChannel(name).subscribe(handlers);
  channel(name).subscribe(plain);
  try {
    await act();
  } finally {
    tracingChannel(name).unsubscribe(handlers);
    channel(name).unsubscribe(plain);
  }
  return heard;
}

describe('client: diagnostics channels on a real cluster', function () {
  this.timeout(30_000);
  let cluster: RealCluster;
  let client: Cluster;
  before(async function () {
    needRedisServer(this, 'client: diagnostics channels on a real cluster');
    cluster = await sharedRealCluster();
    client = new Cluster(cluster.seeds);
    await client.ping();
  });
  after(async () => {
    client?.disconnect();
    await cluster?.flush();
  });

  it('traces a command as ioredis does, and not a value of it', async () => {
    const owner = await cluster.ownerOf(slotOf('seen'));
    const context = {
      command: 'set',
      args: ['seen', '?'],
      database: 0,
      serverAddress: owner.host,
      serverPort: owner.port,
    };
    const heard = await heardOf('ioredis:command', () => client.set('seen', 'secret'));
    deepEqual(heard, [
      ['start', context],
      ['end', context],
      ['asyncStart', { ...context, result: 'OK' }],
      ['asyncEnd', { ...context, result: 'OK' }],
    ]);
    const peer = new Peer(cluster.seeds);
    try {
      await peer.set('seen', 'secret');
      // Another listener of this process may have had it traced, and ioredis publishes the end after its promise.
      await new Promise((resolve) => setImmediate(resolve));
      const theirs = await heardOf('ioredis:command', () => peer.set('seen', 'secret'));
      deepEqual(heard, theirs);
    } finally {
      peer.disconnect();
    }
  });

  it('traces failures, scripts, callbacks, pipelines and transactions, command by command', async () => {
    await client.set('text', 'x');
    const heard = await heardOf('ioredis:command', async () => {
      await rejects(client.incr('text'), /not an integer/);
      await new Promise((resolve) => client.get('text', resolve));
      await client.pipeline().set('p1', '1').get('p2').exec();
      await client.multi().incr('m1').exec();
    });
    const outcomes = heard
      .filter(([event]) => event === 'asyncEnd' || event === 'error')
      .map(([event, { command, error, result }]) => [event, command, error instanceof Error ? 'error' : result]);
    deepEqual(outcomes.slice(0, 3), [
      ['error', 'incr', 'error'],
      ['asyncEnd', 'incr', 'error'],
      ['asyncEnd', 'get', 'x'],
    ]);
    const batched = outcomes
      .slice(3)
      .map((one) => one[1])
      .sort();
    deepEqual(batched, ['get', 'incr', 'set']);
  });

  it('traces batches', async () => {
    const multi = await heardOf('ioredis:batch', () => client.multi().incr('b1').incr('b1').exec());
    deepEqual(
      multi.map(([event]) => event),
      ['start', 'end', 'asyncStart', 'asyncEnd'],
    );
    deepEqual([multi[0]![1]['batchMode'], multi[0]![1]['batchSize']], ['MULTI', 2]);
    const pipeline = await heardOf('lingcache:batch', () => client.pipeline().get('a').get('b').get('c').exec());
    deepEqual([pipeline[0]![1]['batchMode'], pipeline[0]![1]['batchSize']], ['PIPELINE', 3]);
  });

  it('traces connecting: good and bad', async () => {
    const { host, port } = cluster.seeds[0]!;
    const good = await heardOf('ioredis:connect', async () => {
      const redis = new Redis({ host, port });
      await redis.ping();
      redis.disconnect();
    });
    deepEqual(
      good.map(([event]) => event),
      ['start', 'end', 'asyncStart', 'asyncEnd'],
    );
    deepEqual(good[0]![1], { serverAddress: host, serverPort: port, connectionEpoch: 1 });
    const bad = await heardOf('ioredis:connect', async () => {
      const redis = new Redis({ host, port: 1, lazyConnect: true, retryStrategy: null });
      await rejects(redis.connect());
    });
    deepEqual(
      bad.map(([event]) => event),
      ['start', 'end', 'error', 'asyncStart', 'asyncEnd'],
    );
    ok(bad[2]![1]['error'] instanceof Error);
  });

  it('reports refreshes', async () => {
    const heard = await heardOf('lingcache:refresh', () => client.refreshSlotsCache());
    deepEqual(heard, [['message', { reason: 'manual', changed: false, error: undefined }]]);
  });

  it('leaves an unhandled rejection to its owner only', async () => {
    // A listener must not turn a rejection that the user handles into one that nobody does.
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    await heardOf('ioredis:command', async () => {
      await client.set('text', 'x');
      await client.incr('text').catch(() => undefined);
      await client.pipeline().incr('text').exec();
      await new Promise((resolve) => setTimeout(resolve, 10));
    });
    process.off('unhandledRejection', note);
    deepEqual(unhandled, []);
  });

  it('keeps latencies of each node', async () => {
    const own = new Cluster(cluster.seeds);
    try {
      await Promise.all(Array.from({ length: 3000 }, (_, at) => own.get(`lat:${at}`)));
      const masters = own.stats().nodes.filter(({ role }) => role === 'master');
      equal(masters.length, 3);
      for (const { latency } of masters) {
        ok(latency !== undefined && latency.count > 500);
        ok(latency.p50 > 0 && latency.p50 <= latency.p95 && latency.p95 <= latency.p99 && latency.p99 <= latency.max);
      }
    } finally {
      own.disconnect();
    }
  });
});

describe('client: diagnostics channels for redirects', () => {
  it('reports what moved, from where to where, and what is tried again', async () => {
    let answer = 0;
    const script = (argv: readonly string[]): string => {
      if (argv[0] === 'cluster') {
        return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [a] }]) : clusterOk;
      }
      return (
        ['-TRYAGAIN later\r\n', `-ASK ${slotOf('k')} ${b.key}\r\n`, `-MOVED ${slotOf('k')} ${b.key}\r\n`][answer++] ??
        '+OK\r\n'
      );
    };
    const a: FakeNode = await FakeNode.start(script);
    const b = await FakeNode.start(([name]) =>
      name === 'cluster' ? clusterOk : name === 'asking' ? '+OK\r\n' : bulk('v'),
    );
    const client = new Cluster([a.key], { retryDelayOnTryAgain: 1 });
    try {
      const heard = await heardOf('lingcache:redirect', async () => {
        equal(await client.get('k'), 'v');
        equal(await client.get('k'), 'v');
      });
      const slot = slotOf('k');
      deepEqual(
        heard.map(([, { kind, slot, from, to, error }]) => [
          kind,
          slot,
          from,
          to,
          (error as Error).message.split(' ')[0],
        ]),
        [
          ['retry', slot, a.key, undefined, 'TRYAGAIN'],
          ['ask', slot, a.key, b.key, 'ASK'],
          ['moved', slot, a.key, b.key, 'MOVED'],
        ],
      );
      deepEqual(client.stats().redirects, { moved: 1, ask: 1, retried: 1 });
    } finally {
      client.disconnect();
      await Promise.all([a.close(), b.close()]);
    }
  });
});
