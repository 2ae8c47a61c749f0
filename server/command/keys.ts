// Commands on keys of any type: DEL, RENAME, COPY, SCAN, OBJECT and their kin.

import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { encodingOf } from '../keyspace/encoding.ts';
import { globMatcher } from '../keyspace/glob.ts';
import { readCursor, readScanOptions } from '../keyspace/scan-options.ts';
import { type Entry, never, type Store, typeOf } from '../keyspace/store.ts';
import { StreamValue } from '../keyspace/types/stream.ts';
import { readIndex, readStore } from './db-index.ts';
import { noSuchKey } from './expire.ts';

/** Small integers are shared objects in redis-server, and say so, unless each key has to remember its own use. */
function refcountOf(engine: Engine, { value, form }: Entry): number {
  if (engine.memory.limit > 0 && /lru|lfu/.test(engine.config.get('maxmemory-policy'))) return 1;
  return form === undefined && typeof value === 'string' && /^(?:0|[1-9]\d{0,3})$/.test(value) ? 2147483647 : 1;
}

function remove(ctx: Context, argv: readonly string[], lazily = false): Reply {
  let count = 0;
  for (let at = 1; at < argv.length; at++) {
    const entry = lazily ? ctx.store.peek(argv[at]!) : undefined;
    if (!ctx.store.delete(argv[at]!)) continue;
    if (entry !== undefined) ctx.store.host.lazyFreed += lazyObjects(entry);
    ctx.store.changed(argv[at]!, 'g', 'del');
    count++;
  }
  return count;
}

/** Elements from which redis-server frees a value in the background, and counts it. */
const lazyFrom = 64;

/** Here nothing is freed by hand: what is counted is what would have been freed lazily. */
function lazyObjects({ value }: Entry): number {
  if (typeof value === 'string' || value.encoding === 'listpack' || value.encoding === 'intset') return 0;
  if (value instanceof StreamValue) return value.effort > lazyFrom ? 1 : 0;
  return value.size > lazyFrom ? 1 : 0;
}

function countThere(ctx: Context, argv: readonly string[]): Reply {
  let count = 0;
  for (let at = 1; at < argv.length; at++) if (ctx.store.look(argv[at]!) !== undefined) count++;
  return count;
}

function countFound(ctx: Context, argv: readonly string[]): Reply {
  let count = 0;
  for (let at = 1; at < argv.length; at++) if (ctx.store.find(argv[at]!) !== undefined) count++;
  return count;
}

function moveEntry(from: Store, entry: Entry, to: Store, key: string): void {
  const { value, expireAt, form, accessed } = entry;
  from.delete(entry.key);
  if (to.delete(key)) to.signal(key);
  const moved = to.put(key, value);
  moved.form = form;
  moved.accessed = accessed;
  if (expireAt !== never) to.setDeadline(moved, expireAt);
}

function rename(ctx: Context, argv: readonly string[], onlyNew: boolean): Reply {
  const [, source, target] = argv as [string, string, string];
  const store = ctx.store;
  const entry = store.use(source);
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
  const entry = ctx.store.look(argv[2]!);
  return entry === undefined ? null : answer(entry);
}

const noFrequency = new ReplyError(
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
);

const noIdleTime = new ReplyError(
  'ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
);

function idleSeconds({ store }: Context, entry: Entry): Reply {
  return store.host.access.counting ? noIdleTime : Math.floor(store.idleMs(entry) / 1000);
}

function frequency({ store }: Context, entry: Entry): Reply {
  return store.host.access.counting ? store.host.access.uses(entry.accessed) : noFrequency;
}

function readFlushMode(argv: readonly string[]): void {
  if (argv.length > 2 || (argv.length === 2 && !sameWord(argv[1], 'sync') && !sameWord(argv[1], 'async')))
    syntaxError();
}

function flush(engine: Engine, client: Client, argv: readonly string[], stores: readonly Store[]): Reply {
  readFlushMode(argv);
  const { databases, persistence } = engine;
  const keys = stores.reduce((sum, { size }) => sum + size, 0);
  const lazily =
    sameWord(argv[1], 'async') || (argv[1] === undefined && engine.config.flag('lazyfree-lazy-user-flush'));
  if (lazily) databases.lazyFreed += keys;
  databases.clear(stores);
  databases.dirty += keys;
  if (stores.length === databases.stores.length && sameWord(argv[0], 'flushall')) persistence?.flushed();
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

/** Keys that a walk finds to have run out are deleted one by one, unless the walk is part of a transaction. */
function apart(engine: Engine, client: Client, walk: () => Reply): Reply {
  const reply = walk();
  if (!client.denyBlocking) engine.effects.flushApart();
  return reply;
}

export function keyCommands(engine: Engine): CommandGroup<Client> {
  return {
    del: (ctx, argv) => remove(ctx, argv, engine.config.flag('lazyfree-lazy-user-del')),
    unlink: (ctx, argv) => remove(ctx, argv, true),
    exists: countThere,
    touch: countFound,
    type: (ctx, argv) => {
      const entry = ctx.store.look(argv[1]!);
      return new Status(entry === undefined ? 'none' : typeOf(entry.value));
    },
    rename: (ctx, argv) => rename(ctx, argv, false),
    renamenx: (ctx, argv) => rename(ctx, argv, true),
    copy: (client, argv) => copy(engine, client, argv),
    move: (client, argv) => move(engine, client, argv),
    randomkey: (client) => apart(engine, client, () => client.store.random()?.key ?? null),
    keys,
    scan: (client, argv) => apart(engine, client, () => scan(client, argv)),
    dbsize: (ctx) => ctx.store.size,
    flushdb: (client, argv) => flush(engine, client, argv, [client.store]),
    flushall: (client, argv) => flush(engine, client, argv, engine.databases.stores),
    swapdb: (_client, argv) => swap(engine, argv),
    'object|encoding': (ctx, argv) => objectInfo(ctx, argv, (entry) => encodingOf(entry)),
    'object|refcount': (ctx, argv) => objectInfo(ctx, argv, (entry) => refcountOf(engine, entry)),
    'object|idletime': (ctx, argv) => objectInfo(ctx, argv, (entry) => idleSeconds(ctx, entry)),
    'object|freq': (ctx, argv) => objectInfo(ctx, argv, (entry) => frequency(ctx, entry)),
  };
}
