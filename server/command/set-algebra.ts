// SMEMBERS, SINTER, SUNION, SDIFF, their STORE forms and SINTERCARD.

import type { Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readAtLeast, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { SetValue } from '../keyspace/types/set.ts';
import { setAt } from './set.ts';

type Sets = readonly (SetValue | undefined)[];
type Combine = (sets: Sets) => Iterable<string>;

/** Every key is looked at before anything is answered, so a wrong type among them is always an error. */
function setsAt(ctx: Context, keys: readonly string[]): Sets {
  return keys.map((key) => setAt(ctx, key));
}

function* intersection(sets: Sets): Generator<string> {
  const present = sets.filter((set) => set !== undefined);
  if (present.length < sets.length) return;
  const [smallest, ...others] = present.sort((a, b) => a.size - b.size);
  for (const member of smallest ?? []) if (others.every((set) => set.has(member))) yield member;
}

function* union(sets: Sets): Generator<string> {
  for (const set of sets) if (set !== undefined) yield* set;
}

function* difference(sets: Sets): Generator<string> {
  const [first, ...others] = sets;
  for (const member of first ?? []) if (!others.some((set) => set?.has(member))) yield member;
}

function store(ctx: Context, argv: readonly string[], combine: Combine, event: string): Reply {
  const target = argv[1]!;
  const sources = ctx.store.asReader(() => setsAt(ctx, argv.slice(2)));
  const result = SetValue.from(combine(sources), ctx.store.host.limits);
  if (result.size > 0) {
    ctx.store.replace(target, result);
    ctx.store.changed(target, 's', event);
  } else if (ctx.store.drop(target)) {
    ctx.store.changed(target, 'g', 'del');
  }
  return result.size;
}

function combined(ctx: Context, argv: readonly string[], combine: Combine): Reply {
  return new Set(combine(setsAt(ctx, argv.slice(1))));
}

function intersectionSize(ctx: Context, argv: readonly string[]): Reply {
  const count = readAtLeast(argv[1]!, 1, 'numkeys should be greater than 0');
  if (count > argv.length - 2) fail("Number of keys can't be greater than number of args");
  let limit = 0;
  for (let at = 2 + count; at < argv.length; at += 2) {
    if (!sameWord(argv[at], 'limit') || argv[at + 1] === undefined) syntaxError();
    limit = readAtLeast(argv[at + 1]!, 0, "LIMIT can't be negative");
  }
  let size = 0;
  for (const _ of intersection(setsAt(ctx, argv.slice(2, 2 + count)))) {
    size += 1;
    if (size === limit) break;
  }
  return size;
}

export const setAlgebraCommands: CommandGroup = {
  smembers: (ctx, argv) => combined(ctx, argv, union),
  sinter: (ctx, argv) => combined(ctx, argv, intersection),
  sunion: (ctx, argv) => combined(ctx, argv, union),
  sdiff: (ctx, argv) => combined(ctx, argv, difference),
  sinterstore: (ctx, argv) => store(ctx, argv, intersection, 'sinterstore'),
  sunionstore: (ctx, argv) => store(ctx, argv, union, 'sunionstore'),
  sdiffstore: (ctx, argv) => store(ctx, argv, difference, 'sdiffstore'),
  sintercard: intersectionSize,
};
