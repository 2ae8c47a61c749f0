// INCR and its kin: strings that are numbers.

import type { Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readInt64 } from '../keyspace/arguments.ts';
import { addLongDouble, formatLongDouble, parseLongDouble } from '../keyspace/long-double.ts';
import { INT64_MAX, INT64_MIN, parseInt64 } from '../keyspace/number.ts';

/** Sums of this size are exact as numbers. */
const smallDigits = 15;

function add(ctx: Context, key: string, by: bigint): Reply {
  const old = ctx.store.getString(key);
  const small = old !== undefined && old.length <= smallDigits && by < 1_000_000n && by > -1_000_000n;
  const before = old === undefined ? 0n : (parseInt64(old) ?? fail('value is not an integer or out of range'));
  const after = before + by;
  if (!small && (after > INT64_MAX || after < INT64_MIN)) fail('increment or decrement would overflow');
  ctx.store.put(key, after.toString());
  ctx.store.changed(key, '$', 'incrby');
  return after;
}

function subtract(ctx: Context, argv: readonly string[]): Reply {
  const by = readInt64(argv[2]!);
  if (by === INT64_MIN) fail('decrement would overflow');
  return add(ctx, argv[1]!, -by);
}

function addFloat(ctx: Context, argv: readonly string[]): Reply {
  const [, key, text] = argv as [string, string, string];
  const old = ctx.store.getString(key) ?? '0';
  const before = parseLongDouble(old) ?? fail('value is not a valid float');
  const by = parseLongDouble(text) ?? fail('value is not a valid float');
  const after = addLongDouble(before, by) ?? fail('increment would produce NaN or Infinity');
  const printed = formatLongDouble(after);
  ctx.store.put(key, printed).form = 'embstr';
  ctx.store.changed(key, '$', 'incrbyfloat');
  // The result, not the sum: another build's floats must not let replicas drift.
  ctx.propagate(['SET', key, printed, 'KEEPTTL']);
  return printed;
}

export const counterCommands: CommandGroup = {
  incr: (ctx, argv) => add(ctx, argv[1]!, 1n),
  decr: (ctx, argv) => add(ctx, argv[1]!, -1n),
  incrby: (ctx, argv) => add(ctx, argv[1]!, readInt64(argv[2]!)),
  decrby: subtract,
  incrbyfloat: addFloat,
};
