// Nothing costs the square of what users have many of: work is counted, never timed.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { RealWorld } from '../../../lib/base/world.ts';
import { Call, CallFlag, type CallSink } from '../../../lib/connection/call.ts';
import { Connection } from '../../../lib/connection/connection.ts';
import { dial } from '../../../lib/connection/dial.ts';
import { Cluster, Redis } from '../../../lib/index.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { until } from '../../kit/until.ts';

const namesOf = (count: number): string[] => Array.from({ length: count }, (_, at) => `channel:${at}`);

describe('client: growth of subscriptions', () => {
  let node: FakeNode;
  let connection: Connection | undefined;
  afterEach(async () => {
    connection?.destroy(new Error('test over'));
    await node.close();
  });

  /** How often the words of a call are read until it is settled, and with what it is. */
  async function readsOf(words: readonly string[], confirmed: readonly string[], kind = words[0]!) {
    node = await FakeNode.start(() =>
      confirmed.map((name, at) => `>3\r\n${bulk(kind)}${bulk(name)}:${at + 1}\r\n`).join(''),
    );
    const socket = await dial({ host: '127.0.0.1', port: node.port }, new RealWorld()).opened;
    connection = new Connection(socket, node.key, {}, new RealWorld(), {
      onClose: () => {},
      onPush: () => {},
      onDrain: () => {},
      onHeard: () => {},
    });
    let reads = 0;
    const argv = new Proxy([...words], {
      get(target, key, receiver) {
        if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
        return Reflect.get(target, key, receiver) as unknown;
      },
    });
    const reply = await new Promise<unknown>((resolve, reject) => {
      const sink: CallSink = { onReply: (_call, answer) => resolve(answer), onLost: (_call, reason) => reject(reason) };
      const call = new Call(argv, -1, CallFlag.subscribing, 'utf8', undefined, sink);
      call.pushes = words.length - 1;
      connection!.write(call);
    });
    return { reads, reply };
  }

  for (const count of [500, 5000]) {
    it(`${count} confirmations in order cost a comparison each`, async () => {
      const names = namesOf(count);
      const { reads, reply } = await readsOf(['subscribe', ...names], names);
      assert.equal(reply, count);
      assert.ok(reads <= 6 * count + 10, String(reads));
    });

    it(`${count} confirmations in another order cost a look-up each`, async () => {
      const names = namesOf(count);
      const { reads, reply } = await readsOf(['unsubscribe', ...names], [...names].reverse());
      assert.equal(reply, count);
      assert.ok(reads <= 8 * count + 10, String(reads));
    });
  }

  it('a confirmation of something else is no answer', async () => {
    const { reply } = await readsOf(['sunsubscribe', 'a', 'b'], ['x', 'a', 'y', 'b', 'z']);
    assert.equal(reply, 4);
  });
});

describe('client: one abort listener a signal', () => {
  let node: FakeNode;
  let client: Cluster;
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);

  beforeEach(async () => {
    warnings.length = 0;
    process.on('warning', note);
    node = await FakeNode.start((argv) => {
      if (argv[0] === 'cluster')
        return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [node] }]) : clusterOk;
      return argv[0] === 'get' ? undefined : '+OK\r\n';
    });
    client = new Cluster([node.key], { silenceTimeout: 0 });
    await client.set('k', 'v');
  });
  afterEach(async () => {
    process.off('warning', note);
    client.disconnect();
    await node.close();
  });

  const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

  it('however many calls and batches wait, and none when they are done', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const done: Promise<unknown>[] = [];
    for (let at = 0; at < 200; at++) {
      done.push(client.withAbortSignal(signal).set('k', 'v'));
      done.push(client.withAbortSignal(signal).pipeline().set('k', 'v').exec());
      done.push(
        client
          .withAbortSignal(signal)
          .multi()
          .set('k', 'v')
          .exec()
          .catch(() => undefined),
      );
      assert.equal(listeners(signal), 1);
    }
    await Promise.all(done.filter((_, at) => at % 3 !== 2));
    const waiting = Array.from({ length: 200 }, () => client.withAbortSignal(signal).get('k'));
    const batches = Array.from({ length: 200 }, () => client.withAbortSignal(signal).pipeline().get('k').exec());
    assert.equal(listeners(signal), 1);
    controller.abort();
    for (const one of waiting) await assert.rejects(one, { code: 'ABORT_ERR' });
    for (const one of batches) assert.equal((await one)![0]![0]?.name, 'AbortError');
    assert.equal(listeners(signal), 0);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(warnings, []);
  });
});

