// XREAD and XREADGROUP, with and without BLOCK.
// Invariant: what a group delivered is replicated entry by entry as XCLAIM (or, with NOACK, as the group's new last ID).

import { NullArray, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { Blocked, type CommandGroup, type Context } from '../engine/registry.ts';
import { fail, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import type { StreamEntry, StreamValue } from '../keyspace/types/stream.ts';
import { type Consumer, type Group, UNKNOWN_READS } from '../keyspace/types/stream-group.ts';
import { formatId, MAX_ID, readId, type StreamId, ZERO_ID } from '../keyspace/types/stream-id.ts';
import { entryReply, streamAt } from './stream.ts';
import { claimEffect } from './stream-claim.ts';

interface ReadOptions {
  timeout: number | undefined;
  count: number;
  group: string | undefined;
  consumer: string;
  noAck: boolean;
  keys: readonly string[];
  ids: readonly string[];
}

function readOptions(ctx: Context, argv: readonly string[], grouped: boolean): ReadOptions {
  const options: ReadOptions = {
    timeout: undefined,
    count: 0,
    group: undefined,
    consumer: '',
    noAck: false,
    keys: [],
    ids: [],
  };
  let streams = 0;
  for (let at = 1; at < argv.length && streams === 0; at += 1) {
    const word = argv[at];
    const more = argv.length - at - 1;
    if (sameWord(word, 'block') && more > 0) {
      if (ctx.inScript === true) fail(`${argv[0]} command is not allowed with BLOCK option from scripts`);
      options.timeout = readBlock(argv[++at]!);
    } else if (sameWord(word, 'count') && more > 0) {
      options.count = Math.max(0, readLong(argv[++at]!));
    } else if (sameWord(word, 'streams') && more > 0) {
      streams = at + 1;
    } else if (sameWord(word, 'group') && more >= 2) {
      if (!grouped) fail('The GROUP option is only supported by XREADGROUP. You called XREAD instead.');
      options.group = argv[++at]!;
      options.consumer = argv[++at]!;
    } else if (sameWord(word, 'noack')) {
      if (!grouped) fail('The NOACK option is only supported by XREADGROUP. You called XREAD instead.');
      options.noAck = true;
    } else {
      syntaxError();
    }
  }
  if (streams === 0) syntaxError();
  splitStreams(options, argv.slice(streams), grouped);
  return options;
}

function splitStreams(options: ReadOptions, words: readonly string[], grouped: boolean): void {
  if (words.length % 2 !== 0) {
    fail("Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.");
  }
  if (grouped && options.group === undefined) fail('Missing GROUP option for XREADGROUP');
  options.keys = words.slice(0, words.length / 2);
  options.ids = words.slice(words.length / 2);
}

function readBlock(text: string): number {
  const ms = readLong(text, 'timeout is not an integer or out of range');
  return ms < 0 ? fail('timeout is negative') : ms;
}

/** One stream to read from: entries after `after`. */
interface Want {
  readonly key: string;
  readonly after: StreamId;
  /** Only for groups: new entries (`>`) instead of the consumer's own pending ones. */
  readonly fresh: boolean;
}

function readWant(ctx: Context, options: ReadOptions, key: string, idText: string): Want {
  const stream = ctx.store.asReader(() => streamAt(ctx, key));
  if (options.group !== undefined && stream?.groups.get(options.group) === undefined) {
    throw new ReplyError(
      `NOGROUP No such key '${key}' or consumer group '${options.group}' in XREADGROUP with GROUP option`,
    );
  }
  if (idText === '$') {
    if (options.group !== undefined) {
      fail(
        'The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.',
      );
    }
    return { key, after: stream?.lastId ?? ZERO_ID, fresh: false };
  }
  if (idText === '>') {
    if (options.group === undefined) {
      fail('The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.');
    }
    return { key, after: MAX_ID, fresh: true };
  }
  const after = readId(idText);
  return { key, after, fresh: options.group !== undefined && after === MAX_ID };
}

type Row = [key: string, entries: Reply];

function rowsReply(ctx: Context, rows: readonly Row[]): Reply {
  return ctx.protocol === 3 ? new Map(rows) : rows;
}

function readPlain(ctx: Context, options: ReadOptions, wants: readonly Want[]): Row[] {
  const rows: Row[] = [];
  for (const { key, after } of wants) {
    const stream = streamAt(ctx, key);
    if (stream?.last === undefined || stream.last.id <= after) continue;
    rows.push([key, stream.slice(after + 1n, MAX_ID, options.count).map(entryReply)]);
  }
  return rows;
}

/** Moves the group's last ID over a delivered entry and keeps its count of reads, as far as it can be known. */
function advance(stream: StreamValue, group: Group, id: StreamId): void {
  if (id <= group.lastId) return;
  if (group.entriesRead !== UNKNOWN_READS && !stream.hasGapFrom(id)) group.entriesRead += 1;
  else if (stream.entriesAdded > 0) group.entriesRead = stream.readsUpTo(id);
  group.lastId = id;
}

interface Delivery {
  readonly ctx: Context;
  readonly options: ReadOptions;
  readonly effects: string[][];
}

function deliver(delivery: Delivery, key: string, stream: StreamValue, group: Group, consumer: Consumer): Reply {
  const { ctx, options, effects } = delivery;
  const entries = stream.slice(group.lastId + 1n, MAX_ID, options.count);
  const now = ctx.store.now();
  for (const entry of entries) {
    advance(stream, group, entry.id);
    if (!options.noAck) effects.push(claimEffect(key, group, group.assign(entry.id, consumer, now, 1)));
  }
  if (options.noAck && entries.length > 0) {
    const reads = ['ENTRIESREAD', String(group.entriesRead)];
    effects.push(['XGROUP', 'SETID', key, group.name, formatId(group.lastId), ...reads]);
  }
  return entries.map(entryReply);
}

function history(ctx: Context, stream: StreamValue, consumer: Consumer, want: Want, count: number): Reply {
  const rows: Reply[] = [];
  const list = consumer.pending;
  for (let at = list.indexFrom(want.after + 1n); count === 0 || rows.length < count; at += 1) {
    const item = list.at(at);
    if (item === undefined) break;
    const entry: StreamEntry | undefined = stream.get(item.id);
    if (entry !== undefined) {
      item.deliveredAt = ctx.store.now();
      item.deliveries += 1;
    }
    rows.push(entry === undefined ? [formatId(item.id), NullArray.value] : entryReply(entry));
  }
  return rows;
}

function readGrouped(ctx: Context, options: ReadOptions, wants: readonly Want[]): Row[] {
  const rows: Row[] = [];
  const delivery: Delivery = { ctx, options, effects: [] };
  for (const want of wants) {
    const stream = streamAt(ctx, want.key);
    const group = stream?.groups.get(options.group!);
    if (stream === undefined || group === undefined) continue;
    if (want.fresh && (stream.last === undefined || stream.last.id <= group.lastId)) continue;
    let consumer = group.consumer(options.consumer);
    if (consumer === undefined) {
      consumer = group.addConsumer(options.consumer, ctx.store.now());
      ctx.store.altered(want.key, 't', 'xgroup-createconsumer');
      // Otherwise the claims of what it gets make it at the replicas, too.
      if (options.noAck) delivery.effects.push(['XGROUP', 'CREATECONSUMER', want.key, group.name, consumer.name]);
    }
    consumer.seenAt = ctx.store.now();
    if (!want.fresh) {
      rows.push([want.key, history(ctx, stream, consumer, want, options.count)]);
    } else {
      rows.push([want.key, deliver(delivery, want.key, stream, group, consumer)]);
    }
    ctx.store.host.dirty += 1;
  }
  ctx.propagate(...delivery.effects);
  return rows;
}

/**
 * Serves a waiter from the first of its streams that has something. Others of its keys may hold other types now; a
 * group's reader gets an error, for the group is gone with the stream.
 */
function retry(ctx: Context, options: ReadOptions, wants: readonly Want[]): Reply | undefined {
  for (const want of wants) {
    const value = ctx.store.peek(want.key)?.value;
    if (typeof value !== 'object' || value.type !== 'stream') {
      if (options.group === undefined) continue;
      return new ReplyError('UNBLOCKED the stream key no longer exists');
    }
    if (options.group !== undefined && !(value as StreamValue).groups.has(options.group)) {
      return new ReplyError('NOGROUP the consumer group this client was blocked on no longer exists');
    }
    const rows = options.group === undefined ? readPlain(ctx, options, [want]) : readGrouped(ctx, options, [want]);
    if (rows.length > 0) return rowsReply(ctx, rows);
  }
  return undefined;
}

function read(ctx: Context, argv: readonly string[], grouped: boolean): Reply | Blocked {
  const options = readOptions(ctx, argv, grouped);
  const wants = options.keys.map((key, at) => readWant(ctx, options, key, options.ids[at]!));
  const rows = grouped ? readGrouped(ctx, options, wants) : readPlain(ctx, options, wants);
  if (rows.length > 0) return rowsReply(ctx, rows);
  if (options.timeout === undefined || ctx.denyBlocking) return NullArray.value;
  return new Blocked(options.keys, options.timeout, () => retry(ctx, options, wants), NullArray.value);
}

export const streamReadCommands: CommandGroup = {
  xread: (ctx, argv) => read(ctx, argv, false),
  xreadgroup: (ctx, argv) => read(ctx, argv, true),
};
