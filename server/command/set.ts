// Set commands. Unions, intersections and differences are in set-algebra.ts.

import type { Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { readCount, readSampleCount, syntaxError } from '../keyspace/arguments.ts';
import { distinctSamples } from '../keyspace/sampling.ts';
import { readCursor, readScanOptions } from '../keyspace/scan-options.ts';
import { SetValue } from '../keyspace/types/set.ts';

export function setAt(ctx: Context, key: string): SetValue | undefined {
  return ctx.store.getTyped<SetValue>(key, 'set');
}

function add(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  let set = setAt(ctx, key);
  if (set === undefined) {
    set = new SetValue(ctx.store.host.limits);
    ctx.store.put(key, set);
  }
  let added = 0;
  for (let at = 2; at < argv.length; at += 1) if (set.add(argv[at]!)) added += 1;
  if (added > 0) ctx.store.changed(key, 's', 'sadd', added);
  return added;
}

function remove(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const set = setAt(ctx, key);
  if (set === undefined) return 0;
  let removed = 0;
  for (let at = 2; at < argv.length; at += 1) if (set.delete(argv[at]!)) removed += 1;
  if (removed > 0) {
    ctx.store.changed(key, 's', 'srem', removed);
    ctx.store.dropIfEmpty(key, set);
  }
  return removed;
}

function move(ctx: Context, argv: readonly string[]): Reply {
  const [, source, target, member] = argv as [string, string, string, string];
  const from = setAt(ctx, source);
  if (from === undefined) return 0;
  let to = setAt(ctx, target);
  if (from === to) return from.has(member) ? 1 : 0;
  if (!from.delete(member)) return 0;
  ctx.store.changed(source, 's', 'srem');
  ctx.store.dropIfEmpty(source, from);
  if (to === undefined) {
    to = new SetValue(ctx.store.host.limits);
    ctx.store.put(target, to);
  }
  if (to.add(member)) ctx.store.changed(target, 's', 'sadd');
  return 1;
}

function pop(ctx: Context, argv: readonly string[]): Reply {
  if (argv.length > 3) syntaxError();
  const key = argv[1]!;
  if (argv[2] !== undefined) return popMany(ctx, key, readCount(argv[2]));
  const set = setAt(ctx, key);
  if (set === undefined) return null;
  const member = set.randomMember(ctx.world.random());
  set.delete(member);
  ctx.store.changed(key, 's', 'spop');
  ctx.store.dropIfEmpty(key, set);
  ctx.propagate(['SREM', key, member]);
  return member;
}

function popMany(ctx: Context, key: string, count: number): Reply {
  const set = setAt(ctx, key);
  if (set === undefined || count === 0) return new Set<string>();
  const members = count >= set.size ? [...set] : distinctSamples(set, count, set.size, ctx.world);
  if (count >= set.size) ctx.propagate(['DEL', key]);
  else ctx.propagate(['SREM', key, ...members]);
  for (const member of members) set.delete(member);
  ctx.store.changed(key, 's', 'spop', members.length);
  ctx.store.dropIfEmpty(key, set);
  return new Set(members);
}

function randomMembers(ctx: Context, argv: readonly string[]): Reply {
  if (argv.length > 3) syntaxError();
  const count = argv[2] === undefined ? undefined : readSampleCount(argv[2]);
  const set = setAt(ctx, argv[1]!);
  if (count === undefined) return set === undefined ? null : set.randomMember(ctx.world.random());
  if (set === undefined || count === 0) return [];
  if (count < 0) return Array.from({ length: -count }, () => set.randomMember(ctx.world.random()));
  return count >= set.size ? [...set] : distinctSamples(set, count, set.size, ctx.world);
}

function scan(ctx: Context, argv: readonly string[]): Reply {
  const cursor = readCursor(argv[2]!);
  const set = setAt(ctx, argv[1]!);
  if (set === undefined) return ['0', []];
  const { count, matches } = readScanOptions(argv, 3);
  const found: string[] = [];
  const next = set.scan(cursor, count, (member) => {
    if (matches(member)) found.push(member);
  });
  return [String(next), found];
}

export const setCommands: CommandGroup = {
  sadd: add,
  srem: remove,
  smove: move,
  spop: pop,
  srandmember: randomMembers,
  scard: (ctx, argv) => setAt(ctx, argv[1]!)?.size ?? 0,
  sismember: (ctx, argv) => (setAt(ctx, argv[1]!)?.has(argv[2]!) ? 1 : 0),
  smismember: (ctx, argv) => {
    const set = setAt(ctx, argv[1]!);
    return argv.slice(2).map((member) => (set?.has(member) ? 1 : 0));
  },
  sscan: scan,
};
