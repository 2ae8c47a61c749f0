// Commands on keys of any type: DEL, RENAME, COPY, SCAN, OBJECT and their kin.

import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { globMatcher } from '../keyspace/glob.ts';
import { isInt64Text } from '../keyspace/number.ts';
import { readCursor, readScanOptions } from '../keyspace/scan-options.ts';
import { type Entry, never, type Store, typeOf } from '../keyspace/store.ts';
import { readIndex, readStore } from './db-index.ts';
import { noSuchKey } from './expire.ts';

/** Strings up to this long are held inside their object by redis-server, and called so. */
const embeddedLength = 44;

export function encodingOf(entry: Entry): string {
  const { value, form } = entry;
  if (typeof value !== 'string') return value.encoding;
  if (form === 'raw') return 'raw';
  if (form === undefined && isInt64Text(value)) return 'int';
  return value.length <= embeddedLength ? 'embstr' : 'raw';
}

/** Small integers are shared objects in redis-server, and say so. */
function refcountOf({ value, form }: Entry): number {
  return form === undefined && typeof value === 'string' && /^(?:0|[1-9]\d{0,3})$/.test(value) ? 2147483647 : 1;
}

function remove(ctx: Context, argv: readonly string[]): Reply {
  let count = 0;
  for (let at = 1; at < argv.length; at++) {
    if (!ctx.store.delete(argv[at]!)) continue;
    ctx.store.changed(argv[at]!, 'g', 'del');
    count++;
  }
  return count;
}

function countFound(ctx: Context, argv: readonly string[]): Reply {
  let count = 0;
  for (let at = 1; at < argv.length; at++) if (ctx.store.find(argv[at]!) !== undefined) count++;
  return count;
}

function moveEntry(from: Store, entry: Entry, to: Store, key: string): void {
  const { value, expireAt, form } = entry;
  from.delete(entry.key);
  if (to.delete(key)) to.signal(key);
  const moved = to.put(key, value);
  moved.form = form;
  if (expireAt !== never) to.setDeadline(moved, expireAt);
}

function rename(ctx: Context, argv: readonly string[], onlyNew: boolean): Reply {
  const [, source, target] = argv as [string, string, string];
  const store = ctx.store;
  const entry = store.peek(source);
  if (entry === undefined) return noSuchKey;
  if (source === target) return onlyNew ? 0 : OK;
  if (onlyNew && store.has(target)) return 0;
  moveEntry(store, entry, store, target);
  store.changed(source, 'g', 'rename_from');
  store.changed(target, 'g', 'rename_to', 0);
  return onlyNew ? 1 : OK;
}

function copy(engine: Engine, client: Client, argv: readonly string[]): Reply {
  const [, source, target] = argv as [string, string, string];
  let to = client.store;
  let replace = false;
  for (let at = 3; at < argv.length; at++) {
    if (sameWord(argv[at], 'replace')) replace = true;
    else if (sameWord(argv[at], 'db') && argv[at + 1] !== undefined) {
      if (engine.clusterEnabled && readIndex(argv[at + 1]!) !== 0)
        fail('Copying to another database is not allowed in cluster mode');
      to = readStore(engine, argv[++at]!);
    } else syntaxError();
  }
  if (to === client.store && source === target) fail('source and destination objects are the same');
  const entry = client.store.asReader(() => client.store.find(source));
  if (entry === undefined) return 0;
  if (to.has(target)) {
    if (!replace) return 0;
    to.delete(target);
  }
  const copied = to.put(target, typeof entry.value === 'string' ? entry.value : entry.value.clone());
  copied.form = entry.form;
  if (entry.expireAt !== never) to.setDeadline(copied, entry.expireAt);
  to.changed(target, 'g', 'copy_to');
  return 1;
}

function move(engine: Engine, client: Client, argv: readonly string[]): Reply {
  if (engine.clusterEnabled) return new ReplyError('ERR MOVE is not allowed in cluster mode');
  const key = argv[1]!;
  const to = readStore(engine, argv[2]!);
  if (to === client.store) fail('source and destination objects are the same');
  const entry = client.store.find(key);
  if (entry === undefined || to.has(key)) return 0;
  moveEntry(client.store, entry, to, key);
  client.store.changed(key, 'g', 'move_from');
  to.changed(key, 'g', 'move_to', 0);
  return 1;
}

