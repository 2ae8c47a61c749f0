// What may be sent again, how often, after which pauses, and what its error says. Scripted nodes drop sockets, answer
// what cannot be read, or send calls in circles; each test counts what the node was asked.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, Redis } from '../../../lib/index.ts';
import { slotOf } from '../../../lib/wire/slot.ts';
import { type Answer, bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { until } from '../../kit/until.ts';

type Kind = 'Cluster' | 'Redis';
type Counted = Error & { attempts?: number; writes?: number };

const kinds: readonly Kind[] = ['Cluster', 'Redis'];
const open: (Cluster | Redis)[] = [];
const nodes: FakeNode[] = [];

/** A node that owns every slot; `answer` comes first, undefined lets the node say what it was asked. */
async function startNode(answer: (argv: readonly string[], cut: () => void) => Answer | 'mute'): Promise<FakeNode> {
  const node: FakeNode = await FakeNode.start((argv, socket) => {
    if (argv[0] === 'cluster')
      return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [node] }]) : clusterOk;
    if (argv[0] === 'info') return bulk('loading:0\r\n');
    if (argv[0] === 'ping') return '+PONG\r\n';
    const special = answer(argv, () => socket.destroy());
    if (special === 'mute') return undefined;
    return special ?? bulk(argv.join(' '));
  });
  nodes.push(node);
  return node;
}

function connectTo(
  kind: Kind,
  node: { port: number },
  options: object = {},
  nodeOptions: object = {},
): Cluster | Redis {
  const at = { host: '127.0.0.1', port: node.port };
  const client =
    kind === 'Cluster'
      ? new Cluster([at], { ...options, redisOptions: nodeOptions } as object)
      : new Redis({ ...at, ...options, ...nodeOptions } as object);
  client.on('error', () => undefined);
  open.push(client);
  return client;
}

async function failure(promise: Promise<unknown>): Promise<Counted> {
  try {
    const value = await promise;
    throw new Error(`it succeeded with ${String(value)}`);
  } catch (error) {
    return error as Counted;
  }
}

async function tidy(): Promise<void> {
  for (const client of open.splice(0)) client.disconnect();
  await Promise.all(nodes.splice(0).map((node) => node.close()));
}

