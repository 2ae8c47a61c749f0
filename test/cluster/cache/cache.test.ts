// The near cache on a real cluster and on one of the bundled server: what is kept, what is dropped and why, over RESP3 and over RESP2.
// Every test reads what another client wrote, so a cache that is never notified of changes fails here.

import { deepEqual, equal, notEqual, ok, rejects } from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, type ClusterOptions, slotOf } from '../../../lib/index.ts';
import {
  bundledServer,
  hasScripts,
  needRedisServer,
  type RealCluster,
  sharedBundledCluster,
  sharedRealCluster,
  startRealCluster,
} from '../../kit/real-cluster.ts';
import { until } from '../../kit/until.ts';

type Counts = NonNullable<ReturnType<Cluster['stats']>['cache']>;

const countsOf = (client: Cluster): Counts => client.stats().cache!;

/** Reads until the answer comes from memory: tracking begins a moment after a connection is up. */
async function warm(client: Cluster, key: string): Promise<void> {
  await until(`${key} is answered from memory`, async () => {
    const { hits } = countsOf(client);
    await client.get(key);
    return countsOf(client).hits > hits;
  });
}

async function clientOf(cluster: RealCluster, options: ClusterOptions): Promise<Cluster> {
  const client = new Cluster(cluster.seeds.slice(0, 3), options);
  // One key of each master: every connection tracks before the test counts anything.
  for (const key of ['warm:{foo}', 'warm:{bar}', 'warm:{x}', 'warm:{y}', 'warm:{z}']) await warm(client, key);
  return client;
}

const servers = ['redis-server', 'the bundled server'] as const;

function sharedClusterOf(context: Mocha.Context, server: (typeof servers)[number]): Promise<RealCluster> {
  if (server === 'the bundled server') return sharedBundledCluster();
  needRedisServer(context, 'near cache tests');
  return sharedRealCluster();
}

