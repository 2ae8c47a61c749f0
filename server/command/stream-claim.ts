// XCLAIM and XAUTOCLAIM: pending entries change hands.
// Invariant: each change is replicated as an XCLAIM of that one entry with its time and count, forced and silent.

import type { Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readAtLeast, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import type { Consumer, Group, Pending } from '../keyspace/types/stream-group.ts';
import { formatId, parseId, readId, readStart, type StreamId, ZERO_ID } from '../keyspace/types/stream-id.ts';
import { entryReply } from './stream.ts';
import { consumerOf, groupAt } from './stream-group.ts';

const DEFAULT_CLAIMS = 100;
const TRIES_PER_CLAIM = 10;

/** The words by which a replica makes the same pending entry. */
export function claimEffect(key: string, group: Group, item: Pending): string[] {
  const time = ['TIME', String(item.deliveredAt), 'RETRYCOUNT', String(item.deliveries)];
  const tail = ['FORCE', 'JUSTID', 'LASTID', formatId(group.lastId)];
  return ['XCLAIM', key, group.name, item.consumer.name, '0', formatId(item.id), ...time, ...tail];
}

interface ClaimOptions {
  ids: StreamId[];
  deliveredAt: number;
  retryCount: number | undefined;
  force: boolean;
  justId: boolean;
  lastId: StreamId;
}

function readClaim(argv: readonly string[], now: number): ClaimOptions {
  const options: ClaimOptions = {
    ids: [],
    deliveredAt: now,
    retryCount: undefined,
    force: false,
    justId: false,
    lastId: ZERO_ID,
  };
  let at = 5;
  for (; at < argv.length; at += 1) {
    const id = parseId(argv[at]!, 0n);
    if (id === undefined) break;
    options.ids.push(id);
  }
  for (; at < argv.length; at += 1) {
    const word = argv[at]!;
    const value = argv[at + 1];
    if (sameWord(word, 'force')) {
      options.force = true;
    } else if (sameWord(word, 'justid')) {
      options.justId = true;
    } else if (value !== undefined && readClaimValue(options, word, value, now)) {
      at += 1;
    } else {
      fail(`Unrecognized XCLAIM option '${word}'`);
    }
  }
  if (options.deliveredAt < 0 || options.deliveredAt > now) options.deliveredAt = now;
  return options;
}

function readClaimValue(options: ClaimOptions, word: string, value: string, now: number): boolean {
  if (sameWord(word, 'idle')) options.deliveredAt = now - readLong(value, 'Invalid IDLE option argument for XCLAIM');
  else if (sameWord(word, 'time')) options.deliveredAt = readLong(value, 'Invalid TIME option argument for XCLAIM');
  else if (sameWord(word, 'retrycount')) {
    options.retryCount = readLong(value, 'Invalid RETRYCOUNT option argument for XCLAIM');
  } else if (sameWord(word, 'lastid')) options.lastId = readId(value);
  else return false;
  return true;
}

function claim(ctx: Context, argv: readonly string[]): Reply {
  const [, key, groupName, consumerName, idleText] = argv as [string, string, string, string, string];
  const { stream, group } = ctx.store.asReader(() => groupAt(ctx, key, groupName));
  const minIdle = readLong(idleText, 'Invalid min-idle-time argument for XCLAIM');
  const now = ctx.store.now();
  const options = readClaim(argv, now);
  const effects: string[][] = [];
  if (options.lastId > group.lastId) group.lastId = options.lastId;
  // A consumer comes into being only with its first claimed entry.
  const claimant = (): Consumer => consumerOf(ctx, key, group, consumerName);
  const rows: Reply[] = [];
  for (const id of options.ids) {
    const entry = stream.get(id);
    let item = group.pending.get(id);
    if (entry === undefined) {
      if (item !== undefined) effects.push(claimEffect(key, group, item));
      group.settle(id);
      continue;
    }
    if (item === undefined) {
      if (!options.force) continue;
      item = group.assign(id, claimant(), now, 1);
    } else if (minIdle > 0 && now - item.deliveredAt < minIdle) {
      continue;
    }
    group.move(item, claimant());
    item.deliveredAt = options.deliveredAt;
    if (options.retryCount !== undefined && options.retryCount >= 0) item.deliveries = options.retryCount;
    else if (!options.justId) item.deliveries += 1;
    rows.push(options.justId ? formatId(id) : entryReply(entry));
    effects.push(claimEffect(key, group, item));
  }
  ctx.store.host.dirty += effects.length;
  ctx.propagate(...effects);
  return rows;
}

function readAutoClaim(argv: readonly string[]): { count: number; justId: boolean } {
  let count = DEFAULT_CLAIMS;
  let justId = false;
  for (let at = 6; at < argv.length; at += 1) {
    if (sameWord(argv[at], 'count') && at + 1 < argv.length) {
      count = readAtLeast(argv[++at]!, 1, 'COUNT must be > 0');
      if (count > (2 ** 63 - 1) / 16 / TRIES_PER_CLAIM) fail('COUNT must be > 0');
    } else if (sameWord(argv[at], 'justid')) {
      justId = true;
    } else {
      syntaxError();
    }
  }
  return { count, justId };
}

function autoClaim(ctx: Context, argv: readonly string[]): Reply {
  const [, key, groupName, consumerName, idleText, startText] = argv as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const minIdle = readLong(idleText, 'Invalid min-idle-time argument for XAUTOCLAIM');
  const start = readStart(startText);
  const { count, justId } = readAutoClaim(argv);
  const { stream, group } = ctx.store.asReader(() => groupAt(ctx, key, groupName));
  const now = ctx.store.now();
  // A consumer comes into being only with its first claimed entry.
  const claimant = (): Consumer => consumerOf(ctx, key, group, consumerName);
  const rows: Reply[] = [];
  const gone: string[] = [];
  const effects: string[][] = [];
  let at = group.pending.indexFrom(start);
  for (let tries = count * TRIES_PER_CLAIM; tries > 0 && rows.length + gone.length < count; tries -= 1) {
    const item = group.pending.at(at);
    if (item === undefined) break;
    const entry = stream.get(item.id);
    if (entry === undefined) {
      effects.push(claimEffect(key, group, item));
      group.settle(item.id);
      gone.push(formatId(item.id));
      continue;
    }
    at += 1;
    if (minIdle > 0 && now - item.deliveredAt < minIdle) continue;
    group.move(item, claimant());
    item.deliveredAt = now;
    if (!justId) item.deliveries += 1;
    rows.push(justId ? formatId(item.id) : entryReply(entry));
    effects.push(claimEffect(key, group, item));
  }
  ctx.store.host.dirty += effects.length;
  ctx.propagate(...effects);
  return [formatId(group.pending.at(at)?.id ?? ZERO_ID), rows, gone];
}

export const streamClaimCommands: CommandGroup = {
  xclaim: claim,
  xautoclaim: autoClaim,
};
