// Taking the lowest or highest members: ZPOPMIN, ZPOPMAX, ZMPOP and their blocking forms.
// Invariant: what a waiter got is replicated as ZPOPMIN or ZPOPMAX, never as the blocking command.

import { Double, NullArray, type Reply } from '../../lib/wire/reply.ts';
import { Blocked, type CommandGroup, type Context } from '../engine/registry.ts';
import { readCount, readKeys, readTimeout, sameWord, syntaxError } from '../keyspace/arguments.ts';
import type { Scored, ZsetValue } from '../keyspace/types/zset.ts';
import { readPopCount } from './list-moves.ts';
import { zsetAt } from './zset.ts';

type Which = 'min' | 'max';

const popWord = (which: Which): string => (which === 'min' ? 'ZPOPMIN' : 'ZPOPMAX');

function take(ctx: Context, key: string, zset: ZsetValue, which: Which, count: number): Scored[] {
  const pairs = zset.range(0, Math.min(count, zset.size) - 1, which === 'max');
  for (const pair of pairs) zset.delete(pair.member);
  ctx.store.changed(key, 'z', which === 'min' ? 'zpopmin' : 'zpopmax', pairs.length);
  ctx.store.dropIfEmpty(key, zset);
  return pairs;
}

const rowOf = (pair: Scored): Reply[] => [pair.member, new Double(pair.score)];

function pop(ctx: Context, argv: readonly string[], which: Which): Reply {
  if (argv.length > 3) syntaxError();
  const count = argv[2] === undefined ? undefined : readCount(argv[2]);
  const key = argv[1]!;
  const zset = zsetAt(ctx, key);
  if (zset === undefined || count === 0) return [];
  const rows = take(ctx, key, zset, which, count ?? 1).map(rowOf);
  return ctx.protocol === 3 && count !== undefined ? rows : rows.flat();
}

function popMany(ctx: Context, keys: readonly string[], which: Which, count: number): Reply | undefined {
  for (const key of keys) {
    const zset = zsetAt(ctx, key);
    if (zset === undefined) continue;
    const pairs = take(ctx, key, zset, which, count);
    ctx.propagate([popWord(which), key, String(pairs.length)]);
    return [key, pairs.map(rowOf)];
  }
  return undefined;
}

function popAny(ctx: Context, keys: readonly string[], which: Which): Reply | undefined {
  for (const key of keys) {
    const zset = zsetAt(ctx, key);
    if (zset === undefined) continue;
    const [pair] = take(ctx, key, zset, which, 1);
    ctx.propagate([popWord(which), key]);
    return [key, ...rowOf(pair!)];
  }
  return undefined;
}

/** A waiter is only served by keys of its own type; another type that turned up leaves it waiting. */
function zsets(ctx: Context, keys: readonly string[]): string[] {
  return keys.filter((key) => {
    const value = ctx.store.peek(key)?.value;
    return typeof value === 'object' && value.type === 'zset';
  });
}

type Attempt = (keys: readonly string[]) => Reply | undefined;

function orWait(ctx: Context, keys: readonly string[], timeout: number, attempt: Attempt): Reply | Blocked {
  const reply = attempt(keys);
  if (reply !== undefined) return reply;
  if (ctx.denyBlocking) return NullArray.value;
  return new Blocked(keys, timeout, () => attempt(zsets(ctx, keys)), NullArray.value);
}

function blockingPop(ctx: Context, argv: readonly string[], which: Which): Reply | Blocked {
  const timeout = readTimeout(argv[argv.length - 1]!);
  return orWait(ctx, argv.slice(1, -1), timeout, (keys) => popAny(ctx, keys, which));
}

function readPop(argv: readonly string[], at: number): { keys: string[]; which: Which; count: number } {
  const { keys, rest } = readKeys(argv, at);
  const low = sameWord(argv[rest], 'min');
  if (!low && !sameWord(argv[rest], 'max')) syntaxError();
  return { keys, which: low ? 'min' : 'max', count: readPopCount(argv, rest + 1) };
}

export const zsetPopCommands: CommandGroup = {
  zpopmin: (ctx, argv) => pop(ctx, argv, 'min'),
  zpopmax: (ctx, argv) => pop(ctx, argv, 'max'),
  zmpop: (ctx, argv) => {
    const { keys, which, count } = readPop(argv, 1);
    return popMany(ctx, keys, which, count) ?? NullArray.value;
  },
  bzpopmin: (ctx, argv) => blockingPop(ctx, argv, 'min'),
  bzpopmax: (ctx, argv) => blockingPop(ctx, argv, 'max'),
  bzmpop: (ctx, argv) => {
    const timeout = readTimeout(argv[1]!);
    const { keys, which, count } = readPop(argv, 2);
    return orWait(ctx, keys, timeout, (those) => popMany(ctx, those, which, count));
  },
};