for (const [server, protocol] of servers.flatMap((name) => [[name, 3] as const, [name, 2] as const])) {
  describe(`client: near cache on ${server}, RESP${protocol}`, function () {
    this.timeout(60_000);
    let cluster: RealCluster;
    let client: Cluster;
    let other: Cluster;

    before(async function () {
      cluster = await sharedClusterOf(this, server);
      client = await clientOf(cluster, { clientSideCache: {}, redisOptions: { protocol } });
      other = new Cluster(cluster.seeds.slice(0, 2));
    });

    after(async () => {
      await client?.quit();
      await other?.quit();
      await cluster?.flush();
    });

    it('answers from memory until another client writes', async () => {
      await other.set('near:1', 'first');
      equal(await client.get('near:1'), 'first');
      const { hits, misses, entries } = countsOf(client);
      equal(await client.get('near:1'), 'first');
      equal(await client.call('get', 'near:1'), 'first');
      deepEqual([countsOf(client).hits - hits, countsOf(client).misses - misses], [2, 0]);
      ok(entries > 0 && countsOf(client).bytes > 0);
      await other.set('near:1', 'second');
      await until('the change is seen', async () => (await client.get('near:1')) === 'second');
    });

    it('keeps that a key is not there, until it is', async () => {
      equal(await client.get('near:none'), null);
      const { hits } = countsOf(client);
      equal(await client.get('near:none'), null);
      equal(countsOf(client).hits, hits + 1);
      await other.set('near:none', 'here now');
      await until('the key is seen', async () => (await client.get('near:none')) === 'here now');
    });

    it('a key in bytes and in UTF-8 is invalidated like any other', async () => {
      const bytes = Buffer.from([0, 255, 254, 32, 10]);
      for (const key of [bytes, 'naïve ключ 🔑', Buffer.from('naïve ключ 🔑')]) {
        await other.set(key, 'one');
        // The notice of an earlier read of the same bytes may still be on its way.
        await until('the first value is kept', async () => {
          const { hits } = countsOf(client);
          return (await client.get(key)) === 'one' && countsOf(client).hits > hits;
        });
        await other.set(key, 'two');
        await until('the change is seen', async () => (await client.get(key)) === 'two');
      }
    });

    it('nobody can change what is kept', async () => {
      await other.hset('near:h', { a: '1', b: '2' });
      await other.rpush('near:l', 'x', 'y');
      await other.set('near:b', 'bytes');
      for (let round = 0; round < 3; round++) {
        const hash = await client.hgetall('near:h');
        deepEqual({ ...hash }, { a: '1', b: '2' });
        hash['a'] = 'mine';
        const list = await client.lrange('near:l', 0, -1);
        deepEqual(list, ['x', 'y']);
        list.push('mine');
        const bytes = (await client.getBuffer('near:b'))!;
        equal(String(bytes), 'bytes');
        bytes.fill(0);
      }
      const pair = await Promise.all([client.lrange('near:l', 0, 5), client.lrange('near:l', 0, 5)]);
      notEqual(pair[0], pair[1]);
      deepEqual(pair[0], pair[1]);
    });

    it('a multi-key read goes when any of its keys changes', async () => {
      await other.mset('{near}a', '1', '{near}b', '2');
      deepEqual(await client.mget('{near}a', '{near}b', '{near}c'), ['1', '2', null]);
      const { hits } = countsOf(client);
      deepEqual(await client.mget('{near}a', '{near}b', '{near}c'), ['1', '2', null]);
      equal(countsOf(client).hits, hits + 1);
      await other.set('{near}c', '3');
      await until('the change is seen', async () => (await client.mget('{near}a', '{near}b', '{near}c'))[2] === '3');
    });

    it('one question for many askers of one key at once', async () => {
      await other.set('near:many', 'v');
      const { misses, joined } = countsOf(client);
      const answers = await Promise.all(Array.from({ length: 50 }, () => client.get('near:many')));
      ok(answers.every((answer) => answer === 'v'));
      deepEqual([countsOf(client).misses - misses, countsOf(client).joined - joined], [1, 49]);
    });

    it('reports on its channel what it looked up, and what it dropped', async () => {
      await other.set('near:looked', 'v');
      const seen: unknown[] = [];
      const listen = (message: unknown): number => seen.push(message);
      channel('lingcache:cache').subscribe(listen);
      try {
        await Promise.all([client.get('near:looked'), client.get('near:looked')]);
        await client.get('near:looked');
        await client.set('near:looked', 'w');
      } finally {
        channel('lingcache:cache').unsubscribe(listen);
      }
      const read = { command: 'get', slot: slotOf('near:looked') };
      deepEqual(seen, [
        { outcome: 'miss', ...read },
        { outcome: 'joined', ...read },
        { outcome: 'hit', ...read },
        { cause: 'changed', entries: 1 },
      ]);
    });

    it('each asker has an error of its own', async () => {
      await other.rpush('near:wrong', 'x');
      const outcomes = await Promise.allSettled([1, 2, 3].map(() => client.get('near:wrong')));
      const errors = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason as Error);
      for (const error of errors) ok(/WRONGTYPE/.test(error.message));
      equal(new Set(errors).size, 3);
      await rejects(client.get('near:wrong'), /WRONGTYPE/);
    });

    it('own writes are seen at once: alone, in a pipeline, in a transaction, by script, when they fail', async () => {
      const scripts = await hasScripts(cluster);
      await client.set('near:own', '0');
      for (let round = 1; round <= 20; round++) {
        await client.get('near:own');
        await client.get('near:own');
        await client.set('near:own', String(round));
        equal(await client.get('near:own'), String(round));
        const [[, first], , [, last]] = (await client
          .pipeline()
          .get('near:own')
          .incr('near:own')
          .get('near:own')
          .exec()) as [[null, string], unknown, [null, string]];
        deepEqual([first, last], [String(round), String(round + 1)]);
        await client.get('near:own');
        await client.multi().set('near:own', `m${round}`).get('near:own').exec();
        equal(await client.get('near:own'), `m${round}`);
        if (scripts) {
          await client.eval("return redis.call('set', KEYS[1], ARGV[1])", 1, 'near:own', `s${round}`);
          equal(await client.get('near:own'), `s${round}`);
        }
        const setting = client.set('near:own', `p${round}`);
        equal(await client.get('near:own'), `p${round}`);
        await setting;
      }
      await client.get('near:own');
      if (!scripts) return;
      await rejects(client.eval("redis.call('set', KEYS[1], 'late') error('no')", 1, 'near:own'));
      equal(await client.get('near:own'), 'late');
    });

    it("expires with the key, not later: the server's TTL is known from the start", async () => {
      await other.set('near:px', 'v', 'PX', 150);
      const started = performance.now();
      equal(await client.get('near:px'), 'v');
      let last: string | null = 'v';
      while (last !== null) {
        const asked = performance.now();
        last = await client.get('near:px');
        if (last === 'v') ok(asked - started < 1000, 'served long after it expired');
        await pause(5);
      }
      ok(countsOf(client).hits > 0);
    });

    it('FLUSHALL drops what was kept of that node', async () => {
      await other.set('near:flush', 'v');
      await client.get('near:flush');
      const owner = await cluster.ownerOf(slotOf('near:flush'));
      await owner.ask('flushall');
      await until('the flush is seen', async () => (await client.get('near:flush')) === null);
    });

    it('chance, time, scans and scripts are never answered from memory', async () => {
      await other.sadd('near:s', 'a', 'b', 'c');
      await other.set('near:t', 'v', 'PX', 100_000);
      const { hits, misses } = countsOf(client);
      for (let round = 0; round < 3; round++) {
        await client.srandmember('near:s');
        await client.sscan('near:s', 0);
        await client.pttl('near:t');
        await client.touch('near:t');
        await client.object('ENCODING', 'near:t');
        if (await hasScripts(cluster)) await client.call('eval_ro', 'return 1', 1, 'near:t');
      }
      deepEqual([countsOf(client).hits, countsOf(client).misses], [hits, misses]);
    });

    it('a lost connection takes its own entries with it, and no others', async () => {
      const keyOf = (address: string): string =>
        ['{foo}n', '{bar}n', '{x}n', '{y}n', '{z}n', '{w}n'].find((key) => client.slots[slotOf(key)]![0] === address)!;
      const [gone, stays] = cluster.masters.map(({ address }) => keyOf(address)) as [string, string];
      await warm(client, gone);
      await warm(client, stays);
      const victim = cluster.masters[0]!;
      // Written while nobody listens: only the loss itself shows it.
      await Promise.all([
        victim.ask('client', 'kill', 'type', 'normal', 'skipme', 'yes'),
        victim.ask('client', 'kill', 'type', 'pubsub'),
        victim.ask('set', gone, 'changed meanwhile'),
      ]);
      await until('the loss is noticed', async () => (await client.get(gone)) === 'changed meanwhile');
      const { hits } = countsOf(client);
      await client.get(stays);
      equal(countsOf(client).hits, hits + 1);
      await warm(client, gone);
    });
  });
}

