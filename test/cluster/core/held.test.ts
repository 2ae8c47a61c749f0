// Calls that wait for the cluster to be ready: no longer than `retryDeadline`, and then with the reasons of every
// startup node. What goes wrong meanwhile reaches the `error` event, or is printed where nobody listens.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { Cluster, ClusterAllFailedError, type ClusterOptions, Redis } from '../../../lib/index.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';

type Failure = ClusterAllFailedError;

async function failure(promise: Promise<unknown>): Promise<Failure> {
  return promise.then(
    (value) => assert.fail(`resolved with ${String(value)}`),
    (error: unknown) => error as Failure,
  );
}

function whole(argv: readonly string[], node: FakeNode): string {
  if (argv[0] !== 'cluster') return bulk(argv.join(' '));
  return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [node] }]) : clusterOk;
}

describe('client: calls held before the first map', () => {
  const nodes: FakeNode[] = [];
  const clients: (Cluster | Redis)[] = [];

  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await Promise.all(nodes.splice(0).map((node) => node.close()));
  });

  async function started(answer: (argv: readonly string[], node: FakeNode) => string | undefined): Promise<FakeNode> {
    const node: FakeNode = await FakeNode.start((argv) => answer(argv, node));
    nodes.push(node);
    return node;
  }

  async function deadPort(): Promise<number> {
    const node = await FakeNode.start(() => undefined);
    await node.close();
    return node.port;
  }

  function cluster(ports: readonly number[], options: ClusterOptions): Cluster {
    const client = new Cluster(
      ports.map((port) => ({ host: '127.0.0.1', port })),
      options,
    );
    clients.push(client);
    return client;
  }

  it('are given up after retryDeadline, with what each startup node said', async () => {
    const refusing = await deadPort();
    const mute = await started(() => undefined);
    mute.shy = true;
    const denying = await started((argv) => (argv[0] === 'cluster' ? '-NOPERM no cluster for you\r\n' : bulk('x')));
    const client = cluster([refusing, mute.port, denying.port], { retryDeadline: 700, slotsRefreshTimeout: 200 });
    client.on('error', () => {});
    const calls = [
      client.get('k'),
      client.blpop('k', 0),
      client.pipeline().get('k').exec(),
      client.multi().get('k').exec(),
      client.subscribe('news'),
      client.ssubscribe('news'),
    ].map((call) =>
      (call as Promise<unknown>).then((value) => (Array.isArray(value) ? Promise.reject(value[0][0]) : value)),
    );
    for (const error of await Promise.all(calls.map(failure))) {
      assert.equal(error.code, 'ERR_RETRY_DEADLINE');
      assert.ok(error instanceof ClusterAllFailedError);
      assert.match(error.message, /within 700ms \(retryDeadline\)/);
      for (const part of [`127.0.0.1:${refusing}: connect ECONNREFUSED`, `${denying.key}: NOPERM`, mute.key])
        assert.ok(error.message.includes(part), `${part} in ${error.message}`);
      assert.deepEqual(
        error.errors.map((one) => (one as { node?: string }).node).sort(),
        [`127.0.0.1:${refusing}`, mute.key, denying.key].sort(),
      );
    }
  });

  it('while a seed takes for ever to let anybody in, too', async () => {
    const mute = await started(() => undefined);
    mute.shy = true;
    const client = cluster([mute.port], { retryDeadline: 300 });
    const error = await failure(client.get('k'));
    assert.equal(error.code, 'ERR_RETRY_DEADLINE');
    assert.match(error.message, new RegExp(`${mute.key}: .+`));
  });

  it('while the cluster says that it is down', async () => {
    const node = await started((argv, self) =>
      argv[0] === 'cluster' && argv[1]!.toLowerCase() === 'info' ? bulk('cluster_state:fail\r\n') : whole(argv, self),
    );
    const client = cluster([node.port], { retryDeadline: 300, clusterRetryStrategy: () => 50 });
    const error = await failure(client.get('k'));
    assert.equal(error.code, 'ERR_RETRY_DEADLINE');
    assert.match(error.message, /CLUSTERDOWN/);
  });

  it('a scan that waits for the first map is given up as well', async () => {
    const client = cluster([await deadPort()], { retryDeadline: 300 });
    client.on('error', () => {});
    const ended = new Promise((_resolve, reject) =>
      client
        .scanStream()
        .on('data', () => {})
        .on('error', reject),
    );
    assert.equal((await failure(ended)).code, 'ERR_RETRY_DEADLINE');
  });

  it('take no room in the queue once they are given up', async () => {
    const port = await deadPort();
    const client = cluster([port], { retryDeadline: 100, maxQueueLength: 2 });
    client.on('error', () => {});
    const codes: string[] = [];
    for (let turn = 0; turn < 3; turn++) {
      const two = await Promise.all([failure(client.get('a')), failure(client.get('b'))]);
      for (const { code } of two) codes.push(code);
      await until('they are let go', () => client.stats().waiting === 0);
    }
    assert.deepEqual(
      codes,
      Array.from({ length: 6 }, () => 'ERR_RETRY_DEADLINE'),
    );
  });

  it('are sent when the cluster comes in time', async () => {
    const port = await deadPort();
    const client = cluster([port], { retryDeadline: 20_000, clusterRetryStrategy: () => 20 });
    client.on('error', () => {});
    const call = client.get('k');
    await until('an attempt has failed', () => client.status === 'reconnecting');
    const node: FakeNode = await FakeNode.start((argv) => whole(argv, node), port);
    nodes.push(node);
    assert.equal(await call, 'get k');
  });

  it('on a single Redis settle by maxRetriesPerRequest', async () => {
    const client = new Redis({
      host: '127.0.0.1',
      port: await deadPort(),
      maxRetriesPerRequest: 2,
      retryStrategy: () => 5,
    });
    clients.push(client);
    client.on('error', () => {});
    const calls: Promise<unknown>[] = [client.get('k'), client.blpop('k', 0), client.subscribe('news')];
    for (const call of calls) assert.equal((await failure(call)).name, 'MaxRetriesPerRequestError');
  });

  for (const [what, answer] of [
    ['cuts everybody off after the handshake', (socket: Socket) => socket.destroy()],
    ['says nothing after the handshake', () => undefined],
  ] as const) {
    it(`on a single Redis, also when the server ${what}`, async () => {
      const node = await FakeNode.start((_argv, socket) => {
        answer(socket);
        return undefined;
      });
      nodes.push(node);
      const times: number[] = [];
      const client = new Redis({
        host: '127.0.0.1',
        port: node.port,
        maxRetriesPerRequest: 2,
        connectTimeout: 100,
        retryStrategy: (count) => {
          times.push(count);
          return 5;
        },
      });
      clients.push(client);
      client.on('error', () => {});
      assert.equal((await failure(client.get('k'))).name, 'MaxRetriesPerRequestError');
      assert.deepEqual(times.slice(0, 3), [1, 2, 3]);
    });
  }

  describe('what goes wrong meanwhile', () => {
    /** stderr of a program that meets no server; `listen`: it has an error listener. */
    function printed(kind: 'Cluster' | 'Redis', port: number, listen: boolean): string {
      const index = new URL('../../../lib/index.js', import.meta.url).href;
      const options =
        kind === 'Redis'
          ? `{ host: '127.0.0.1', port: ${port}, password: 'sesame', retryStrategy: (times) => (times < 3 ? 5 : null) }`
          : `[{ host: '127.0.0.1', port: ${port}, password: 'sesame' }], { clusterRetryStrategy: (times) => (times < 3 ? 5 : null) }`;
      const program = `import { ${kind} } from '${index}'; const client = new ${kind}(${options});
        ${listen ? "client.on('error', () => {});" : ''} client.get('k').catch(() => {});`;
      const run = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
      assert.equal(run.status, 0, run.stderr);
      return run.stderr;
    }

    for (const kind of ['Cluster', 'Redis'] as const) {
      it(`${kind}: each try is printed where nobody listens, without secrets`, async () => {
        const port = await deadPort();
        const text = printed(kind, port, false);
        assert.equal(text.match(/^\[lingcache\] Unhandled error event: /gm)?.length, 3, text);
        assert.match(text, new RegExp(`ECONNREFUSED 127\\.0\\.0\\.1:${port}`));
        assert.ok(!text.includes('sesame'), text);
      });

      it(`${kind}: nothing is printed where somebody listens`, async () => {
        assert.equal(printed(kind, await deadPort(), true), '');
      });
    }
  });
});

