// A server that says nothing for a while: asleep, stopped, paused, busy, or at the far end of a slow line. Nothing that
// was written is sent again because of the silence; the servers' own counters show how often each command ran.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, type ClusterOptions, Redis } from '../../lib/index.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../kit/fake-node.ts';
import { Line } from '../kit/line.ts';
import { startRealCluster } from '../kit/real-cluster.ts';
import { needRedisServer, startRealNode } from '../kit/redis-server.ts';
import { RespClient } from '../kit/resp-client.ts';
import { until } from '../kit/until.ts';

/** Runs for ARGV[1] ms, then counts at KEYS[1]. */
const longScript = `local t = redis.call('TIME')
local start = t[1] * 1000 + t[2] / 1000
repeat
  local now = redis.call('TIME')
until now[1] * 1000 + now[2] / 1000 - start > tonumber(ARGV[1])
return redis.call('INCR', KEYS[1])`;

interface Setup {
  readonly client: Cluster | Redis;
  /** Asks the server past the client under test. */
  readonly side: RespClient;
  readonly pid: number;
  readonly port: number;
}

const kinds = ['Cluster', 'Redis'] as const;
type Kind = (typeof kinds)[number];

/** A kind of client, its protocol, and a server that no other scene uses: all of them are silent at the same time. */
interface Scene {
  readonly kind: Kind;
  readonly protocol: 2 | 3;
}

const scenes: readonly Scene[] = kinds.flatMap((kind) => ([2, 3] as const).map((protocol) => ({ kind, protocol })));

/** Runs a case once for each kind of client that it concerns, at the same time; what fails is named by its scene. */
async function inScenes(chosen: readonly Scene[], run: (scene: Scene) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(chosen.map(run));
  const failed = results.flatMap((result, at) => {
    if (result.status === 'fulfilled') return [];
    const { kind, protocol } = chosen[at]!;
    return [`${kind}, RESP${protocol}: ${(result.reason as Error).stack}`];
  });
  assert.equal(failed.join('\n'), '');
}

/** Waits until the server has been asked something that it does not answer. */
async function untilSilent(side: RespClient): Promise<void> {
  const answered = await Promise.race([side.call('PING').then(() => true), pause(100, false)]);
  assert.equal(answered, false, 'the server answers: the fault did not happen');
}