describe('client: how often a lost call is sent', function () {
  this.timeout(40_000);
  afterEach(tidy);

  for (const kind of kinds) {
    it(`${kind}: a server that drops the socket at each INCR is asked a bounded number of times, with growing pauses`, async () => {
      const times: number[] = [];
      const node = await startNode(([name], cut) => {
        if (name !== 'incr') return undefined;
        times.push(performance.now());
        cut();
        return 'mute';
      });
      const client = connectTo(kind, node, kind === 'Cluster' ? { retryDeadline: 20_000 } : {});
      const error = await failure(client.incr('k'));
      // 16 times again on a Cluster, 20 on a single node, and one for the first.
      assert.ok(times.length > 1, 'it was never sent again');
      assert.ok(times.length <= 21, `it was sent ${times.length} times`);
      assert.equal(error.writes, times.length, `${error.name}: ${error.message}`);
      assert.ok((error.attempts ?? 0) >= times.length, `attempts ${error.attempts}`);
      const pauses = times.slice(1).map((at, index) => at - times[index]!);
      const half = Math.floor(pauses.length / 2);
      const sum = (list: number[]): number => list.reduce((all, ms) => all + ms, 0);
      assert.ok(sum(pauses.slice(half)) > 1.2 * sum(pauses.slice(0, half)), `pauses ${pauses.map(Math.round)}`);
    });

    it(`${kind}: maxResends bounds it`, async () => {
      const node = await startNode(([name], cut) => {
        if (name !== 'incr') return undefined;
        cut();
        return 'mute';
      });
      const client = connectTo(kind, node, { maxResends: 2 });
      const error = await failure(client.incr('k'));
      assert.equal(node.count('incr'), 3);
      assert.equal(error.writes, 3);
    });

    it(`${kind}: resend readonly: a write that was lost is rejected after one write, a read is sent again`, async () => {
      let drops = 0;
      const node = await startNode(([name], cut) => {
        if ((name !== 'incr' && name !== 'get') || ++drops > 2) return undefined;
        cut();
        return 'mute';
      });
      const client = connectTo(kind, node, { resend: 'readonly' });
      const [write, read] = await Promise.allSettled([client.incr('k'), client.get('k')]);
      assert.equal(write.status, 'rejected');
      assert.equal(((write as PromiseRejectedResult).reason as Counted).writes, 1);
      assert.equal(node.count('incr'), 1);
      assert.equal(read.status, 'fulfilled');
    });

    it(`${kind}: a pipeline whose socket dies each time is bounded, each of its errors counts`, async () => {
      const node = await startNode(([name], cut) => {
        if (name !== 'incr') return undefined;
        cut();
        return 'mute';
      });
      const client = connectTo(kind, node, kind === 'Cluster' ? { maxResends: 2 } : { maxRetriesPerRequest: 2 });
      const results = (await client.pipeline().incr('a').incr('b').exec())!;
      assert.equal(results.length, 2);
      for (const [error] of results) assert.ok(error instanceof Error);
      assert.equal(node.count('incr', 'a'), 3);
      assert.equal((results[0]![0] as Counted).writes, 3);
    });

    it(`${kind}: a transaction whose socket dies at each EXEC is bounded`, async () => {
      const node = await startNode(([name], cut) => {
        if (name === 'multi') return '+OK\r\n';
        if (name === 'incr') return '+QUEUED\r\n';
        if (name !== 'exec') return undefined;
        cut();
        return 'mute';
      });
      const client = connectTo(kind, node, kind === 'Cluster' ? { maxResends: 2 } : { maxRetriesPerRequest: 2 });
      const error = await failure(client.multi().incr('a').incr('a').exec());
      assert.ok(node.count('exec') <= 3, `${node.count('exec')} EXECs`);
      assert.equal(error.writes, node.count('exec'));
    });

    it(`${kind}: with resend readonly a transaction lost at EXEC is sent once`, async () => {
      const node = await startNode(([name], cut) => {
        if (name === 'multi') return '+OK\r\n';
        if (name === 'incr') return '+QUEUED\r\n';
        if (name !== 'exec') return undefined;
        cut();
        return 'mute';
      });
      const client = connectTo(kind, node, { resend: 'readonly' });
      const error = await failure(client.multi().incr('a').exec());
      assert.equal(node.count('exec'), 1);
      assert.equal(error.writes, 1);
    });

    it(`${kind}: a half-answered transaction (QUEUED came, the socket went) follows the same rule`, async () => {
      const node = await startNode(([name], cut) => {
        if (name === 'multi') return '+OK\r\n';
        if (name === 'exec') return 'mute';
        if (name !== 'incr') return undefined;
        setImmediate(cut);
        return '+QUEUED\r\n';
      });
      const client = connectTo(kind, node, kind === 'Cluster' ? { maxResends: 2 } : { maxRetriesPerRequest: 2 });
      const error = await failure(client.multi().incr('a').exec());
      assert.ok(node.count('multi') <= 3, `${node.count('multi')} transactions`);
      assert.equal(error.writes, node.count('multi'));
    });
  }

  it("Redis: maxRetriesPerRequest bounds a single node's", async () => {
    const node = await startNode(([name], cut) => {
      if (name !== 'incr') return undefined;
      cut();
      return 'mute';
    });
    const client = connectTo('Redis', node, { maxRetriesPerRequest: 2 });
    const error = await failure(client.incr('k'));
    assert.equal(node.count('incr'), 3);
    assert.equal(error.writes, 3);
  });
});