function keys(ctx: Context, argv: readonly string[]): Reply {
  const pattern = argv[1]!;
  const matches = pattern === '*' ? () => true : globMatcher(pattern);
  const found: string[] = [];
  for (const entry of ctx.store.entries()) if (matches(entry.key)) found.push(entry.key);
  return found;
}

function scan(ctx: Context, argv: readonly string[]): Reply {
  const cursor = readCursor(argv[1]!);
  const words: string[] = [];
  let type: string | undefined;
  for (let at = 2; at < argv.length; at += 2) {
    if (sameWord(argv[at], 'type') && argv[at + 1] !== undefined) type = argv[at + 1]!.toLowerCase();
    else words.push(...argv.slice(at, at + 2));
  }
  const { count, matches } = readScanOptions(words, 0);
  const found: string[] = [];
  const next = ctx.store.scan(cursor, count, (entry) => {
    if (type !== undefined && typeOf(entry.value) !== type) return;
    if (matches(entry.key)) found.push(entry.key);
  });
  return [String(next), found];
}

function objectInfo(ctx: Context, argv: readonly string[], answer: (entry: Entry) => Reply): Reply {
  const entry = ctx.store.peek(argv[2]!);
  return entry === undefined ? null : answer(entry);
}

const noFrequency = new ReplyError(
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
);

function readFlushMode(argv: readonly string[]): void {
  if (argv.length > 2 || (argv.length === 2 && !sameWord(argv[1], 'sync') && !sameWord(argv[1], 'async')))
    syntaxError();
}

function flush(engine: Engine, client: Client, argv: readonly string[], stores: readonly Store[]): Reply {
  readFlushMode(argv);
  const { databases, hooks } = engine;
  const keys = stores.reduce((sum, { size }) => sum + size, 0);
  databases.clear(stores);
  databases.dirty += keys;
  if (stores.length === databases.stores.length && sameWord(argv[0], 'flushall')) hooks.onFlushAll?.();
  // An empty database is flushed on the replicas too: theirs may not be.
  if (keys === 0) engine.effect(client.store, argv);
  return OK;
}

function swap(engine: Engine, argv: readonly string[]): Reply {
  if (engine.clusterEnabled) return new ReplyError('ERR SWAPDB is not allowed in cluster mode');
  const one = readStore(engine, argv[1]!, 'invalid first DB index');
  const other = readStore(engine, argv[2]!, 'invalid second DB index');
  if (one !== other) one.swapWith(other);
  engine.databases.dirty++;
  return OK;
}

/** A rough count of the bytes a key takes, in the spirit of redis-server's own figure. */
function memoryUsage(ctx: Context, argv: readonly string[]): Reply {
  if (argv.length > 3 && (!sameWord(argv[3], 'samples') || argv.length !== 5 || readLong(argv[4]!) < 0)) syntaxError();
  const entry = ctx.store.peek(argv[2]!);
  if (entry === undefined) return null;
  const value = entry.value;
  const bytes = typeof value === 'string' ? value.length : (value.memory?.() ?? 64 + value.size * 48);
  return bytes + entry.key.length + 56;
}

export function keyCommands(engine: Engine): CommandGroup<Client> {
  return {
    del: remove,
    unlink: remove,
    exists: countFound,
    touch: countFound,
    type: (ctx, argv) => {
      const entry = ctx.store.look(argv[1]!);
      return new Status(entry === undefined ? 'none' : typeOf(entry.value));
    },
    rename: (ctx, argv) => rename(ctx, argv, false),
    renamenx: (ctx, argv) => rename(ctx, argv, true),
    copy: (client, argv) => copy(engine, client, argv),
    move: (client, argv) => move(engine, client, argv),
    randomkey: (ctx) => ctx.store.random()?.key ?? null,
    keys,
    scan,
    dbsize: (ctx) => ctx.store.size,
    flushdb: (client, argv) => flush(engine, client, argv, [client.store]),
    flushall: (client, argv) => flush(engine, client, argv, engine.databases.stores),
    swapdb: (_client, argv) => swap(engine, argv),
    'object|encoding': (ctx, argv) => objectInfo(ctx, argv, (entry) => encodingOf(entry)),
    'object|refcount': (ctx, argv) => objectInfo(ctx, argv, (entry) => refcountOf(entry)),
    'object|idletime': (ctx, argv) =>
      objectInfo(ctx, argv, (entry) => Math.max(0, Math.floor((engine.world.now() - entry.accessed) / 1000))),
    'object|freq': (ctx, argv) => objectInfo(ctx, argv, () => noFrequency),
    'memory|usage': memoryUsage,
  };
}
