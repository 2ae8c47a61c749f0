// Sorted set commands on single members. Ranges are in zset-range.ts, unions and the like in zset-algebra.ts, pops in
// zset-pop.ts.

import { Double, type Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readDouble, readSampleCount, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { formatDouble } from '../keyspace/number.ts';
import { distinctSamples } from '../keyspace/sampling.ts';
import { readCursor, readScanOptions } from '../keyspace/scan-options.ts';
import { type Scored, ZsetValue } from '../keyspace/types/zset.ts';

export function zsetAt(ctx: Context, key: string): ZsetValue | undefined {
  return ctx.store.getTyped<ZsetValue>(key, 'zset');
}

/** Members, or members with scores: pairs in RESP3, flat in RESP2. */
export function pairsReply(ctx: Context, pairs: readonly Scored[], withScores: boolean): Reply {
  if (!withScores) return pairs.map((pair) => pair.member);
  const rows = pairs.map((pair) => [pair.member, new Double(pair.score)]);
  return ctx.protocol === 3 ? rows : rows.flat();
}

const addWords = ['nx', 'xx', 'gt', 'lt', 'ch', 'incr'] as const;
type AddWord = (typeof addWords)[number];

interface Addition {
  readonly words: ReadonlySet<AddWord>;
  readonly pairs: readonly (readonly [member: string, score: number])[];
}

function readAddition(argv: readonly string[], implied: readonly AddWord[]): Addition {
  const words = new Set<AddWord>(implied);
  let at = 2;
  if (implied.length === 0) {
    for (; at < argv.length; at += 1) {
      const word = addWords.find((known) => sameWord(argv[at], known));
      if (word === undefined) break;
      words.add(word);
    }
  }
  const left = argv.length - at;
  if (left === 0 || left % 2 !== 0) syntaxError();
  const [nx, gt, lt] = [words.has('nx'), words.has('gt'), words.has('lt')];
  if (nx && words.has('xx')) fail('XX and NX options at the same time are not compatible');
  if ((nx && (gt || lt)) || (gt && lt)) fail('GT, LT, and/or NX options at the same time are not compatible');
  if (words.has('incr') && left > 2) fail('INCR option supports a single increment-element pair');
  const pairs: [string, number][] = [];
  for (; at < argv.length; at += 2) pairs.push([argv[at + 1]!, readDouble(argv[at]!)]);
  return { words, pairs };
}

type Outcome = 'added' | 'updated' | 'same' | 'refused';

function addOne(zset: ZsetValue, words: ReadonlySet<AddWord>, member: string, score: number): Outcome {
  const old = zset.score(member);
  if (old === undefined) {
    if (words.has('xx')) return 'refused';
    zset.set(member, score);
    return 'added';
  }
  if (words.has('nx')) return 'refused';
  if (words.has('incr')) score += old;
  if (Number.isNaN(score)) fail('resulting score is not a number (NaN)');
  if ((words.has('lt') && score >= old) || (words.has('gt') && score <= old)) return 'refused';
  if (score === old) return 'same';
  zset.set(member, score);
  return 'updated';
}

function add(ctx: Context, argv: readonly string[], implied: readonly AddWord[]): Reply {
  const { words, pairs } = readAddition(argv, implied);
  const key = argv[1]!;
  let zset = zsetAt(ctx, key);
  if (zset === undefined) {
    if (words.has('xx')) return words.has('incr') ? null : 0;
    zset = new ZsetValue(ctx.store.host.limits);
    ctx.store.put(key, zset);
  }
  const tally = { added: 0, updated: 0, same: 0, refused: 0 };
  for (const [member, score] of pairs) tally[addOne(zset, words, member, score)] += 1;
  const changes = tally.added + tally.updated;
  if (changes > 0) ctx.store.changed(key, 'z', words.has('incr') ? 'zincr' : 'zadd', changes);
  if (!words.has('incr')) return words.has('ch') ? tally.added + tally.updated : tally.added;
  return tally.refused > 0 ? null : new Double(zset.score(pairs[0]![0])!);
}

function remove(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const zset = zsetAt(ctx, key);
  if (zset === undefined) return 0;
  let removed = 0;
  for (let at = 2; at < argv.length; at += 1) if (zset.delete(argv[at]!)) removed += 1;
  if (removed > 0) {
    ctx.store.changed(key, 'z', 'zrem', removed);
    ctx.store.dropIfEmpty(key, zset);
  }
  return removed;
}

function scoreReply(score: number | undefined): Reply {
  return score === undefined ? null : new Double(score);
}

function rank(ctx: Context, argv: readonly string[], reverse: boolean): Reply {
  const zset = zsetAt(ctx, argv[1]!);
  const place = zset?.rank(argv[2]!);
  if (zset === undefined || place === undefined) return null;
  return reverse ? zset.size - 1 - place : place;
}

function randomMembers(ctx: Context, argv: readonly string[]): Reply {
  const count = argv[2] === undefined ? undefined : readSampleCount(argv[2]);
  if (argv.length > 4 || (argv.length === 4 && !sameWord(argv[3], 'withscores'))) syntaxError();
  if (argv.length === 4 && Math.abs(count!) > 2 ** 62) fail('value is out of range');
  const zset = zsetAt(ctx, argv[1]!);
  if (count === undefined) return zset === undefined ? null : zset.randomMember(ctx.world.random());
  if (zset === undefined || count === 0) return [];
  let members: string[];
  if (count < 0) members = Array.from({ length: -count }, () => zset.randomMember(ctx.world.random()));
  else members = distinctSamples(zset.members(), Math.min(count, zset.size), zset.size, ctx.world);
  const pairs = members.map((member) => ({ member, score: zset.score(member)! }));
  return pairsReply(ctx, pairs, argv.length === 4);
}

/** ZSCAN shows what is stored: a compact set holds whole scores as integers. */
function scanText(zset: ZsetValue, score: number): string {
  const whole = zset.encoding === 'listpack' && Number.isInteger(score) && Math.abs(score) < 2 ** 63;
  return whole ? BigInt(score).toString() : formatDouble(score);
}

function scan(ctx: Context, argv: readonly string[]): Reply {
  const cursor = readCursor(argv[2]!);
  const zset = zsetAt(ctx, argv[1]!);
  if (zset === undefined) return ['0', []];
  const { count, matches } = readScanOptions(argv, 3);
  const found: string[] = [];
  const next = zset.scan(cursor, count, (member) => {
    if (matches(member)) found.push(member, scanText(zset, zset.score(member)!));
  });
  return [String(next), found];
}

export const zsetCommands: CommandGroup = {
  zadd: (ctx, argv) => add(ctx, argv, []),
  zincrby: (ctx, argv) => add(ctx, argv, ['incr']),
  zrem: remove,
  zcard: (ctx, argv) => zsetAt(ctx, argv[1]!)?.size ?? 0,
  zscore: (ctx, argv) => scoreReply(zsetAt(ctx, argv[1]!)?.score(argv[2]!)),
  zmscore: (ctx, argv) => {
    const zset = zsetAt(ctx, argv[1]!);
    return argv.slice(2).map((member) => scoreReply(zset?.score(member)));
  },
  zrank: (ctx, argv) => rank(ctx, argv, false),
  zrevrank: (ctx, argv) => rank(ctx, argv, true),
  zrandmember: randomMembers,
  zscan: scan,
};
