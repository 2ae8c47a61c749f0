// Scans of a whole real cluster while it changes: nothing that stays may be missed. And the streams over one key
// beside ioredis's.
import assert from 'node:assert/strict';
import { Redis as Peer } from 'ioredis';
import { Cluster, Redis, ReplyError, ScanStream, slotOf } from '../../../lib/index.ts';
import { parseNodes } from '../../../lib/wire/cluster-nodes.ts';
import { needRedisServer, type RealCluster, type RealNode, startRealCluster } from '../../kit/real-cluster.ts';
import { until } from '../../kit/until.ts';

const keys = Array.from({ length: 3000 }, (_, at) => `key:${at}`);

async function fill(cluster: Cluster): Promise<void> {
  const pipeline = cluster.pipeline();
  for (const key of keys) pipeline.set(key, '');
  await pipeline.exec();
}

const slotsOfKeys = new Map<number, string[]>();
for (const key of keys) slotsOfKeys.set(slotOf(key), [...(slotsOfKeys.get(slotOf(key)) ?? []), key]);

function missing(seen: ReadonlySet<string>): string[] {
  return keys.filter((key) => !seen.has(key));
}

describe('client: scans of a cluster', () => {
  let servers: RealCluster;
  let cluster: Cluster;

  before(async function () {
    needRedisServer(this, 'scans of a real cluster');
    this.timeout(60_000);
    servers = await startRealCluster({ replicas: 1, config: { 'cluster-node-timeout': '1000' } });
    cluster = new Cluster(servers.seeds);
    await fill(cluster);
  });

  after(async () => {
    cluster?.disconnect();
    await servers?.stop();
  });

  // Epochs that collide because moves follow each other faster than gossip leave nodes of two minds for good.
  async function move(slot: number, to: RealNode): Promise<void> {
    await servers.moveSlot(slot, to);
    await until('every node has the same map', async () => {
      const views = await Promise.all(servers.nodes.map((node) => node.ask('cluster', 'nodes')));
      const maps = views.map((text) =>
        parseNodes(text)
          .filter(({ master }) => master === null)
          .map(({ id, configEpoch, ranges }) => `${id} ${configEpoch} ${ranges.join(' ')}`)
          .sort()
          .join(),
      );
      return new Set(maps).size === 1;
    });
  }

  async function scanned(act: (page: number, seen: Set<string>) => Promise<void>): Promise<Set<string>> {
    const seen = new Set<string>();
    let page = 0;
    // One page at a time, so that the cluster changes between two pages.
    const stream = cluster.scanStream({ count: 50 });
    stream.setMaxListeners(20);
    for await (const found of stream) {
      for (const key of found as string[]) seen.add(key);
      await act(page++, seen);
    }
    return seen;
  }

  it('gives every key of every master, by pages, by key and as bytes', async () => {
    const pages: string[][] = [];
    for await (const page of cluster.scanStream({ count: 200 })) pages.push(page as string[]);
    assert.ok(pages.length >= 15);
    assert.deepEqual(pages.flat().sort(), [...keys].sort());
    const single: string[] = [];
    for await (const key of cluster.scanKeys({ match: 'key:1?' })) single.push(key);
    assert.deepEqual(single.sort(), keys.filter((key) => /^key:1\d$/.test(key)).sort());
    const [bytes] = await cluster
      .scanBufferStream({ match: 'key:77' })
      .toArray()
      .then((all) => all.flat());
    assert.deepEqual(bytes, Buffer.from('key:77'));
    assert.deepEqual((await cluster.scanStream({ type: 'hash', count: 1000 }).toArray()).flat(), []);
  });

  it('waits for a client that is still connecting', async () => {
    const other = cluster.duplicate();
    assert.equal((await other.scanStream({ count: 1000 }).toArray()).flat().length, keys.length);
    other.disconnect();
  });

  it('ends after the page under way when closed, and at once when destroyed', async () => {
    const stream = cluster.scanStream({ count: 10 });
    let pages = 0;
    stream.on('data', () => {
      if (++pages === 2) stream.close();
    });
    await new Promise((resolve) => stream.on('end', resolve));
    assert.ok(pages < 30, `${pages} pages`);
    const cut = cluster.scanStream();
    cut.destroy();
    await new Promise((resolve) => cut.on('close', resolve));
  });

  it('passes on what the server refuses', async () => {
    await assert.rejects(cluster.scanStream({ count: 'many' as unknown as number }).toArray(), ReplyError);
  });

  it('fails when the client is closed meanwhile', async () => {
    const other = cluster.duplicate();
    const stream = other.scanStream({ count: 10 });
    await assert.rejects(async () => {
      for await (const _page of stream) other.disconnect();
    }, /Connection is closed/);
  });

  it('misses nothing when slots move between masters', async function () {
    this.timeout(60_000);
    const busy = [...slotsOfKeys.keys()].slice(0, 12);
    let moves = 0;
    const seen = await scanned(async () => {
      const slot = busy.pop();
      if (slot === undefined) return;
      const owner = await servers.ownerOf(slot);
      const others = servers.masters.filter((node) => node.address !== owner.address);
      await move(slot, others[moves++ % others.length]!);
    });
    assert.equal(moves, 12);
    assert.deepEqual(missing(seen), []);
  });

  it('misses nothing when slots leave the master that is scanned last for the one scanned first', async function () {
    this.timeout(60_000);
    // By page 30 the first node's scan is over; slots not seen yet go there.
    let first: RealNode | undefined;
    const moved: number[] = [];
    const seen = await scanned(async (page, sofar) => {
      if (page !== 30) return;
      first = await servers.ownerOf(slotOf([...sofar][0]!));
      const candidates = [...slotsOfKeys.keys()].filter((slot) =>
        slotsOfKeys.get(slot)!.every((key) => !sofar.has(key)),
      );
      for (const slot of candidates) {
        if (moved.length === 12) return;
        if ((await servers.ownerOf(slot)).address === first.address) continue;
        await move(slot, first);
        moved.push(slot);
      }
    });
    assert.equal(moved.length, 12);
    assert.deepEqual(missing(seen), []);
  });

  it('misses nothing of a slot that is being handed over', async () => {
    const [slot, names] = [...slotsOfKeys][7]!;
    const from = await servers.ownerOf(slot);
    const to = servers.masters.find((node) => node.address !== from.address)!;
    const seen = await scanned(async (page) => {
      if (page !== 1) return;
      await to.ask('cluster', 'setslot', String(slot), 'importing', from.id);
      await from.ask('cluster', 'setslot', String(slot), 'migrating', to.id);
      await from.ask('migrate', to.host, String(to.port), names[0]!, '0', '5000');
    });
    assert.deepEqual(missing(seen), []);
    // And once more with the move open from the start.
    assert.deepEqual(missing(await scanned(async () => {})), []);
    await move(slot, to);
  });

  it('misses nothing when a master dies in the middle of its scan', async function () {
    this.timeout(60_000);
    for (const master of servers.masters) await master.ask('wait', '1', '5000');
    let killed: RealNode | undefined;
    const seen = await scanned(async (page, sofar) => {
      if (page !== 2) return;
      killed = await servers.ownerOf(slotOf([...sofar].at(-1)!));
      await killed.kill();
    });
    assert.ok(killed !== undefined);
    assert.deepEqual(missing(seen), []);
    await killed.restart();
    await until('the node is back', async () => /cluster_state:ok/.test(String(await killed!.ask('cluster', 'info'))));
  });
});

