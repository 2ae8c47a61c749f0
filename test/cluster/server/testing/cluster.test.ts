// lingcache/testing over nodes in this process: data without a client, intercepts, history, time, and reset().

import assert from 'node:assert/strict';
import { Cluster, slotOf } from '../../../../lib/index.ts';
import {
  expiring,
  ManualWorld,
  type SeedValue,
  startCluster,
  stream,
  type TestCluster,
} from '../../../../server/testing/testing.ts';
import { until } from '../../../kit/until.ts';

describe('testing: a cluster in this process', function () {
  this.timeout(60_000);
  let cluster: TestCluster;
  let client: Cluster;

  before(async () => {
    cluster = await startCluster({ seed: 7 });
    client = new Cluster(cluster.seeds);
  });
  after(async () => {
    client?.disconnect();
    await cluster?.close();
  });
  afterEach(() => cluster.reset());

  describe('data without a client', () => {
    const data = {
      text: 'héllo',
      number: 5,
      list: ['b', 'a', 'b'],
      hash: { name: 'Ann', age: 30 },
      set: new Set(['x', 'y']),
      zset: new Map([
        ['low', Number.NEGATIVE_INFINITY],
        ['half', 0.5],
      ]),
      log: stream([
        { id: '1-1', fields: { kind: 'in' } },
        { id: '2-0', fields: { kind: 'out', at: 7 } },
      ]),
      bytes: Buffer.from([0, 255, 13, 10]),
      'cle é': 'ö',
    };

    it('is what clients read, and what dump() gives back', async () => {
      await cluster.seed(data);
      assert.equal(await client.get('text'), 'héllo');
      assert.equal(await client.incr('number'), 6);
      assert.deepEqual(await client.lrange('list', 0, -1), ['b', 'a', 'b']);
      assert.deepEqual(await client.hgetall('hash'), { name: 'Ann', age: '30' });
      assert.equal(await client.scard('set'), 2);
      assert.deepEqual(await client.zrange('zset', 0, -1, 'WITHSCORES'), ['low', '-inf', 'half', '0.5']);
      assert.deepEqual(await client.xrange('log', '-', '+'), [
        ['1-1', ['kind', 'in']],
        ['2-0', ['kind', 'out', 'at', '7']],
      ]);
      assert.deepEqual(await client.getBuffer('bytes'), data.bytes);
      assert.equal(await client.get('cle é'), 'ö');
      assert.deepEqual(await cluster.dump(), {
        bytes: data.bytes,
        'cle é': 'ö',
        hash: { name: 'Ann', age: '30' },
        list: data.list,
        log: stream([
          { id: '1-1', fields: { kind: 'in' } },
          { id: '2-0', fields: { kind: 'out', at: '7' } },
        ]),
        number: '6',
        set: data.set,
        text: 'héllo',
        zset: data.zset,
      });
    });

    it('takes the place of what was there, and can be put in again as it was dumped', async () => {
      await cluster.seed({ a: ['x'], b: expiring({ f: 'g' }, 50_000) });
      await cluster.seed({ a: 'text' });
      const dumped = await cluster.dump({ ttl: true });
      await cluster.reset();
      assert.deepEqual(await cluster.dump(), {});
      await cluster.seed(dumped as Record<string, SeedValue>);
      assert.equal(await cluster.get('a'), 'text');
      assert.deepEqual(await cluster.get('b'), { f: 'g' });
      const left = await cluster.ttl('b');
      assert.ok(left > 40_000 && left <= 50_000, String(left));
      assert.deepEqual([await cluster.ttl('a'), await cluster.ttl('none')], [-1, -2]);
    });

    it('reaches replicas as any write does', async () => {
      await cluster.set('k', 'v');
      const [replica] = await cluster.replicas(await cluster.ownerOf('k'));
      await until('the replica has it', async () => (await replica!.call('DBSIZE')) === 1);
    });

    for (const [what, value] of [
      ['nothing', undefined],
      ['an empty list', []],
      ['a list of lists', [['a']]],
      ['an empty Map', new Map()],
      ['a date', new Date()],
      ['a score that is none', new Map([['m', Number.NaN]])],
      ['a stream without entries', stream([])],
    ] as const) {
      it(`refuses ${what} and names the key, before it writes anything`, async () => {
        const bad = { good: 'v', 'bad key': value } as unknown as Record<string, SeedValue>;
        await assert.rejects(cluster.seed(bad), { name: 'RangeError', message: /^bad key: / });
        assert.deepEqual(await cluster.dump(), {});
      });
    }

    it('of a million members is put in by parts', async () => {
      const members = Array.from({ length: 25_000 }, (_, at) => `m${at}`);
      await cluster.seed({ big: new Set(members) });
      assert.equal(await client.scard('big'), members.length);
    });
  });

  describe('intercepts', () => {
    it('answer a command n times with an error, which a client that retries never shows', async () => {
      await cluster.seed({ k: 'v' });
      const intercept = cluster.intercept({ command: 'get' }, { error: '-TRYAGAIN not now', times: 2 });
      assert.equal(await client.get('k'), 'v');
      assert.deepEqual([intercept.used, intercept.left], [2, 0]);
      cluster.assertNoPendingFaults();
      const said = cluster.calls({ command: 'get' }).map(({ intercepted }) => intercepted);
      assert.deepEqual(said, ['error -TRYAGAIN not now', 'error -TRYAGAIN not now', undefined]);
    });

    it('by key, glob and pattern, after some were let through', async () => {
      await cluster.seed({ 'user:1': 'Ann', 'user:2': 'Bob', other: 'x' });
      cluster.intercept({ command: /^(get|mget)$/, key: 'user:*' }, { error: 'ERR chosen', skip: 1 });
      assert.equal(await client.get('other'), 'x');
      assert.equal(await client.get('user:1'), 'Ann');
      await assert.rejects(client.get('user:2'), /^ReplyError: ERR chosen/);
      cluster.intercept({ key: /2$/ }, { reply: 'Eve' });
      assert.equal(await client.get('user:2'), 'Eve');
      assert.equal(await client.get('user:2'), 'Bob');
    });

    it('reply with any value', async () => {
      const values = [null, 5, 'text', ['a', 1, [null]], Buffer.from([255])] as const;
      for (const reply of values) {
        cluster.intercept({ command: 'get' }, { reply });
        const want = reply instanceof Buffer ? reply : reply;
        const got = reply instanceof Buffer ? await client.getBuffer('k') : await client.get('k');
        assert.deepEqual(got, want);
      }
    });

    it('come late, and what is behind on that connection waits too', async () => {
      await cluster.seed({ '{t}a': '1', '{t}b': '2' });
      cluster.intercept({ key: '{t}a' }, { delayMs: 30 });
      const order: string[] = [];
      await Promise.all([
        client.get('{t}a').then(() => order.push('a')),
        client.get('{t}b').then(() => order.push('b')),
      ]);
      assert.deepEqual(order, ['a', 'b']);
    });

    for (const [cut, ran] of [
      ['before', 1],
      ['unanswered', 2],
      ['inside', 2],
    ] as const) {
      it(`cut ${cut}: the call is lost, and was run ${ran - 1} times before it is sent again`, async () => {
        cluster.intercept({ command: 'incr' }, { cut });
        assert.equal(await client.incr('n'), ran);
        assert.equal(await cluster.get('n'), String(ran));
      });
    }

    it('cut after: the reply arrives, the next call has another connection', async () => {
      await client.get('n');
      const before = cluster.calls({ command: 'get', key: 'n' }).at(-1)!.client.id;
      cluster.intercept({ command: 'incr' }, { cut: 'after' });
      assert.equal(await client.incr('n'), 1);
      await until('it is on another connection', async () => {
        await client.get('n');
        return cluster.calls({ command: 'get', key: 'n' }).at(-1)!.client.id !== before;
      });
    });

    it('spoil a transaction as any refusal while queueing does', async () => {
      cluster.intercept({ command: 'set' }, { error: 'OOM command not allowed' });
      await assert.rejects(client.multi().set('{m}a', '1').set('{m}b', '2').exec(), /EXECABORT|OOM/);
      assert.deepEqual(await cluster.dump(), {});
    });

    it('of one node leave the others alone', async () => {
      const owner = await cluster.ownerOf('k');
      const other = (await cluster.masters()).find((node) => node !== owner)!;
      cluster.intercept({ command: 'get', node: other }, { error: 'ERR wrong node' });
      assert.equal(await client.get('k'), null);
      assert.throws(
        () => cluster.assertNoPendingFaults(),
        /pending faults: get: error ERR wrong node \(1 left\) \(seed 7\)/,
      );
    });

    it('are named when their options are wrong', () => {
      for (const [action, message] of [
        [{}, /give a reply/],
        [{ error: 'lower case' }, /^error: /],
        [{ error: 'ERR a\r\nb' }, /^error: /],
        [{ delayMs: -1 }, /^delayMs: /],
        [{ cut: 'off' }, /^cut: /],
        [{ reply: 1, times: 0 }, /^times: /],
        [{ reply: 1, skip: -1 }, /^skip: /],
      ] as const) {
        assert.throws(() => cluster.intercept({}, action as object), { name: 'RangeError', message });
      }
      assert.throws(() => cluster.intercept({ node: 99 }, { reply: 1 }), /no node 99/);
    });
  });

  it('calls() shows who asked for what', async () => {
    const named = new Cluster(cluster.seeds, { redisOptions: { connectionName: 'tester' } });
    await named.set('k', 'ü');
    const [call] = cluster.calls({ command: 'set' });
    assert.deepEqual([call!.command, call!.args, call!.client.name], ['set', ['k', 'ü'], 'tester']);
    assert.equal(call!.node, (await cluster.ownerOf('k')).id);
    assert.equal(cluster.calls({ command: 'set', key: 'other' }).length, 0);
    assert.ok(
      cluster.calls({ command: 'client setinfo' }).length > 0 || cluster.calls({ command: /^client/ }).length > 0,
    );
    named.disconnect();
  });

  describe('time', () => {
    it('is moved in one line: keys expire for clients, their deadlines by the clock too', async () => {
      await cluster.seed({ short: expiring('v', 1000), long: expiring('v', 3_600_000) });
      await cluster.fastForward(1001);
      assert.deepEqual([await client.get('short'), await client.get('long')], [null, 'v']);
      await cluster.fastForward(3_600_000);
      assert.equal(await client.get('long'), null);
      await cluster.settled();
    });

    it('a failed master is found out and replaced', async () => {
      await cluster.seed({ k: 'v' });
      const owner = await cluster.ownerOf('k');
      const [replica] = await cluster.replicas(owner);
      await owner.kill();
      await cluster.fastForward(10_000);
      assert.equal(await cluster.ownerOf('k'), replica);
      assert.equal(await client.get('k'), 'v');
    });

    it('a blocked client is answered when its time is up', async () => {
      const blocked = client.blpop('nothing', 20);
      await until('it is blocked', async () =>
        String(await cluster.node(await cluster.ownerOf('nothing')).call('INFO', 'clients')).includes(
          'blocked_clients:1',
        ),
      );
      await cluster.fastForward(20_001);
      assert.equal(await blocked, null);
    });

    it('is refused where it makes no sense', async () => {
      await assert.rejects(cluster.fastForward(-1), { name: 'RangeError', message: /^ms: -1/ });
      await assert.rejects(cluster.fastForward(Number.NaN), /^RangeError: ms: NaN/);
    });
  });

  describe('reset()', () => {
    it('brings back nodes, roles and slots, and clients go on', async () => {
      const shape = (await cluster.describe()).map(
        ({ node, role, slots }) => `${node.id} ${role} ${JSON.stringify(slots)}`,
      );
      await cluster.moveSlot('k', (await cluster.masters()).find((node) => node !== cluster.nodes[0])!).catch(() => 0);
      await cluster.failover(0);
      await cluster.addNode();
      await cluster.kill(2);
      await cluster.reset();
      const after = (await cluster.describe()).map(
        ({ node, role, slots }) => `${node.id} ${role} ${JSON.stringify(slots)}`,
      );
      assert.deepEqual(after.sort(), shape.sort());
      assert.equal(cluster.nodes.length, 6);
      await until('the client writes', async () => (await client.set('k', 'v')) === 'OK');
    });

    it('undoes what CONFIG SET, scripts, lies and freezes did', async () => {
      const [node] = cluster.nodes;
      await node!.call('CONFIG', 'SET', 'maxmemory', '1mb');
      const sha = String(await node!.call('SCRIPT', 'LOAD', 'return 1'));
      cluster.setSlotOwner(0, slotOf('k'), cluster.nodes[1]!);
      cluster.freeze(1);
      assert.throws(() => cluster.assertNoPendingFaults(), /is frozen/);
      await cluster.reset();
      cluster.assertNoPendingFaults();
      assert.deepEqual(await node!.call('CONFIG', 'GET', 'maxmemory'), ['maxmemory', '0']);
      assert.deepEqual(await node!.call('SCRIPT', 'EXISTS', sha), [0]);
      assert.equal(await client.get('k'), null);
      assert.equal(cluster.calls({ command: 'get' }).length, 1);
    });

    it('leaves replicas without data too', async () => {
      await cluster.seed({ a: '1', b: '2', c: '3' });
      await cluster.reset();
      for (const node of cluster.nodes) assert.equal(await node.call('DBSIZE'), 0);
    });
  });
});

