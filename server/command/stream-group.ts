// Consumer groups: XGROUP, XACK, XPENDING.

import { NullArray, OK, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { StreamValue } from '../keyspace/types/stream.ts';
import { type Consumer, Group, type PendingList, UNKNOWN_READS } from '../keyspace/types/stream-group.ts';
import {
  formatId,
  readEnd,
  readId,
  readLooseId,
  readStart,
  type StreamId,
  ZERO_ID,
} from '../keyspace/types/stream-id.ts';
import { streamAt } from './stream.ts';

function noGroup(key: string, group: string): never {
  throw new ReplyError(`NOGROUP No such key '${key}' or consumer group '${group}'`);
}

/** The group; NOGROUP when it or the key is missing. */
export function groupAt(ctx: Context, key: string, name: string): { stream: StreamValue; group: Group } {
  const stream = streamAt(ctx, key);
  const group = stream?.groups.get(name);
  return stream === undefined || group === undefined ? noGroup(key, name) : { stream, group };
}

/** The consumer, made when missing, and marked as seen now. */
export function consumerOf(ctx: Context, key: string, group: Group, name: string): Consumer {
  const now = ctx.store.now();
  let consumer = group.consumer(name);
  if (consumer === undefined) {
    consumer = group.addConsumer(name, now);
    ctx.store.altered(key, 't', 'xgroup-createconsumer');
  }
  consumer.seenAt = now;
  return consumer;
}

function subcommandError(argv: readonly string[]): never {
  const [container, sub] = argv as [string, string];
  fail(
    `unknown subcommand or wrong number of arguments for '${sub.slice(0, 128)}'. Try ${container.toUpperCase()} HELP.`,
  );
}

interface GroupOptions {
  makeStream: boolean;
  entriesRead: number;
}

function readGroupOptions(argv: readonly string[], mayMake: boolean): GroupOptions {
  const options: GroupOptions = { makeStream: false, entriesRead: UNKNOWN_READS };
  for (let at = 5; at < argv.length; at += 1) {
    if (mayMake && sameWord(argv[at], 'mkstream')) {
      options.makeStream = true;
    } else if (sameWord(argv[at], 'entriesread') && at + 1 < argv.length) {
      options.entriesRead = readLong(argv[++at]!);
      if (options.entriesRead < 0 && options.entriesRead !== UNKNOWN_READS) {
        fail('value for ENTRIESREAD must be positive or -1');
      }
    } else {
      subcommandError(argv);
    }
  }
  return options;
}

function streamForGroups(ctx: Context, key: string): StreamValue {
  return (
    streamAt(ctx, key) ??
    fail(
      'The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.',
    )
  );
}

function groupOf(stream: StreamValue, key: string, name: string): Group {
  const group = stream.groups.get(name);
  if (group === undefined) {
    throw new ReplyError(`NOGROUP No such consumer group '${name}' for key name '${key}'`);
  }
  return group;
}

function create(ctx: Context, argv: readonly string[]): Reply {
  const [, , key, name, start] = argv as [string, string, string, string, string];
  const options = readGroupOptions(argv, true);
  const found = options.makeStream ? streamAt(ctx, key) : streamForGroups(ctx, key);
  const id: StreamId = start === '$' ? (found?.lastId ?? ZERO_ID) : readId(start);
  const stream = found ?? new StreamValue(ctx.store.host.limits);
  if (found === undefined) {
    ctx.store.put(key, stream);
    ctx.store.signal(key);
  }
  if (stream.groups.has(name)) throw new ReplyError('BUSYGROUP Consumer Group name already exists');
  stream.groups.set(name, new Group(name, id, options.entriesRead));
  ctx.store.altered(key, 't', 'xgroup-create');
  return OK;
}

function setId(ctx: Context, argv: readonly string[]): Reply {
  const [, , key, name, start] = argv as [string, string, string, string, string];
  const options = readGroupOptions(argv, false);
  const stream = streamForGroups(ctx, key);
  const group = groupOf(stream, key, name);
  group.lastId = start === '$' ? stream.lastId : readLooseId(start);
  group.entriesRead = options.entriesRead;
  ctx.store.altered(key, 't', 'xgroup-setid');
  return OK;
}

function destroy(ctx: Context, argv: readonly string[]): Reply {
  const [, , key, name] = argv as [string, string, string, string];
  if (!streamForGroups(ctx, key).groups.delete(name)) return 0;
  ctx.store.altered(key, 't', 'xgroup-destroy');
  // Clients that wait for the group get NOGROUP.
  ctx.store.watchers.wake(key);
  return 1;
}

function createConsumer(ctx: Context, argv: readonly string[]): Reply {
  const [, , key, name, consumer] = argv as [string, string, string, string, string];
  const group = groupOf(streamForGroups(ctx, key), key, name);
  if (group.consumer(consumer) !== undefined) return 0;
  group.addConsumer(consumer, ctx.store.now());
  ctx.store.altered(key, 't', 'xgroup-createconsumer');
  return 1;
}

function deleteConsumer(ctx: Context, argv: readonly string[]): Reply {
  const [, , key, name, consumer] = argv as [string, string, string, string, string];
  const group = groupOf(streamForGroups(ctx, key), key, name);
  if (group.consumer(consumer) === undefined) return 0;
  const pending = group.deleteConsumer(consumer);
  ctx.store.altered(key, 't', 'xgroup-delconsumer');
  return pending;
}

function acknowledge(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const group = ctx.store.asReader(() => streamAt(ctx, key))?.groups.get(argv[2]!);
  if (group === undefined) return 0;
  const ids = argv.slice(3).map((text) => readId(text));
  const settled = ids.filter((id) => group.settle(id)).length;
  ctx.store.host.dirty += settled;
  return settled;
}

interface PendingQuery {
  readonly minIdle: number;
  readonly start: StreamId;
  readonly end: StreamId;
  readonly count: number;
  readonly consumer: string | undefined;
}

function readPendingQuery(argv: readonly string[]): PendingQuery | undefined {
  if (argv.length === 3) return undefined;
  if (argv.length < 6 || argv.length > 9) syntaxError();
  let at = 3;
  let minIdle = 0;
  if (sameWord(argv[3], 'idle')) {
    minIdle = readLong(argv[4]!);
    if (argv.length < 8) syntaxError();
    at = 5;
  }
  const count = Math.max(0, readLong(argv[at + 2]!));
  const start = readStart(argv[at]!);
  const end = readEnd(argv[at + 1]!);
  return { minIdle, start, end, count, consumer: argv[at + 3] };
}

function pendingSummary(group: Group): Reply {
  const { size, first, last } = group.pending;
  if (first === undefined || last === undefined) return [0, null, null, NullArray.value];
  const busy = group.consumers().filter((consumer) => consumer.pending.size > 0);
  const rows = busy.map((consumer) => [consumer.name, String(consumer.pending.size)]);
  return [size, formatId(first.id), formatId(last.id), rows];
}

function pending(ctx: Context, argv: readonly string[]): Reply {
  const query = readPendingQuery(argv);
  const { group } = groupAt(ctx, argv[1]!, argv[2]!);
  if (query === undefined) return pendingSummary(group);
  let list: PendingList | undefined = group.pending;
  if (query.consumer !== undefined) list = group.consumer(query.consumer)?.pending;
  const rows: Reply[] = [];
  if (list === undefined) return rows;
  const now = ctx.store.now();
  for (let at = list.indexFrom(query.start); rows.length < query.count; at += 1) {
    const item = list.at(at);
    if (item === undefined || item.id > query.end) break;
    const idle = Math.max(0, now - item.deliveredAt);
    if (query.minIdle > 0 && idle < query.minIdle) continue;
    rows.push([formatId(item.id), item.consumer.name, idle, item.deliveries]);
  }
  return rows;
}

export const streamGroupCommands: CommandGroup = {
  'xgroup|create': create,
  'xgroup|setid': setId,
  'xgroup|destroy': destroy,
  'xgroup|createconsumer': createConsumer,
  'xgroup|delconsumer': deleteConsumer,
  xack: acknowledge,
  xpending: pending,
};
