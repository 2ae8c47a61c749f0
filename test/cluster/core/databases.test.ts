// A cluster client has one database for all its connections: on Valkey 9 with `cluster-databases` any, elsewhere 0 only,
// and what cannot be had is refused in words that say so.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Cluster, type ClusterOptions, type Redis } from '../../../lib/index.ts';
import { slotOf } from '../../../lib/wire/slot.ts';
import { type RealCluster, type RealNode, startRealCluster } from '../../kit/real-cluster.ts';
import { needServer } from '../../kit/servers.ts';
import { until } from '../../kit/until.ts';

describe('databases of a cluster', () => {
  const clients: (Cluster | Redis)[] = [];
  let real: RealCluster | undefined;

  const client = (seeds: readonly unknown[], options: ClusterOptions = {}): Cluster => {
    const cluster = new Cluster(seeds as never, options);
    cluster.on('error', () => undefined);
    clients.push(cluster);
    return cluster;
  };

  afterEach(() => {
    for (const one of clients.splice(0)) one.disconnect();
  });

  describe('on Valkey 9 with cluster-databases', function () {
    this.timeout(60_000);
    let seeds: { host: string; port: number }[];
    let url: string;

    before(async function () {
      const server = needServer(this, 'valkey-9', 'databases of a cluster');
      real = await startRealCluster({ server, config: { 'cluster-databases': '16' } });
      seeds = real.seeds;
      url = `redis://127.0.0.1:${seeds[0]!.port}`;
    });
    after(() => real?.stop());

    const masters = (): readonly RealNode[] => real!.masters;

    /** What a key holds in a database, asked of its owner on a connection of the set-up's own. */
    async function stored(key: string, db: number): Promise<unknown> {
      const owner = await real!.ownerOf(slotOf(key));
      await owner.ask('select', String(db));
      try {
        return await owner.ask('get', key);
      } finally {
        await owner.ask('select', '0');
      }
    }

    for (const [name, make] of [
      ['redisOptions.db', () => client(seeds, { redisOptions: { db: 3 } })],
      ['db', () => client(seeds, { db: 3 })],
      ['the path of a URL', () => client([`${url}/3`])],
      ['db of a startup node', () => client([{ ...seeds[0]!, db: 3 }])],
      ['a duplicate', () => client(seeds, { db: 3 }).duplicate()],
      ['a duplicate with another', () => client(seeds).duplicate([], { redisOptions: { db: 3 } })],
    ] as const) {
      it(`${name}: everything goes there`, async () => {
        const cluster = make();
        clients.push(cluster);
        const keys = ['a', 'b', 'c', 'd'].map((key) => `${name}:${key}`);
        await Promise.all(keys.map((key) => cluster.set(key, 'three')));
        await cluster.pipeline(keys.map((key) => ['append', key, '!'])).exec();
        await cluster.multi().append(keys[0]!, '?').exec();
        for (const key of keys) {
          assert.match(String(await stored(key, 3)), /^three!/);
          assert.equal(await stored(key, 0), null);
        }
        for (const node of cluster.nodes('master')) {
          assert.equal(node.options.db, 3);
          assert.match(await node.client('INFO'), / db=3 /);
        }
      });
    }

    it('through redirects, on connections made for them', async () => {
      const cluster = client([seeds[0]], { redisOptions: { db: 5 } });
      const key = 'redirected';
      await cluster.set(key, 1);
      await cluster.del(key);
      const from = await real!.ownerOf(slotOf(key));
      const to = masters().find(({ id }) => id !== from.id)!;
      await real!.moveSlot(slotOf(key), to);
      await cluster.set(key, 2);
      assert.ok(cluster.stats().redirects.moved >= 1);
      assert.deepEqual([await stored(key, 5), await stored(key, 0)], ['2', null]);
      await cluster.del(key);
      await real!.moveSlot(slotOf(key), from);
    });

    it('through reconnections', async () => {
      const cluster = client(seeds, { db: 4 });
      await cluster.set('kept', 1);
      for (const node of masters()) await node.ask('client', 'kill', 'type', 'normal', 'skipme', 'yes');
      await until('written again', async () => cluster.incr('kept'));
      assert.ok(Number(await stored('kept', 4)) >= 2);
      assert.equal(await stored('kept', 0), null);
    });

    it('scans see that database only, and blocking calls wait in it', async () => {
      const [three, zero] = [client(seeds, { db: 6 }), client(seeds)];
      await Promise.all(Array.from({ length: 50 }, (_, at) => three.set(`six:${at}`, at)));
      await Promise.all(Array.from({ length: 50 }, (_, at) => zero.set(`zero:${at}`, at)));
      const found: string[] = [];
      for await (const key of three.scanKeys({ match: '*:*' })) found.push(key);
      assert.deepEqual([...new Set(found)].sort(), Array.from({ length: 50 }, (_, at) => `six:${at}`).sort());
      const popped = three.blpop('list', 5);
      await zero.rpush('list', 'wrong');
      await until('the call waits', async () =>
        (await Promise.all(masters().map((node) => node.ask('client', 'list')))).some((list) =>
          /cmd=blpop/.test(String(list)),
        ),
      );
      await three.rpush('list', 'right');
      assert.deepEqual(await popped, ['list', 'right']);
      await zero.del('list');
    });

    it('the near cache holds that database, and is invalidated by changes in it', async () => {
      const [cached, writer, zero] = [
        client(seeds, { db: 7, clientSideCache: {} }),
        client(seeds, { db: 7 }),
        client(seeds),
      ];
      await zero.set('near', 'zero');
      await writer.set('near', 'one');
      assert.equal(await cached.get('near'), 'one');
      assert.equal(await cached.get('near'), 'one');
      await zero.set('near', 'zero again');
      assert.equal(await cached.get('near'), 'one');
      await writer.set('near', 'two');
      await until('the change is seen', async () => (await cached.get('near')) === 'two');
      assert.equal(await zero.get('near'), 'zero again');
    });

    it('replicas answer out of that database', async () => {
      const cluster = client(seeds, { db: 8, scaleReads: 'slave' });
      await cluster.set('copied', 'eight');
      await until('the replica has it', async () => (await cluster.get('copied')) === 'eight');
    });

    it('select() stays what it is, and says what to do for another', async () => {
      const cluster = client(seeds, { db: 9 });
      assert.equal(await cluster.select(9), 'OK');
      for (const refused of [
        () => cluster.select(3),
        () => cluster.call('SELECT', '3'),
        () => cluster.nodes('master')[0]!.select(0),
        async () => {
          const results = await cluster.pipeline().set('{s}a', 1).select(3).exec();
          assert.equal(results![0]![0], null);
          throw results![1]![0];
        },
        async () => cluster.multi([['select', 3]]),
        async () => cluster.nodes('master')[0]!.multi().select(3),
      ]) {
        await assert.rejects(refused, (error: Error & { hint?: string }) => {
          assert.equal(error.message, 'ERR SELECT is not allowed in cluster mode');
          assert.match(
            String(error.hint),
            /one database for all its connections, this one 9; .*cluster\.duplicate\(\[\], \{ redisOptions: \{ db: [03] \} \}\)$/,
          );
          return true;
        });
      }
      await cluster.set('selected', 1);
      assert.equal(await stored('selected', 9), '1');
    });

    it('observers get the database', async () => {
      const seen: unknown[] = [];
      const note = (context: unknown): void => void seen.push((context as { database: number }).database);
      const channels = [
        'tracing:ioredis:command:start',
        'tracing:ioredis:batch:start',
        'tracing:lingcache:batch:start',
      ];
      const cluster = client(seeds, { db: 9 });
      await cluster.ping();
      const node = cluster.nodes('master')[0]!;
      for (const channel of channels) subscribe(channel, note);
      try {
        await cluster.get('a');
        await cluster.pipeline().get('a').exec();
        await cluster.multi().get('a').exec();
        await node.ping();
      } finally {
        for (const channel of channels) unsubscribe(channel, note);
      }
      assert.ok(seen.length >= 6);
      assert.deepEqual(new Set(seen), new Set([9]));
    });

    it('neither a client nor its nodes let a shared connection become something else', async () => {
      const cluster = client(seeds, { db: 9 });
      await cluster.set('shared', 1);
      const node = cluster.nodes('master')[0]!;
      for (const words of [
        ['monitor'],
        ['MONITOR'],
        ['reset'],
        ['hello', 2],
        ['client', 'reply', 'off'],
        ['CLIENT', 'REPLY', 'SKIP'],
        ['psync', '?', '-1'],
      ] as [string, ...string[]][]) {
        for (const one of [cluster, node]) {
          await assert.rejects(one.call(...words) as Promise<unknown>, { code: 'ERR_SHARED_CONNECTION' });
        }
      }
      assert.equal(await cluster.client('REPLY', 'ON'), 'OK');
      assert.match(String(await cluster.hello()), /proto/);
      const monitor = await node.monitor();
      monitor.disconnect();
      assert.equal(await cluster.get('shared'), '1');
    });

    it('a database beyond the number of them is refused', async () => {
      const cluster = client(seeds, { db: 16 });
      await assert.rejects(cluster.get('a'), {
        code: 'ERR_DATABASE',
        message: /^ERR DB index is out of range: database 16 was asked for /,
      });
    });
  });

  describe('where there is one', function () {
    this.timeout(60_000);
    for (const name of ['redis-7', 'valkey-9'] as const) {
      describe(name, () => {
        let one: RealCluster | undefined;
        before(async function () {
          one = await startRealCluster({ server: needServer(this, name, 'the only database'), replicas: 0 });
        });
        after(() => one?.stop());

        it('another is refused by connect() and by calls that wait, not in silence', async () => {
          const cluster = client(one!.seeds, { db: 3, lazyConnect: true });
          const waiting = cluster.get('a');
          await assert.rejects(waiting, {
            code: 'ERR_DATABASE',
            message: /^ERR .*: database 3 was asked for .* cluster-databases: leave db out there$/,
          });
          const second = client([`redis://127.0.0.1:${one!.seeds[0]!.port}/3`], { lazyConnect: true });
          await assert.rejects(second.connect(), {
            code: 'ERR_DATABASE',
            message: /^ERR .*: database 3 was asked for /,
          });
        });

        it('also where some of the startup nodes are not there, or the user may not select', async () => {
          const dead = { host: '127.0.0.1', port: 1 };
          const message = /: database 3 was asked for /;
          const cluster = client([dead, ...one!.seeds], { db: 3, lazyConnect: true });
          await assert.rejects(cluster.get('a'), { code: 'ERR_DATABASE', message });
          for (const node of one!.nodes) await node.ask('acl', 'setuser', 'u', 'on', '>p', '~*', '+@all', '-select');
          const user = client(one!.seeds, { lazyConnect: true, redisOptions: { db: 3, username: 'u', password: 'p' } });
          await assert.rejects(user.get('a'), {
            code: 'ERR_DATABASE',
            message: /^NOPERM .*select.*: the database asked for cannot be selected/,
          });
        });

        it('select(0) is OK, another is refused', async () => {
          const cluster = client(one!.seeds);
          assert.equal(await cluster.select(0), 'OK');
          await assert.rejects(cluster.select(3), { message: 'ERR SELECT is not allowed in cluster mode' });
        });
      });
    }
  });
});
