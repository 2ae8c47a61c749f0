// Checked by tsc: where something typed with ioredis's names takes what is ours. Its classes have private members, so
// nothing but themselves is assignable to them: docs/overrides.md has the cast. What asks for the methods alone takes
// ours as it is. The functions are never run; the compilation is the test.
import type * as theirs from 'ioredis';
import type { Cluster, ClusterOptions, Redis, RedisOptions } from '../../lib/index.ts';

/** What libraries commonly call. */
type Asked =
  | 'append'
  | 'blpop'
  | 'brpop'
  | 'call'
  | 'connect'
  | 'decr'
  | 'defineCommand'
  | 'del'
  | 'disconnect'
  | 'emit'
  | 'eval'
  | 'evalsha'
  | 'exec'
  | 'exists'
  | 'expire'
  | 'get'
  | 'getBuffer'
  | 'getdel'
  | 'hdel'
  | 'hget'
  | 'hgetall'
  | 'hincrby'
  | 'hmget'
  | 'hset'
  | 'incr'
  | 'incrby'
  | 'keys'
  | 'llen'
  | 'lpop'
  | 'lpush'
  | 'lrange'
  | 'lrem'
  | 'mget'
  | 'mset'
  | 'pexpire'
  | 'ping'
  | 'psetex'
  | 'psubscribe'
  | 'pttl'
  | 'publish'
  | 'punsubscribe'
  | 'quit'
  | 'rpop'
  | 'rpush'
  | 'sadd'
  | 'scan'
  | 'scard'
  | 'script'
  | 'set'
  | 'setex'
  | 'setnx'
  | 'sismember'
  | 'smembers'
  | 'spop'
  | 'srem'
  | 'ssubscribe'
  | 'subscribe'
  | 'sunsubscribe'
  | 'ttl'
  | 'type'
  | 'unlink'
  | 'unsubscribe'
  | 'unwatch'
  | 'watch'
  | 'xack'
  | 'xadd'
  | 'xdel'
  | 'xgroup'
  | 'xlen'
  | 'xrange'
  | 'xread'
  | 'xreadgroup'
  | 'zadd'
  | 'zcard'
  | 'zincrby'
  | 'zrange'
  | 'zrangebyscore'
  | 'zrem'
  | 'zremrangebyscore'
  | 'zscore';

export function methods(redis: Redis, cluster: Cluster): unknown[] {
  const single: Pick<theirs.Redis, Extract<Asked, keyof theirs.Redis>> = redis;
  const many: Pick<theirs.Cluster, Extract<Asked, keyof theirs.Cluster>> = cluster;
  return [single, many];
}

export function options(single: theirs.RedisOptions, many: Omit<theirs.ClusterOptions, 'scaleReads'>): unknown[] {
  const ourSingle: RedisOptions = single;
  const ourMany: ClusterOptions = many;
  return [ourSingle, ourMany];
}

export function classes(redis: Redis, cluster: Cluster): unknown[] {
  // @ts-expect-error: private members make the class a name
  const single: theirs.Redis = redis;
  // @ts-expect-error: private members make the class a name
  const many: theirs.Cluster = cluster;
  return [single, many, redis as unknown as theirs.Redis, cluster as unknown as theirs.Cluster];
}
