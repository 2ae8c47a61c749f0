// What people use a single-node client for: MONITOR, reconnecting on errors, timeouts of sockets and blocking calls,
// waiting for a server that loads. On a scripted node, and MONITOR beside ioredis on a real one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Redis as Peer } from 'ioredis';
import { Cluster, Redis, type RedisOptions } from '../../../lib/index.ts';
import { type OneServer, startOneServer } from '../../differential/command/one-server.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { needRedisServer } from '../../kit/real-cluster.ts';

describe('client: one scripted node', () => {
  let node: FakeNode;
  let redis: Redis | undefined;
  let loading = 0;
  /** Answers to commands by name, used up in order; the last one stays. */
  let script: Record<string, (string | undefined)[]> = {};

  beforeEach(async () => {
    loading = 0;
    script = {};
    node = await FakeNode.start((argv) => {
      if (argv[0] === 'info') return bulk(loading-- > 0 ? 'loading:1\r\nloading_eta_seconds:0\r\n' : 'loading:0\r\n');
      const answers = script[argv[0]!];
      if (answers === undefined) return '+OK\r\n';
      return answers.length > 1 ? answers.shift() : answers[0];
    });
  });

  afterEach(async () => {
    redis?.disconnect();
    await node.close();
  });

  const open = (options: RedisOptions = {}): Redis => {
    redis = new Redis({ port: node.port, retryStrategy: () => 1, ...options });
    return redis;
  };

  it('is ready when the server has loaded, and asks no more often than it may', async () => {
    loading = 3;
    const client = open({ maxLoadingRetryTime: 5 });
    await client.set('k', 'v');
    assert.equal(node.count('info'), 4);
    assert.deepEqual(node.commands, [...Array(4).fill('info persistence'), 'set k v']);
  });

  it('does not ask when set not to', async () => {
    await open({ enableReadyCheck: false }).set('k', 'v');
    assert.equal(node.count('info'), 0);
  });

  it('resolves connect() at ready', async () => {
    loading = 1;
    const client = open({ lazyConnect: true, maxLoadingRetryTime: 1 });
    await client.connect();
    assert.equal(client.status, 'ready');
  });

  for (const answer of [true, 1] as const) {
    it(`reconnects after an error when reconnectOnError says ${answer}`, async () => {
      script['set'] = ['-READONLY no\r\n', '+OK\r\n'];
      const seen: string[] = [];
      const client = open({
        maxLoadingRetryTime: 0,
        reconnectOnError: (error) => {
          seen.push(error.message);
          return answer;
        },
      });
      script['get'] = ['-READONLY no\r\n'];
      await assert.rejects(client.get('k'), /READONLY/);
      await once(client, 'ready');
      assert.equal(node.connections, 2);
      assert.deepEqual(seen, ['READONLY no']);
    });
  }

  it('sends the command again when reconnectOnError says 2', async () => {
    script['set'] = ['-ERR first\r\n', '-ERR second\r\n', '+OK\r\n'];
    assert.equal(await open({ reconnectOnError: () => 2 }).set('k', 'v'), 'OK');
    assert.equal(node.connections, 3);
  });

  it('leaves errors alone when reconnectOnError says no', async () => {
    script['set'] = ['-ERR no\r\n'];
    const client = open({ reconnectOnError: (error) => error.message.includes('other') });
    await assert.rejects(client.set('k', 'v'), /ERR no/);
    await assert.rejects(
      client.client('LIST', 'x' as never).then(() => client.set('k', 'v')),
      /ERR no/,
    );
    assert.equal(node.connections, 1);
  });

  it('drops a socket that says nothing for socketTimeout, and sends again on the next', async () => {
    script['get'] = [undefined, bulk('v')];
    const client = open({ socketTimeout: 40 });
    const errors: string[] = [];
    client.on('error', (error: Error) => errors.push(error.message));
    assert.equal(await client.get('k'), 'v');
    assert.deepEqual(errors, ["Socket timeout. Expecting data, but didn't receive any in 40ms."]);
    assert.equal(node.connections, 2);
  });

  it('gives null for blocking calls that are not answered in time', async () => {
    const silent = ['blpop', 'blmpop', 'xread'];
    for (const name of silent) script[name] = [undefined];
    const client = open({ blockingTimeout: 30, blockingTimeoutGrace: 5 });
    const results = await Promise.all([
      client.blpop('k', 0),
      client.blpop('k', 0.02),
      client.blmpop(0, 1, 'k', 'LEFT'),
      client.xread('BLOCK', 10, 'STREAMS', 's', '$'),
    ]);
    assert.deepEqual(results, [null, null, null, null]);
  });

  it('waits for blocking calls as long as they take when no limit is set', async () => {
    script['blpop'] = [undefined];
    const client = open();
    const outcome = await Promise.race([
      client.blpop('k', 0.001),
      new Promise((resolve) => setTimeout(resolve, 150, 'still waiting')),
    ]);
    assert.equal(outcome, 'still waiting');
    client.disconnect();
  });

  it('limits blocking calls on a cluster too, and gives their connection up', async () => {
    const cluster = await FakeNode.start((argv) => {
      if (argv[0] === 'cluster')
        return argv[1]!.toLowerCase() === 'slots'
          ? slotsReply([{ start: 0, end: 16383, nodes: [cluster] }])
          : clusterOk;
      return argv[0] === 'blpop' ? undefined : '+OK\r\n';
    });
    const client = new Cluster([cluster.key], { redisOptions: { blockingTimeout: 20 } });
    assert.equal(await client.blpop('k', 0), null);
    assert.equal(await client.set('k', 'v'), 'OK');
    client.disconnect();
    await cluster.close();
  });

  it('names itself as set', async () => {
    await open({ connectionName: 'me', clientInfoTag: 'app_v1' }).set('k', 'v');
    const words = node.seen.map(({ argv }) => argv.join(' '));
    assert.ok(words.includes('client setname me'));
    assert.ok(words.includes('client SETINFO LIB-NAME lingcache(app_v1)'));
    redis!.disconnect();
    node.seen.length = 0;
    await open({ disableClientInfo: true }).set('k', 'v');
    assert.equal(node.count('client', 'setinfo'), 0);
  });

  it('does not subscribe again when set not to', async () => {
    const client = open({ autoResubscribe: false, protocol: 2 });
    script['subscribe'] = ['*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n'];
    await client.subscribe('c');
    node.cut();
    await new Promise((resolve) => client.once('ready', resolve));
    assert.equal(node.count('subscribe'), 1);
  });

  const bad: [RedisOptions, RegExp][] = [
    [{ replyMapping: 'other' as never }, /replyMapping.*"legacy" or "resp3"/],
    [{ replyMapping: 'resp3', protocol: 2 }, /The "resp3" replyMapping is only supported with protocol 3/],
    [{ reconnectOnError: 1 as never }, /reconnectOnError.*a function/],
    [{ socketTimeout: -1 }, /socketTimeout.*milliseconds/],
    [{ blockingTimeout: 'soon' as never }, /blockingTimeout.*milliseconds/],
    [{ sentinels: [] } as never, /[Ss]entinel/],
  ];
  for (const [options, pattern] of bad) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => new Redis({ ...options, lazyConnect: true }), pattern);
    });
  }

  it('takes the nulls of options that were copied from ioredis', async () => {
    const options = { ...(Peer as unknown as { defaultOptions: RedisOptions }).defaultOptions, port: node.port };
    redis = new Redis({ ...options, host: '127.0.0.1', sentinels: null } as never);
    assert.equal(await redis.set('k', 'v'), 'OK');
  });
});