describe('client: replies that cannot be read', function () {
  this.timeout(40_000);
  afterEach(tidy);

  for (const kind of kinds) {
    it(`${kind}: garbage rejects its own call at once; it is asked once`, async () => {
      const node = await startNode(([name]) => (name === 'incr' ? '&what\r\n' : undefined));
      const client = connectTo(kind, node);
      await client.get('ready');
      const began = performance.now();
      const error = await failure(client.incr('k'));
      assert.ok(performance.now() - began < 2000);
      assert.match(`${error.name} ${error.message}`, /protocol/i);
      await pause(300);
      assert.equal(node.count('incr'), 1);
      assert.equal(error.writes, 1);
      // The client goes on with a new connection.
      assert.equal(await client.get('after'), 'get after');
    });

    it(`${kind}: behind garbage, reads are sent again and writes are rejected`, async () => {
      let first = true;
      const node = await startNode(([name]) => {
        if (name === 'incr') return '&what\r\n';
        if ((name !== 'lpush' && name !== 'get') || !first) return undefined;
        if (name === 'get') first = false;
        return 'mute';
      });
      const client = connectTo(kind, node);
      await client.set('ready', '1');
      const [culprit, write, read] = await Promise.allSettled([
        client.incr('k'),
        client.lpush('l', 'x'),
        client.get('r'),
      ]);
      assert.equal(culprit.status, 'rejected');
      assert.equal(write.status, 'rejected');
      assert.equal(read.status, 'fulfilled');
      assert.equal(node.count('incr'), 1);
      assert.equal(node.count('lpush'), 1);
      assert.equal(node.count('get', 'r'), 2);
    });

    it(`${kind}: a type byte spoiled inside a pipeline fails one of its calls with that reason, none is sent twice`, async () => {
      const node = await startNode(([name, key]) => (name === 'incr' && key === 'b' ? '&\r\n' : undefined));
      const client = connectTo(kind, node);
      await client.get('ready');
      const results = (await client.pipeline().incr('a').incr('b').incr('c').exec())!;
      assert.equal(results[0]![0], null);
      assert.match(`${results[1]![0]?.name} ${results[1]![0]?.message}`, /protocol/i);
      await pause(300);
      for (const key of ['a', 'b', 'c']) assert.equal(node.count('incr', key), 1, key);
    });
  }
});

describe('client: a reply deeper than any limit', function () {
  this.timeout(40_000);
  afterEach(tidy);
  for (const kind of kinds) {
    it(`${kind}: it fails its own call at once, asked once; its neighbours get their replies on the same socket`, async () => {
      const node = await startNode(([name]) => (name === 'eval' ? `${'*1\r\n'.repeat(100_000)}:1\r\n` : undefined));
      const client = connectTo(kind, node);
      await client.get('ready');
      const sockets = node.connections;
      const [before, culprit, after] = await Promise.allSettled([
        client.incr('a'),
        client.eval('return deep', 1, 'k'),
        client.incr('b'),
      ]);
      assert.equal(before.status, 'fulfilled');
      assert.equal(culprit.status, 'rejected');
      assert.equal(((culprit as PromiseRejectedResult).reason as Counted).writes, 1);
      assert.equal(after.status, 'fulfilled');
      assert.equal(node.count('eval'), 1);
      assert.equal(node.count('incr', 'b'), 1);
      assert.equal(node.connections, sockets);
    });
  }
});