describe('fault: silence is no loss', function () {
  this.timeout(60_000);
  const servers: { stop(): Promise<void> }[] = [];
  const nodes = new Map<Scene, { readonly port: number; readonly pid: number }>();
  const open: { disconnect(): void }[] = [];
  const sides: RespClient[] = [];

  before(async function () {
    needRedisServer(this);
    await Promise.all(scenes.map(start));
  });
  after(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });
  afterEach(async () => {
    for (const client of open.splice(0)) client.disconnect();
    for (const side of sides.splice(0)) side.close();
    for (const { port } of nodes.values()) {
      const side = await RespClient.connect(port);
      await side.call('CLIENT', 'UNPAUSE');
      await side.call('FLUSHALL');
      side.close();
    }
  });

  async function start(scene: Scene): Promise<void> {
    if (scene.kind === 'Redis') {
      const node = await startRealNode();
      servers.push(node);
      nodes.set(scene, node);
      return;
    }
    const cluster = await startRealCluster({
      masters: 1,
      replicas: 0,
      config: { 'cluster-node-timeout': '15000', 'enable-debug-command': 'yes', 'cluster-announce-ip': '127.0.0.1' },
    });
    servers.push(cluster);
    nodes.set(scene, cluster.masters[0]!);
  }

  async function sideOf(port: number): Promise<RespClient> {
    const side = await RespClient.connect(port);
    sides.push(side);
    return side;
  }

  function adopt<T extends Cluster | Redis>(client: T): T {
    client.on('error', () => undefined);
    open.push(client);
    return client;
  }

  async function setUp(scene: Scene, options: ClusterOptions = {}): Promise<Setup> {
    const { port, pid } = nodes.get(scene)!;
    const { kind, protocol } = scene;
    const client = adopt(
      kind === 'Cluster'
        ? new Cluster([{ host: '127.0.0.1', port }], {
            ...options,
            redisOptions: { ...options.redisOptions, protocol },
          })
        : new Redis({ ...(options.resend === undefined ? {} : { resend: options.resend }), port, protocol }),
    );
    await client.set('ready', '1');
    return { client, side: await sideOf(port), pid, port };
  }

  /** A client behind a line that the test may slow down or stall. */
  async function setUpLine(scene: Scene): Promise<{ client: Cluster | Redis; line: Line; port: number }> {
    const { port } = nodes.get(scene)!;
    const line = await Line.open({ host: '127.0.0.1', port });
    const client = adopt(
      scene.kind === 'Cluster' ? new Cluster([line.address], { natMap: () => line.address }) : new Redis(line.address),
    );
    await client.set('ready', '1');
    return { client, line, port };
  }

  const counted = async (port: number, key: string): Promise<number> =>
    Number(String(await (await sideOf(port)).call('GET', key)));

  const connectionsOf = async (port: number): Promise<number> =>
    Number(/total_connections_received:(\d+)/.exec(String(await (await sideOf(port)).call('INFO', 'stats')))![1]);

  const silences: { name: string; ms: number; begin(setup: Setup, ms: number): Promise<unknown> }[] = [
    { name: 'asleep for 1.3 s', ms: 1300, begin: async ({ side }, ms) => side.raw(`DEBUG SLEEP ${ms / 1000}\r\n`) },
    { name: 'asleep for 3.4 s', ms: 3400, begin: async ({ side }, ms) => side.raw(`DEBUG SLEEP ${ms / 1000}\r\n`) },
    {
      name: 'stopped for 2.5 s',
      ms: 2500,
      begin: async ({ pid }, ms) => {
        process.kill(pid, 'SIGSTOP');
        setTimeout(() => process.kill(pid, 'SIGCONT'), ms);
      },
    },
    {
      name: 'paused for 1.3 s',
      ms: 1300,
      begin: ({ side }, ms) => side.call('CLIENT', 'PAUSE', String(ms), 'ALL'),
    },
    {
      name: 'paused for 3.4 s',
      ms: 3400,
      begin: ({ side }, ms) => side.call('CLIENT', 'PAUSE', String(ms), 'ALL'),
    },
    {
      name: 'paused for writes for 2.5 s',
      ms: 2500,
      begin: ({ side }, ms) => side.call('CLIENT', 'PAUSE', String(ms), 'WRITE'),
    },
  ];

  for (const { name, ms, begin } of silences) {
    it(`${name}: six INCRs and a push run once each, on the sockets there were`, () =>
      inScenes(scenes, async (scene) => {
        const setup = await setUp(scene);
        const before = await connectionsOf(setup.port);
        const began = performance.now();
        await begin(setup, ms);
        if (!name.includes('writes')) await untilSilent(setup.side);
        const { client } = setup;
        const replies = await Promise.all([
          ...Array.from({ length: 6 }, () => client.incr('counter')),
          client.rpush('list', 'job'),
        ]);
        assert.ok(performance.now() - began > ms - 400, 'the silence did not hold the calls');
        assert.deepEqual(replies, [1, 2, 3, 4, 5, 6, 1]);
        // What a second socket still carried would arrive late.
        await pause(200);
        assert.equal(await counted(setup.port, 'counter'), 6);
        assert.equal(await client.llen('list'), 1);
        // The two looks of the test, and room for probes beside the socket; nothing that is dialled each second.
        const dialled = (await connectionsOf(setup.port)) - before;
        assert.ok(dialled <= 6, `${dialled} connections`);
      }));
  }

  it('with resend readonly a pause rejects nothing', () =>
    inScenes(scenes, async (scene) => {
      const { client, side, port } = await setUp(scene, { resend: 'readonly' });
      await side.call('CLIENT', 'PAUSE', '2500', 'ALL');
      const replies = await Promise.all(Array.from({ length: 6 }, () => client.incr('counter')));
      assert.deepEqual(replies, [1, 2, 3, 4, 5, 6]);
      assert.equal(await counted(port, 'counter'), 6);
    }));

  it('a transaction in a pause is executed once', () =>
    inScenes(scenes, async (scene) => {
      const { client, side, port } = await setUp(scene);
      await side.call('CLIENT', 'PAUSE', '2500', 'ALL');
      const results = await client.multi().incr('{t}n').rpush('{t}l', 'x').exec();
      assert.deepEqual(results, [
        [null, 1],
        [null, 1],
      ]);
      await pause(200);
      assert.equal(await counted(port, '{t}n'), 1);
    }));

  it('WAIT that needs 4 s is answered, what comes behind it too', () =>
    inScenes(scenes, async (scene) => {
      const { client } = await setUp(scene);
      await client.set('k', 'v');
      const began = performance.now();
      // Nobody copies this node: WAIT takes its whole time.
      const [acknowledged, after] = await Promise.all([client.wait(1, 4000), client.incr('behind')]);
      assert.deepEqual([acknowledged, after], [0, 1]);
      assert.ok(performance.now() - began > 3800);
    }));

  const newest = scenes.filter(({ protocol }) => protocol === 3);

  it('a script of 8 s and the INCR behind it both succeed, each once', () =>
    inScenes(newest, async (scene) => {
      const { client, side, port } = await setUp(scene);
      await side.call('CONFIG', 'SET', 'busy-reply-threshold', '5000');
      const results = await Promise.all([
        client.eval(longScript, 1, '{s}runs', '8000'),
        pause(50).then(() => client.incr('{s}behind')),
      ]);
      assert.deepEqual(results, [1, 1]);
      await pause(200);
      assert.equal(await counted(port, '{s}runs'), 1);
      assert.equal(await counted(port, '{s}behind'), 1);
    }));

  it('a value of 20 MB leaves once over a line of 5 MB/s', () =>
    inScenes(newest, async (scene) => {
      const { client, line } = await setUpLine(scene);
      try {
        line.rate = 5_000_000;
        const size = 20_000_000;
        assert.equal(await client.set('large', Buffer.alloc(size, 'x')), 'OK');
        assert.ok(line.upBytes >= size, 'the value did not pass the line');
        assert.ok(line.upBytes < 1.2 * size, `${line.upBytes} bytes left`);
        line.rate = Number.POSITIVE_INFINITY;
        assert.equal(await client.strlen('large'), size);
      } finally {
        client.disconnect();
        await line.close();
      }
    }));

  it('a large reply over a slow line is asked for once', () =>
    inScenes(newest, async (scene) => {
      const { client, line, port } = await setUpLine(scene);
      try {
        line.rate = 1_000_000;
        const dialled = line.connections;
        const began = performance.now();
        const script = "redis.call('INCR', KEYS[1]); return string.rep('x', 3000000)";
        assert.equal(String(await client.eval(script, 1, 'runs')).length, 3_000_000);
        assert.ok(performance.now() - began > 2000, 'the line was not slow');
        assert.equal(await counted(port, 'runs'), 1);
        assert.ok(line.connections - dialled <= 3, `${line.connections - dialled} connections`);
      } finally {
        client.disconnect();
        await line.close();
      }
    }));

  it('a line that stalls for 3 s after the request left: executed once', () =>
    inScenes(newest, async (scene) => {
      const { client, line, port } = await setUpLine(scene);
      try {
        const calls = Array.from({ length: 6 }, () => client.incr('counter'));
        await until('the server has counted', async () => (await counted(port, 'counter')) > 0);
        const began = performance.now();
        line.stall(3000);
        calls.push(client.incr('counter'));
        await Promise.all(calls);
        assert.ok(performance.now() - began > 2500, 'the line did not stall');
        assert.equal(await counted(port, 'counter'), 7);
      } finally {
        client.disconnect();
        await line.close();
      }
    }));
});