describe('testing: startCluster', function () {
  this.timeout(60_000);

  for (const [options, message] of [
    [{ mastres: 3 }, /^mastres: /],
    [{ masters: 0 }, /^masters: /],
    [{ seed: -1 }, /^seed: /],
    [{ history: 0.5 }, /^history: /],
    [{ clock: 'fast' }, /^clock: /],
    [{ server: 'redis-6' }, /^server: 'redis-6' is none of/],
    [{ server: '/no/such/program' }, /^server: there is no file/],
    [{ processes: true, clock: 'real' }, /^clock: only nodes in this process/],
    [{ config: { dir: '/tmp' } }, /^config.dir: /],
    [{ port: 70_000 }, /^port: /],
  ] as const) {
    it(`names the option that is wrong: ${JSON.stringify(options)}`, async () => {
      await assert.rejects(startCluster(options as object), { name: 'RangeError', message });
    });
  }

  it('plays the same chances from the same seed', async () => {
    const idsOf = async (seed: number): Promise<string[]> => {
      await using cluster = await startCluster({ seed, replicas: 0 });
      return cluster.nodes.map(({ id }) => id);
    };
    assert.deepEqual(await idsOf(5), await idsOf(5));
    assert.notDeepEqual(await idsOf(5), await idsOf(6));
  });

  it('on a clock that moves by hand starts, moves slots, fails over and resets by itself', async () => {
    await using cluster = await startCluster({ world: new ManualWorld({ seed: 3 }) });
    await cluster.seed({ k: expiring('v', 5000) });
    await cluster.moveSlot('k', (await cluster.masters()).find((node) => node.id !== '')!);
    await cluster.failover(0);
    assert.equal(await cluster.get('k'), 'v');
    await cluster.fastForward(5001);
    assert.equal(await cluster.get('k'), null);
    await cluster.reset();
    assert.equal((await cluster.masters())[0], cluster.nodes[0]);
  });
});
