// What this client does beyond ioredis, on a real cluster: split and fanned-out commands, blocking calls on
// connections of their own, cancellation, disposal.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, type ClusterOptions, PartialFailureError } from '../../../lib/index.ts';
import { slotOf } from '../../../lib/wire/slot.ts';
import { needRedisServer, type RealCluster, sharedRealCluster } from '../../kit/real-cluster.ts';

describe('client: beyond ioredis', function () {
  this.timeout(30_000);
  let real: RealCluster;
  const open: Cluster[] = [];

  function connect(options: ClusterOptions = {}): Cluster {
    const cluster = new Cluster(real.seeds, options);
    open.push(cluster);
    return cluster;
  }

  before(async function () {
    needRedisServer(this, 'features beyond ioredis');
    real = await sharedRealCluster();
  });
  beforeEach(() => real.flush());
  afterEach(() => {
    for (const cluster of open.splice(0)) cluster.disconnect();
  });

  const keys = Array.from({ length: 200 }, (_, at) => `key:${at}`);

  describe("crossSlot: 'split'", () => {
    it('splits and stitches MSET, MGET, EXISTS, TOUCH, UNLINK and DEL in order', async () => {
      const cluster = connect({ crossSlot: 'split' });
      assert.equal(await cluster.mset(keys.flatMap((key, at) => [key, `v${at}`])), 'OK');
      const wanted = keys.map((_, at) => `v${at}`);
      assert.deepEqual(await cluster.mget(keys), wanted);
      assert.deepEqual(await cluster.mget(...keys, 'absent', keys[0]!), [...wanted, null, 'v0']);
      assert.deepEqual(await cluster.mgetBuffer(keys.slice(0, 2)), [Buffer.from('v0'), Buffer.from('v1')]);
      assert.equal(await cluster.exists(...keys, 'absent', keys[0]!), 201);
      assert.equal(await cluster.touch(...keys), 200);
      assert.equal(await cluster.unlink(...keys.slice(0, 50)), 50);
      assert.equal(await cluster.del(...keys), 150);
    });

    it('works in pipelines and with a key prefix', async () => {
      const cluster = connect({ crossSlot: 'split', keyPrefix: 'p:' });
      const results = await cluster.pipeline().mset({ a: 1, b: 2, c: 3 }).mget('a', 'b', 'c').del('a', 'b', 'c').exec();
      assert.deepEqual(results, [
        [null, 'OK'],
        [null, ['1', '2', '3']],
        [null, 3],
      ]);
    });

    it('reports exactly which parts failed', async () => {
      const cluster = connect({ crossSlot: 'split', redisOptions: { showFriendlyErrorStack: false } });
      // MSET with a wrong type cannot fail; an ACL that hides one key can.
      await Promise.all(real.nodes.map((node) => node.ask('acl', 'setuser', 'default', 'resetkeys', '~key:*')));
      try {
        const error = await cluster.mget('key:1', 'hidden', 'key:2').then(
          () => assert.fail('resolved'),
          (reason: unknown) => reason,
        );
        assert.ok(error instanceof PartialFailureError);
        assert.match(error.message, /^1 of 3 parts of MGET failed: NOPERM/);
        const failed = error.parts.filter((part) => part.error !== null);
        assert.deepEqual(
          failed.map(({ subject }) => subject),
          [['hidden']],
        );
        assert.equal(error.parts.length, 3);
      } finally {
        await Promise.all(real.nodes.map((node) => node.ask('acl', 'setuser', 'default', 'allkeys')));
      }
    });

    it('leaves keys of one slot, and wrong numbers of arguments, to the server', async () => {
      const cluster = connect({ crossSlot: 'split' });
      assert.equal(await cluster.mset('{t}a', 1, '{t}b', 2), 'OK');
      await assert.rejects(cluster.call('mset', '{t}a', '1', '{t}b') as Promise<unknown>, /wrong number of arguments/);
    });

    it('is refused as Redis refuses by default', async () => {
      await assert.rejects(connect().mget('a', 'b'), /CROSSSLOT/);
    });
  });

  describe('fanOut', () => {
    it('asks every shard and joins the answers', async () => {
      const cluster = connect({ fanOut: true, crossSlot: 'split' });
      await cluster.mset(keys.flatMap((key) => [key, 'x']));
      assert.equal(await cluster.dbsize(), 200);
      assert.deepEqual((await cluster.keys('key:*')).toSorted(), keys.toSorted());
      const sha = (await cluster.script('LOAD', 'return 7')) as string;
      assert.deepEqual(await cluster.script('EXISTS', sha), [1]);
      for (const node of cluster.nodes('master')) assert.equal(await node.evalsha(sha, 0), 7);
      assert.equal(await cluster.flushall(), 'OK');
      assert.equal(await cluster.dbsize(), 0);
    });

    it('waits for the map when called before ready, and works in pipelines', async () => {
      const cluster = connect({ fanOut: true });
      const size = cluster.dbsize();
      assert.equal(await size, 0);
      const results = await cluster.pipeline().set('a', 1).dbsize().exec();
      assert.equal(results![1]![0], null);
    });

    it('is off by default, as in ioredis', async () => {
      const cluster = connect({ crossSlot: 'split' });
      await cluster.mset(keys.flatMap((key) => [key, 'x']));
      assert.ok((await cluster.dbsize()) < 200);
    });
  });

  describe('blocking calls', () => {
    it('do not hold up others of the same node', async () => {
      const cluster = connect();
      const popped = [
        cluster.blpop('list', 0),
        cluster.blpop('list', 0),
        cluster.xread('BLOCK', 0, 'STREAMS', '{list}s', '$'),
      ];
      await pause(50);
      for (let at = 0; at < 50; at++) await cluster.set('{list}x', at);
      await cluster.rpush('list', 'a', 'b');
      assert.deepEqual((await Promise.all(popped.slice(0, 2))).toSorted(), [
        ['list', 'a'],
        ['list', 'b'],
      ]);
      await cluster.xadd('{list}s', '*', 'f', 'v');
      const [[stream]] = (await popped[2]) as unknown as [[string]];
      assert.equal(stream, '{list}s');
    });

    it('leave one named connection a node, as clients are counted', async () => {
      const cluster = connect({ redisOptions: { connectionName: 'counted' } });
      const popped = cluster.blpop('counted', 0);
      await pause(100);
      const [owner] = cluster.slots[slotOf('counted')]!;
      const node = cluster.nodes('master').find(({ options }) => `${options.host}:${options.port}` === owner)!;
      const named = String(await node.client('LIST'))
        .split('\n')
        .filter((line) => line.includes('name=counted '));
      assert.equal(named.length, 1);
      await cluster.rpush('counted', 1);
      await popped;
    });

    it('use their connections again', async () => {
      const cluster = connect();
      await cluster.ping();
      const clients = async (): Promise<number> => {
        const [owner] = cluster
          .nodes('master')
          .filter((node) => `127.0.0.1:${node.options.port}` === cluster.slots[slotOf('q')]![0]);
        return String(await owner!.client('LIST')).split('\n').length;
      };
      await cluster.rpush('q', 1, 2, 3);
      await cluster.blpop('q', 1);
      const before = await clients();
      await cluster.blpop('q', 1);
      await cluster.blpop('q', 1);
      assert.equal(await clients(), before);
    });
  });

  describe('AbortSignal', () => {
    it('drops what was not sent and lets go of what was', async () => {
      const cluster = connect();
      const early = new AbortController();
      const held = cluster.withAbortSignal(early.signal).set('a', 'never');
      early.abort();
      await assert.rejects(held, { name: 'AbortError', code: 'ABORT_ERR' });
      await cluster.ping();
      assert.equal(await cluster.get('a'), null);
      const late = new AbortController();
      const sent = cluster.withAbortSignal(late.signal).set('a', 'sent');
      await new Promise((resolve) => process.nextTick(resolve));
      late.abort(new Error('changed my mind'));
      await assert.rejects(sent, (error: Error) => (error.cause as Error).message === 'changed my mind');
      assert.equal(await cluster.get('a'), 'sent');
    });

    it('rejects at once when it has fired already', async () => {
      const commands = connect().withAbortSignal(AbortSignal.abort());
      await assert.rejects(commands.get('a'), { code: 'ABORT_ERR' });
      await assert.rejects(commands.pipeline().get('a').exec(), { code: 'ABORT_ERR' });
    });

    it('takes a blocking call off the server: nothing is popped for it', async () => {
      const cluster = connect();
      const control = new AbortController();
      const popped = cluster.withAbortSignal(control.signal).blpop('jobs', 0);
      await pause(50);
      control.abort();
      await assert.rejects(popped, { code: 'ABORT_ERR' });
      await pause(50);
      await cluster.rpush('jobs', 'kept');
      assert.equal(await cluster.llen('jobs'), 1);
    });

    it('cancels a pipeline as a whole', async () => {
      const cluster = connect();
      await cluster.ping();
      const control = new AbortController();
      const running = cluster.withAbortSignal(control.signal).pipeline().set('a', 1).blpop('nothing', 0).exec();
      await pause(50);
      control.abort();
      const [first, second] = (await running)!;
      assert.deepEqual(first, [null, 'OK']);
      assert.equal((second![0] as Error & { code: string }).code, 'ABORT_ERR');
    });
  });

  it('is disposed of by using and await using', async () => {
    const kept: Cluster[] = [];
    {
      await using cluster = new Cluster(real.seeds);
      kept.push(cluster);
      await cluster.set('a', 1);
    }
    {
      using cluster = new Cluster(real.seeds);
      kept.push(cluster);
      await cluster.get('a');
    }
    for (const cluster of kept) assert.equal(cluster.status, 'end');
  });
});
