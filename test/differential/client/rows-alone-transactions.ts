// Transactions of a client of one server: slots are a cluster's matter, so keys are where they like.

import { type Face, outcomeOf } from './harness.ts';
import type { Alone, AloneRow } from './rows-alone.ts';

/** Three slots. */
const [a, b, c] = ['a', 'b', 'c'] as const;

const scripts = {
  join: { lua: "return redis.call('set', KEYS[1], KEYS[2] .. ARGV[1])", numberOfKeys: 2 },
  whole: { lua: 'return {KEYS[1], ARGV[1]}', numberOfKeys: 1 },
};

const rows: Readonly<Record<string, AloneRow['run']>> = {
  'keys of several slots': ({ make }) => make().multi().set(a, 1).set(b, 2).incr(c).mget(a, b, c).exec(),
  'keys of several slots, with a prefix': async ({ make, ask }) => [
    await make({ keyPrefix: 'p:' }).multi().set(a, 1).set(b, 2).mget(a, b).exec(),
    ((await ask('keys', '*')) as string[]).map(String).sort(),
  ],
  'keys of several slots, Buffers': ({ make }) =>
    make()
      .multi()
      .set(Buffer.from(a), Buffer.from([0, 255]))
      .getBuffer(a)
      .set(b, 1)
      .get(b)
      .exec(),
  'keys of several slots, as an array': ({ make }) =>
    make()
      .multi([
        ['set', a, 1],
        ['set', b, 2],
        ['mget', a, b],
      ])
      .exec(),
  'keys of several slots, with a callback': ({ make }) =>
    new Promise((resolve) => {
      make()
        .multi()
        .set(a, 1)
        .set(b, 2)
        .exec((...got: unknown[]) => resolve(got));
    }),
  'keys of several slots inside a pipeline': ({ make }) =>
    make().pipeline().set(a, 0).multi().incr(a).incr(b).exec().get(c).multi().get(a).get(b).exec().exec(),
  'keys of several slots without a pipeline': async ({ make }) => {
    const client = make();
    await client.multi({ pipeline: false });
    return [await client.set(a, 1), await client.set(b, 2), await client.exec()];
  },
  'scripts over several slots': ({ make }) => make({ scripts }).multi().join(a, b, 'x').whole(c, 'y').get(a).exec(),
  'scripts over several slots, twice': async ({ make }) => {
    const client = make({ scripts });
    const run = (): Promise<unknown> => client.multi().join(a, b, 'x').whole(c, 'y').exec();
    return [await run(), await run(), await client.join(b, c, 'z'), await client.pipeline().join(c, a, 'z').exec()];
  },
  'scripts over several slots, with a prefix': ({ make }) =>
    make({ scripts, keyPrefix: 'p:' }).multi().join(a, b, 'x').get(a).exec(),
  'WATCH over several slots': async ({ make, ask }) => {
    const client = make();
    await client.watch(a, b, c);
    await ask('set', c, 'changed');
    const first = await client.multi().set(a, 1).set(b, 2).exec();
    await client.watch(a, b);
    return [first, await client.multi().set(a, 1).set(b, 2).exec()];
  },
  'a refusal among several slots': ({ make }) => outcomeOf(() => make().multi().set(a, 1).set(b).set(c, 3).exec()),
  'a refusal among several slots, with a callback': ({ make }) =>
    new Promise((resolve) => {
      make()
        .multi()
        .set(a, 1)
        .set(b)
        .exec((error: Face, value: unknown) => resolve([error.message, error.previousErrors?.length, value]));
    }),
  'two refusals': ({ make }) => outcomeOf(() => make().multi().set(a).nosuch(b).set(c, 3).exec()),
  'two refusals, call': ({ make }) => outcomeOf(() => make().multi().set(a).call('nosuch', b).call('SET', c).exec()),
  'an error of one command among several slots': ({ make }) => make().multi().set(a, 'x').incr(a).lpush(b, 1).exec(),
  'no command at all': ({ make }) => make().multi().exec(),
  discard: async ({ make }) => {
    const client = make();
    await client.multi({ pipeline: false });
    await client.set(a, 1);
    return [await client.discard(), await client.get(a), await outcomeOf(() => client.exec())];
  },
  'commands of several keys': async ({ make }) => {
    const client = make();
    return [
      await client.mset(a, 1, b, 2, c, 3),
      await client.mget(a, b, c),
      await client.rename(a, 'd'),
      await client.sunionstore('s', 't', 'u'),
      await client.eval('return #KEYS', 3, a, b, c),
      await client.pipeline().mget(b, c).del(b, c).exec(),
    ];
  },
  'shard channels over slots': async ({ make, ask }) => {
    const client = make();
    const heard: unknown[] = [];
    client.on('smessage', (...args: unknown[]) => heard.push(args));
    const count = await client.ssubscribe(a, b, c);
    await ask('spublish', b, 'x');
    await client.ping();
    return [count, await client.sunsubscribe(a, b, c), heard];
  },
  'as bee-queue adds a job': async ({ make }: Alone) => {
    const client = make();
    await client.hset('bq:jobs', '1', '{}');
    const added = await client
      .multi()
      .lpush('bq:waiting', '1')
      .hset('bq:stats', 'added', 1)
      .publish('bq:events', 'x')
      .exec();
    const taken = await client.brpoplpush('bq:waiting', 'bq:active', 1);
    const done = await client
      .multi()
      .hdel('bq:jobs', '1')
      .lrem('bq:active', 0, '1')
      .sadd('bq:succeeded', '1')
      .srem('bq:stalling', '1')
      .exec();
    return [added, taken, done];
  },
};

export const transactionRows: readonly AloneRow[] = Object.entries(rows).map(([name, run]) => ({ name, run }));
