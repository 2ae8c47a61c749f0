// quit() comes to an end within `quitTimeout`, whatever a node does, and what was pending gets the reason why it has no answer.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from '../../../lib/index.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';

type Failure = Error & { code: string; node?: string; slot?: number };

/** A key of the lower half of the slots. */
const low = 'bar';

/** Long enough for what answers, short enough for a test. */
const quitTimeout = 300;

async function failure(promise: Promise<unknown>): Promise<Failure> {
  return promise.then(
    (value) => assert.fail(`resolved with ${String(value)}`),
    (error: unknown) => error as Failure,
  );
}

describe('client: quit() ends in time', () => {
  let node: FakeNode;
  const open: (Cluster | Redis)[] = [];
  /** Commands that the node leaves unanswered; '*' for all. */
  let mute = new Set<string>();

  beforeEach(async () => {
    mute = new Set();
    node = await FakeNode.start((argv) => {
      const [name] = argv as [string];
      if (mute.has('*') || mute.has(name)) return undefined;
      if (name === 'cluster') {
        return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [node] }]) : clusterOk;
      }
      if (name === 'info') return bulk('loading:0');
      if (name === 'try') return '-TRYAGAIN not yet\r\n';
      if (name === 'subscribe') return `>3\r\n$9\r\nsubscribe\r\n${bulk(argv[1]!)}:1\r\n`;
      return bulk(argv.join(' '));
    });
  });
  afterEach(async () => {
    for (const client of open.splice(0)) client.disconnect();
    await node.close();
  });

  function cluster(options: ClusterOptions = {}, port = node.port): Cluster {
    const made = new Cluster([{ host: '127.0.0.1', port }], { quitTimeout, ...options });
    made.on('error', () => {});
    open.push(made);
    return made;
  }

  function single(options: RedisOptions = {}, port = node.port): Redis {
    const made = new Redis({ host: '127.0.0.1', port, quitTimeout, ...options });
    made.on('error', () => {});
    open.push(made);
    return made;
  }

  /** Nothing answers any more, not even a handshake or QUIT. */
  function freeze(): void {
    mute.add('*');
    node.shy = true;
    node.pause();
  }

  for (const leaving of ['quit', 'disconnect'] as const) {
    it(`cluster: what a node owes that has left the map is answered before ${leaving}() ends`, async () => {
      const usual = node.answer;
      const map = (): string =>
        slotsReply([
          { start: 0, end: 8191, nodes: [moved ? other : node] },
          { start: 8192, end: 16383, nodes: [other] },
        ]);
      const scripted: FakeNode['answer'] = (argv, socket) => {
        if (argv[0] !== 'cluster' || argv[1]!.toLowerCase() === 'info') return usual(argv, socket);
        return argv[1]!.toLowerCase() === 'slots' ? map() : '-ERR unknown subcommand\r\n';
      };
      const other = await FakeNode.start(scripted);
      let moved = false;
      // From the INCR on the node keeps its answers back, in order.
      let kept: string[] | undefined;
      let release = (): void => {};
      node.answer = (argv, socket) => {
        if (argv[0] === 'incr') {
          kept = [':7\r\n'];
          release = () => socket.write(kept!.join(''));
          return undefined;
        }
        const answer = String(scripted(argv, socket));
        if (kept === undefined) return answer;
        kept.push(answer);
        return undefined;
      };
      try {
        const client = cluster({ quitTimeout: 10_000 });
        await client.ping();
        const pending = client.incr(low);
        await until('it is there', () => node.count('incr') === 1);
        moved = true;
        await client.refreshSlotsCache();
        assert.deepEqual(client.slots[0], [other.key]);
        // A server that finds its input closed answers what it has read, and closes: its answer is on its way here.
        if (leaving === 'disconnect') release();
        const quitting = leaving === 'quit' ? client.quit() : client.disconnect();
        await pause(50);
        if (leaving === 'quit') release();
        assert.equal(await pending, 7);
        await quitting;
        await until('it has ended', () => client.status === 'end');
      } finally {
        await other.close();
      }
    });
  }

  const kinds = { cluster, single } as const;
  for (const kind of ['cluster', 'single'] as const) {
    it(`${kind}: beside a frozen node, with a call in flight`, async () => {
      const client = kinds[kind]();
      await client.ping();
      freeze();
      const pending = failure(client.get('k'));
      assert.equal(await client.quit(), 'OK');
      const error = await pending;
      assert.equal(error.code, 'ERR_QUIT_TIMEOUT');
      assert.equal(error.name, 'AbortError');
      assert.match(error.message, /^Connection is closed\. quit\(\) waited 300ms \(quitTimeout\) for 127\.0\.0\.1:\d+/);
      assert.equal(client.status, 'end');
      node.resume();
      await until('its sockets are closed', () => node.open === 0);
    });

    it(`${kind}: beside a frozen node that owes nothing`, async () => {
      const client = kinds[kind]();
      await client.ping();
      freeze();
      assert.equal(await client.quit(), 'OK');
      assert.equal(client.status, 'end');
    });

    it(`${kind}: while a mute server is being dialed, with a call held`, async () => {
      freeze();
      const client = kinds[kind]();
      const pending = failure(client.get('k'));
      assert.equal(await client.quit(), 'OK');
      assert.equal((await pending).code, 'ERR_QUIT_TIMEOUT');
      assert.equal(client.status, 'end');
    });

    it(`${kind}: between two attempts to connect, with a call held`, async () => {
      await node.close();
      const client = kinds[kind]({ clusterRetryStrategy: () => 60_000, retryStrategy: () => 60_000 } as object);
      const pending = failure(client.get('k'));
      await until('an attempt has failed', () => client.status === 'reconnecting');
      assert.equal(await client.quit(), 'OK');
      const error = await pending;
      assert.equal(error.code, 'ERR_QUIT_TIMEOUT');
      assert.equal(client.status, 'end');
    });

    it(`${kind}: a lazy client that never connected`, async () => {
      const client = kinds[kind]({ lazyConnect: true });
      assert.equal(await client.quit(), 'OK');
      // A single one ends behind its answer, as with ioredis.
      await until('the client has ended', () => client.status === 'end');
      if (kind === 'cluster') assert.equal(node.connections, 0);
    });

    it(`${kind}: with a subscription on a frozen node`, async () => {
      const client = kinds[kind]();
      await client.subscribe('news');
      freeze();
      client.unsubscribe('news').catch(() => undefined);
      assert.equal(await client.quit(), 'OK');
      node.resume();
      await until('its sockets are closed', () => node.open === 0);
    });

    it(`${kind}: with quitTimeout 0 it waits as long as it takes`, async () => {
      const client = kinds[kind]({ quitTimeout: 0 });
      await client.ping();
      node.pause();
      let done = false;
      const slow = client.call('slow') as Promise<unknown>;
      const quitting = client.quit().then((answer) => {
        done = true;
        return answer;
      });
      await pause(2 * quitTimeout);
      assert.equal(done, false);
      node.resume();
      assert.equal(await slow, 'slow');
      assert.equal(await quitting, 'OK');
    });
  }

  it('cluster: with a call that is refused again and again', async () => {
    const client = cluster();
    await client.ping();
    const pending = failure(client.call('try') as Promise<unknown>);
    await until('it was refused', () => node.count('try') > 0);
    assert.equal(await client.quit(), 'OK');
    const error = await pending;
    assert.equal(error.code, 'ERR_QUIT_TIMEOUT');
    // When the time is over it waits for its next try, or is on its way for it.
    assert.match(error.message, /calls to be tried again \(1\)|\(1 unanswered, up\)/);
  });

  it('cluster: beside a node that is known to be silent, the event loop goes on', async () => {
    const client = cluster({ silenceTimeout: 50 });
    await client.ping();
    freeze();
    const pending = failure(client.get('k'));
    await pause(200);
    assert.equal(await client.quit(), 'OK');
    assert.equal((await pending).message.startsWith('Connection is closed.'), true);
  });

  it('cluster: a blocking call in flight is closed, not waited for', async () => {
    mute.add('blpop');
    const client = cluster({ quitTimeout: 60_000 });
    const pending = failure(client.blpop('k', 0));
    await until('it was sent', () => node.count('blpop') > 0);
    assert.equal(await client.quit(), 'OK');
    assert.equal((await pending).message, 'Connection is closed.');
  });

  it('single: a blocking call in flight holds QUIT up, and only for so long', async () => {
    mute.add('blpop');
    const client = single();
    const pending = failure(client.blpop('k', 0));
    await until('it was sent', () => node.count('blpop') > 0);
    freeze();
    assert.equal(await client.quit(), 'OK');
    assert.equal((await pending).code, 'ERR_QUIT_TIMEOUT');
  });

  it("a node's own quit() beside a frozen node", async () => {
    const client = cluster({ redisOptions: { quitTimeout } });
    await client.ping();
    const [face] = client.nodes();
    freeze();
    assert.equal(await face!.quit(), 'OK');
  });

  it('a second quit() of a cluster says OK, that of a single node is refused, as with ioredis', async () => {
    const [many, one] = [cluster(), single()];
    await Promise.all([many.ping(), one.ping()]);
    assert.equal(await many.quit(), 'OK');
    assert.equal(await many.quit(), 'OK');
    assert.equal(await one.quit(), 'OK');
    assert.equal((await failure(one.quit())).message, 'Connection is closed.');
  });

  it('what answers in time is answered, and quit() does not wait for its limit', async () => {
    const client = cluster({ quitTimeout: 60_000 });
    await client.ping();
    const answers = ['a', 'b', 'c'].map((key) => client.get(key));
    assert.equal(await client.quit(), 'OK');
    assert.deepEqual(await Promise.all(answers), ['get a', 'get b', 'get c']);
  });
});
