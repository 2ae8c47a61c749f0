// Deadlines of keys: EXPIRE and its kin, TTL and its kin, PERSIST, and how expiry options are read.

import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readInt64 } from '../keyspace/arguments.ts';
import { never } from '../keyspace/store.ts';

const int64Max = 2n ** 63n - 1n;

/**
 * An expiry option's value as absolute ms. `unit` is ex, px, exat or pxat; `name` the command for the error text.
 * Throws for what is no integer, not positive, or beyond 64 bits.
 */
export function readExpiry(ctx: Context, unit: string, text: string, name: string): number {
  const value = readInt64(text);
  const invalid = `invalid expire time in '${name}' command`;
  if (value <= 0n) fail(invalid);
  return toAbsolute(ctx, value, unit) ?? fail(invalid);
}

function toAbsolute(ctx: Context, value: bigint, unit: string): number | undefined {
  const ms = unit === 'ex' || unit === 'exat' ? value * 1000n : value;
  const base = unit === 'exat' || unit === 'pxat' ? 0n : BigInt(ctx.store.now());
  const at = ms + base;
  if (ms > int64Max || at > int64Max || at < -int64Max || ms < -int64Max) return undefined;
  return Number(at);
}

type Condition = 'nx' | 'xx' | 'gt' | 'lt';

function readConditions(argv: readonly string[]): Set<Condition> {
  const conditions = new Set<Condition>();
  for (let at = 3; at < argv.length; at++) {
    const word = argv[at]!.toLowerCase();
    if (word !== 'nx' && word !== 'xx' && word !== 'gt' && word !== 'lt') fail(`Unsupported option ${argv[at]}`);
    conditions.add(word);
  }
  if (conditions.has('nx') && conditions.size > 1) {
    fail('NX and XX, GT or LT options at the same time are not compatible');
  }
  if (conditions.has('gt') && conditions.has('lt')) fail('GT and LT options at the same time are not compatible');
  return conditions;
}

/** Whether the conditions let a deadline of `current` (`never` = none, which counts as infinite) become `next`. */
function allowed(conditions: ReadonlySet<Condition>, current: number, next: number): boolean {
  if (conditions.has('nx') && current !== never) return false;
  if (conditions.has('xx') && current === never) return false;
  if (conditions.has('gt') && (current === never || next <= current)) return false;
  return !(conditions.has('lt') && current !== never && next >= current);
}

function expire(ctx: Context, argv: readonly string[], unit: string, name: string): Reply {
  const [, key, text] = argv as [string, string, string];
  const conditions = readConditions(argv);
  const at = toAbsolute(ctx, readInt64(text), unit) ?? fail(`invalid expire time in '${name}' command`);
  const store = ctx.store;
  const entry = store.use(key);
  if (entry === undefined || !allowed(conditions, entry.expireAt, at)) return 0;
  if (at <= store.now() && store.host.mode === 'primary') {
    store.delete(key);
    store.changed(key, 'g', 'del');
    ctx.propagate(['DEL', key]);
    return 1;
  }
  // A deadline before the epoch reads as "none" otherwise.
  store.setDeadline(entry, Math.max(0, at));
  store.changed(key, 'g', 'expire');
  ctx.propagate(['PEXPIREAT', key, String(at), ...argv.slice(3)]);
  return 1;
}

function remaining(ctx: Context, key: string, unitMs: number, absolute: boolean): Reply {
  const entry = ctx.store.look(key);
  if (entry === undefined) return -2;
  if (entry.expireAt === never) return -1;
  const ms = absolute ? entry.expireAt : Math.max(0, entry.expireAt - ctx.store.now());
  return unitMs === 1 ? ms : Math.floor((ms + 500) / 1000);
}

function persist(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const entry = ctx.store.use(key);
  if (entry === undefined || entry.expireAt === never) return 0;
  ctx.store.setDeadline(entry, never);
  ctx.store.changed(key, 'g', 'persist');
  return 1;
}

export const noSuchKey: ReplyError = new ReplyError('ERR no such key');

export const expireCommands: CommandGroup = {
  expire: (ctx, argv) => expire(ctx, argv, 'ex', 'expire'),
  pexpire: (ctx, argv) => expire(ctx, argv, 'px', 'pexpire'),
  expireat: (ctx, argv) => expire(ctx, argv, 'exat', 'expireat'),
  pexpireat: (ctx, argv) => expire(ctx, argv, 'pxat', 'pexpireat'),
  ttl: (ctx, argv) => remaining(ctx, argv[1]!, 1000, false),
  pttl: (ctx, argv) => remaining(ctx, argv[1]!, 1, false),
  expiretime: (ctx, argv) => remaining(ctx, argv[1]!, 1000, true),
  pexpiretime: (ctx, argv) => remaining(ctx, argv[1]!, 1, true),
  persist,
};