describe('client: what clusterRetryStrategy and events get', () => {
  const nodes: FakeNode[] = [];
  const clients: Cluster[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await Promise.all(nodes.splice(0).map((node) => node.close()));
  });

  it('startup nodes that it assigns are used although the old ones answer that they are down', async () => {
    const down: FakeNode = await FakeNode.start((argv) =>
      argv[0] === 'cluster' && argv[1]!.toLowerCase() === 'info' ? bulk('cluster_state:fail\r\n') : whole(argv, down),
    );
    const good: FakeNode = await FakeNode.start((argv) => whole(argv, good));
    nodes.push(down, good);
    const client = new Cluster([down.port], {
      clusterRetryStrategy(this: unknown) {
        (this as Cluster).startupNodes = [good.port];
        return 1;
      },
    });
    clients.push(client);
    assert.equal(await client.get('k'), 'get k');
    assert.deepEqual(
      client.nodes().map(({ options }) => options.port),
      [good.port],
    );
  });

  it('a startup node on the wrong side of a cut does not keep others from being asked', async () => {
    const down: FakeNode = await FakeNode.start((argv) =>
      argv[0] === 'cluster' && argv[1]!.toLowerCase() === 'info' ? bulk('cluster_state:fail\r\n') : whole(argv, down),
    );
    const good: FakeNode = await FakeNode.start((argv) => whole(argv, good));
    nodes.push(down, good);
    const client = new Cluster([down.port, good.port], { clusterRetryStrategy: () => 1 });
    clients.push(client);
    assert.equal(await client.get('k'), 'get k');
    assert.equal(good.count('get'), 1);
  });

  it("a name that cannot be looked up is reported in the look-up's own words, as with ioredis", async () => {
    const reasons: unknown[] = [];
    const client = new Cluster([{ host: 'nowhere.test', port: 1 }], {
      lazyConnect: true,
      dnsLookup: (_name, callback) => callback(new Error('Random Exception'), ''),
      clusterRetryStrategy: (_times, reason) => {
        reasons.push(reason!.message);
        return null;
      },
    });
    clients.push(client);
    client.on('error', (error: Error) => reasons.push(error.message));
    await assert.rejects(client.connect(), { message: 'Random Exception' });
    await until('both were called', () => reasons.length === 2);
    assert.deepEqual(reasons.sort(), ['Failed to refresh slots cache.', 'Random Exception']);
  });

  it('a refused CLUSTER SLOTS is a node error', async () => {
    const bad: FakeNode = await FakeNode.start((argv) =>
      argv[0] === 'cluster' ? '-ERR This instance has cluster support disabled\r\n' : bulk(''),
    );
    nodes.push(bad);
    const seen: unknown[] = [];
    const client = new Cluster([bad.port], { clusterRetryStrategy: () => null });
    clients.push(client);
    client.on('error', () => {});
    client.on('node error', (error: Error, key: string) => seen.push(error.message, key));
    await until('it gave up', () => client.status === 'end');
    assert.deepEqual(seen, ['ERR This instance has cluster support disabled', bad.key]);
  });
});
