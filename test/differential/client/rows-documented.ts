// What ioredis's README and typings say of a client of one server, item by item, where no other file has a row for it.

import { setTimeout as pause } from 'node:timers/promises';
import { ready, until } from '../../kit/until.ts';
import { type Face, outcomeOf } from './harness.ts';
import type { AloneRow } from './rows-alone.ts';

/** The next so many events of a kind, each as its arguments. */
async function heard(client: Face, event: string, count: number, act: () => unknown): Promise<unknown[][]> {
  const seen: unknown[][] = [];
  client.on(event, (...args: unknown[]) => seen.push(args));
  await act();
  await until(`${count} of ${event}`, () => seen.length >= count);
  return seen;
}

const collect = async (stream: Face): Promise<unknown[]> => {
  const pages: unknown[] = [];
  for await (const page of stream) pages.push(...page);
  return pages.sort();
};

const rows: Readonly<Record<string, AloneRow['run']>> = {
  // Basic usage
  'README: set, get, zadd, zrange, lists, sets': async ({ make }) => {
    const redis = make();
    return [
      await redis.set('mykey', 'value'),
      await redis.get('mykey'),
      await redis.zadd('sortedSet', 1, 'one', 2, 'dos', 4, 'quatro', 3, 'three'),
      await redis.zrange('sortedSet', 0, 2, 'WITHSCORES'),
      await redis.set('mykey', 'hello', 'EX', 10),
      await redis.sadd('set', 1, 3, 5, 7),
      await redis.sadd('set', [1, 3, 5, 7]),
      await redis.spop('set', 4).then((members: string[]) => members.sort()),
    ];
  },
  'README: callbacks': ({ make }) => {
    const redis = make();
    return new Promise((resolve) =>
      redis.get('none', (...first: unknown[]) =>
        redis.hget('none', (...second: unknown[]) => resolve([first, second])),
      ),
    );
  },
  'README: streams, read in a loop': async ({ make }) => {
    const [redis, producer] = [make(), make()];
    const waiting = redis.xread('block', 2000, 'STREAMS', 'mystream', '$');
    await pause(50);
    const ids = await Promise.all(
      [1, 2].map((id) => producer.xadd('mystream', `${id}-1`, 'name', 'John', 'age', '20')),
    );
    const first = await waiting;
    return [ids, first?.[0]?.[1]?.[0], await redis.xrange('mystream', '-', '+', 'COUNT', 1)];
  },
  'README: binary data': async ({ make }) => {
    const redis = make();
    const bytes = Buffer.from([0x62, 0x75, 0xff, 0]);
    return [
      await redis.set('foo', bytes),
      await redis.getBuffer('foo'),
      await redis.hset('h', Buffer.from('f'), bytes),
      await redis.hgetallBuffer('h'),
      await redis.lpush(Buffer.from('list'), bytes),
      await redis.lrangeBuffer('list', 0, -1),
      await redis.callBuffer('get', 'foo'),
    ];
  },
  'README: lua scripting': async ({ make }) => {
    const redis = make({ keyPrefix: 'p:' });
    redis.defineCommand('myecho', { numberOfKeys: 2, lua: 'return {KEYS[1],KEYS[2],ARGV[1],ARGV[2]}' });
    redis.defineCommand('echoDynamic', { lua: 'return {KEYS[1],ARGV[1]}' });
    return [
      await redis.myecho('k1', 'k2', 'a1', 'a2'),
      await redis.myechoBuffer('k1', 'k2', 'a1', 'a2'),
      await redis.pipeline().set('foo', 'bar').myecho('k1', 'k2', 'a1', 'a2').exec(),
      await redis.echoDynamic(1, 'k1', 'a1'),
    ];
  },
  'README: transforming arguments and replies': async ({ make }) => {
    const redis = make();
    const map = new Map([
      ['a', '1'],
      ['b', '2'],
    ]);
    return [
      await redis.mset({ k1: 'v1', k2: 'v2' }),
      await redis.mset(map),
      await redis.hset('key', { k1: 'v1', k2: 'v2' }),
      await redis.hset('key2', map),
      await redis.hmset('key3', map),
      await redis.hgetall('key'),
      await redis.hgetall('none'),
      await redis.mget(['k1', 'k2', 'none']),
    ];
  },
  'README: auto-pipelining': async ({ make }) => {
    const redis = make({ enableAutoPipelining: true });
    const all = Promise.all(Array.from({ length: 20 }, (_, at) => redis.set(`k${at}`, at)));
    const bad = outcomeOf(() => redis.lpush('k1', 1));
    const mixed = Promise.all([redis.get('k3'), redis.mget('k1', 'k2'), redis.getBuffer('k4')]);
    return [await all, await bad, await mixed];
  },
  'README: error handling': async ({ make }) => {
    const redis = make();
    const error = await redis.set('foo').catch((reason: Error) => reason);
    return [error.name, error.message, error.command, error instanceof Error, Object.keys(error).includes('command')];
  },
  'README: scan streams': async ({ make }) => {
    const redis = make();
    await redis.mset(Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`user:${at}`, at])));
    await redis.hset('hash', Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`age:${at}`, at])));
    await redis.sadd('members', ...Array.from({ length: 30 }, (_, at) => `m${at}`));
    await redis.zadd('scores', ...Array.from({ length: 30 }, (_, at) => [at, `m${at}`]).flat());
    return [
      await collect(redis.scanStream({ match: 'user:*', count: 10 })),
      await collect(redis.scanStream({ type: 'hash' })),
      await collect(redis.hscanStream('hash', { match: 'age:1*', count: 100 })),
      await collect(redis.sscanStream('members')),
      await collect(redis.zscanStream('scores', { match: 'm2*' })),
      (await collect(redis.scanBufferStream({ match: 'user:1' }))).map(Buffer.isBuffer),
    ];
  },
  'README: a scan stream that is paused': async ({ make }) => {
    const redis = make();
    await redis.mset(Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`user:${at}`, at])));
    const stream = redis.scanStream({ count: 5 });
    let pages = 0;
    const found = new Set<string>();
    stream.on('data', (keys: string[]) => {
      for (const key of keys) found.add(key);
      stream.pause();
      pages++;
      setTimeout(() => stream.resume(), 1);
    });
    await new Promise((resolve) => stream.on('end', resolve));
    return [found.size, pages > 1];
  },
  // Pub/sub
  'message and messageBuffer': async ({ make }) => {
    const [sub, pub] = [make(), make()];
    const buffers: unknown[] = [];
    sub.on('messageBuffer', (...args: unknown[]) => buffers.push(args));
    const subscribed = await sub.subscribe('news', 'music');
    const messages = await heard(sub, 'message', 2, async () => {
      await pub.publish('news', 'one');
      await pub.publish('music', Buffer.from([0xff]));
    });
    return [subscribed, messages, buffers];
  },
  'pmessage and pmessageBuffer': async ({ make }) => {
    const [sub, pub] = [make(), make()];
    const buffers: unknown[] = [];
    sub.on('pmessageBuffer', (...args: unknown[]) => buffers.push(args));
    const subscribed = await sub.psubscribe('pat?ern', 'other*');
    const messages = await heard(sub, 'pmessage', 1, () => pub.publish('pattern', 'hi'));
    return [subscribed, messages, buffers, await sub.punsubscribe()];
  },
  'smessage and smessageBuffer': async ({ make }) => {
    const [sub, pub] = [make(), make()];
    const buffers: unknown[] = [];
    sub.on('smessageBuffer', (...args: unknown[]) => buffers.push(args));
    const subscribed = await sub.ssubscribe('shard');
    const messages = await heard(sub, 'smessage', 1, () => pub.spublish('shard', 'hi'));
    return [subscribed, messages, buffers, await sub.sunsubscribe('shard')];
  },
  'subscribe by callback, and what is subscribed': ({ make }) => {
    const sub = make();
    return new Promise((resolve) =>
      sub.subscribe('a', 'b', (error: unknown, count: unknown) => resolve([error, count, sub.mode])),
    );
  },
  'unsubscribe leaves subscriber mode': async ({ make }) => {
    const sub = make({ protocol: 2 });
    await sub.subscribe('a');
    const inside = [sub.mode, await outcomeOf(() => sub.set('k', 1))];
    await sub.unsubscribe('a');
    return [inside, sub.mode, await sub.set('k', 1)];
  },
  'ping and quit while subscribed': async ({ make }) => {
    const sub = make({ protocol: 2 });
    await sub.subscribe('a');
    return [await outcomeOf(() => sub.ping()), await outcomeOf(() => sub.quit())];
  },
  // Pipelines
  'pipeline: length, callbacks and errors': async ({ make }) => {
    const redis = make();
    const seen: unknown[] = [];
    const pipeline = redis.pipeline();
    pipeline.set('foo', 'bar');
    pipeline.get('foo', (error: unknown, value: unknown) => seen.push([error, value]));
    pipeline.lpush('foo', 1);
    pipeline.del('cc');
    const length = pipeline.length;
    const results = await pipeline.exec((error: unknown, all: unknown[]) => seen.push([error, all.length]));
    return [length, results, seen];
  },
  'pipeline: array of commands': ({ make }) =>
    make()
      .pipeline([
        ['set', 'foo', 'bar'],
        ['get', 'foo'],
      ])
      .exec(),
  'multi: options in both places': async ({ make }) => {
    const redis = make();
    return [
      await redis.multi([['set', 'a', 1]], { pipeline: true }).exec(),
      await redis.multi({ pipeline: true }).get('a').exec(),
      await redis.multi({ pipeline: false }),
      await redis.set('foo', 'bar'),
      await redis.get('foo'),
      await redis.exec(),
    ];
  },
  // The class
  statics: ({ library }) => {
    const { Redis, Cluster, Command } = library;
    return [typeof Redis.createClient, Redis.Cluster === Cluster, Redis.Command === Command];
  },
  'properties when created': ({ make }) => {
    const redis = make({ lazyConnect: true });
    return [redis.status, redis.mode, redis.isCluster, redis.autoPipelineQueueSize, redis instanceof Object];
  },
  'sendCommand with a Command': async ({ library, make }) => {
    const redis = make();
    const command = new library.Command('set', ['k', 1], { replyEncoding: 'utf8' });
    const returned = redis.sendCommand(command);
    return [await returned, await command.promise, command.name, command.args];
  },
  'call: array arguments, callback, Buffer form': async ({ make }) => {
    const redis = make();
    const back = await new Promise((resolve) => redis.call('get', 'k', (...got: unknown[]) => resolve(got)));
    return [
      await redis.call('set', ['k', 'v']),
      await redis.call('get', ['k']),
      await redis.callBuffer('GET', 'k'),
      back,
    ];
  },
  'duplicate: options and status': async ({ make, keep }) => {
    const redis = make({ db: 2, keyPrefix: 'p:' });
    await redis.set('k', 'v');
    const copy = keep(redis.duplicate({ keyPrefix: '' }));
    return [await copy.get('p:k'), copy.options.db, copy.options.keyPrefix, copy.status];
  },
  'select emits': async ({ make }) => {
    const redis = make();
    return heard(redis, 'select', 2, async () => {
      await redis.select(3);
      await redis.select('4');
    });
  },
  // Options
  commandTimeout: async ({ make }) => {
    const redis = make({ commandTimeout: 80 });
    const late = await outcomeOf(() => redis.blpop('none', 0));
    return [late, await make().ping()];
  },
  'commandTimeout in a pipeline and a transaction': async ({ make, ask }) => {
    const redis = make({ commandTimeout: 80 });
    await ready(redis);
    await ask('client', 'pause', '300', 'ALL');
    const texts = async (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        (value) => JSON.stringify(value).includes('OK'),
        (error: Error) => error.message,
      );
    return Promise.all([texts(redis.set('k', 1)), texts(redis.multi().set('k', 2).exec())]);
  },
  'connectionName with other characters': ({ make }) => make({ connectionName: 'my:app' }).client('GETNAME'),
  'readOnly asks READONLY': ({ make }) => outcomeOf(() => make({ readOnly: true }).get('k')),
  'scripts of options': ({ make }) =>
    make({ scripts: { sum: { lua: 'return #KEYS', numberOfKeys: 2 } } }).sum('a', 'b'),
  'a key prefix leaves patterns and values alone': async ({ make, ask }) => {
    const redis = make({ keyPrefix: 'p:' });
    await redis.mset('a', 1, 'b', 2);
    await redis.sort('a', 'BY', 'w_*').catch(() => undefined);
    await redis.zadd('z', 1, 'm');
    await redis.zunionstore('d', 2, 'z', 'z');
    await redis.eval('return redis.call("set", KEYS[1], ARGV[1])', 1, 'e', 'v');
    return [
      await redis.keys('*').then((keys: string[]) => keys.sort()),
      await redis.scan(0),
      await ask('exists', 'p:e'),
    ]
      .slice(0, 1)
      .concat([await ask('exists', 'p:e', 'p:d')]);
  },
  'stringNumbers beyond what a number holds': async ({ make }) => {
    const redis = make({ stringNumbers: true });
    await redis.set('k', '9007199254740992');
    return [
      await redis.incr('k'),
      await redis.exists('k'),
      await redis.zadd('z', 1, 'm'),
      typeof (await redis.time())[0],
    ];
  },
  'replyMapping resp3': async ({ make }) => {
    const redis = make({ replyMapping: 'resp3' });
    await redis.zadd('z', 1.5, 'a', 2, 'b');
    await redis.hset('h', 'f', 'v');
    return [
      await redis.zscore('z', 'a'),
      await redis.zrange('z', 0, -1, 'WITHSCORES'),
      await redis.hgetall('h'),
      await redis.config('GET', 'maxmemory-policy'),
      await redis.zmscore('z', 'a', 'none'),
    ];
  },
  'a host that does not answer': async ({ make }) => {
    const seen: unknown[] = [];
    const redis = make({ host: '127.0.0.1', port: 1, retryStrategy: () => null });
    redis.on('error', (error: Face) =>
      seen.push([error.message, error.code, error.syscall, error.address, error.port]),
    );
    const held = await outcomeOf(() => redis.get('k'));
    await pause(20);
    return [held, seen, redis.status];
  },
  'maxRetriesPerRequest 1': async ({ make }) => {
    const redis = make({ host: '127.0.0.1', port: 1, maxRetriesPerRequest: 1, retryStrategy: () => 5 });
    return outcomeOf(() => redis.get('k'));
  },
  'autoResendUnfulfilledCommands off': async ({ make, cut }) => {
    const redis = make({ autoResendUnfulfilledCommands: false, retryStrategy: () => 5 });
    await redis.ping();
    const blocked = outcomeOf(() => redis.blpop('none', 0));
    await pause(30);
    await cut();
    return blocked;
  },
};

export const documentedRows: readonly AloneRow[] = Object.entries(rows).map(([name, run]) => ({ name, run }));