describe('client: limits of replies, on a real server', function () {
  this.timeout(40_000);
  let server: RealNode;
  let alone: RealNode;
  before(async function () {
    needRedisServer(this);
    [server, alone] = await Promise.all([startRealNode(['--cluster-enabled', 'yes']), startRealNode()]);
    const admin = new Redis(server.port, '127.0.0.1');
    await admin.call('cluster', 'addslotsrange', '0', '16383');
    await until('the cluster is ok', async () => String(await admin.call('cluster', 'info')).includes('state:ok'));
    admin.disconnect();
  });
  after(async () => {
    await server?.stop();
    await alone?.stop();
  });
  afterEach(tidy);

  const deep = `redis.call('INCR', KEYS[1])
local t = {1}
for n = 1, 140 do t = {t} end
return t`;

  for (const kind of kinds) {
    const at = (): RealNode => (kind === 'Cluster' ? server : alone);
    for (const protocol of [2, 3] as const) {
      it(`${kind}, RESP${protocol}: a script whose reply is nested deeply runs once; its neighbours get their replies`, async () => {
        const client = connectTo(kind, at(), {}, { protocol });
        await client.del('{d}runs', '{d}n');
        const [before, culprit, after, read] = await Promise.allSettled([
          client.incr('{d}n'),
          client.eval(deep, 1, '{d}runs'),
          client.incr('{d}n'),
          client.get('{d}n'),
        ]);
        assert.deepEqual(before, { status: 'fulfilled', value: 1 });
        assert.equal(culprit.status, 'fulfilled', '140 levels are no more than the peer reads');
        assert.deepEqual(after, { status: 'fulfilled', value: 2 });
        assert.deepEqual(read, { status: 'fulfilled', value: '2' });
        assert.equal(await client.get('{d}runs'), '1');
      });
    }

    it(`${kind}: an element over maxBulkLength is popped once, its neighbours get their replies`, async () => {
      const filler = connectTo(kind, at());
      await filler.del('{m}list', '{m}n');
      const length = await filler.rpush('{m}list', ...Array.from({ length: 50 }, () => 'x'.repeat(2000)));
      const client = connectTo(kind, at(), {}, { maxBulkLength: 1000 });
      const [culprit, after] = await Promise.allSettled([client.lpop('{m}list'), client.incr('{m}n')]);
      assert.equal(culprit.status, 'rejected');
      assert.deepEqual(after, { status: 'fulfilled', value: 1 });
      await pause(300);
      assert.equal(await filler.llen('{m}list'), length - 1);
    });

    it(`${kind}: in a transaction, a result over a limit: it was executed once`, async () => {
      const filler = connectTo(kind, at());
      await filler.del('{m}list', '{m}n');
      await filler.rpush('{m}list', ...Array.from({ length: 50 }, () => 'x'.repeat(2000)));
      const client = connectTo(kind, at(), {}, { maxBulkLength: 1000 });
      await Promise.allSettled([client.multi().incr('{m}n').lpop('{m}list').exec()]);
      await pause(300);
      assert.equal(await filler.get('{m}n'), '1');
      assert.equal(await filler.llen('{m}list'), 49);
    });

    for (const answer of [1, 2] as const) {
      it(`${kind}: reconnectOnError that gives ${answer}: bounded sockets, the neighbours run once`, async () => {
        const admin = connectTo(kind, at());
        await admin.del('{e}set', '{e}n', '{e}text');
        await admin.set('{e}text', 'x');
        const stat = async (): Promise<number> =>
          Number(/total_connections_received:(\d+)/.exec(String(await admin.call('info', 'stats')))![1]);
        const client = connectTo(kind, at(), {}, { reconnectOnError: () => answer });
        await client.get('ready');
        const before = await stat();
        const neighbours = Promise.allSettled([
          client.incr('{e}n'),
          client.sadd('{e}text', 'member'),
          client.incr('{e}n'),
        ]);
        await Promise.race([neighbours, pause(4000)]);
        const sockets = (await stat()) - before;
        assert.ok(sockets <= 30, `${sockets} sockets`);
        const [first, , second] = await Promise.race([
          neighbours,
          pause(20_000).then(() => assert.fail('still pending')),
        ]);
        const done = [first, second].filter(({ status }) => status === 'fulfilled').length;
        const count = Number(await admin.get('{e}n'));
        assert.ok(count <= 2 && count >= done, `counter ${count}, ${done} acknowledged`);
      });
    }
  }
});

describe('client: redirects in circles', function () {
  this.timeout(60_000);
  afterEach(tidy);
  const slot = slotOf('k');

  /** Two nodes that send calls for one slot to each other until the test ends it. */
  const pingPong = async (options: object): Promise<{ client: Cluster; settle(): void; moves(): number }> => {
    let settled = false;
    let moves = 0;
    const pair: FakeNode[] = [];
    const make = (at: 0 | 1): Promise<FakeNode> =>
      FakeNode.start((argv) => {
        if (argv[0] === 'cluster') {
          if (argv[1]!.toLowerCase() !== 'slots') return clusterOk;
          return slotsReply([
            { start: 0, end: 8191, nodes: [pair[0]!] },
            { start: 8192, end: 16383, nodes: [pair[1]!] },
          ]);
        }
        if (argv[1] !== 'k' || (settled && at === 1)) return bulk('served');
        moves++;
        return `-MOVED ${slot} ${pair[1 - at]!.key}\r\n`;
      });
    pair.push(await make(0), await make(1));
    nodes.push(...pair);
    const client = new Cluster([pair[0]!.key], options);
    client.on('error', () => undefined);
    open.push(client);
    await client.get('other');
    const settle = (): void => {
      settled = true;
    };
    return { client, settle, moves: () => moves };
  };

  for (const ms of [5, 20, 50]) {
    it(`while two nodes name each other for ${ms} ms, 10 of 10 calls survive`, async () => {
      const { client, settle, moves } = await pingPong({});
      const calls = Array.from({ length: 10 }, () => client.get('k'));
      await until('it was moved', () => moves() > 0);
      setTimeout(settle, ms);
      const results = await Promise.allSettled(calls);
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 10);
    });
  }

  it('two nodes that name each other for ever: the call ends by retryDeadline and says so, with paused redirects', async () => {
    const { client, moves } = await pingPong({ retryDeadline: 2000 });
    const began = performance.now();
    const error = await failure(client.get('k'));
    const took = performance.now() - began;
    assert.ok(took > 1500 && took < 4000, `${took} ms`);
    assert.ok((error.attempts ?? 0) > 2, `attempts ${error.attempts}`);
    assert.match(error.message, /2000|2 ?s|retryDeadline|deadline/i);
    assert.ok(moves() < 200, `${moves()} redirects`);
  });
});

