// Access rules and the connections they concern: waiting clients, subscribers, links between nodes, and our own client
// as a limited user of a cluster.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Cluster } from '../../../../lib/index.ts';
import { type Standalone, startStandalone } from '../../../../server/embedded/standalone.ts';
import { type BundledCluster, startCluster } from '../../../../server/index.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

async function message(reply: Promise<unknown>): Promise<string> {
  return reply.then(
    (value) => (value instanceof Error ? value.message : String(value)),
    (error: Error) => error.message,
  );
}

describe('clients whose user changes', () => {
  let server: Standalone;
  let admin: RespClient;

  beforeEach(async () => {
    server = await startStandalone();
    admin = await RespClient.connect(server.port);
  });
  afterEach(async () => {
    admin.close();
    await server.close();
  });

  const login = async (name: string): Promise<RespClient> => {
    const client = await RespClient.connect(server.port);
    assert.equal(await client.call('AUTH', name, 'x'), 'OK');
    return client;
  };

  it('who waits is let go with its user, and takes nothing more', async () => {
    await admin.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', '~*');
    const client = await login('u');
    const popped = message(client.call('BLPOP', 'l', '0'));
    await until('it waits', () => server.engine.blocked.count === 1);
    admin.raw('ACL DELUSER u\r\nRPUSH l 1\r\nLLEN l\r\nCLIENT LIST\r\n');
    assert.deepEqual([await admin.read(), await admin.read(), await admin.read()], [1, 1, 1]);
    assert.doesNotMatch(String(await admin.read()), /cmd=blpop/);
    assert.equal(await popped, 'connection closed');
  });

  it('who waits already is served, though it may not begin again', async () => {
    await admin.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', '~*');
    const client = await login('u');
    const popped = client.call('BLPOP', 'l', '0');
    await until('it waits', () => server.engine.blocked.count === 1);
    await admin.call('ACL', 'SETUSER', 'u', '-blpop');
    await admin.call('RPUSH', 'l', '1');
    assert.deepEqual(await popped, ['l', '1']);
    assert.match(await message(client.call('BLPOP', 'l', '0')), /^NOPERM/);
    client.close();
  });

  it('who deletes itself gets the answer to that, and nothing after it', async () => {
    await admin.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', '~*');
    const client = await login('u');
    client.raw('ACL DELUSER u\r\nSET k 1\r\nPING\r\n');
    assert.equal(await client.read(), 1);
    await client.untilClosed();
    assert.equal(await admin.call('EXISTS', 'k'), 0);
  });

  it('a subscriber that loses its channel receives nothing of what is published in the same turn', async () => {
    await admin.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', '&*');
    const client = await login('u');
    assert.deepEqual(await client.call('SUBSCRIBE', 'c'), ['subscribe', 'c', 1]);
    admin.raw('ACL SETUSER u resetchannels &d\r\nPUBLISH c secret\r\n');
    assert.deepEqual([String(await admin.read()), await admin.read()], ['OK', 0]);
    assert.equal(await message(client.read()), 'connection closed');
  });

  it('requests are kept small as long as a password is needed, of clients that are there already too', async () => {
    const many = (count: number): string => `*${count}\r\n$4\r\nMGET\r\n${'$1\r\na\r\n'.repeat(count - 1)}`;
    await admin.call('CONFIG', 'SET', 'requirepass', 'x');
    const stranger = await RespClient.connect(server.port);
    assert.match(await message(stranger.call('PING')), /^NOAUTH/);
    await admin.call('ACL', 'SETUSER', 'default', 'nopass');
    stranger.raw(many(12));
    assert.deepEqual(await stranger.read(), Array(11).fill(null));
    await admin.call('ACL', 'SETUSER', 'default', 'resetpass');
    stranger.raw(many(12));
    assert.match(await message(stranger.read()), /unauthenticated multibulk length/);
    await stranger.untilClosed();
  });

  it('counts what is refused, and forgets it at CONFIG RESETSTAT', async () => {
    await admin.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+get', '+publish', '~a');
    const client = await login('u');
    await client.call('SET', 'a', '1');
    await client.call('GET', 'b');
    await client.call('GET', 'c');
    await client.call('PUBLISH', 'c', 'x');
    await client.call('AUTH', 'u2', 'x');
    const counts = async (): Promise<string[]> =>
      [...String(await admin.call('INFO', 'stats')).matchAll(/acl_access_denied_(\w+:\d+)/g)].map(([, each]) => each!);
    assert.deepEqual(await counts(), ['auth:1', 'cmd:1', 'key:2', 'channel:1']);
    await admin.call('CONFIG', 'RESETSTAT');
    assert.deepEqual(await counts(), ['auth:0', 'cmd:0', 'key:0', 'channel:0']);
    client.close();
  });

  it('shows neither passwords nor definitions to those who watch', async () => {
    const watcher = await RespClient.connect(server.port);
    await watcher.call('MONITOR');
    await admin.call('CONFIG', 'SET', 'slowlog-log-slower-than', '0');
    await admin.call('ACL', 'SETUSER', 'u', 'on', '>topsecret', '+@all');
    await admin.call('AUTH', 'u', 'topsecret');
    await admin.call('HELLO', '2', 'AUTH', 'u', 'topsecret');
    await admin.call('CONFIG', 'SET', 'requirepass', 'topsecret');
    await admin.call('ECHO', 'the end');
    let seen = '';
    while (!seen.includes('the end')) seen += String(await watcher.read());
    assert.doesNotMatch(seen, /topsecret/);
    assert.doesNotMatch(JSON.stringify(await admin.call('SLOWLOG', 'GET', '-1')), /topsecret/);
    watcher.close();
  });
});

