// Checked by tsc: each call compiles, and gives the same type on our surface and on ioredis's.
// A command of the user's own is added to ours as ioredis documents it, by merging into RedisCommander.
// The functions are never run; the compilation is the test.
import { expectTypeOf } from 'expect-type';
import type { ChainableCommander as TheirChain, Redis as Theirs } from 'ioredis';
import type { ExecResult } from '../../lib/facade/surface.generated/index.ts';
import type { Callback, ChainableCommander, Cluster, Redis, RedisCommander, Result } from '../../lib/index.ts';

declare module '../../lib/index.ts' {
  interface RedisCommander<Context> {
    typedByMerging(key: string, callback?: Callback<string>): Result<string, Context>;
  }
}

type Pairs = [key: string, items: [id: string, fields: string[]][]][] | null;

export function strings(ours: RedisCommander, theirs: Theirs, key: Buffer, list: string[]): void {
  expectTypeOf(ours.get('k')).toEqualTypeOf<Promise<string | null>>();
  expectTypeOf(theirs.get('k')).toEqualTypeOf<Promise<string | null>>();
  expectTypeOf(ours.getBuffer(key)).toEqualTypeOf<Promise<Buffer | null>>();
  expectTypeOf(theirs.getBuffer(key)).toEqualTypeOf<Promise<Buffer | null>>();
  expectTypeOf(ours.set('k', 1)).toEqualTypeOf(theirs.set('k', 1));
  expectTypeOf(ours.set('k', 'v', 'EX', 10)).toEqualTypeOf(theirs.set('k', 'v', 'EX', 10));
  expectTypeOf(ours.set('k', 'v', 'PX', '10', 'NX')).toEqualTypeOf(theirs.set('k', 'v', 'PX', '10', 'NX'));
  expectTypeOf(ours.set('k', 'v', 'KEEPTTL', 'XX', 'GET')).toEqualTypeOf(theirs.set('k', 'v', 'KEEPTTL', 'XX', 'GET'));
  expectTypeOf(ours.setBuffer('k', 'v', 'GET')).toEqualTypeOf(theirs.setBuffer('k', 'v', 'GET'));
  expectTypeOf(ours.mget('a', 'b')).toEqualTypeOf(theirs.mget('a', 'b'));
  expectTypeOf(ours.mget(list)).toEqualTypeOf(theirs.mget(list));
  expectTypeOf(ours.mget(...list)).toEqualTypeOf(theirs.mget(...list));
  expectTypeOf(ours.mgetBuffer(['a', key])).toEqualTypeOf(theirs.mgetBuffer(['a', key]));
  expectTypeOf(ours.mset({ a: 1, b: 'x' })).toEqualTypeOf(theirs.mset({ a: 1, b: 'x' }));
  expectTypeOf(ours.mset(new Map([['a', 1]]))).toEqualTypeOf(theirs.mset(new Map([['a', 1]])));
  expectTypeOf(ours.mset('a', 1, 'b', key)).toEqualTypeOf(theirs.mset('a', 1, 'b', key));
  expectTypeOf(ours.incrbyfloat('k', 0.5)).toEqualTypeOf(theirs.incrbyfloat('k', 0.5));
  expectTypeOf(ours.del('a', key)).toEqualTypeOf(theirs.del('a', key));
  expectTypeOf(ours.del(['a', 'b'])).toEqualTypeOf(theirs.del(['a', 'b']));
  expectTypeOf(ours.expire('k', 10, 'NX')).toEqualTypeOf(theirs.expire('k', 10, 'NX'));
  expectTypeOf(ours.scan(0, 'MATCH', 'a*', 'COUNT', 5)).toEqualTypeOf(theirs.scan(0, 'MATCH', 'a*', 'COUNT', 5));
}

