// Calls that block: they overtake nothing that was sent before them, miss nothing that comes after them, hold up nobody
// and, given up, take nothing with them.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster as PeerCluster } from 'ioredis';
import { Cluster, type ClusterOptions } from '../../../lib/index.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../kit/real-cluster.ts';
import { ready, until } from '../../kit/until.ts';

const turns = 30;

describe('client: calls that block, on a real cluster', () => {
  let real: RealCluster;
  const clients: { disconnect(): void }[] = [];

  before(async function () {
    needRedisServer(this, 'calls that block');
    this.timeout(60_000);
    real = await startRealCluster({ replicas: 0 });
  });
  after(() => real?.stop());
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await real?.flush();
  });

  function cluster(options: ClusterOptions = {}): Cluster {
    const client = new Cluster(real.seeds, options);
    clients.push(client);
    return client;
  }

  function peer(): PeerCluster {
    const client = new PeerCluster(real.seeds);
    clients.push(client);
    return client;
  }

  for (const [name, make] of [
    ['lingcache', () => cluster()],
    ['ioredis', () => peer() as unknown as Cluster],
  ] as const) {
    it(`${name}: a pipeline keeps its order`, async () => {
      const client = make();
      for (let turn = 0; turn < turns; turn++) {
        const key = `order:${turn}`;
        const results = await client.pipeline().rpush(key, 'a').blpop(key, 1).rpush(key, 'b').lrange(key, 0, -1).exec();
        assert.deepEqual(
          results!.map(([, value]) => value),
          [1, [key, 'a'], 1, ['b']],
        );
      }
    });

    it(`${name}: a call that blocks does not overtake writes sent before it`, async () => {
      const client = make();
      await client.ping();
      for (let turn = 0; turn < turns; turn++) {
        const key = `earlier:${turn}`;
        // The node is busy for a while: a connection of its own would be faster.
        const busy = Array.from({ length: 200 }, () => client.set(`{${key}}busy`, 'x'.repeat(1000)));
        await client.rpush(key, 'old');
        const pushed = [client.del(key), client.rpush(key, 'new')];
        const popped = client.blpop(key, 1);
        assert.deepEqual(await popped, [key, 'new']);
        const gone = [client.rpush(key, 'gone'), client.del(key)];
        assert.equal(await client.blpop(key, 0.01), null);
        await Promise.all([...busy, ...pushed, ...gone]);
      }
    });

    it(`${name}: XREAD from $ sees what is added right after it`, async () => {
      const client = make();
      await client.ping();
      let seen = 0;
      for (let turn = 0; turn < turns; turn++) {
        const key = `tail:${turn}`;
        // A stream with entries, one that has lost its last one, and none at all.
        if (turn % 3 !== 0) await client.xadd(key, '*', 'before', '1');
        if (turn % 3 === 2) await client.xdel(key, (await client.xadd(key, '*', 'deleted', '1'))!);
        const reading = client.xread('BLOCK', 300, 'STREAMS', key, '$');
        const id = await client.xadd(key, '*', 'after', '1');
        const entries = await reading;
        if (entries?.[0]?.[1].length === 1 && entries[0][1][0]![0] === id) seen++;
      }
      // ioredis's call holds its connection until it ends: there the entry comes too late.
      assert.equal(seen, name === 'ioredis' ? 0 : turns);
    });
  }

  it('XREAD from $ sees what others add once it was called', async () => {
    const [reader, writer] = [cluster(), cluster()];
    await Promise.all([reader.ping(), writer.ping()]);
    for (let turn = 0; turn < turns; turn++) {
      const key = `others:${turn}`;
      const reading = reader.xread('COUNT', 10, 'BLOCK', 5000, 'STREAMS', key, `{${key}}second`, '$', '$');
      // Behind the reader's own question, and before its blocking connection can be open.
      await reader.exists(key);
      const id = await writer.xadd(`{${key}}second`, '*', 'f', 'v');
      assert.deepEqual(await reading, [[`{${key}}second`, [[id, ['f', 'v']]]]]);
    }
  });

  it('XREAD from $ of what is no stream is refused as the server refuses it', async () => {
    const client = cluster();
    await client.set('text', 'x');
    await assert.rejects(client.xread('BLOCK', 100, 'STREAMS', 'text', '$'), /WRONGTYPE/);
  });

  it('XREAD from $ with a key prefix, RESP3 shapes and offline', async () => {
    const client = cluster({ keyPrefix: 'p:', redisOptions: { replyMapping: 'resp3' } });
    const reading = client.xread('BLOCK', 5000, 'STREAMS', 'k', '$');
    const id = await client.xadd('k', '*', 'f', 'v');
    assert.ok(JSON.stringify(await reading).includes(id!));
  });

  it('holds up nobody', async () => {
    const client = cluster();
    const popped = client.blpop('k', 0);
    assert.equal(await client.set('k2', 'v'), 'OK');
    assert.equal(await client.set('{k}3', 'v'), 'OK');
    await client.rpush('k', 'x');
    assert.deepEqual(await popped, ['k', 'x']);
  });

  it('given up by commandTimeout, it leaves the next element to others', async () => {
    const client = cluster({ redisOptions: { commandTimeout: 100 } });
    await ready(client);
    for (let turn = 0; turn < 5; turn++) {
      const key = `late:${turn}`;
      await assert.rejects(client.blpop(key, 0), /Command timed out/);
      await untilNobodyBlocks();
      await client.rpush(key, 'kept');
      assert.equal(await client.llen(key), 1);
    }
  });

  it('given up by commandTimeout inside a pipeline, it holds up nobody and leaves the next element to others', async () => {
    const client = cluster({ redisOptions: { commandTimeout: 1000 } });
    await ready(client);
    for (const key of ['first', 'second']) {
      const results = await client.pipeline().set(`{${key}}x`, '1').blpop(key, 0).exec();
      assert.equal(results![0]![1], 'OK');
      assert.match(results![1]![0]!.message, /Command timed out/);
      await untilNobodyBlocks();
      await client.rpush(key, 'kept');
      assert.equal(await client.llen(key), 1);
    }
  });

  it('given up by a signal, it leaves the next element to others', async () => {
    const client = cluster();
    const control = new AbortController();
    const popped = client.withAbortSignal(control.signal).blpop('k', 0);
    await until('it blocks', async () => (await blocked()) === 1);
    control.abort();
    await assert.rejects(popped, /AbortSignal/);
    await untilNobodyBlocks();
    await client.rpush('k', 'kept');
    assert.equal(await client.llen('k'), 1);
  });

  it('given up by a signal inside a pipeline, it leaves the next element to others', async () => {
    const client = cluster();
    await client.ping();
    const control = new AbortController();
    const results = client.withAbortSignal(control.signal).pipeline().blpop('k', 0).exec();
    await until('it blocks', async () => (await blocked()) === 1);
    control.abort();
    assert.match((await results)![0]![0]!.message, /AbortSignal/);
    await untilNobodyBlocks();
    await client.rpush('k', 'kept');
    assert.equal(await client.llen('k'), 1);
  });

  it('one that waits for earlier calls when its client quits is rejected', async () => {
    const client = cluster();
    await client.ping();
    const calls = [client.set('k', 'v'), client.blpop('{k}2', 0)];
    assert.equal(await client.quit(), 'OK');
    assert.equal(await calls[0], 'OK');
    await assert.rejects(calls[1]!, { message: 'Connection is closed.' });
  });

  async function blocked(): Promise<number> {
    const infos = await Promise.all(real.masters.map((node) => node.ask('info', 'clients')));
    return infos.reduce<number>((sum, info) => sum + Number(/blocked_clients:(\d+)/.exec(String(info))![1]), 0);
  }

  async function untilNobodyBlocks(): Promise<void> {
    await until('nobody blocks', async () => (await blocked()) === 0);
  }
});