describe('client: the map during an outage', function () {
  this.timeout(60_000);
  afterEach(tidy);

  it('is asked for less and less, and at once again after a sign of change', async () => {
    let down = false;
    let moved = false;
    const pair: FakeNode[] = [];
    const asked: number[] = [];
    const make = (): Promise<FakeNode> => {
      const started: Promise<FakeNode> = FakeNode.start((argv) => {
        if (argv[0] === 'cluster') {
          const word = argv[1]!.toLowerCase();
          if (word === 'slots' || word === 'nodes') asked.push(performance.now());
          if (word === 'slots') {
            if (moved) return slotsReply([{ start: 0, end: 16383, nodes: [pair[1]!] }]);
            return slotsReply([
              { start: 0, end: 8191, nodes: [pair[0]!] },
              { start: 8192, end: 16383, nodes: [pair[1]!] },
            ]);
          }
          return word === 'info' ? bulk('cluster_state:ok\r\n') : '-ERR unknown subcommand\r\n';
        }
        if (down && !moved && argv[0] !== 'ping') return '-CLUSTERDOWN The cluster is down\r\n';
        return argv[0] === 'ping' ? '+PONG\r\n' : bulk(argv.join(' '));
      });
      return started;
    };
    pair.push(await make(), await make());
    nodes.push(...pair);
    const client = new Cluster([pair[0]!.key], { retryDeadline: 60_000 });
    client.on('error', () => undefined);
    open.push(client);
    await client.get('k');
    down = true;
    const start = performance.now();
    const calls = Promise.all(Array.from({ length: 5 }, (_, n) => client.get(`k${n}`)));
    await pause(8000);
    // A round asks several nodes, all at once.
    const rounds = asked.filter((at, index) => at >= start && !(at - asked[index - 1]! < 20));
    const gaps = rounds.slice(1).map((at, index) => ({ at: at - start, gap: at - rounds[index]! }));
    const medianOf = (from: number, to: number): number => {
      const sorted = gaps.filter(({ at }) => at >= from && at < to).map(({ gap }) => gap);
      sorted.sort((one, other) => one - other);
      assert.ok(sorted.length > 1, `it was not asked for between ${from} and ${to} ms`);
      return sorted[sorted.length >> 1]!;
    };
    const [early, late] = [medianOf(0, 2000), medianOf(5000, 8000)];
    assert.ok(late >= early * 1.5, `asked every ${early} ms at first, every ${late} ms later`);
    // A redirect is a sign of change.
    let sign = 0;
    const before = pair[0]!.answer;
    pair[0]!.answer = (argv, socket) => {
      if (argv[0] !== 'get') return before(argv, socket);
      sign ||= performance.now();
      moved = true;
      return `-MOVED ${slotOf(argv[1]!)} ${pair[1]!.key}\r\n`;
    };
    await calls;
    assert.ok(sign > 0, 'no call was moved');
    await until('the map was asked for', () => asked.some((at) => at > sign), 3000);
    const first = asked.find((at) => at > sign)!;
    assert.ok(first - sign < 1500, `asked ${Math.round(first - sign)} ms after the redirect`);
  });
});
