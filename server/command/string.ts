// String commands that read and write whole values and ranges; counters are in counter.ts, LCS in lcs.ts.

import { OK, type Reply, type ReplyError } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { arityError, fail, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { type Store, wrongTypeError } from '../keyspace/store.ts';
import { readExpiry } from './expire.ts';

/** Longest string, as proto-max-bulk-len's default. */
const maxLength = 512 * 1024 * 1024;

interface SetOptions {
  condition: 'nx' | 'xx' | undefined;
  keepTtl: boolean;
  get: boolean;
  /** Absolute ms. */
  expireAt: number | undefined;
}

const expiryWords = new Set(['ex', 'px', 'exat', 'pxat']);

function readSetOptions(ctx: Context, argv: readonly string[]): SetOptions {
  const options: SetOptions = { condition: undefined, keepTtl: false, get: false, expireAt: undefined };
  let expiry: { unit: string; text: string } | undefined;
  for (let at = 3; at < argv.length; at++) {
    const word = argv[at]!.toLowerCase();
    const value = argv[at + 1];
    if ((word === 'nx' || word === 'xx') && (options.condition ?? word) === word) options.condition = word;
    else if (word === 'get') options.get = true;
    else if (word === 'keepttl' && expiry === undefined) options.keepTtl = true;
    else if (expiryWords.has(word) && value !== undefined && !options.keepTtl && expiry === undefined) {
      expiry = { unit: word, text: value };
      at++;
    } else syntaxError();
  }
  if (expiry !== undefined) options.expireAt = readExpiry(ctx, expiry.unit, expiry.text, 'set');
  return options;
}

/** The string that a command answers before it writes. */
function readString(store: Store, key: string): string | undefined {
  return store.asReader(() => store.getString(key));
}

function set(ctx: Context, argv: readonly string[]): Reply {
  const [, key, value] = argv as [string, string, string];
  const store = ctx.store;
  if (argv.length === 3) {
    store.replace(key, value);
    store.changed(key, '$', 'set');
    return OK;
  }
  const options = readSetOptions(ctx, argv);
  const old = options.get ? (readString(store, key) ?? null) : undefined;
  const { condition } = options;
  if (condition === 'xx' && !store.has(key)) return old ?? null;
  // A key that stands in the way is used, too.
  if (condition === 'nx' && store.use(key) !== undefined) return old ?? null;
  write(ctx, key, value, options);
  // Nobody waits for an answer at a replica.
  if (options.get && options.expireAt === undefined) {
    ctx.propagate([...argv.slice(0, 3), ...argv.slice(3).filter((word) => !sameWord(word, 'get'))]);
  }
  return old === undefined ? OK : old;
}

function write(ctx: Context, key: string, value: string, options: SetOptions): void {
  const store = ctx.store;
  if (options.keepTtl) store.use(key);
  const entry = options.keepTtl ? store.put(key, value) : store.replace(key, value);
  if (options.expireAt !== undefined) {
    store.setDeadline(entry, options.expireAt);
    ctx.propagate(['SET', key, value, 'PXAT', String(options.expireAt)]);
  }
  store.changed(key, '$', 'set');
  if (options.expireAt !== undefined) store.event(key, 'g', 'expire');
}

function setWithExpiry(ctx: Context, argv: readonly string[], unit: 'ex' | 'px', name: string): Reply {
  const [, key, text, value] = argv as [string, string, string, string];
  const expireAt = readExpiry(ctx, unit, text, name);
  write(ctx, key, value, { condition: undefined, keepTtl: false, get: false, expireAt });
  return OK;
}

function setNew(ctx: Context, argv: readonly string[]): Reply {
  const [, key, value] = argv as [string, string, string];
  if (ctx.store.use(key) !== undefined) return 0;
  ctx.store.replace(key, value);
  ctx.store.changed(key, '$', 'set');
  return 1;
}

function getAndSet(ctx: Context, argv: readonly string[]): Reply {
  const [, key, value] = argv as [string, string, string];
  const old = readString(ctx.store, key) ?? null;
  ctx.store.replace(key, value);
  ctx.store.changed(key, '$', 'set');
  ctx.propagate(['SET', key, value]);
  return old;
}

function getAndDelete(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const old = readString(ctx.store, key);
  if (old === undefined) return null;
  ctx.store.delete(key);
  ctx.store.changed(key, 'g', 'del');
  ctx.propagate(['DEL', key]);
  return old;
}

function getAndExpire(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const word = argv[2]?.toLowerCase();
  const valid =
    word === undefined || (word === 'persist' ? argv.length === 3 : expiryWords.has(word) && argv.length === 4);
  if (!valid) syntaxError();
  const store = ctx.store;
  const value = readString(store, key);
  if (value === undefined) return null;
  const entry = store.peek(key)!;
  if (word === 'persist') {
    if (entry.expireAt < 0) return value;
    store.setDeadline(entry, -1);
    store.changed(key, 'g', 'persist');
    ctx.propagate(['PERSIST', key]);
  } else if (word !== undefined) {
    const at = readExpiry(ctx, word, argv[3]!, 'getex');
    if (at <= store.now()) {
      store.delete(key);
      store.changed(key, 'g', 'del');
      ctx.propagate(['DEL', key]);
    } else {
      store.setDeadline(entry, at);
      store.changed(key, 'g', 'expire');
      ctx.propagate(['PEXPIREAT', key, String(at)]);
    }
  }
  return value;
}

function setMany(ctx: Context, argv: readonly string[], onlyNew: boolean): Reply {
  if (argv.length % 2 === 0) arityError(onlyNew ? 'msetnx' : 'mset');
  const store = ctx.store;
  if (onlyNew) for (let at = 1; at < argv.length; at += 2) if (store.use(argv[at]!) !== undefined) return 0;
  for (let at = 1; at < argv.length; at += 2) {
    store.replace(argv[at]!, argv[at + 1]!);
    store.changed(argv[at]!, '$', 'set');
  }
  return onlyNew ? 1 : OK;
}

function getMany(ctx: Context, argv: readonly string[]): Reply {
  const values: Reply[] = [];
  for (let at = 1; at < argv.length; at++) {
    const value = ctx.store.get(argv[at]!);
    values.push(typeof value === 'string' ? value : null);
  }
  return values;
}

function append(ctx: Context, argv: readonly string[]): Reply {
  const [, key, tail] = argv as [string, string, string];
  const old = ctx.store.getString(key);
  const value = old === undefined ? tail : old + checkLength(old.length, tail);
  const entry = ctx.store.put(key, value);
  if (old !== undefined) entry.form = 'raw';
  ctx.store.changed(key, '$', 'append');
  return value.length;
}

function checkLength(before: number, tail: string): string {
  if (before + tail.length > maxLength) fail('string exceeds maximum allowed size (proto-max-bulk-len)');
  return tail;
}

function setRange(ctx: Context, argv: readonly string[]): Reply {
  const [, key, offsetText, piece] = argv as [string, string, string, string];
  const offset = readLong(offsetText);
  if (offset < 0) fail('offset is out of range');
  const old = ctx.store.getString(key) ?? '';
  if (piece.length === 0) return old.length;
  if (offset + piece.length > maxLength) fail('string exceeds maximum allowed size (proto-max-bulk-len)');
  const head = old.length < offset ? old + '\0'.repeat(offset - old.length) : old.slice(0, offset);
  const value = head + piece + old.slice(offset + piece.length);
  ctx.store.put(key, value).form = 'raw';
  ctx.store.changed(key, '$', 'setrange');
  return value.length;
}

function getRange(ctx: Context, argv: readonly string[]): Reply {
  let start = readLong(argv[2]!);
  let end = readLong(argv[3]!);
  const value = ctx.store.getString(argv[1]!) ?? '';
  if (start < 0 && end < 0 && start > end) return '';
  if (start < 0) start = Math.max(0, start + value.length);
  if (end < 0) end = Math.max(0, end + value.length);
  return value.slice(start, end + 1);
}

function get(ctx: Context, argv: readonly string[]): Reply {
  const entry = ctx.store.find(argv[1]!);
  if (entry === undefined) return null;
  if (typeof entry.value !== 'string') return wrongType;
  return entry.value;
}

const wrongType: ReplyError = wrongTypeError();

export const stringCommands: CommandGroup = {
  get,
  set,
  setnx: setNew,
  setex: (ctx, argv) => setWithExpiry(ctx, argv, 'ex', 'setex'),
  psetex: (ctx, argv) => setWithExpiry(ctx, argv, 'px', 'psetex'),
  getset: getAndSet,
  getdel: getAndDelete,
  getex: getAndExpire,
  mset: (ctx, argv) => setMany(ctx, argv, false),
  msetnx: (ctx, argv) => setMany(ctx, argv, true),
  mget: getMany,
  append,
  strlen: (ctx, argv) => ctx.store.getString(argv[1]!)?.length ?? 0,
  setrange: setRange,
  getrange: getRange,
  substr: getRange,
};