describe('client: near cache and replicas', function () {
  this.timeout(60_000);

  for (const server of servers) {
    it(`scaleReads: what replicas answer is kept, and they notify of changes, on ${server}`, async function () {
      const cluster = await sharedClusterOf(this, server);
      const client = await clientOf(cluster, { clientSideCache: {}, scaleReads: 'slave' });
      const other = new Cluster(cluster.seeds.slice(0, 2));
      for (let round = 0; round < 5; round++) {
        await other.set('near:replica', String(round));
        await until('the change is seen', async () => (await client.get('near:replica')) === String(round));
        await warm(client, 'near:replica');
        equal(await client.get('near:replica'), String(round));
      }
      await client.quit();
      await other.quit();
      await cluster.flush();
    });
  }
});

describe('client: near cache and a choice of node', function () {
  this.timeout(60_000);

  it('scaleReads as a function is asked for what memory does not have', async function () {
    needRedisServer(this, 'near cache and scaleReads');
    const cluster = await sharedRealCluster();
    const asked: string[] = [];
    const client = await clientOf(cluster, {
      clientSideCache: {},
      scaleReads: (nodes: unknown[], command: { name: string; getKeys(): unknown[] }) => {
        asked.push(`${command.name} ${String(command.getKeys())}`);
        return nodes[1] as never;
      },
    });
    asked.length = 0;
    await warm(client, 'near:chosen');
    const [first] = asked;
    equal(first, 'get near:chosen');
    const { length } = asked;
    await client.get('near:chosen');
    equal(asked.length, length);
    await client.quit();
  });
});

