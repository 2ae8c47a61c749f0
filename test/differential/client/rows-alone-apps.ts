// What packages built on ioredis do to a client of one server, in the words they use: bee-queue, the adapters of
// socket.io, rate-limit-redis, stores of sessions. The packages themselves are not needed.

import { createHash } from 'node:crypto';
import { until } from '../../kit/until.ts';
import type { Face } from './harness.ts';
import type { AloneRow } from './rows-alone.ts';

/** bee-queue's way of adding a job: one script over three keys, and a plain key beside it. */
const addJob = {
  lua: `local id = ARGV[1]
        if id == '' then id = redis.call('incr', KEYS[1]) end
        if redis.call('hexists', KEYS[2], id) == 1 then return nil end
        redis.call('hset', KEYS[2], id, ARGV[2])
        redis.call('lpush', KEYS[3], id)
        return id`,
  numberOfKeys: 3,
};

const increment = `
  local totalHits = redis.call("INCR", KEYS[1])
  local timeToExpire = redis.call("PTTL", KEYS[1])
  if timeToExpire <= 0 or ARGV[1] == "1" then
    redis.call("PEXPIRE", KEYS[1], tonumber(ARGV[2]))
    timeToExpire = tonumber(ARGV[2])
  end
  return { totalHits, timeToExpire > 0 and 1 or 0 }`;

const once = (client: Face, event: string): Promise<unknown[]> =>
  new Promise((resolve) => client.once(event, (...args: unknown[]) => resolve(args)));