describe('a cluster under access rules', function () {
  this.timeout(30_000);
  let cluster: BundledCluster;

  before(async () => {
    cluster = await startCluster({
      masters: 3,
      replicas: 1,
      config: {
        user: 'app on >pw ~app:* &app:* +@all -@dangerous +info\nreader on >pw %R~* +@read +cluster|slots +ping',
      },
    });
  });
  after(() => cluster?.close());

  const connect = (username: string): Cluster =>
    new Cluster(cluster.seeds, { redisOptions: { username, password: 'pw' } });

  it('is used by our client as a limited user: what it may not is refused at every node', async () => {
    const client = connect('app');
    try {
      for (let at = 0; at < 30; at++) {
        assert.equal(await client.set(`app:${at}`, String(at)), 'OK');
        assert.match(await message(client.set(`other:${at}`, '1')), /^NOPERM .*keys/);
      }
      assert.match(await message(client.call('flushall')), /^NOPERM .*'flushall'/);
      assert.match(await message(client.publish('other', 'x')), /^NOPERM .*channels/);
      const heard = once(client, 'message');
      await client.subscribe('app:news');
      await client.publish('app:news', 'hello');
      assert.deepEqual(await heard, ['app:news', 'hello']);
    } finally {
      client.disconnect();
    }
  });

  it('refuses before it redirects: who may not read a key does not learn where it is', async () => {
    const node = await RespClient.connect(cluster.nodes[0]!.port);
    assert.equal(await node.call('AUTH', 'app', 'pw'), 'OK');
    for (let at = 0; at < 20; at++) assert.match(await message(node.call('GET', `secret:${at}`)), /^NOPERM/);
    node.close();
  });

  it('keeps a reader from writing', async () => {
    const client = connect('reader');
    try {
      assert.equal(await client.get('app:1'), '1');
      assert.match(await message(client.set('app:1', 'x')), /^NOPERM/);
    } finally {
      client.disconnect();
    }
  });

  it('moves slots and changes masters as if there were no rules, and the user finds its keys', async () => {
    const client = connect('app');
    try {
      await client.set('app:{moved}', 'here');
      const slot = Number(await client.cluster('KEYSLOT', 'app:{moved}'));
      const to = cluster.nodes.find((node) => node.role === 'master' && node !== cluster.ownerOf(slot))!;
      await cluster.moveSlot(slot, to);
      assert.equal(await client.get('app:{moved}'), 'here');
      await cluster.failover(to);
      assert.equal(await client.get('app:{moved}'), 'here');
    } finally {
      client.disconnect();
    }
  });
});
