// Hash commands.

import { OK, type Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { arityError, fail, readInt64, readSampleCount, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { addLongDouble, formatLongDouble, parseLongDouble } from '../keyspace/long-double.ts';
import { INT64_MAX, INT64_MIN, parseInt64 } from '../keyspace/number.ts';
import { distinctSamples } from '../keyspace/sampling.ts';
import { readCursor, readScanOptions } from '../keyspace/scan-options.ts';
import { HashValue } from '../keyspace/types/hash.ts';

function hashAt(ctx: Context, key: string): HashValue | undefined {
  return ctx.store.getTyped<HashValue>(key, 'hash');
}

function newHash(ctx: Context, key: string): HashValue {
  const hash = new HashValue(ctx.store.host.limits);
  ctx.store.put(key, hash);
  return hash;
}

function hashForWrite(ctx: Context, key: string): HashValue {
  return hashAt(ctx, key) ?? newHash(ctx, key);
}

function setMany(ctx: Context, argv: readonly string[]): number {
  if (argv.length % 2 !== 0) arityError(argv[0]!);
  const key = argv[1]!;
  const hash = hashForWrite(ctx, key);
  let created = 0;
  for (let at = 2; at < argv.length; at += 2) if (hash.set(argv[at]!, argv[at + 1]!)) created += 1;
  ctx.store.changed(key, 'h', 'hset', (argv.length - 2) / 2);
  return created;
}

function setNew(ctx: Context, argv: readonly string[]): Reply {
  const [, key, field, value] = argv as [string, string, string, string];
  const hash = hashAt(ctx, key);
  if (hash?.has(field)) return 0;
  (hash ?? newHash(ctx, key)).set(field, value);
  ctx.store.changed(key, 'h', 'hset');
  return 1;
}

function remove(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const hash = hashAt(ctx, key);
  if (hash === undefined) return 0;
  let removed = 0;
  for (let at = 2; at < argv.length; at += 1) if (hash.delete(argv[at]!)) removed += 1;
  if (removed > 0) {
    ctx.store.changed(key, 'h', 'hdel', removed);
    ctx.store.dropIfEmpty(key, hash);
  }
  return removed;
}

function increment(ctx: Context, argv: readonly string[]): Reply {
  const [, key, field, text] = argv as [string, string, string, string];
  const by = readInt64(text);
  const hash = hashAt(ctx, key);
  const before = hash?.get(field);
  const old = before === undefined ? 0n : (parseInt64(before) ?? fail('hash value is not an integer'));
  const sum = old + by;
  if (sum > INT64_MAX || sum < INT64_MIN) fail('increment or decrement would overflow');
  (hash ?? newHash(ctx, key)).set(field, sum.toString());
  ctx.store.changed(key, 'h', 'hincrby');
  return sum;
}

function incrementFloat(ctx: Context, argv: readonly string[]): Reply {
  const [, key, field, text] = argv as [string, string, string, string];
  const by = parseLongDouble(text) ?? fail('value is not a valid float');
  if (by.infinite !== 0) fail('value is NaN or Infinity');
  const hash = hashAt(ctx, key);
  const before = hash?.get(field);
  const old = parseLongDouble(before ?? '0') ?? fail('hash value is not a float');
  const sum = addLongDouble(old, by) ?? fail('increment would produce NaN or Infinity');
  const value = formatLongDouble(sum);
  (hash ?? newHash(ctx, key)).set(field, value);
  ctx.store.changed(key, 'h', 'hincrbyfloat');
  // Replicas may count in another float: they get the result.
  ctx.propagate(['HSET', key, field, value]);
  return value;
}

function withValues(ctx: Context, hash: HashValue, fields: readonly string[]): Reply {
  const pairs = fields.map((field): [string, string] => [field, hash.get(field)!]);
  return ctx.protocol === 3 ? pairs : pairs.flat();
}

function randomFields(ctx: Context, argv: readonly string[]): Reply {
  const count = argv[2] === undefined ? undefined : readSampleCount(argv[2]);
  if (argv.length > 4 || (argv.length === 4 && !sameWord(argv[3], 'withvalues'))) syntaxError();
  if (argv.length === 4 && Math.abs(count!) > 2 ** 62) fail('value is out of range');
  const hash = hashAt(ctx, argv[1]!);
  if (count === undefined) return hash === undefined ? null : hash.randomField(ctx.world.random());
  if (hash === undefined || count === 0) return [];
  let fields: string[];
  if (count < 0) fields = Array.from({ length: -count }, () => hash.randomField(ctx.world.random()));
  else if (count >= hash.size) fields = [...hash.fields()];
  else fields = distinctSamples(hash.fields(), count, hash.size, ctx.world);
  return argv.length === 4 ? withValues(ctx, hash, fields) : fields;
}

function scan(ctx: Context, argv: readonly string[]): Reply {
  const cursor = readCursor(argv[2]!);
  const hash = hashAt(ctx, argv[1]!);
  if (hash === undefined) return ['0', []];
  const { count, matches } = readScanOptions(argv, 3);
  const found: string[] = [];
  const next = hash.scan(cursor, count, (field) => {
    if (matches(field)) found.push(field, hash.get(field)!);
  });
  return [String(next), found];
}

export const hashCommands: CommandGroup = {
  hset: setMany,
  hmset: (ctx, argv) => {
    setMany(ctx, argv);
    return OK;
  },
  hsetnx: setNew,
  hget: (ctx, argv) => hashAt(ctx, argv[1]!)?.get(argv[2]!) ?? null,
  hmget: (ctx, argv) => {
    const hash = hashAt(ctx, argv[1]!);
    return argv.slice(2).map((field) => hash?.get(field) ?? null);
  },
  hgetall: (ctx, argv) => new Map(hashAt(ctx, argv[1]!)?.entries()),
  hdel: remove,
  hlen: (ctx, argv) => hashAt(ctx, argv[1]!)?.size ?? 0,
  hstrlen: (ctx, argv) => hashAt(ctx, argv[1]!)?.get(argv[2]!)?.length ?? 0,
  hkeys: (ctx, argv) => [...(hashAt(ctx, argv[1]!)?.fields() ?? [])],
  hvals: (ctx, argv) => [...(hashAt(ctx, argv[1]!)?.values() ?? [])],
  hexists: (ctx, argv) => (hashAt(ctx, argv[1]!)?.has(argv[2]!) ? 1 : 0),
  hincrby: increment,
  hincrbyfloat: incrementFloat,
  hrandfield: randomFields,
  hscan: scan,
};