describe('client: calls that block, on a scripted node', () => {
  let node: FakeNode;
  let client: Cluster;

  beforeEach(async () => {
    node = await FakeNode.start((argv) => {
      if (argv[0] === 'blpop') return undefined;
      if (argv[0] !== 'cluster') return bulk(argv.join(' '));
      return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [node] }]) : clusterOk;
    });
  });
  afterEach(async () => {
    client.disconnect();
    await node.close();
  });

  const connectionOf = (name: string): number => node.seen.find(({ argv }) => argv[0] === name)!.connection;

  it('WAIT and WAITAOF stay on the connection whose writes they are about', async () => {
    client = new Cluster([node.port]);
    await client.set('k', 'v');
    await client.wait(0, 10);
    await client.call('waitaof', 0, 0, 10);
    assert.equal(connectionOf('wait'), connectionOf('set'));
    assert.equal(connectionOf('waitaof'), connectionOf('set'));
  });

  it('where nothing is under way, nothing is asked first', async () => {
    client = new Cluster([node.port]);
    await client.set('k', 'v');
    client.blpop('k', 0).catch(() => undefined);
    await until('it was sent', () => node.count('blpop') === 1);
    assert.notEqual(connectionOf('blpop'), connectionOf('set'));
    assert.equal(node.count('ping'), 0);
  });

  it('a blocking call that waits for earlier ones is given up like any other', async () => {
    // Connected first: on a busy machine that may take longer than the limit of a call.
    client = new Cluster([node.port], { lazyConnect: true, redisOptions: { commandTimeout: 100 } });
    await client.connect();
    node.pause();
    const calls = [client.get('k'), client.blpop('k', 0)];
    for (const call of calls) await assert.rejects(call as Promise<unknown>, /Command timed out/);
    node.resume();
    await pause(50);
    assert.equal(node.count('blpop'), 0);
  });

  it('a blocking call whose node is lost while it waits for earlier ones goes on', async () => {
    client = new Cluster([node.port]);
    await client.set('k', 'v');
    node.pause();
    const reading = client.get('k');
    client.blpop('k', 0).catch(() => undefined);
    node.cut();
    assert.equal(await reading, 'get k');
    await until('it was sent', () => node.count('blpop') === 1);
  });

  it('a transaction is given up by commandTimeout as well', async () => {
    // Connected first: on a busy machine that may take longer than the limit of a call.
    client = new Cluster([node.port], { lazyConnect: true, redisOptions: { commandTimeout: 100 } });
    await client.connect();
    node.pause();
    await assert.rejects(client.multi().get('k').exec(), /Command timed out/);
  });

  it('commandTimeout leaves questions about the map alone', async () => {
    client = new Cluster([node.port], { redisOptions: { commandTimeout: 5000 }, slotsRefreshTimeout: 5000 });
    await client.set('k', 'v');
    const usual = node.answer;
    node.answer = (argv, socket) => {
      if (argv[0] !== 'cluster' && argv[0] !== 'slow') return usual(argv, socket);
      setTimeout(() => socket.write(usual(argv, socket) as string), 200);
      return undefined;
    };
    const slow = client.call('slow');
    await client.refreshSlotsCache();
    assert.equal(await slow, 'slow');
  });

  it('a blocking call whose node lets nobody in any more is given up by retryDeadline', async () => {
    client = new Cluster([node.port], { retryDeadline: 1500, redisOptions: { connectTimeout: 1100 } });
    client.on('error', () => {});
    await client.set('k', 'v');
    node.shy = true;
    const calls = [client.blpop('k', 0), client.pipeline().blpop('k', 0).exec()];
    node.cut();
    await assert.rejects(calls[0] as Promise<unknown>, { code: 'ERR_RETRY_DEADLINE' });
    const [[error]] = (await calls[1]) as [[Error & { code: string }, unknown]];
    assert.equal(error.code, 'ERR_RETRY_DEADLINE');
  });
});
