// XINFO STREAM, GROUPS and CONSUMERS.

import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readLong, sameWord } from '../keyspace/arguments.ts';
import type { StreamValue } from '../keyspace/types/stream.ts';
import { type Group, type PendingList, UNKNOWN_READS } from '../keyspace/types/stream-group.ts';
import { formatId, MAX_ID, ZERO_ID } from '../keyspace/types/stream-id.ts';
import { entryReply, streamAt } from './stream.ts';

const DEFAULT_SHOWN = 10;

const existing = (ctx: Context, key: string): StreamValue => streamAt(ctx, key) ?? fail('no such key');

const mapOf = (fields: Readonly<Record<string, Reply>>): Reply => new Map(Object.entries(fields));

const sortedGroups = (stream: StreamValue): Group[] =>
  [...stream.groups.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

function lag(stream: StreamValue, group: Group): Reply {
  if (stream.entriesAdded === 0) return 0;
  let reads = group.entriesRead;
  if (reads === UNKNOWN_READS || stream.hasGapFrom(group.lastId)) reads = stream.readsUpTo(group.lastId);
  return reads === UNKNOWN_READS ? null : stream.entriesAdded - reads;
}

const readsReply = (group: Group): Reply => (group.entriesRead === UNKNOWN_READS ? null : group.entriesRead);

function facts(stream: StreamValue): Record<string, Reply> {
  return {
    length: stream.size,
    'radix-tree-keys': stream.nodeCount,
    // The reference counts tree nodes, an inner matter of its own; one more than keys is what a small stream shows.
    'radix-tree-nodes': stream.nodeCount + 1,
    'last-generated-id': formatId(stream.lastId),
    'max-deleted-entry-id': formatId(stream.maxDeletedId),
    'entries-added': stream.entriesAdded,
    'recorded-first-entry-id': formatId(stream.firstId),
  };
}

function streamInfo(ctx: Context, argv: readonly string[]): Reply {
  const stream = existing(ctx, argv[2]!);
  if (argv.length > 3) return fullInfo(stream, readFullCount(argv));
  return mapOf({
    ...facts(stream),
    groups: stream.groups.size,
    'first-entry': stream.first === undefined ? null : entryReply(stream.first),
    'last-entry': stream.last === undefined ? null : entryReply(stream.last),
  });
}

function readFullCount(argv: readonly string[]): number {
  const wrongWords = argv.length !== 4 && argv.length !== 6;
  if (wrongWords || !sameWord(argv[3], 'full') || (argv.length === 6 && !sameWord(argv[4], 'count'))) {
    fail(`unknown subcommand or wrong number of arguments for '${argv[1]!.slice(0, 128)}'. Try XINFO HELP.`);
  }
  if (argv.length === 4) return DEFAULT_SHOWN;
  const count = readLong(argv[5]!);
  return count < 0 ? DEFAULT_SHOWN : count;
}

function firstPending(list: PendingList, count: number, withConsumer: boolean): Reply {
  const rows: Reply[] = [];
  for (const item of list) {
    if (count > 0 && rows.length === count) break;
    const tail = [item.deliveredAt, item.deliveries];
    rows.push(withConsumer ? [formatId(item.id), item.consumer.name, ...tail] : [formatId(item.id), ...tail]);
  }
  return rows;
}

function fullInfo(stream: StreamValue, count: number): Reply {
  const groups = sortedGroups(stream).map((group) =>
    mapOf({
      name: group.name,
      'last-delivered-id': formatId(group.lastId),
      'entries-read': readsReply(group),
      lag: lag(stream, group),
      'pel-count': group.pending.size,
      pending: firstPending(group.pending, count, true),
      consumers: group.consumers().map((consumer) =>
        mapOf({
          name: consumer.name,
          'seen-time': consumer.seenAt,
          'pel-count': consumer.pending.size,
          pending: firstPending(consumer.pending, count, false),
        }),
      ),
    }),
  );
  return mapOf({ ...facts(stream), entries: stream.slice(ZERO_ID, MAX_ID, count).map(entryReply), groups });
}

function groupsInfo(ctx: Context, argv: readonly string[]): Reply {
  const stream = existing(ctx, argv[2]!);
  return sortedGroups(stream).map((group) =>
    mapOf({
      name: group.name,
      consumers: group.consumerCount,
      pending: group.pending.size,
      'last-delivered-id': formatId(group.lastId),
      'entries-read': readsReply(group),
      lag: lag(stream, group),
    }),
  );
}

function consumersInfo(ctx: Context, argv: readonly string[]): Reply {
  const [, , key, name] = argv as [string, string, string, string];
  const group = existing(ctx, key).groups.get(name);
  if (group === undefined) throw new ReplyError(`NOGROUP No such consumer group '${name}' for key name '${key}'`);
  const now = ctx.store.now();
  return group
    .consumers()
    .map((consumer) =>
      mapOf({ name: consumer.name, pending: consumer.pending.size, idle: Math.max(0, now - consumer.seenAt) }),
    );
}

export const streamInfoCommands: CommandGroup = {
  'xinfo|stream': streamInfo,
  'xinfo|groups': groupsInfo,
  'xinfo|consumers': consumersInfo,
};
