// BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH: as their plain forms when an item is there, else a Blocked to be retried.
// Invariant: what a waiter got is replicated as the plain command, never as the blocking one.

import { NullArray, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { Blocked, type CommandGroup, type Context } from '../engine/registry.ts';
import { readTimeout } from '../keyspace/arguments.ts';
import { type End, listAt, moveItem, popMany, popOne, popWord, readEnd, readListPop } from './list-moves.ts';

function popAny(ctx: Context, keys: readonly string[], end: End): Reply | undefined {
  for (const key of keys) {
    const list = listAt(ctx, key);
    if (list === undefined) continue;
    const item = popOne(ctx, key, list, end);
    ctx.propagate([popWord(end), key]);
    return [key, item];
  }
  return undefined;
}

/** A waiter is only served by keys of its own type; another type that turned up leaves it waiting. */
function lists(ctx: Context, keys: readonly string[]): string[] {
  return keys.filter((key) => {
    const value = ctx.store.peek(key)?.value;
    return typeof value === 'object' && value.type === 'list';
  });
}

function blockingPop(ctx: Context, argv: readonly string[], end: End): Reply | Blocked {
  const timeout = readTimeout(argv[argv.length - 1]!);
  const keys = argv.slice(1, -1);
  const reply = popAny(ctx, keys, end);
  if (reply !== undefined) return reply;
  if (ctx.denyBlocking) return NullArray.value;
  return new Blocked(keys, timeout, () => popAny(ctx, lists(ctx, keys), end), NullArray.value);
}

function blockingPopMany(ctx: Context, argv: readonly string[]): Reply | Blocked {
  const timeout = readTimeout(argv[1]!);
  const { keys, end, count } = readListPop(argv, 2);
  const reply = popMany(ctx, keys, end, count);
  if (reply !== undefined) return reply;
  if (ctx.denyBlocking) return NullArray.value;
  return new Blocked(keys, timeout, () => popMany(ctx, lists(ctx, keys), end, count), NullArray.value);
}

interface Move {
  readonly source: string;
  readonly target: string;
  readonly from: End;
  readonly to: End;
  /** The plain command this is replicated as. */
  readonly effect: readonly string[];
}

function attemptMove(ctx: Context, move: Move): Reply | undefined {
  const item = moveItem(ctx, move.source, move.target, move.from, move.to);
  if (item !== undefined) ctx.propagate(move.effect);
  return item;
}

function blockingMove(ctx: Context, move: Move, timeout: number): Reply | Blocked {
  const reply = attemptMove(ctx, move);
  if (reply !== undefined) return reply;
  if (ctx.denyBlocking) return null;
  const retry = (): Reply | undefined => {
    if (lists(ctx, [move.source]).length === 0) return undefined;
    try {
      return attemptMove(ctx, move);
    } catch (error) {
      if (error instanceof ReplyError) return error;
      throw error;
    }
  };
  return new Blocked([move.source], timeout, retry, NullArray.value);
}

export const listBlockingCommands: CommandGroup = {
  blpop: (ctx, argv) => blockingPop(ctx, argv, 'left'),
  brpop: (ctx, argv) => blockingPop(ctx, argv, 'right'),
  blmpop: blockingPopMany,
  blmove: (ctx, argv) => {
    const [, source, target] = argv as [string, string, string];
    const from = readEnd(argv[3]);
    const to = readEnd(argv[4]);
    const effect = ['LMOVE', source, target, argv[3]!, argv[4]!];
    return blockingMove(ctx, { source, target, from, to, effect }, readTimeout(argv[5]!));
  },
  brpoplpush: (ctx, argv) => {
    const [, source, target] = argv as [string, string, string];
    const effect = ['RPOPLPUSH', source, target];
    return blockingMove(ctx, { source, target, from: 'right', to: 'left', effect }, readTimeout(argv[3]!));
  },
};