export function collections(ours: RedisCommander, theirs: Theirs): void {
  expectTypeOf(ours.hset('k', { a: 1 })).toEqualTypeOf(theirs.hset('k', { a: 1 }));
  expectTypeOf(ours.hset('k', 'f', 1, 'g', 2)).toEqualTypeOf(theirs.hset('k', 'f', 1, 'g', 2));
  expectTypeOf(ours.hgetall('k')).toEqualTypeOf<Promise<Record<string, string>>>();
  expectTypeOf(theirs.hgetall('k')).toEqualTypeOf<Promise<Record<string, string>>>();
  expectTypeOf(ours.hgetallBuffer('k')).toEqualTypeOf(theirs.hgetallBuffer('k'));
  expectTypeOf(ours.hmget('k', 'a', 'b')).toEqualTypeOf(theirs.hmget('k', 'a', 'b'));
  expectTypeOf(ours.hscan('k', 0, 'COUNT', 10)).toEqualTypeOf(theirs.hscan('k', 0, 'COUNT', 10));
  expectTypeOf(ours.lpop('k')).toEqualTypeOf(theirs.lpop('k'));
  expectTypeOf(ours.lpop('k', 2)).toEqualTypeOf(theirs.lpop('k', 2));
  expectTypeOf(ours.blpop('a', 'b', 1)).toEqualTypeOf(theirs.blpop('a', 'b', 1));
  expectTypeOf(ours.blpop(['a', 'b'], 1)).toEqualTypeOf(theirs.blpop(['a', 'b'], 1));
  expectTypeOf(ours.lmpop(2, 'a', 'b', 'LEFT')).toEqualTypeOf(theirs.lmpop(2, 'a', 'b', 'LEFT'));
  expectTypeOf(ours.sadd('k', 'a', 1)).toEqualTypeOf(theirs.sadd('k', 'a', 1));
  expectTypeOf(ours.sadd('k', ['a', 'b'])).toEqualTypeOf(theirs.sadd('k', ['a', 'b']));
  expectTypeOf(ours.spop('k', 3)).toEqualTypeOf(theirs.spop('k', 3));
  expectTypeOf(ours.zadd('k', 1, 'a', 2, 'b')).toEqualTypeOf(theirs.zadd('k', 1, 'a', 2, 'b'));
  expectTypeOf(ours.zadd('k', 'NX', 'INCR', 1, 'a')).toEqualTypeOf<Promise<string | null>>();
  expectTypeOf(theirs.zadd('k', 'NX', 'INCR', 1, 'a')).toEqualTypeOf<Promise<string | null>>();
  expectTypeOf(ours.zrange('k', 0, '-1', 'WITHSCORES')).toEqualTypeOf<Promise<string[]>>();
  expectTypeOf(theirs.zrange('k', 0, '-1', 'WITHSCORES')).toEqualTypeOf<Promise<string[]>>();
  expectTypeOf(ours.zscore('k', 'a')).toEqualTypeOf<Promise<string | null>>();
  expectTypeOf(ours.xadd('k', 'MAXLEN', '~', 10, '*', 'f', 1)).toEqualTypeOf(
    theirs.xadd('k', 'MAXLEN', '~', 10, '*', 'f', 1),
  );
  expectTypeOf(ours.xread('COUNT', 1, 'STREAMS', 'a', '0')).toEqualTypeOf<Promise<Pairs>>();
  expectTypeOf(theirs.xread('COUNT', 1, 'STREAMS', 'a', '0')).toEqualTypeOf<Promise<Pairs>>();
  expectTypeOf(ours.eval('return 1', 1, 'k', 'x')).toEqualTypeOf(theirs.eval('return 1', 1, 'k', 'x'));
  expectTypeOf(ours.cluster('SLOTS')).toEqualTypeOf(theirs.cluster('SLOTS'));
  expectTypeOf(ours.client('LIST')).toEqualTypeOf(theirs.client('LIST'));
  expectTypeOf(ours.config('GET', 'a', 'b')).toEqualTypeOf<Promise<string[]>>();
  expectTypeOf(ours.call('JSON.GET', 'k', '$')).toEqualTypeOf(theirs.call('JSON.GET', 'k', '$'));
  expectTypeOf(ours.hexpire('k', 10, 'FIELDS', 1, 'f')).toEqualTypeOf(theirs.hexpire('k', 10, 'FIELDS', 1, 'f'));
}

