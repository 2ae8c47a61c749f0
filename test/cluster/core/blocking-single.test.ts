// A single Redis shares its connection between calls that block and others, as ioredis does. Given up, such a call is
// ended on the server: it swallows nothing, and holds up nobody.

import assert from 'node:assert/strict';
import { Redis as Peer } from 'ioredis';
import { Redis, type RedisOptions } from '../../../lib/index.ts';
import { FakeNode } from '../../kit/fake-node.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { ready, until } from '../../kit/until.ts';

describe('client: calls that block on a single Redis', () => {
  let server: RealNode;
  let other: Redis;
  const clients: { disconnect(): void }[] = [];

  before(async function () {
    needRedisServer(this);
    server = await startRealNode();
    other = new Redis(server.port, '127.0.0.1');
  });
  after(async () => {
    other?.disconnect();
    await server?.stop();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await other.flushall();
  });

  function single(options: RedisOptions = {}): Redis {
    const client = new Redis({ host: '127.0.0.1', port: server.port, ...options });
    clients.push(client);
    return client;
  }

  const blocked = async (): Promise<number> => Number(/blocked_clients:(\d+)/.exec(await other.info('clients'))![1]);

  async function keepsElements(client: Redis, giveUp: (key: string) => Promise<void>): Promise<void> {
    const lost: string[] = [];
    for (const event of ['close', 'reconnecting']) client.on(event, () => lost.push(event));
    await client.ping();
    for (const key of ['a', 'b', 'c']) {
      await giveUp(key);
      await until('the server has let go', async () => (await blocked()) === 0);
      await client.rpush(key, 'kept');
      assert.equal(await client.llen(key), 1);
    }
    assert.deepEqual(lost, []);
  }

  it('commandTimeout ends it on the server, and the connection stays', async () => {
    const client = single({ commandTimeout: 500 });
    await keepsElements(client, (key) => assert.rejects(client.blpop(key, 0), /Command timed out/));
  });

  it('blockingTimeout ends it on the server', async () => {
    const client = single({ blockingTimeout: 100 });
    await keepsElements(client, async (key) => assert.equal(await client.blpop(key, 0), null));
  });

  it('a signal ends it on the server', async () => {
    const client = single();
    await keepsElements(client, async (key) => {
      const control = new AbortController();
      const popped = client.withAbortSignal(control.signal).blpop(key, 0);
      await until('it blocks', async () => (await blocked()) === 1);
      control.abort();
      await assert.rejects(popped, /AbortSignal/);
    });
  });

  it('what waits behind it is answered', async () => {
    const client = single({ blockingTimeout: 100 });
    await client.ping();
    const popped = client.blpop('k', 0);
    const behind = client.set('other', 'x');
    assert.equal(await popped, null);
    assert.equal(await behind, 'OK');
  });

  it('another blocking call behind it is never ended in its place', async () => {
    const client = single();
    await client.ping();
    const control = new AbortController();
    const first = client.withAbortSignal(control.signal).blpop('k', 0);
    const second = client.blpop('k', 0);
    await until('the first blocks', async () => (await blocked()) === 1);
    control.abort();
    await assert.rejects(first, /AbortSignal/);
    await other.rpush('k', 'one', 'two');
    // As with ioredis the first one, left armed, takes an element; the second is none the worse for it.
    assert.deepEqual(await second, ['k', 'two']);
  });

  it('where CLIENT UNBLOCK is refused, a connection that owes nothing else is replaced', async () => {
    await other.call('acl', 'setuser', 'plain', 'on', '>secret', '~*', '+@all', '-client|unblock');
    const client = single({ commandTimeout: 100, username: 'plain', password: 'secret' });
    await ready(client);
    await assert.rejects(client.blpop('k', 0), /Command timed out/);
    await until('the server has let go', async () => (await blocked()) === 0);
    await other.rpush('k', 'kept');
    assert.equal(await other.llen('k'), 1);
  });

  it('without a limit nothing is asked beside the call', async () => {
    const node = await FakeNode.start((argv) => (argv[0] === 'blpop' ? '*-1\r\n' : '+OK\r\n'));
    const client = new Redis({ host: '127.0.0.1', port: node.port });
    clients.push(client);
    assert.equal(await client.blpop('k', 1), null);
    assert.equal(node.count('client', 'id'), 0);
    client.disconnect();
    await node.close();
  });

  for (const [name, Client] of [
    ['ioredis', Peer as unknown as typeof Redis],
    ['lingcache', Redis],
  ] as const) {
    it(`${name}: blockingTimeout counts from the call while there is no connection, the call's own time does not`, async () => {
      const node = await FakeNode.start(() => '+OK\r\n');
      await node.close();
      const client = new Client({
        host: '127.0.0.1',
        port: node.port,
        blockingTimeout: 600,
        maxRetriesPerRequest: null,
        retryStrategy: () => 20,
      });
      clients.push(client);
      client.on('error', () => {});
      const settled: string[] = [];
      const long = client.blpop('k', 0).then((value) => settled.push(`long ${String(value)}`));
      const short = client.blpop('k', 0.01).then((value) => settled.push(`short ${String(value)}`));
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.deepEqual(settled, []);
      await Promise.all([long, short]);
      assert.deepEqual(settled, ['long null', 'short null']);
    });
  }
});
