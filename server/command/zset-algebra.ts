// ZUNION, ZINTER, ZDIFF, their STORE forms and ZINTERCARD, over sorted sets and plain sets (each member scoring 1).
// Invariant: inputs are combined from the smallest to the largest, as sums of floats depend on the order.

import type { Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readAtLeast, readDouble, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { wrongTypeError } from '../keyspace/store.ts';
import type { SetValue } from '../keyspace/types/set.ts';
import { ZsetValue } from '../keyspace/types/zset.ts';
import { pairsReply } from './zset.ts';
import { storeZset } from './zset-range.ts';

type Operation = 'union' | 'inter' | 'diff';
type Aggregate = (a: number, b: number) => number;

interface Source {
  readonly size: number;
  weight: number;
  score(member: string): number | undefined;
  entries(): Iterable<readonly [string, number]>;
}

interface Plan {
  readonly sources: readonly Source[];
  readonly aggregate: Aggregate;
  readonly withScores: boolean;
  readonly limit: number;
}

const orZero = (score: number): number => (Number.isNaN(score) ? 0 : score);

const aggregates: Readonly<Record<string, Aggregate>> = {
  sum: (a, b) => orZero(a + b),
  min: Math.min,
  max: Math.max,
};

const empty: Source = { size: 0, weight: 1, score: () => undefined, entries: () => [] };

function sourceAt(ctx: Context, key: string): Source {
  const value = ctx.store.asReader(() => ctx.store.get(key));
  if (value === undefined) return { ...empty };
  if (typeof value === 'object' && value.type === 'zset') {
    const zset = value as ZsetValue;
    return { size: zset.size, weight: 1, score: (member) => zset.score(member), entries: () => zset.entries() };
  }
  if (typeof value === 'object' && value.type === 'set') {
    const set = value as SetValue;
    const scored = function* (): Generator<readonly [string, number]> {
      for (const member of set) yield [member, 1];
    };
    return { size: set.size, weight: 1, score: (member) => (set.has(member) ? 1 : undefined), entries: scored };
  }
  throw wrongTypeError();
}

interface PlanForm {
  readonly operation: Operation;
  readonly kind: 'reply' | 'store' | 'count';
}

function readPlan(ctx: Context, argv: readonly string[], at: number, form: PlanForm): Plan {
  const count = readLong(argv[at]!);
  if (count < 1) fail(`at least 1 input key is needed for '${argv[0]!.toLowerCase()}' command`);
  if (count > argv.length - at - 1) syntaxError();
  const sources = argv.slice(at + 1, at + 1 + count).map((key) => sourceAt(ctx, key));
  let aggregate = aggregates['sum']!;
  let withScores = false;
  let limit = 0;
  const weighted = form.operation !== 'diff' && form.kind !== 'count';
  for (at += 1 + count; at < argv.length; at += 1) {
    const word = argv[at];
    if (weighted && sameWord(word, 'weights') && argv.length - at > count) {
      for (const source of sources) source.weight = readDouble(argv[++at]!, 'weight value is not a float');
    } else if (weighted && sameWord(word, 'aggregate') && at + 1 < argv.length) {
      aggregate = aggregates[argv[++at]!.toLowerCase()] ?? syntaxError();
    } else if (form.kind === 'reply' && sameWord(word, 'withscores')) {
      withScores = true;
    } else if (form.kind === 'count' && sameWord(word, 'limit') && at + 1 < argv.length) {
      limit = readAtLeast(argv[++at]!, 0, "LIMIT can't be negative");
    } else {
      syntaxError();
    }
  }
  return { sources, aggregate, withScores, limit };
}

function union({ sources, aggregate }: Plan): Map<string, number> {
  const result = new Map<string, number>();
  for (const source of [...sources].sort((a, b) => a.size - b.size)) {
    for (const [member, raw] of source.entries()) {
      const score = orZero(raw * source.weight);
      const before = result.get(member);
      result.set(member, before === undefined ? score : aggregate(before, score));
    }
  }
  return result;
}

function intersection({ sources, aggregate, limit }: Plan): Map<string, number> {
  const result = new Map<string, number>();
  const [first, ...others] = [...sources].sort((a, b) => a.size - b.size);
  for (const [member, raw] of first!.entries()) {
    let score: number | undefined = orZero(raw * first!.weight);
    for (const source of others) {
      const other = source.score(member);
      if (other === undefined) {
        score = undefined;
        break;
      }
      score = aggregate(score, other * source.weight);
    }
    if (score === undefined) continue;
    result.set(member, score);
    if (result.size === limit) break;
  }
  return result;
}

function difference({ sources }: Plan): Map<string, number> {
  const result = new Map<string, number>();
  const [first, ...others] = sources;
  for (const [member, score] of first!.entries()) {
    if (!others.some((source) => source.score(member) !== undefined)) result.set(member, score);
  }
  return result;
}

const combine: Readonly<Record<Operation, (plan: Plan) => Map<string, number>>> = {
  union,
  inter: intersection,
  diff: difference,
};

function reply(ctx: Context, argv: readonly string[], operation: Operation): Reply {
  const plan = readPlan(ctx, argv, 1, { operation, kind: 'reply' });
  const result = ZsetValue.from(combine[operation](plan));
  return pairsReply(ctx, result.range(0, result.size - 1, false), plan.withScores);
}

function store(ctx: Context, argv: readonly string[], operation: Operation): Reply {
  const plan = readPlan(ctx, argv, 2, { operation, kind: 'store' });
  return storeZset(ctx, argv[1]!, combine[operation](plan), `z${operation}store`);
}

export const zsetAlgebraCommands: CommandGroup = {
  zunion: (ctx, argv) => reply(ctx, argv, 'union'),
  zinter: (ctx, argv) => reply(ctx, argv, 'inter'),
  zdiff: (ctx, argv) => reply(ctx, argv, 'diff'),
  zunionstore: (ctx, argv) => store(ctx, argv, 'union'),
  zinterstore: (ctx, argv) => store(ctx, argv, 'inter'),
  zdiffstore: (ctx, argv) => store(ctx, argv, 'diff'),
  zintercard: (ctx, argv) => intersection(readPlan(ctx, argv, 1, { operation: 'inter', kind: 'count' })).size,
};
