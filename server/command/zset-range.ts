// Every command that names a range of a sorted set: ZRANGE and its older forms, ZRANGESTORE, the counts, the removals.

import type { Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { clampRange, fail, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { type Scored, ZsetValue } from '../keyspace/types/zset.ts';
import { lexSpanner, type Span, type Spanner, scoreSpanner } from '../keyspace/zset-span.ts';
import { pairsReply, zsetAt } from './zset.ts';

type RangeKind = 'rank' | 'score' | 'lex';

interface RangeOptions {
  kind: RangeKind | undefined;
  reverse: boolean | undefined;
  withScores: boolean;
  offset: number;
  limit: number;
}

/** What the command's name already settles; undefined is left to the words. */
interface RangeForm {
  readonly kind?: RangeKind;
  readonly reverse?: boolean;
  readonly store?: boolean;
}

function readOptions(argv: readonly string[], from: number, form: RangeForm): RangeOptions {
  const options: RangeOptions = { kind: form.kind, reverse: form.reverse, withScores: false, offset: 0, limit: -1 };
  for (let at = from; at < argv.length; at += 1) {
    const word = argv[at];
    if (!form.store && sameWord(word, 'withscores')) {
      options.withScores = true;
    } else if (sameWord(word, 'limit') && at + 2 < argv.length) {
      options.offset = readLong(argv[at + 1]!);
      options.limit = readLong(argv[at + 2]!);
      at += 2;
    } else if (form.reverse === undefined && sameWord(word, 'rev')) {
      options.reverse = true;
    } else if (form.kind === undefined && sameWord(word, 'bylex')) {
      options.kind = 'lex';
    } else if (form.kind === undefined && sameWord(word, 'byscore')) {
      options.kind = 'score';
    } else {
      syntaxError();
    }
  }
  const kind = options.kind ?? 'rank';
  if (options.limit !== -1 && kind === 'rank') {
    fail('syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX');
  }
  if (options.withScores && kind === 'lex') {
    fail('syntax error, WITHSCORES not supported in combination with BYLEX');
  }
  return options;
}

/** Picks the pairs of a range, in the order asked for. */
type Picker = (zset: ZsetValue) => Scored[];

function rankPicker(startText: string, stopText: string, reverse: boolean): Picker {
  const start = readLong(startText);
  const stop = readLong(stopText);
  return (zset) => {
    const span = clampRange(start, stop, zset.size);
    return span === undefined ? [] : zset.range(span.start, span.stop, reverse);
  };
}

function spanPicker(spanner: Spanner, reverse: boolean, offset: number, limit: number): Picker {
  return (zset) => {
    const { start, stop } = spanner(zset);
    // A negative offset skips everything.
    const skip = offset < 0 ? stop - start : Math.min(offset, stop - start);
    const take = limit < 0 ? stop - start - skip : Math.min(limit, stop - start - skip);
    if (take <= 0) return [];
    const first = reverse ? zset.size - stop + skip : start + skip;
    return zset.range(first, first + take - 1, reverse);
  };
}

/** Reads `min max [words]` from `argv[at]`. */
function readRange(argv: readonly string[], at: number, form: RangeForm): { pick: Picker; withScores: boolean } {
  const options = readOptions(argv, at + 2, form);
  const reverse = options.reverse ?? false;
  const [one, two] = [argv[at]!, argv[at + 1]!];
  const kind = options.kind ?? 'rank';
  if (kind === 'rank') return { pick: rankPicker(one, two, reverse), withScores: options.withScores };
  const [min, max] = reverse ? [two, one] : [one, two];
  const spanner = kind === 'score' ? scoreSpanner(min, max) : lexSpanner(min, max);
  return { pick: spanPicker(spanner, reverse, options.offset, options.limit), withScores: options.withScores };
}

function range(ctx: Context, argv: readonly string[], form: RangeForm): Reply {
  const { pick, withScores } = readRange(argv, 2, form);
  const zset = zsetAt(ctx, argv[1]!);
  return zset === undefined ? [] : pairsReply(ctx, pick(zset), withScores);
}

/** Puts the pairs at `key` in place of what was there; no pairs remove it. The number of pairs. */
export function storeZset(
  ctx: Context,
  key: string,
  pairs: Iterable<readonly [string, number]>,
  event: string,
): number {
  const result = ZsetValue.from(pairs, ctx.store.host.limits);
  if (result.size > 0) {
    ctx.store.replace(key, result);
    ctx.store.changed(key, 'z', event);
  } else if (ctx.store.drop(key)) {
    ctx.store.changed(key, 'g', 'del');
  }
  return result.size;
}

function storeRange(ctx: Context, argv: readonly string[]): Reply {
  const { pick } = readRange(argv, 3, { store: true });
  const zset = ctx.store.asReader(() => zsetAt(ctx, argv[2]!));
  const pairs = zset === undefined ? [] : pick(zset);
  return storeZset(
    ctx,
    argv[1]!,
    pairs.map((pair) => [pair.member, pair.score] as const),
    'zrangestore',
  );
}

function count(ctx: Context, argv: readonly string[], spanner: Spanner): Reply {
  const zset = zsetAt(ctx, argv[1]!);
  if (zset === undefined) return 0;
  const { start, stop } = spanner(zset);
  return Math.max(0, stop - start);
}

function removeSpan(ctx: Context, argv: readonly string[], spanner: Spanner): Reply {
  const key = argv[1]!;
  const zset = zsetAt(ctx, key);
  if (zset === undefined) return 0;
  const { start, stop } = spanner(zset);
  if (stop <= start) return 0;
  for (const pair of zset.range(start, stop - 1, false)) zset.delete(pair.member);
  ctx.store.changed(key, 'z', argv[0]!.toLowerCase(), stop - start);
  ctx.store.dropIfEmpty(key, zset);
  return stop - start;
}

function rankSpanner(startText: string, stopText: string): Spanner {
  const start = readLong(startText);
  const stop = readLong(stopText);
  return (zset): Span => {
    const span = clampRange(start, stop, zset.size);
    return span === undefined ? { start: 0, stop: 0 } : { start: span.start, stop: span.stop + 1 };
  };
}

export const zsetRangeCommands: CommandGroup = {
  zrange: (ctx, argv) => range(ctx, argv, {}),
  zrangestore: storeRange,
  zrevrange: (ctx, argv) => range(ctx, argv, { kind: 'rank', reverse: true }),
  zrangebyscore: (ctx, argv) => range(ctx, argv, { kind: 'score', reverse: false }),
  zrevrangebyscore: (ctx, argv) => range(ctx, argv, { kind: 'score', reverse: true }),
  zrangebylex: (ctx, argv) => range(ctx, argv, { kind: 'lex', reverse: false }),
  zrevrangebylex: (ctx, argv) => range(ctx, argv, { kind: 'lex', reverse: true }),
  zcount: (ctx, argv) => count(ctx, argv, scoreSpanner(argv[2]!, argv[3]!)),
  zlexcount: (ctx, argv) => count(ctx, argv, lexSpanner(argv[2]!, argv[3]!)),
  zremrangebyrank: (ctx, argv) => removeSpan(ctx, argv, rankSpanner(argv[2]!, argv[3]!)),
  zremrangebyscore: (ctx, argv) => removeSpan(ctx, argv, scoreSpanner(argv[2]!, argv[3]!)),
  zremrangebylex: (ctx, argv) => removeSpan(ctx, argv, lexSpanner(argv[2]!, argv[3]!)),
};
