import assert from 'node:assert/strict';
import { type BundledNode, startCluster, startNode } from '../../../../server/index.ts';
import { ask, info } from '../../../kit/ask.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';
import { untilLinked } from './kit.ts';

// What clients of a node hear when it becomes a replica, and what a replica does with keys of its own.

const unblocked = 'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)';

const nodes: BundledNode[] = [];
async function start(config: Record<string, string> = {}): Promise<BundledNode> {
  const node = await startNode({ config });
  nodes.push(node);
  return node;
}

/** A connection that waits for the answer to a blocking call. */
async function waiting(
  node: { port: number },
  ...argv: string[]
): Promise<{ client: RespClient; reply: Promise<unknown> }> {
  const client = await RespClient.connect(node.port);
  const reply = client.call(...argv).catch((error: Error) => error.message);
  return { client, reply };
}

describe('a node that becomes a replica', () => {
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.kill();
  });

  it('lets go of clients that wait for keys or replicas, and takes nothing of its master for them', async () => {
    const [master, other] = [await start(), await start()];
    await ask(master, 'RPUSH', 'list', 'item');
    const calls = [
      await waiting(other, 'BLPOP', 'list', '0'),
      await waiting(other, 'BZPOPMIN', 'zset', '0'),
      await waiting(other, 'XREAD', 'BLOCK', '0', 'STREAMS', 's', '$'),
      await waiting(other, 'WAIT', '1', '0'),
    ];
    // What comes behind the blocking call is not run any more.
    calls[0]!.client.raw('SET behind 1\r\n');
    await until('all wait', async () => Number((await info(other, 'clients'))['blocked_clients']) >= 3);
    await ask(other, 'REPLICAOF', '127.0.0.1', master.port);
    for (const { reply } of calls) assert.equal(String((await reply) as Error).replace(/^.*Error: /, ''), unblocked);
    await until('their connections are closed', () => calls.every(({ client }) => client.closed));
    await untilLinked(other);
    assert.equal(await ask(other, 'LLEN', 'list'), 1);
    assert.equal(await ask(other, 'EXISTS', 'behind'), 0);
    assert.equal((await info(other, 'errorstats'))['errorstat_UNBLOCKED'], 'count=4');
  });

  it('expires by itself what its own clients wrote, and only that', async () => {
    const [master, replica] = [await start(), await start({ 'replica-read-only': 'no' })];
    await ask(replica, 'REPLICAOF', '127.0.0.1', master.port);
    await untilLinked(replica);
    await ask(replica, 'SET', 'own', '1', 'PX', '50');
    await ask(replica, 'SET', 'kept', '1');
    await ask(replica, 'SET', 'saved', '1', 'PX', '50');
    await ask(replica, 'PERSIST', 'saved');
    assert.equal(await ask(replica, 'DBSIZE'), 3);
    await until('what ran out is gone', async () => (await ask(replica, 'DBSIZE')) === 2);
    assert.deepEqual(await ask(replica, 'KEYS', '*').then((keys) => (keys as Buffer[]).map(String).sort()), [
      'kept',
      'saved',
    ]);
    assert.equal((await info(replica, 'stats'))['expired_keys'], '1');
    await ask(master, 'DEBUG', 'SET-ACTIVE-EXPIRE', '0');
    await ask(master, 'SET', 'masters', '1', 'PX', '20');
    await until('it has come', async () => (await ask(replica, 'DBSIZE')) === 3);
    await ask(replica, 'SET', 'own', '1', 'PX', '60');
    await until('its own is gone again', async () => (await info(replica, 'stats'))['expired_keys'] === '2');
    assert.equal(await ask(replica, 'DBSIZE'), 3, "the master's key is the master's to delete");
  });
});

describe('a failover of a cluster', () => {
  it('unsubscribes the shard subscribers of both nodes, and lets go of blocked clients of the old master', async () => {
    const cluster = await startCluster({ masters: 3, replicas: 1 });
    try {
      const replica = cluster.nodes.find((node) => node.role === 'replica')!;
      const master = cluster.nodes.find((node) => node.id === replica.masterId)!;
      const slots = (await ask(master, 'CLUSTER', 'SLOTS')) as [number, number, [unknown, number]][];
      let key = '';
      for (let n = 0; ; n++) {
        key = `k${n}`;
        const slot = Number(await ask(master, 'CLUSTER', 'KEYSLOT', key));
        if (slots.some(([first, last, [, port]]) => port === master.port && slot >= first && slot <= last)) break;
      }
      const [onMaster, onReplica] = [await RespClient.connect(master.port), await RespClient.connect(replica.port)];
      for (const client of [onMaster, onReplica]) await client.call('SSUBSCRIBE', key);
      const blocked = await waiting(master, 'BLPOP', key, '0');
      await until('it waits', async () => (await info(master, 'clients'))['blocked_clients'] === '1');
      await ask(replica, 'CLUSTER', 'FAILOVER');
      assert.equal(String(await blocked.reply).replace(/^.*Error: /, ''), unblocked);
      for (const client of [onMaster, onReplica]) {
        assert.deepEqual(((await client.read()) as unknown[]).map(String), ['sunsubscribe', key, '0']);
        client.close();
      }
    } finally {
      await cluster.close();
    }
  });
});
