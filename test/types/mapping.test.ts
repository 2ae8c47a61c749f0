// Checked by tsc: replyMapping "resp3" gives clients, chains, nodes and duplicates the types that ioredis gives them.
// The functions are never run; the compilation is the test.
import { expectTypeOf } from 'expect-type';
import { Cluster as TheirCluster, Redis as Theirs } from 'ioredis';
import { type ChainableCommander, Cluster, Redis, type RedisCommander, type RedisOptions } from '../../lib/index.ts';

type Scored = [member: string, score: number][];

const resp3 = { replyMapping: 'resp3', lazyConnect: true } as const;

export function single(): void {
  const [ours, theirs] = [new Redis(resp3), new Theirs(resp3)];
  expectTypeOf(ours).toEqualTypeOf<Redis<'resp3'>>();
  expectTypeOf(ours.zscore('k', 'm')).toEqualTypeOf<Promise<number | null>>();
  expectTypeOf(ours.zscore('k', 'm')).toEqualTypeOf(theirs.zscore('k', 'm'));
  expectTypeOf(ours.zrange('k', 0, -1, 'WITHSCORES')).toEqualTypeOf<Promise<Scored>>();
  expectTypeOf(ours.zrangeBuffer('k', 0, -1, 'WITHSCORES')).toEqualTypeOf(
    theirs.zrangeBuffer('k', '0', '-1', 'WITHSCORES'),
  );
  expectTypeOf(ours.zrangebyscore('k', 0, 1, 'WITHSCORES')).toEqualTypeOf<Promise<Scored>>();
  expectTypeOf(ours.zrangebyscore('k', 0, 1, 'LIMIT', 0, 1)).toEqualTypeOf<Promise<string[]>>();
  expectTypeOf(ours.config('GET', 'maxmemory')).toEqualTypeOf<Promise<Record<string, string>>>();
  expectTypeOf(ours.geopos('k', 'm')).toEqualTypeOf(theirs.geopos('k', 'm'));
  expectTypeOf(ours.get('k')).toEqualTypeOf<Promise<string | null>>();
  ours.zincrby('k', 1, 'm', (_error, score) => expectTypeOf(score).toEqualTypeOf<number | undefined>());
  expectTypeOf(new Redis(6379, resp3)).toEqualTypeOf<Redis<'resp3'>>();
  expectTypeOf(new Redis(6379, 'localhost', resp3)).toEqualTypeOf<Redis<'resp3'>>();
  expectTypeOf(new Redis('redis://localhost', resp3)).toEqualTypeOf<Redis<'resp3'>>();
}

export function legacy(options: RedisOptions): void {
  expectTypeOf(new Redis()).toEqualTypeOf<Redis>();
  expectTypeOf(new Redis(6379)).toEqualTypeOf<Redis<'legacy'>>();
  expectTypeOf(new Redis({ lazyConnect: true })).toEqualTypeOf<Redis>();
  expectTypeOf(new Redis({ replyMapping: 'legacy' }).zscore('k', 'm')).toEqualTypeOf<Promise<string | null>>();
  expectTypeOf(new Redis({ lazyConnect: true }).zscore('k', 'm')).toEqualTypeOf<Promise<string | null>>();
  const plain: Redis = new Redis({ ...options, replyMapping: 'legacy' });
  const commander: RedisCommander = plain;
  expectTypeOf(commander.zscore('k', 'm')).toEqualTypeOf<Promise<string | null>>();
}

export function cluster(): void {
  const options = { redisOptions: { replyMapping: 'resp3' }, lazyConnect: true } as const;
  const [ours, theirs] = [new Cluster([7000], options), new TheirCluster([7000], options)];
  expectTypeOf(ours).toEqualTypeOf<Cluster<'resp3'>>();
  expectTypeOf(ours.zmscore('k', 'a')).toEqualTypeOf(theirs.zmscore('k', 'a'));
  expectTypeOf(ours.zmscore('k', 'a')).toEqualTypeOf<Promise<(number | null)[]>>();
  expectTypeOf(ours.nodes()).toEqualTypeOf<Redis<'resp3'>[]>();
  expectTypeOf(new Cluster([7000]).nodes()).toEqualTypeOf<Redis[]>();
  expectTypeOf(new Cluster([7000], { scaleReads: 'all' })).toEqualTypeOf<Cluster>();
  const later: Cluster = new Cluster([7000]);
  expectTypeOf(later.zscore('k', 'm')).toEqualTypeOf<Promise<string | null>>();
}

export function chains(redis: Redis<'resp3'>, cluster: Cluster<'resp3'>): void {
  expectTypeOf(redis.pipeline().zscore('k', 'm')).toEqualTypeOf<ChainableCommander<'resp3'>>();
  expectTypeOf(cluster.multi().zscore('k', 'm').get('k')).toEqualTypeOf<ChainableCommander<'resp3'>>();
  expectTypeOf(redis.multi({ pipeline: false })).toEqualTypeOf<Promise<'OK'>>();
  redis.pipeline().zscore('k', 'm', (_error, score) => expectTypeOf(score).toEqualTypeOf<number | null | undefined>());
}

export function duplicates(redis: Redis<'resp3'>, cluster: Cluster<'resp3'>, plain: Redis): void {
  expectTypeOf(redis.duplicate()).toEqualTypeOf<Redis<'resp3'>>();
  expectTypeOf(redis.duplicate({ db: 1 })).toEqualTypeOf<Redis<'resp3'>>();
  expectTypeOf(redis.duplicate({ replyMapping: 'legacy' })).toEqualTypeOf<Redis>();
  expectTypeOf(plain.duplicate({ replyMapping: 'resp3' })).toEqualTypeOf<Redis<'resp3'>>();
  expectTypeOf(cluster.duplicate()).toEqualTypeOf<Cluster<'resp3'>>();
  expectTypeOf(cluster.duplicate([], { redisOptions: { replyMapping: 'legacy' } })).toEqualTypeOf<Cluster>();
  expectTypeOf(cluster.duplicate([7001], { scaleReads: 'all' })).toEqualTypeOf<Cluster<'resp3'>>();
}