describe('client: scans of one node and one key, beside ioredis', () => {
  let servers: RealCluster;

  before(async function () {
    needRedisServer(this, 'scan streams');
    servers = await startRealCluster({ masters: 1, replicas: 0 });
    const [node] = servers.masters;
    for (let at = 0; at < 300; at++) {
      await node!.ask('hset', 'h', `f${at}`, `v${at}`);
      await node!.ask('zadd', 'z', String(at), `m${at}`);
      await node!.ask('sadd', 's', `m${at}`);
    }
    for (let at = 0; at < 50; at++) await node!.ask('set', `k${at}`, 'v');
  });

  after(async () => {
    await servers?.stop();
  });

  const calls: readonly [method: string, ...args: unknown[]][] = [
    ['scanStream'],
    ['scanStream', { match: 'k*', count: 10 }],
    ['scanStream', { type: 'hash' }],
    ['scanBufferStream', { match: 'k1*' }],
    ['sscanStream', 's', { count: 20 }],
    ['sscanBufferStream', 's', { match: 'm1*' }],
    ['hscanStream', 'h'],
    ['hscanStream', 'h', { match: 'f2*', count: 1000 }],
    ['hscanBufferStream', 'h', { count: 100 }],
    ['zscanStream', 'z', { count: 50 }],
    ['zscanBufferStream', Buffer.from('z'), { match: 'm29*' }],
    ['sscanStream', 'none'],
    ['hscanStream', 's'],
  ];

  async function pagesOf(client: object, [method, ...args]: (typeof calls)[number]): Promise<unknown> {
    const make = (client as Record<string, (...args: unknown[]) => AsyncIterable<unknown>>)[method]!;
    const pages: unknown[] = [];
    try {
      for await (const page of make.apply(client, args)) pages.push(page);
      return pages;
    } catch (error) {
      return String(error);
    }
  }

  it('gives the very pages that ioredis gives', async () => {
    const { host, port } = servers.masters[0]!;
    const clients = [new Peer({ host, port }), new Redis({ host, port })];
    const cluster = new Cluster(servers.seeds);
    for (const call of calls) {
      const [theirs, ours] = [await pagesOf(clients[0]!, call), await pagesOf(clients[1]!, call)];
      assert.deepEqual(ours, theirs, call.join(' '));
      if (call[1] instanceof Buffer || typeof call[1] === 'string') {
        assert.deepEqual(await pagesOf(cluster, call), theirs, `${call.join(' ')} on a cluster`);
      }
    }
    for (const client of [...clients, cluster]) client.disconnect();
  });

  it('is a class of its own, for clients of any kind', async () => {
    const pages = [['a'], ['b', 'c']];
    const client = {
      scan: async ([cursor, ...rest]: string[]) => {
        assert.deepEqual(rest, ['MATCH', 'x*', 'COUNT', '5']);
        return [cursor === '0' ? '1' : '0', pages[Number(cursor)]];
      },
    };
    const stream = new ScanStream({ redis: client, command: 'scan', match: 'x*', count: 5 });
    assert.deepEqual(await stream.toArray(), pages);
  });
});