for (const server of servers)
  describe(`client: near cache and options, on ${server}`, function () {
    this.timeout(60_000);
    let cluster: RealCluster;

    before(async function () {
      if (server === 'redis-server') needRedisServer(this, 'near cache tests');
      const program = server === 'redis-server' ? {} : { server: bundledServer };
      cluster = await startRealCluster({ replicas: 0, ...program });
    });
    after(() => cluster?.stop());

    it('maxEntries and maxBytes are limits', async () => {
      for (const clientSideCache of [{ maxEntries: 10 }, { maxBytes: 8000 }]) {
        const client = await clientOf(cluster, { clientSideCache });
        for (let at = 0; at < 200; at++) await client.get(`limit:${at}`);
        const { entries, bytes } = countsOf(client);
        ok(entries > 0 && entries <= (clientSideCache.maxEntries ?? 30), `${entries} entries`);
        ok(bytes <= (clientSideCache.maxBytes ?? Number.POSITIVE_INFINITY), `${bytes} bytes`);
        await client.quit();
      }
    });

    it('crossSlot: split, keyPrefix and stringNumbers go with it', async () => {
      const client = await clientOf(cluster, {
        clientSideCache: {},
        crossSlot: 'split',
        keyPrefix: 'p:',
        redisOptions: { stringNumbers: true },
      });
      const keys = ['a', 'b', 'c', 'd'];
      await client.mset(keys.flatMap((key) => [key, key]));
      deepEqual(await client.mget(keys), keys);
      const { hits } = countsOf(client);
      deepEqual(await client.mget(keys), keys);
      ok(countsOf(client).hits > hits);
      await client.mset('a', '1', 'd', '4');
      deepEqual(await client.mget(keys), ['1', 'b', 'c', '4']);
      await client.quit();
    });

    it('a slot that moves takes its own entries with it, keys that are not there included', async () => {
      const client = await clientOf(cluster, { clientSideCache: {}, slotsRefreshInterval: 100 });
      const slot = slotOf('{foo}moving');
      const from = await cluster.ownerOf(slot);
      const to = cluster.masters.find((node) => node !== from)!;
      const stays = ['{bar}s', '{x}s', '{y}s'].find((key) => client.slots[slotOf(key)]![0] === from.address)!;
      await warm(client, '{foo}moving');
      await warm(client, '{foo}absent');
      if (stays !== undefined) await warm(client, stays);
      await cluster.moveSlot(slot, to);
      await to.ask('set', '{foo}absent', 'made by the new owner');
      await until('the new owner is asked', async () => (await client.get('{foo}absent')) === 'made by the new owner');
      await warm(client, '{foo}absent');
      await to.ask('set', '{foo}absent', 'changed there');
      await until('the new owner notifies', async () => (await client.get('{foo}absent')) === 'changed there');
      if (stays !== undefined) {
        const { hits } = countsOf(client);
        await client.get(stays);
        equal(countsOf(client).hits, hits + 1);
      }
      await client.quit();
    });

    it('a cancelled asker leaves the answer to the others', async () => {
      const client = await clientOf(cluster, { clientSideCache: {} });
      await client.set('{foo}cancel', 'v');
      const aborter = new AbortController();
      const cancelled = client.withAbortSignal(aborter.signal).get('{foo}cancel');
      const other = client.get('{foo}cancel');
      aborter.abort();
      await rejects(cancelled, { name: 'AbortError' });
      equal(await other, 'v');
      const { hits } = countsOf(client);
      equal(await client.get('{foo}cancel'), 'v');
      equal(countsOf(client).hits, hits + 1);
      await client.quit();
    });

    it('calls after quit() are refused, in memory or not', async () => {
      const client = await clientOf(cluster, { clientSideCache: {} });
      await warm(client, '{foo}quit');
      const quitting = client.quit();
      await rejects(client.get('{foo}quit'), /Connection is closed/);
      await quitting;
      equal(countsOf(client).entries, 0);
    });

    it('bad options are named', () => {
      const make = (clientSideCache: object) => () =>
        new Cluster(cluster.seeds, { clientSideCache, lazyConnect: true });
      for (const bad of [{ maxEntries: 0 }, { maxBytes: -1 }, { ttl: 0 }]) {
        const [name] = Object.keys(bad);
        rejectsOption(make(bad), `clientSideCache.${name}`);
      }
    });
  });

function rejectsOption(act: () => unknown, name: string): void {
  try {
    act();
  } catch (error) {
    ok((error as Error).message.includes(name));
    return;
  }
  throw new Error(`${name} was taken`);
}
