// List commands that never wait. What blocks is in list-blocking.ts, what both need is in list-moves.ts.

import { NullArray, OK, type Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import {
  arityError,
  clampRange,
  fail,
  readAtLeast,
  readCount,
  readLong,
  sameWord,
  syntaxError,
} from '../keyspace/arguments.ts';
import { ListValue } from '../keyspace/types/list.ts';
import { type End, listAt, moveItem, popMany, popOne, pushItem, readEnd, readListPop, takeMany } from './list-moves.ts';

function push(ctx: Context, argv: readonly string[], end: End, onlyExisting: boolean): Reply {
  const key = argv[1]!;
  let list = listAt(ctx, key);
  if (list === undefined) {
    if (onlyExisting) return 0;
    list = new ListValue();
    ctx.store.put(key, list);
  }
  for (let at = 2; at < argv.length; at += 1) pushItem(list, argv[at]!, end);
  ctx.store.changed(key, 'l', end === 'left' ? 'lpush' : 'rpush', argv.length - 2);
  return list.size;
}

function pop(ctx: Context, argv: readonly string[], end: End): Reply {
  if (argv.length > 3) arityError(argv[0]!);
  const key = argv[1]!;
  const count = argv[2] === undefined ? undefined : readCount(argv[2]);
  const list = listAt(ctx, key);
  if (list === undefined) return count === undefined ? null : NullArray.value;
  if (count === undefined) return popOne(ctx, key, list, end);
  return count === 0 ? [] : takeMany(ctx, key, list, end, count);
}

function insert(ctx: Context, argv: readonly string[]): Reply {
  const [, key, side, pivot, item] = argv as [string, string, string, string, string];
  const after = sameWord(side, 'after');
  if (!after && !sameWord(side, 'before')) syntaxError();
  const list = listAt(ctx, key);
  if (list === undefined) return 0;
  for (let at = 0; at < list.size; at += 1) {
    if (list.at(at) !== pivot) continue;
    list.insert(after ? at + 1 : at, item);
    ctx.store.changed(key, 'l', 'linsert');
    return list.size;
  }
  return -1;
}

function set(ctx: Context, argv: readonly string[]): Reply {
  const [, key, indexText, item] = argv as [string, string, string, string];
  const list = listAt(ctx, key);
  if (list === undefined) fail('no such key');
  const asked = readLong(indexText);
  const index = asked < 0 ? asked + list.size : asked;
  if (list.at(index) === undefined) fail('index out of range');
  list.set(index, item);
  ctx.store.changed(key, 'l', 'lset');
  return OK;
}

function index(ctx: Context, argv: readonly string[]): Reply {
  const list = listAt(ctx, argv[1]!);
  if (list === undefined) return null;
  const asked = readLong(argv[2]!);
  return list.at(asked < 0 ? asked + list.size : asked) ?? null;
}

function range(ctx: Context, argv: readonly string[]): Reply {
  const start = readLong(argv[2]!);
  const stop = readLong(argv[3]!);
  const list = listAt(ctx, argv[1]!);
  const span = list && clampRange(start, stop, list.size);
  return list === undefined || span === undefined ? [] : list.slice(span.start, span.stop);
}

function trim(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const start = readLong(argv[2]!);
  const stop = readLong(argv[3]!);
  const list = listAt(ctx, key);
  if (list === undefined) return OK;
  const before = list.size;
  const span = clampRange(start, stop, before);
  if (span === undefined) list.trim(0, -1);
  else list.trim(span.start, span.stop);
  ctx.store.changed(key, 'l', 'ltrim', before - list.size);
  ctx.store.dropIfEmpty(key, list);
  return OK;
}

function remove(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const count = readLong(argv[2]!);
  const list = listAt(ctx, key);
  if (list === undefined) return 0;
  const removed = list.removeEqual(argv[3]!, count);
  if (removed > 0) {
    ctx.store.changed(key, 'l', 'lrem', removed);
    ctx.store.dropIfEmpty(key, list);
  }
  return removed;
}

interface PositionOptions {
  rank: number;
  count: number | undefined;
  maxLength: number;
}

function readPositionOptions(argv: readonly string[]): PositionOptions {
  const options: PositionOptions = { rank: 1, count: undefined, maxLength: 0 };
  for (let at = 3; at < argv.length; at += 2) {
    const value = argv[at + 1];
    if (value === undefined) syntaxError();
    if (sameWord(argv[at], 'rank')) {
      options.rank = readLong(value);
      if (options.rank === 0) {
        fail(
          "RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
        );
      }
    } else if (sameWord(argv[at], 'count')) {
      options.count = readAtLeast(value, 0, "COUNT can't be negative");
    } else if (sameWord(argv[at], 'maxlen')) {
      options.maxLength = readAtLeast(value, 0, "MAXLEN can't be negative");
    } else {
      syntaxError();
    }
  }
  return options;
}

function position(ctx: Context, argv: readonly string[]): Reply {
  const { rank, count, maxLength } = readPositionOptions(argv);
  const list = listAt(ctx, argv[1]!);
  const found: number[] = [];
  const size = list?.size ?? 0;
  const steps = maxLength === 0 ? size : Math.min(maxLength, size);
  const wanted = count === undefined ? 1 : count === 0 ? Infinity : count;
  // The lowest 64-bit rank has no positive twin and means -1 in the reference.
  let skip = rank === -(2 ** 63) ? 0 : Math.abs(rank) - 1;
  for (let step = 0; step < steps && found.length < wanted; step += 1) {
    const at = rank < 0 ? size - 1 - step : step;
    if (list?.at(at) !== argv[2]) continue;
    if (skip > 0) skip -= 1;
    else found.push(at);
  }
  return count === undefined ? (found[0] ?? null) : found;
}

function popFromFirst(ctx: Context, argv: readonly string[]): Reply {
  const { keys, end, count } = readListPop(argv, 1);
  return popMany(ctx, keys, end, count) ?? NullArray.value;
}

export const listCommands: CommandGroup = {
  lpush: (ctx, argv) => push(ctx, argv, 'left', false),
  rpush: (ctx, argv) => push(ctx, argv, 'right', false),
  lpushx: (ctx, argv) => push(ctx, argv, 'left', true),
  rpushx: (ctx, argv) => push(ctx, argv, 'right', true),
  lpop: (ctx, argv) => pop(ctx, argv, 'left'),
  rpop: (ctx, argv) => pop(ctx, argv, 'right'),
  llen: (ctx, argv) => listAt(ctx, argv[1]!)?.size ?? 0,
  linsert: insert,
  lset: set,
  lindex: index,
  lrange: range,
  ltrim: trim,
  lrem: remove,
  lpos: position,
  lmpop: popFromFirst,
  rpoplpush: (ctx, argv) => moveItem(ctx, argv[1]!, argv[2]!, 'right', 'left') ?? null,
  lmove: (ctx, argv) => {
    const from = readEnd(argv[3]);
    const to = readEnd(argv[4]);
    return moveItem(ctx, argv[1]!, argv[2]!, from, to) ?? null;
  },
};
