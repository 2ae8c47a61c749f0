// Symptoms of clients that reach their servers, and get too little, too late or the wrong thing.

import assert from 'node:assert/strict';
import { Queue, Worker } from 'bullmq';
import { ClusterLink, checkCluster, RealWorld } from '../../../server/operator/index.ts';
import { until } from '../../kit/until.ts';
import { type Produce, readable, refusalOf } from './kit.ts';
import { program, ran } from './processes.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const load: Readonly<Record<string, Produce>> = {
  'many `moved` in `stats()`': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0 });
    const client = ward.client(bundled.seeds);
    const [first, , third] = bundled.nodes;
    // Two nodes that disagree: each sends clients to the other.
    third!.setSlotOwner(12182, first!.id);
    const call = client.get('foo');
    await until('it goes to and fro', () => client.stats().redirects.moved > 5);
    third!.setSlotOwner(12182, null);
    await call;
    const before = client.stats().redirects.moved;
    for (let at = 0; at < 20; at++) await client.get('foo');
    assert.ok(client.stats().redirects.moved <= before + 1);
    // And slots that are moving: check names them.
    const move = await bundled.beginMove(866, 1);
    const link = new ClusterLink({ seeds: bundled.seeds, world: new RealWorld() });
    ward.afterwards(() => link.close());
    const open = async (): Promise<boolean> =>
      (await checkCluster(link)).findings.some(({ kind }) => kind === 'open-slot');
    assert.ok(await open());
    await move.commit();
    assert.ok(!(await open()));
    return 'many moved in stats()';
  },

  'many `refreshes` by `outage`': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0, config: { 'cluster-node-timeout': '15000' } });
    const client = ward.client(bundled.seeds);
    await client.set('foo', 'bar');
    const outages = (): number => client.stats().refreshes.outage ?? 0;
    for (let round = 1; round <= 2; round++) {
      const before = outages();
      await bundled.node(2).kill();
      await until('it was noticed', () => outages() > before);
      await bundled.node(2).restart();
      await client.get('foo');
    }
    await until('the last refresh is over', async () => {
      const before = outages();
      await pause(200);
      return outages() === before;
    });
    return 'many refreshes by outage';
  },

  '`ERR_QUEUE_FULL`': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0 });
    const client = ward.client(bundled.seeds, { maxQueueLength: 100, lazyConnect: true });
    const calls = Array.from({ length: 200 }, (_, at) => client.set(`k${at}`, at));
    const outcomes = await Promise.allSettled(calls);
    const refused = outcomes.filter((outcome): outcome is PromiseRejectedResult => outcome.status === 'rejected');
    assert.equal(refused.length, 100);
    // The cure: wait for drain.
    for (let at = 0; at < 200; at++) {
      if (client.writableNeedDrain) await new Promise((resolve) => client.once('drain', () => resolve(undefined)));
      void client.set(`k${at}`, at);
    }
    assert.equal(await client.ping(), 'PONG');
    return readable(refused[0]!.reason);
  },

  'memory of the app grows during an outage': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0, config: { 'cluster-node-timeout': '15000' } });
    const value = Buffer.alloc(10_000);
    const [unlimited, limited] = [ward.client(bundled.seeds), ward.client(bundled.seeds, { maxQueueBytes: 100_000 })];
    await Promise.all([unlimited.ping(), limited.ping()]);
    await bundled.ownerOf(12182).kill();
    const calls = [unlimited, limited].map((client) =>
      Array.from({ length: 100 }, () => client.set('foo', value)).map((call) => call.catch((error: Error) => error)),
    );
    await until('they wait', () => unlimited.stats().queue.bytes >= 1_000_000);
    assert.ok(limited.stats().queue.bytes <= 100_000 + 20_000, `${limited.stats().queue.bytes}`);
    await bundled.node(2).restart();
    const [all, some] = await Promise.all(calls.map((each) => Promise.all(each)));
    assert.ok(all!.every((result) => result === 'OK'));
    assert.ok(some!.some((result) => (result as { code?: string }).code === 'ERR_QUEUE_FULL'));
    return 'memory of the app grows during an outage';
  },

  'one node has most of the load': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0 });
    const client = ward.client(bundled.seeds);
    const servedBy = async (keys: (at: number) => string): Promise<number[]> => {
      const nodes = bundled.nodes.map((node) => ward.redis(node));
      await Promise.all(nodes.map((node) => node.config('RESETSTAT')));
      await Promise.all(Array.from({ length: 300 }, (_, at) => client.get(keys(at))));
      const infos = await Promise.all(nodes.map((node) => node.info('commandstats')));
      return infos.map((info) => Number(/cmdstat_get:calls=(\d+)/.exec(info)?.[1] ?? 0));
    };
    assert.equal(Math.max(...(await servedBy((at) => `{user}:${at}`))), 300);
    assert.ok(Math.max(...(await servedBy((at) => `{user:${at}}:name`))) < 200);
    // `lingcache hot` finds the key.
    const going = { on: true };
    const traffic = (async () => {
      while (going.on) await Promise.all(Array.from({ length: 20 }, () => client.get('popular')));
    })();
    const main = new URL('../../../server/tools/main.js', import.meta.url).pathname;
    const { text } = await ran([main, 'hot', `127.0.0.1:${bundled.ports[0]}`, '--monitor', '2s']);
    going.on = false;
    await traffic;
    assert.match(text, /popular/);
    return 'one node has most of the load';
  },

  'p99 is high, p50 is normal': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0, config: { 'slowlog-log-slower-than': '20000' } });
    const client = ward.client(bundled.seeds);
    const slow = "local n = 0 for i = 1, ARGV[1] do n = n + i end return redis.call('GET', KEYS[1])";
    await client.eval(slow, 1, 'foo', 1);
    for (let round = 0; round < 4; round++) {
      const scripts = client.eval(slow, 1, 'foo', 10_000_000);
      await Promise.all([scripts, client.get('{foo}')]);
      for (let at = 0; at < 40; at++) await client.get('{foo}');
    }
    const { latency } = client.stats().nodes.find(({ key }) => key.endsWith(`:${bundled.ports[2]}`))!;
    assert.ok(latency!.p99 > 4 * latency!.p50, JSON.stringify(latency));
    const entries = (await ward.redis(bundled.node(2)).slowlog('GET')) as [number, number, number, string[]][];
    assert.ok(
      entries.some(([, , , argv]) => argv[0]?.toLowerCase() === 'evalsha' || argv[0]?.toLowerCase() === 'eval'),
    );
    return 'p99 is high, p50 is normal';
  },

  '`commandTimeout` under load, servers idle': async () => {
    const run = (busyMs: number): Promise<{ text: string }> =>
      program(
        `
        import { fork } from 'node:child_process';
        import { monitorEventLoopDelay } from 'node:perf_hooks';
        import { Redis } from 'lingcache';
        import { startCluster } from 'lingcache/server';
        const bundled = await startCluster({ processes: true, masters: 1, replicas: 0 });
        const redis = new Redis({ ...bundled.seeds[0], commandTimeout: 100 });
        await redis.ping();
        const delay = monitorEventLoopDelay({ resolution: 5 });
        delay.enable();
        await new Promise((resolve) => setTimeout(resolve, 20));
        const call = redis.get('foo').then(() => 'answered', (error) => error.message);
        const end = Date.now() + ${busyMs};
        while (Date.now() < end);
        console.log(await call);
        await new Promise((resolve) => setTimeout(resolve, 20));
        console.log(delay.max / 1e6 > 200 ? 'blocked' : 'not blocked');
        redis.disconnect();
        await bundled.close();
      `,
        20_000,
      );
    const [blocked, free] = await Promise.all([run(400), run(0)]);
    assert.match(blocked.text, /\nblocked/);
    assert.match(free.text, /answered\nnot blocked/);
    return `commandTimeout under load, servers idle: ${blocked.text}`;
  },

  'subscribers miss messages': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0 });
    const [listener, client] = [ward.client(bundled.seeds), ward.client(bundled.seeds)];
    const heard: string[] = [];
    listener.on('message', (_channel, text) => heard.push(text));
    await listener.subscribe('news');
    await client.xadd('log', '*', 'text', 'first');
    const [, [, last]] = [0, [0, '0']] as const;
    // The node ends the connection, and the message comes before the client is there again.
    const subscribed = bundled.nodes.map((node) => ward.redis(node));
    await Promise.all(subscribed.map((node) => node.ping()));
    await Promise.all(
      subscribed.flatMap((node) => [node.call('CLIENT', 'KILL', 'TYPE', 'pubsub'), node.publish('news', 'lost')]),
    );
    await client.xadd('log', '*', 'text', 'lost');
    await until('it is subscribed again', async () => {
      await client.publish('news', 'later');
      return heard.length > 0;
    });
    assert.ok(!heard.includes('lost'));
    const [[, entries]] = (await listener.xread('STREAMS', 'log', last)) as [[string, [string, string[]][]]];
    assert.deepEqual(
      entries.map(([, fields]) => fields[1]),
      ['first', 'lost'],
    );
    return 'subscribers miss messages';
  },

  'keyspace notifications for only some of the keys': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0, config: { 'notify-keyspace-events': 'Kg' } });
    const [client, listener] = [ward.client(bundled.seeds), ward.client(bundled.seeds)];
    const keys = ['hello', 'c', 'foo']; // one of each master
    const heard: string[] = [];
    listener.on('pmessage', (_pattern, channel) => heard.push(channel));
    await listener.psubscribe('__keyspace@0__:*');
    const each: string[] = [];
    await client.ping();
    await Promise.all(
      client.nodes('master').map((node) => {
        node.on('pmessage', (_pattern: string, channel: string) => each.push(channel));
        return node.psubscribe('__keyspace@0__:*');
      }),
    );
    for (const key of keys) {
      await client.set(key, 1);
      await client.del(key);
    }
    await until('each master sends its own', () => each.length >= 3);
    await until('the one listener has heard its own', () => heard.length > 0);
    assert.equal(heard.length, 1);
    return 'keyspace notifications for only some of the keys';
  },

  'BullMQ: CROSSSLOT': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0 });
    const connection = ward.client(bundled.seeds, { redisOptions: { maxRetriesPerRequest: null } }) as never;
    const bare = new Queue('mail', { connection });
    ward.afterwards(() => bare.close());
    bare.on('error', () => undefined);
    const error = await refusalOf(bare.add('welcome', { to: 'ada' }));
    const options = { connection, prefix: '{mail}' };
    const queue = new Queue('mail', options);
    ward.afterwards(() => queue.close());
    const done = new Promise((resolve) => {
      const worker = new Worker('mail', async (job) => job.data.to, options);
      ward.afterwards(() => worker.close());
      worker.on('completed', (_job, result) => resolve(result));
    });
    await queue.add('welcome', { to: 'ada' });
    assert.equal(await done, 'ada');
    return `BullMQ: ${readable(error)}`;
  },

  'the test process does not exit': async () => {
    const run = (end: string, limitMs: number): Promise<{ code: number | null; text: string }> =>
      program(
        `
        import { Cluster } from 'lingcache';
        import { startCluster } from 'lingcache/server';
        const bundled = await startCluster({ masters: 1, replicas: 0 });
        const cluster = new Cluster(bundled.seeds);
        console.log(await cluster.ping());
        ${end}
      `,
        limitMs,
      );
    const [open, quit] = await Promise.all([
      run('setTimeout(() => console.log("still here"), 1000);', 8000),
      run('await cluster.quit(); await bundled.close();', 20_000),
    ]);
    assert.deepEqual([open.code, open.text], [null, 'PONG\nstill here\n']);
    assert.deepEqual([quit.code, quit.text], [0, 'PONG\n']);
    return 'the test process does not exit';
  },

  '"Command timed out" with fake timers': async (ward) => {
    const { port } = await ward.server();
    // What a library of fake timers does that is installed before any module is loaded, and is then advanced.
    const faked = `
        const fake = { now: 0, timers: [] };
        performance.now = () => fake.now;
        globalThis.setTimeout = (run, ms) => {
          fake.timers.push({ at: fake.now + ms, run });
          const handle = { ref: () => handle, unref: () => handle, hasRef: () => false, refresh: () => handle };
          return handle;
        };
        const tick = (ms) => {
          fake.now += ms;
          for (const { at, run } of fake.timers.splice(0)) if (at <= fake.now) run();
        };`;
    const run = (first: string): Promise<{ text: string }> =>
      program(
        `
        ${first}
        const { Redis } = await import('lingcache');
        const redis = new Redis({ host: '127.0.0.1', port: ${port}, commandTimeout: 1000 });
        await new Promise((resolve) => redis.once('ready', resolve));
        const call = redis.blpop('empty', 0.05).then(() => 'answered', (error) => error.message);
        tick(2000);
        console.log(await call);
        process.exit(0);
      `,
        15_000,
      );
    const [jumped, real] = await Promise.all([run(faked), run('Date.now = () => 0; const tick = () => undefined;')]);
    assert.equal(real.text, 'answered\n');
    return `"${jumped.text.trim()}" with fake timers`;
  },
};