describe('client: many scans at once', () => {
  it('have one listener for changes of the map, and none when they are over', async () => {
    const node = await FakeNode.start((argv) => {
      if (argv[0] === 'cluster') {
        const word = argv[1]!.toLowerCase();
        if (word === 'slots') return slotsReply([{ start: 0, end: 16383, nodes: [node] }]);
        return word === 'nodes'
          ? bulk(`${'1'.repeat(40)} ${node.key}@1 myself,master - 0 0 1 connected 0-16383\n`)
          : clusterOk;
      }
      if (argv[0] === 'info') return bulk('run_id:abc\r\n');
      return argv[0] === 'scan' ? `*2\r\n${bulk('0')}*1\r\n${bulk('key')}` : '+OK\r\n';
    });
    const client = new Cluster([node.key]);
    try {
      let most = 0;
      const look = setInterval(() => {
        most = Math.max(most, client.listenerCount('refresh'));
      }, 0);
      const scan = async (): Promise<string[]> => {
        const keys: string[] = [];
        for await (const key of client.scanKeys()) keys.push(key);
        most = Math.max(most, client.listenerCount('refresh'));
        return keys;
      };
      const found = await Promise.all(Array.from({ length: 50 }, scan));
      clearInterval(look);
      assert.ok(found.every((keys) => keys.length === 1));
      assert.equal(most, 1);
      assert.equal(client.listenerCount('refresh'), 0);
    } finally {
      client.disconnect();
      await node.close();
    }
  });
});

describe('client: many channels on redis-server', () => {
  let server: RealNode;
  const clients: Redis[] = [];
  before(async function () {
    needRedisServer(this);
    server = await startRealNode();
  });
  after(() => server?.stop());
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect();
  });

  const connect = (options = {}): Redis => {
    const client = new Redis({ port: server.port, retryStrategy: () => 5, ...options });
    client.on('error', () => undefined);
    clients.push(client);
    return client;
  };

  for (const protocol of [2, 3] as const) {
    it(`are all there again after a cut, and all gone when they are left, RESP${protocol}`, async () => {
      const names = namesOf(12_000);
      const patterns = Array.from({ length: 1500 }, (_, at) => `pattern:${at}:*`);
      const client = connect({ protocol });
      assert.equal(await client.subscribe(...names), names.length);
      assert.equal(await client.psubscribe(...patterns), names.length + patterns.length);
      const admin = connect();
      const counts = async (): Promise<number[]> => [
        (await admin.pubsub('CHANNELS')).length,
        Number(await admin.pubsub('NUMPAT')),
      ];
      assert.deepEqual(await counts(), [names.length, patterns.length]);
      const id = /id=(\d+)/.exec(String(await admin.client('LIST', 'TYPE', 'PUBSUB')))![1]!;
      await admin.client('KILL', 'ID', id);
      await until('all are subscribed again', async () => {
        const [channels, numpat] = await counts();
        return channels === names.length && numpat === patterns.length;
      });
      const heard: string[] = [];
      client.on('message', (channel) => heard.push(channel));
      client.on('pmessage', (pattern) => heard.push(pattern));
      for (const name of [names[0]!, names.at(-1)!, 'pattern:1499:x']) await admin.publish(name, 'x');
      await until('messages come', () => heard.length === 3);
      assert.equal(await client.unsubscribe(), patterns.length);
      assert.equal(await client.punsubscribe(), 0);
      assert.deepEqual(await counts(), [0, 0]);
    });

    it(`are left while they are subscribed again, RESP${protocol}`, async () => {
      const client = connect({ protocol });
      await client.subscribe(...namesOf(20_000));
      const admin = connect();
      const id = /id=(\d+)/.exec(String(await admin.client('LIST', 'TYPE', 'PUBSUB')))![1]!;
      const ready = new Promise((resolve) => client.once('ready', resolve));
      await admin.client('KILL', 'ID', id);
      await ready;
      assert.equal(await client.unsubscribe(), 0);
      assert.equal((await admin.pubsub('CHANNELS')).length, 0);
      assert.equal(await client.unsubscribe(), 0);
      await client.subscribe('one');
      assert.deepEqual(await admin.pubsub('CHANNELS'), ['one']);
    });

    it(`are left while the connection is down, RESP${protocol}`, async () => {
      const client = connect({ protocol, retryStrategy: () => 50 });
      await client.subscribe(...namesOf(100));
      const admin = connect();
      const id = /id=(\d+)/.exec(String(await admin.client('LIST', 'TYPE', 'PUBSUB')))![1]!;
      const closed = new Promise((resolve) => client.once('close', resolve));
      await admin.client('KILL', 'ID', id);
      await closed;
      assert.equal(await client.unsubscribe(), 0);
      assert.deepEqual(await admin.pubsub('CHANNELS'), []);
    });
  }
});