const rows: Readonly<Record<string, AloneRow['run']>> = {
  'bee-queue: jobs from waiting to succeeded': async ({ make, ask }) => {
    const scripts = { addJob };
    const [client, blocking, events] = [make({ scripts }), make(), make()];
    const heard: unknown[] = [];
    events.on('message', (channel: string, text: string) => heard.push([channel, JSON.parse(text).event]));
    await events.subscribe('bq:email:events');
    const taken = blocking.brpoplpush('bq:email:waiting', 'bq:email:active', 0);
    const ids = [
      await client.addJob('bq:email:id', 'bq:email:jobs', 'bq:email:waiting', '', '{"to":1}'),
      await client.addJob('bq:email:id', 'bq:email:jobs', 'bq:email:waiting', '', '{"to":2}'),
      await client.addJob('bq:email:id', 'bq:email:jobs', 'bq:email:waiting', '2', '{"to":3}'),
    ];
    const id = await taken;
    const found = await client.hget('bq:email:jobs', id);
    const finished = await client
      .multi()
      .lrem('bq:email:active', 0, id)
      .srem('bq:email:stalling', id)
      .hset('bq:email:jobs', id, '{"status":"succeeded"}')
      .sadd('bq:email:succeeded', id)
      .publish('bq:email:events', JSON.stringify({ id, event: 'succeeded' }))
      .exec();
    await until('the event is heard', () => heard.length > 0);
    const health = await client
      .multi()
      .llen('bq:email:waiting')
      .llen('bq:email:active')
      .scard('bq:email:succeeded')
      .scard('bq:email:failed')
      .zcard('bq:email:delayed')
      .get('bq:email:id')
      .exec();
    return [ids, id, found, finished, heard, health, await ask('hlen', 'bq:email:jobs')];
  },
  'bee-queue: a batch of jobs and stalled ones': async ({ make }) => {
    const client = make({ scripts: { addJob } });
    const batch = client.pipeline();
    for (let at = 0; at < 5; at++) batch.addJob('id', 'jobs', 'waiting', '', `{"at":${at}}`);
    const added = await batch.exec();
    const stalled = await client.multi().smembers('stalling').lrange('active', 0, -1).sadd('stalling', '1').exec();
    const closed = await Promise.all([client.del('id', 'jobs', 'waiting'), client.quit()]);
    return [added, stalled, closed];
  },
  'socket.io adapter: broadcasts as Buffers by pattern': async ({ make, ask }) => {
    const [pub, sub] = [make(), make()];
    const heard: unknown[] = [];
    sub.on('pmessageBuffer', (pattern: string, channel: Buffer, message: Buffer) =>
      heard.push([pattern.toString(), channel.toString(), [...message]]),
    );
    sub.on('messageBuffer', (channel: Buffer, message: Buffer) => heard.push([channel.toString(), message.toString()]));
    await sub.psubscribe('socket.io#/#*');
    await sub.subscribe(['socket.io-request#/#', 'socket.io-response#/#', 'socket.io-response#/#uid#']);
    const packet = Buffer.from([0x93, 0xa3, 0, 255, 13, 10, 0x80]);
    const receivers = [
      await pub.publish('socket.io#/#', packet),
      await pub.publish('socket.io#/#room#', packet),
      await pub.publish('socket.io-request#/#', JSON.stringify({ type: 0 })),
      await pub.publish('elsewhere', 'x'),
    ];
    await until('all is heard', () => heard.length === 3);
    const counts = [
      await pub.pubsub('NUMSUB', 'socket.io-request#/#', 'nobody'),
      await pub.send_command('pubsub', ['numsub', 'socket.io-request#/#']),
      await pub.call('PUBSUB', 'NUMPAT'),
    ];
    await sub.punsubscribe('socket.io#/#*');
    await sub.unsubscribe(['socket.io-request#/#', 'socket.io-response#/#', 'socket.io-response#/#uid#']);
    return [receivers, heard, counts, await ask('pubsub', 'channels', 'socket.io*')];
  },
  'socket.io adapter: sharded': async ({ make }) => {
    const [pub, sub] = [make(), make()];
    const heard: unknown[] = [];
    sub.on('smessageBuffer', (channel: Buffer, message: Buffer) => heard.push([channel.toString(), [...message]]));
    await sub.ssubscribe('socket.io#/#');
    await sub.ssubscribe('socket.io#/#uid#');
    const receivers = [await pub.spublish('socket.io#/#', Buffer.from([1, 0, 255])), await pub.spublish('none', 'x')];
    await until('it is heard', () => heard.length === 1);
    return [receivers, heard, await pub.call('PUBSUB', 'SHARDNUMSUB', 'socket.io#/#'), await sub.sunsubscribe()];
  },
  'socket.io emitter: one client that publishes and leaves': async ({ make }) => {
    const [pub, sub] = [make(), make()];
    await sub.subscribe('socket.io#/#');
    const heard = once(sub, 'messageBuffer');
    await pub.ping();
    const published = pub.publish('socket.io#/#', Buffer.from([7]));
    pub.disconnect();
    return [await published, await heard];
  },
  'rate-limit-redis: SCRIPT LOAD and EVALSHA by call()': async ({ make, ask }) => {
    const client = make();
    const send = (...args: string[]): Promise<unknown> => client.call(args[0], ...args.slice(1));
    const sha = await send('SCRIPT', 'LOAD', increment);
    const hits = [
      await send('EVALSHA', String(sha), '1', 'rl:1.2.3.4', '0', '60000'),
      await send('EVALSHA', String(sha), '1', 'rl:1.2.3.4', '0', '60000'),
      await send('EVALSHA', String(sha), '1', 'rl:5.6.7.8', '1', '60000'),
    ];
    await ask('script', 'flush');
    const lost = await send('EVALSHA', String(sha), '1', 'rl:1.2.3.4', '0', '60000').catch(
      (error: Error) => error.message,
    );
    const again = await send('SCRIPT', 'LOAD', increment);
    const decremented = await send('DECR', 'rl:1.2.3.4');
    return [sha === createHash('sha1').update(increment).digest('hex'), hits, lost, again === sha, decremented];
  },
  'rate-limit-redis: with a prefix of the client': async ({ make, ask }) => {
    const client = make({ keyPrefix: 'app:' });
    const sha = await client.call('SCRIPT', 'LOAD', increment);
    const hits = await client.call('EVALSHA', sha, '1', 'rl:ip', '0', '1000');
    return [hits, ((await ask('keys', '*')) as unknown[]).map(String), await client.call('DEL', 'rl:ip')];
  },
  'a store of sessions: set with expiry, touch, all, length': async ({ make }) => {
    const client = make();
    const ids = ['a', 'b', 'c'];
    await Promise.all(ids.map((id) => client.set(`sess:${id}`, JSON.stringify({ id }), 'EX', 100)));
    const touched = await client.expire('sess:a', 50);
    const keys: string[] = [];
    for await (const page of client.scanStream({ match: 'sess:*', count: 2 })) keys.push(...page);
    keys.sort();
    return [touched, keys, await client.mget(keys), await client.del(...keys)];
  },
  'a cache: tags in sets, removed by a pipeline': async ({ make }) => {
    const client = make({ keyPrefix: 'c:' });
    await client.multi().set('page:1', 'x', 'PX', 5000).sadd('tag:home', 'page:1').sadd('tag:all', 'page:1').exec();
    const members = await client.smembers('tag:home');
    const removed = await client
      .pipeline()
      .del(...members)
      .del('tag:home')
      .srem('tag:all', ...members)
      .exec();
    return [members, removed, await client.exists('page:1')];
  },
  'a lock: SET NX PX, and a script that lets go': async ({ make }) => {
    const client = make();
    const letGo = 'if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end';
    return [
      await client.set('lock:{x}', 'me', 'PX', 10000, 'NX'),
      await client.set('lock:{x}', 'you', 'PX', 10000, 'NX'),
      await client.eval(letGo, 1, 'lock:{x}', 'you'),
      await client.eval(letGo, 1, 'lock:{x}', 'me'),
      await client.eval(letGo, 2, 'lock:a', 'lock:b', 'me'),
    ];
  },
  'a tracer: sendCommand wrapped on the object': async ({ make }) => {
    const client = make({ keyPrefix: 't:', scripts: { addJob } });
    await client.ping();
    const seen = wrap(client, (command, send) => send(command));
    const called: unknown[] = [];
    await new Promise((resolve) =>
      client.set('a', 1, 'EX', 100, (...outcome: unknown[]) => {
        called.push(outcome);
        resolve(undefined);
      }),
    );
    return [
      called,
      await client.get('a'),
      await client.getBuffer('a'),
      await client.call('strlen', 'a'),
      await client.hgetall('nothing'),
      await client.addJob('id', 'jobs', 'waiting', '', '{}'),
      await client.lpush('a', 'x').catch((error: Error) => error.message),
      await client.set('a').catch((error: Error) => error.message),
      seen,
    ];
  },
  'a tracer: sendCommand wrapped on the class': async ({ make }) => {
    const prototype = Object.getPrototypeOf(make());
    const own = Object.getOwnPropertyDescriptor(prototype, 'sendCommand');
    const seen = wrap(prototype, (command, send) => send(command));
    try {
      const client = make();
      await client.ping(); // what waits for a connection is seen twice in ioredis
      return [
        await client.set('a', 1),
        await client.incr('a'),
        seen.filter(([name]) => name === 'set' || name === 'incr'),
      ];
    } finally {
      if (own === undefined) delete prototype.sendCommand;
      else Object.defineProperty(prototype, 'sendCommand', own);
    }
  },
  'a test: commands answered, refused, changed and delayed in sendCommand': async ({ make, ask }) => {
    const client = make();
    await client.ping();
    const unwrapped = client.sendCommand;
    const seen = wrap(client, (command, send) => {
      const { name, args } = command;
      if (args[0] === 'answered') command.resolve(Buffer.from('by hand'));
      else if (args[0] === 'refused') command.reject(new Error('no'));
      else if (name === 'set') {
        args[1] = `${args[1]}, changed`;
        return send(command);
      } else if (args[0] === 'later') setTimeout(() => void send(command), 5);
      else return send(command);
      return command.promise;
    });
    const outcomes = [
      await client.get('answered'),
      await client.getBuffer('answered'),
      await client.get('refused').catch((error: Error) => error.message),
      await client.set('k', 'v'),
      await client.get('k'),
      await client.incr('later'),
      await ask('get', 'k'),
      [...seen],
    ];
    client.sendCommand = unwrapped;
    return [outcomes, await client.get('answered'), seen.length];
  },
};

type Send = (command: Face) => Promise<unknown>;

/** Puts `around` into the place of `target.sendCommand`; what went through it, its name and its arguments. */
function wrap(target: Face, around: (command: Face, send: Send) => Promise<unknown>): [string, unknown[]][] {
  const own = target.sendCommand;
  const seen: [string, unknown[]][] = [];
  target.sendCommand = function (this: Face, command: Face, ...rest: unknown[]) {
    seen.push([command.name, [...command.args]]);
    return around(command, (given) => own.call(this, given, ...rest));
  };
  return seen;
}

export const appRows: readonly AloneRow[] = Object.entries(rows).map(([name, run]) => ({ name, run }));
