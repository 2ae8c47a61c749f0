import assert from 'node:assert/strict';
import { ReplyError } from '../../../../lib/wire/reply.ts';
import { slotOf } from '../../../../lib/wire/slot.ts';
import { type BundledCluster, type BundledNode, startCluster, startNode } from '../../../../server/index.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

const foo = slotOf('foo');

describe('the bundled cluster', () => {
  let cluster: BundledCluster;
  const clients: RespClient[] = [];
  const open = async (node: BundledNode): Promise<RespClient> => {
    const client = await RespClient.connect(node.port);
    clients.push(client);
    return client;
  };
  const say = async (node: BundledNode, ...argv: string[]): Promise<unknown> => {
    const reply = await (await open(node)).call(...argv);
    return reply instanceof ReplyError ? `-${reply.message}` : reply;
  };

  beforeEach(async () => {
    cluster = await startCluster();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await cluster.close();
  });

  it('is whole when it is ready: every node has one view and every replica is known', async () => {
    const views = await Promise.all(cluster.nodes.map((node) => say(node, 'CLUSTER', 'SLOTS')));
    for (const view of views) assert.deepEqual(view, views[0]);
    const ranges = (views[0] as [number, number, ...unknown[]][]).map(([start, end, ...nodes]) => [
      start,
      end,
      nodes.length,
    ]);
    assert.deepEqual(ranges, [
      [0, 5460, 2],
      [5461, 10922, 2],
      [10923, 16383, 2],
    ]);
    assert.match(String(await say(cluster.nodes[4]!, 'CLUSTER', 'INFO')), /^cluster_state:ok\r\n/);
  });

  it('a write reaches the replica, WAIT counts it, READONLY reads it, others are sent to the master', async () => {
    const master = cluster.ownerOf(foo);
    const replica = cluster.nodes.find((node) => node.masterId === master.id)!;
    const client = await open(master);
    assert.equal(await client.call('SET', 'foo', 'bar'), 'OK');
    assert.equal(await client.call('WAIT', '1', '5000'), 1);
    const reader = await open(replica);
    assert.equal(String(await reader.call('GET', 'foo')), `ReplyError: MOVED ${foo} 127.0.0.1:${master.port}`);
    await reader.call('READONLY');
    assert.equal(await reader.call('GET', 'foo'), 'bar');
    assert.match(String(await reader.call('SET', 'foo', 'x')), /MOVED/);
    assert.equal(await client.call('PEXPIRE', 'foo', '20'), 1);
    await until('expiry', async () => (await reader.call('GET', 'foo')) === null);
  });

  it('PUBLISH on one node is heard on another', async () => {
    const listener = await open(cluster.nodes[5]!);
    await listener.call('SUBSCRIBE', 'news');
    await say(cluster.nodes[0]!, 'PUBLISH', 'news', 'hello');
    assert.deepEqual(await listener.read(), ['message', 'news', 'hello']);
  });

  it('a moved slot brings every key with its type, value and deadline', async () => {
    const source = cluster.ownerOf(foo);
    const target = cluster.nodes.find((node) => node.role === 'master' && node !== source)!;
    const client = await open(source);
    for (let at = 0; at < 300; at++) await client.call('SET', `{foo}${at}`, `v${at}`);
    await client.call('RPUSH', '{foo}list', 'a', 'b', '3');
    await client.call('HSET', '{foo}hash', 'f', 'v');
    await client.call('SADD', '{foo}set', '1', '2');
    await client.call('ZADD', '{foo}zset', '1.5', 'm');
    await client.call('XADD', '{foo}stream', '5-1', 'k', 'v');
    await client.call('PEXPIRE', '{foo}7', '600000');
    assert.equal(await cluster.moveSlot(foo, target, { batch: 50 }), 305);
    assert.equal(await cluster.moveSlot(foo, target), 0);
    assert.equal(await say(source, 'GET', '{foo}1'), `-MOVED ${foo} 127.0.0.1:${target.port}`);
    assert.equal(await say(source, 'CLUSTER', 'COUNTKEYSINSLOT', String(foo)), 0);
    assert.equal(await say(target, 'GET', '{foo}299'), 'v299');
    assert.deepEqual(await say(target, 'LRANGE', '{foo}list', '0', '-1'), ['a', 'b', '3']);
    assert.deepEqual(await say(target, 'HGETALL', '{foo}hash'), ['f', 'v']);
    assert.deepEqual(await say(target, 'ZRANGE', '{foo}zset', '0', '-1', 'WITHSCORES'), ['m', '1.5']);
    assert.deepEqual(await say(target, 'XRANGE', '{foo}stream', '-', '+'), [['5-1', ['k', 'v']]]);
    const ttl = Number(await say(target, 'PTTL', '{foo}7'));
    assert.ok(ttl > 500_000 && ttl <= 600_000, `ttl ${ttl}`);
    await until('the replicas of both', async () => {
      const sizes = await Promise.all(cluster.nodes.map((node) => say(node, 'DBSIZE')));
      return cluster.nodes.every(
        (node, at) =>
          (node.slots.flat().length > 0 && sizes[at]) ===
          (node.id === target.id || node.masterId === target.id ? 305 : 0),
      );
    });
  });

  it('a slot half-moved asks for what has gone, and a rollback brings everything back', async () => {
    const source = cluster.ownerOf(foo);
    const target = cluster.nodes.find((node) => node.role === 'master' && node !== source)!;
    for (let at = 0; at < 20; at++) await say(source, 'SET', `{foo}${at}`, `v${at}`);
    const move = await cluster.beginMove(foo, target);
    assert.equal(await move.moveKeys(5), 5);
    const left = await say(source, 'CLUSTER', 'GETKEYSINSLOT', String(foo), '100');
    assert.equal((left as string[]).length, 15);
    const gone = (await say(target, 'CLUSTER', 'GETKEYSINSLOT', String(foo), '1')) as string[];
    assert.equal(await say(source, 'GET', gone[0]!), `-ASK ${foo} 127.0.0.1:${target.port}`);
    const asking = await open(target);
    await asking.call('ASKING');
    assert.match(String(await asking.call('GET', gone[0]!)), /^v\d+$/);
    await asking.call('ASKING');
    assert.equal(await asking.call('SET', '{foo}new', 'n'), 'OK');
    await move.rollback();
    assert.equal(await say(source, 'CLUSTER', 'COUNTKEYSINSLOT', String(foo)), 21);
    assert.equal(await say(target, 'CLUSTER', 'COUNTKEYSINSLOT', String(foo)), 0);
    assert.equal(await say(source, 'GET', '{foo}nothing'), null);
    await cluster.settled();
  });

  it('slots may move at once in every direction, with a failover among them, and no key is lost', async () => {
    const moving = Array.from({ length: 24 }, (_, at) => at * 640 + 7);
    const names = moving.flatMap((slot) => [0, 1, 2].map((at) => `{${keyOf(slot)}}${at}`));
    for (const name of names) await say(cluster.ownerOf(slotOf(name)), 'SET', name, name);
    const ways = moving.map(async (slot, at) => {
      for (let round = 0; round < 3; round++) {
        const masters = cluster.nodes.filter((node) => node.role === 'master');
        const target = masters[(at + round) % 3]!;
        await cluster.moveSlot(slot, target, { batch: 2 }).catch((error: Error) => {
          // The failover may have come between the choice of the target and the move.
          assert.match(error.message, /is no running master/);
        });
      }
    });
    await Promise.all([...ways, cluster.failover(1)]);
    await cluster.settled();
    for (const name of names) assert.equal(await say(cluster.ownerOf(slotOf(name)), 'GET', name), name);
    await assert.rejects(
      cluster.moveSlot(moving[0]!, cluster.nodes.find((node) => node.role === 'replica')!),
      /no running master/,
    );
  });

  it('a client that waits for a key is sent after its slot', async () => {
    const source = cluster.ownerOf(foo);
    const target = cluster.nodes.find((node) => node.role === 'master' && node !== source)!;
    const waiting = (await open(source)).call('BLPOP', 'foo', '0');
    await until('the wait', async () => /blocked_clients:1/.test(String(await say(source, 'INFO', 'clients'))));
    await cluster.moveSlot(foo, target);
    assert.equal(String(await waiting), `ReplyError: MOVED ${foo} 127.0.0.1:${target.port}`);
  });

  it('a node can be made to lie about one slot, to its clients only', async () => {
    const [a, b, c] = cluster.nodes as [BundledNode, BundledNode, BundledNode];
    b.setSlotOwner(0, b.id);
    c.setSlotOwner(0, b.id);
    assert.equal(await say(b, 'GET', keyOf(0)), null);
    assert.equal(await say(c, 'GET', keyOf(0)), `-MOVED 0 127.0.0.1:${b.port}`);
    assert.equal(await say(a, 'GET', keyOf(0)), null);
    assert.equal(((await say(c, 'CLUSTER', 'SLOTS')) as unknown[]).length, 4);
    assert.deepEqual(a.slots, [[0, 5460]]);
    assert.throws(() => b.setSlotOwner(0, 'nobody'), /no node nobody/);
    assert.throws(() => b.setSlotOwner(16384, null), /slot 16384/);
    for (const node of [b, c]) node.setSlotOwner(0, null);
    assert.equal(await say(b, 'GET', keyOf(0)), `-MOVED 0 127.0.0.1:${a.port}`);
    assert.equal(((await say(c, 'CLUSTER', 'SLOTS')) as unknown[]).length, 3);
  });

  it('an agreed failover keeps every acknowledged write', async () => {
    const master = cluster.nodes[0]!;
    const writer = await open(master);
    let written = 0;
    let stop = false;
    const key = keyOf(0);
    const writing = (async () => {
      while (!stop) {
        if ((await writer.call('SET', key, String(written + 1))) !== 'OK') break;
        written++;
      }
    })();
    await until('some writes', () => written >= 20);
    const newPrimary = await cluster.failover(0);
    stop = true;
    await writing;
    assert.equal(newPrimary, cluster.nodes[3]);
    assert.deepEqual([master.role, master.masterId], ['replica', newPrimary.id]);
    assert.equal(await say(newPrimary, 'GET', key), String(written));
    await cluster.settled();
  });

  it('a killed master is replaced, comes back as a replica and gets its data again', async () => {
    const master = cluster.nodes[0]!;
    await say(master, 'SET', keyOf(0), 'kept');
    assert.equal(await (await open(master)).call('WAIT', '1', '5000'), 1);
    await master.kill();
    assert.equal(master.running, false);
    await until('the election', () => cluster.nodes[3]!.role === 'master');
    assert.equal(await say(cluster.nodes[3]!, 'GET', keyOf(0)), 'kept');
    await master.restart();
    await until('the return', () => master.role === 'replica' && master.server.synced);
    const reader = await open(master);
    await reader.call('READONLY');
    assert.equal(await reader.call('GET', keyOf(0)), 'kept');
  });

  it('a paused node answers nothing until it resumes', async () => {
    const node = cluster.nodes[1]!;
    const client = await open(node);
    node.pause();
    let answered = false;
    const pong = client.call('PING').then(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(answered, false);
    node.resume();
    await pong;
  });

  it('SHUTDOWN stops the node, and it can be started again', async () => {
    const node = cluster.nodes[4]!;
    const client = await open(node);
    client.raw('SHUTDOWN NOSAVE\r\n');
    await client.untilClosed();
    assert.equal(node.running, false);
    await node.restart();
    await until('the copy', () => node.server.synced);
    assert.equal(node.role, 'replica');
  });

  it('closes so that its ports can be bound again, twice', async () => {
    const [port] = cluster.ports;
    await cluster.close();
    await cluster.close();
    const node = await startNode({ port: port! });
    await node.kill();
  });
});

describe('starting the bundled server', () => {
  const bad: [string, Parameters<typeof startCluster>[0], RegExp][] = [
    ['no master', { masters: 0 }, /masters: 0/],
    ['half a replica', { replicas: 0.5 }, /replicas: 0.5/],
    ['a port without room for bus ports', { port: 60_000 }, /port: 60000/],
    ['an unknown parameter', { config: { nosuch: '1' } }, /nosuch/],
    ['too many nodes', { masters: 999, replicas: 9 }, /masters, replicas/],
  ];
  for (const [name, options, message] of bad) {
    it(`refuses ${name}`, () => assert.rejects(startCluster(options), message));
  }

  it('leaves nothing behind when one port is taken', async () => {
    const taken = await startNode();
    const first = taken.port - 2;
    await assert.rejects(startCluster({ port: first, masters: 3, replicas: 0 }), /EADDRINUSE/);
    const free = await startNode({ port: first });
    await Promise.all([taken.kill(), free.kill()]);
  });

  it('knows everywhere what its nodes announce as their addresses, when it is ready', async () => {
    const announced = '127.0.0.5';
    const one = await startCluster({ host: '0.0.0.0', replicas: 0, config: { 'cluster-announce-ip': announced } });
    try {
      // Read where the nodes keep it: a question would take as long as they need to hear of each other.
      for (const { state } of one.nodes) for (const { host } of state!.nodes.values()) assert.equal(host, announced);
    } finally {
      await one.close();
    }
  });

  it('asks for the password everywhere, and moves slots with it', async () => {
    await using cluster = await startCluster({ masters: 2, replicas: 1, password: 'secret' });
    const client = await RespClient.connect(cluster.ports[0]!);
    assert.match(String(await client.call('GET', 'x')), /NOAUTH/);
    await client.call('AUTH', 'secret');
    await client.call('SET', keyOf(0), 'v');
    assert.equal(await cluster.moveSlot(0, 1), 1);
    client.close();
  });

  it('a node on its own has cluster mode off', async () => {
    const node = await startNode();
    const client = await RespClient.connect(node.port);
    for (const words of [['CLUSTER', 'INFO'], ['READONLY'], ['ASKING']]) {
      assert.match(String(await client.call(...words)), /ERR This instance has cluster support disabled/);
    }
    assert.equal(await client.call('SET', 'a', '1'), 'OK');
    const dump = await client.call('DUMP', 'a');
    assert.equal(await client.call('RESTORE', 'b', '0', String(dump)), 'OK');
    assert.equal(await client.call('GET', 'b'), '1');
    client.close();
    await node.kill();
  });
});

/** A key of this slot. */
function keyOf(slot: number): string {
  for (let at = 0; ; at++) if (slotOf(`k${at}`) === slot) return `k${at}`;
}