export function newer(ours: RedisCommander, theirs: Theirs): void {
  expectTypeOf(ours.hgetex('k', 'EX', 1, 'FIELDS', 1, 'f')).toEqualTypeOf(
    theirs.hgetex('k', 'EX', 1, 'FIELDS', 1, 'f'),
  );
  expectTypeOf(ours.hsetex('k', 'FNX', 'KEEPTTL', 'FIELDS', 1, 'f', 'v')).toEqualTypeOf<Promise<number>>();
  expectTypeOf(ours.hsetex('k', 'NX', 'FXX', 'EX', 1, 'FIELDS', 1, 'f', 'v')).toEqualTypeOf<Promise<number>>();
  expectTypeOf(ours.msetex(1, 'k', 'v', 'EX', 1)).toEqualTypeOf(theirs.msetex(1, 'k', 'v', 'EX', 1));
  expectTypeOf(ours.vrandmember('k')).toEqualTypeOf(theirs.vrandmember('k'));
  expectTypeOf(ours.vrandmember('k', 2)).toEqualTypeOf(theirs.vrandmember('k', 2));
  expectTypeOf(ours.arop('k', 0, 9, 'AND')).toEqualTypeOf(theirs.arop('k', 0, 9, 'AND'));
  expectTypeOf(ours.arop('k', 0, 9, 'MATCH', 'v')).toEqualTypeOf(theirs.arop('k', 0, 9, 'MATCH', 'v'));
  expectTypeOf(ours.himport('PREPARE', 'set', 'f')).toEqualTypeOf(theirs.himport('PREPARE', 'set', 'f'));
  expectTypeOf(ours.delifeq('k', 'v')).toEqualTypeOf<Promise<number>>();
  expectTypeOf(ours.clusterscan('0', 'MATCH', 'a*', 'COUNT', 10)).toEqualTypeOf<
    Promise<[cursor: string, elements: string[]]>
  >();
  expectTypeOf(ours.commandlog('LEN', 'SLOW')).toEqualTypeOf<Promise<number>>();
  expectTypeOf(ours.client('SETINFO', 'LIB-NAME', 'x')).toEqualTypeOf<Promise<string>>();
  expectTypeOf(ours.cluster('FLUSHSLOT', 1)).toEqualTypeOf<Promise<'OK'>>();
}

export function callbacks(ours: RedisCommander, theirs: Theirs): void {
  ours.get('k', (error, value) => {
    expectTypeOf(error).toEqualTypeOf<Error | null | undefined>();
    expectTypeOf(value).toEqualTypeOf<string | null | undefined>();
  });
  theirs.get('k', (error, value) => {
    expectTypeOf(error).toEqualTypeOf<Error | null | undefined>();
    expectTypeOf(value).toEqualTypeOf<string | null | undefined>();
  });
  ours.mget('a', 'b', (_error, values) => expectTypeOf(values).toEqualTypeOf<(string | null)[] | undefined>());
  theirs.mget('a', 'b', (_error, values) => expectTypeOf(values).toEqualTypeOf<(string | null)[] | undefined>());
}

export function chains(ours: ChainableCommander, theirs: TheirChain): void {
  expectTypeOf(ours.set('a', 1).get('a').hgetall('h').typedByMerging('k')).toEqualTypeOf<ChainableCommander>();
  expectTypeOf(ours.exec()).toEqualTypeOf(theirs.exec());
  expectTypeOf(ours.exec()).toEqualTypeOf<Promise<ExecResult>>();
  expectTypeOf(ours.length).toEqualTypeOf<number>();
}

export function classes(redis: Redis, cluster: Cluster): void {
  expectTypeOf(redis.typedByMerging('k')).toEqualTypeOf<Promise<string>>();
  expectTypeOf(cluster.typedByMerging('k')).toEqualTypeOf<Promise<string>>();
  expectTypeOf(cluster.pipeline().typedByMerging('k').get('k')).toEqualTypeOf<ChainableCommander>();
  expectTypeOf(redis.hgetall('k')).toEqualTypeOf<Promise<Record<string, string>>>();
}

export function refusals(ours: RedisCommander): void {
  expectTypeOf(ours.typedByMerging('k')).toEqualTypeOf<Promise<string>>();
  // @ts-expect-error a key is no number
  ours.get(1);
  // @ts-expect-error EX needs its seconds
  ours.set('k', 'v', 'EX');
  // @ts-expect-error no such option
  ours.expire('k', 10, 'ZZ');
  // @ts-expect-error FIELDS is a word
  ours.hexpire('k', 10, 'FIELDZ', 1, 'f');
  // @ts-expect-error EX needs its seconds
  ours.hgetex('k', 'EX', 'FIELDS', 1, 'f');
  // @ts-expect-error the count is a number
  ours.vrandmember('k', true);
  // @ts-expect-error no such operation
  ours.arop('k', 0, 1, 'AVG');
  // @ts-expect-error DELIFEQ compares
  ours.delifeq('k');
  // @ts-expect-error no such log
  ours.commandlog('GET', 1, 'FAST');
  // @ts-expect-error no such command
  ours.nosuchcommand('k');
}