describe('client: MONITOR', () => {
  let server: OneServer;

  before(async function () {
    needRedisServer(this, 'MONITOR');
    server = await startOneServer();
  });

  after(() => server?.stop());

  for (const protocol of [2, 3] as const) {
    it(`reports what ioredis reports, over RESP${protocol}`, async () => {
      const runs: unknown[][][] = [];
      const peer = new Peer({ path: server.path, protocol });
      const ours = new Redis({ path: server.path, protocol });
      const monitors = [await peer.monitor(), await ours.monitor()];
      for (const monitor of monitors) {
        const lines: unknown[][] = [];
        runs.push(lines);
        (monitor as Redis).on('monitor', (...line: unknown[]) => lines.push(line));
      }
      await ours.set('k', 'a "quoted" \\ word\r\n');
      await ours.set(Buffer.from([0xff, 0]), '" "');
      await ours.eval("return redis.call('get', KEYS[1])", 1, 'k');
      await ours.echo('last');
      while (runs.some((lines) => !lines.some((line) => (line[1] as string[])[1] === 'last'))) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.deepEqual(runs[1], runs[0]);
      assert.ok(runs[1]!.length >= 5);
      const monitor = monitors[1] as Redis;
      assert.equal(monitor.status, 'monitoring');
      assert.equal(monitor.mode, 'monitor');
      await assert.rejects(monitor.get('k'), /Connection is in monitoring mode, can't process commands\./);
      monitor.disconnect(true);
      await once(monitor, 'monitoring');
      for (const client of [...monitors, peer, ours]) client.disconnect();
    });
  }

  it('rejects when the server refuses', async () => {
    const ours = new Redis({ path: server.path });
    await ours.call('acl', 'setuser', 'nobody', 'on', '>x', '~*', '+@all', '-monitor');
    const refused = new Redis({ path: server.path, username: 'nobody', password: 'x' });
    await assert.rejects(refused.monitor(), /NOPERM/);
    for (const client of [ours, refused]) client.disconnect();
  });
});