describe('fault: a command that nobody knows may take its time', function () {
  this.timeout(30_000);
  for (const kind of kinds) {
    it(`${kind}: one that takes 3 s, while other sockets are served, is asked once`, async () => {
      await Promise.all((['ft.aggregate', 'my.slowcommand', 'fcall'] as const).map((command) => check(kind, command)));
    });
  }

  async function check(kind: Kind, command: 'ft.aggregate' | 'my.slowcommand' | 'fcall'): Promise<void> {
    // A server answers each connection in order: what is behind the slow command waits as long.
    const owed = new Map<Socket, string[]>();
    const answer = (argv: readonly string[]): string => {
      if (argv[0] === 'cluster')
        return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [node] }]) : clusterOk;
      if (argv[0] === 'info') return bulk('loading:0\r\n');
      if (argv[0] === 'ping') return '+PONG\r\n';
      return argv[0] === command ? bulk('done') : bulk(argv.join(' '));
    };
    const node: FakeNode = await FakeNode.start((argv, socket) => {
      const waiting = owed.get(socket);
      if (waiting !== undefined) waiting.push(answer(argv));
      else if (argv[0] !== command) return answer(argv);
      else {
        owed.set(socket, [answer(argv)]);
        setTimeout(() => {
          socket.write(owed.get(socket)!.join(''));
          owed.delete(socket);
        }, 3000);
      }
      return undefined;
    });
    const client = kind === 'Cluster' ? new Cluster([node.key]) : new Redis(node.port, '127.0.0.1');
    client.on('error', () => undefined);
    try {
      await client.get('ready');
      const asked = command === 'fcall' ? client.call('fcall', 'slow', '1', 'k') : client.call(command, 'k');
      await until('it was asked', () => node.count(command) > 0);
      const behind = client.get('behind');
      assert.equal(await asked, 'done');
      assert.equal(await behind, 'get behind');
      assert.equal(node.count(command), 1, command);
      assert.equal(node.count('get', 'behind'), 1, command);
    } finally {
      client.disconnect();
      await node.close();
    }
  }
});
