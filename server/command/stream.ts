// Commands on the entries of a stream. Reading with waiting is in stream-read.ts, groups in stream-group.ts and
// stream-claim.ts, XINFO in stream-info.ts.

import { NullArray, OK, type Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { arityError, fail, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { type StreamEntry, StreamValue, type Trim } from '../keyspace/types/stream.ts';
import {
  formatId,
  MAX_ID,
  makeId,
  msOf,
  readEnd,
  readId,
  readLooseId,
  readStart,
  type StreamId,
  seqOf,
  ZERO_ID,
} from '../keyspace/types/stream-id.ts';

const SEQ_MAX = 2n ** 64n - 1n;

export function streamAt(ctx: Context, key: string): StreamValue | undefined {
  return ctx.store.getTyped<StreamValue>(key, 'stream');
}

export function entryReply(entry: StreamEntry): Reply {
  return [formatId(entry.id), entry.fields];
}

interface AddOptions {
  trim: Trim | undefined;
  noMake: boolean;
  /** Index of the first word after the options: the ID of XADD. */
  rest: number;
}

/** Reads `MAXLEN|MINID [=|~] threshold` at `argv[at]`. */
function readThreshold(argv: readonly string[], at: number): { trim: Trim; rest: number } {
  const byLength = sameWord(argv[at], 'maxlen');
  const mark = at + 2 < argv.length ? argv[at + 1] : undefined;
  const rest = mark === '~' || mark === '=' ? at + 2 : at + 1;
  const base = { approximate: mark === '~', limit: 0 };
  const threshold = argv[rest]!;
  if (!byLength) return { trim: { ...base, by: 'id', length: 0, id: readLooseId(threshold) }, rest };
  const length = readLong(threshold);
  if (length < 0) fail('The MAXLEN argument must be >= 0.');
  return { trim: { ...base, by: 'length', length, id: ZERO_ID }, rest };
}

function readAddOptions(ctx: Context, argv: readonly string[], isAdd: boolean): AddOptions {
  const options: AddOptions = { trim: undefined, noMake: false, rest: 2 };
  let limit: number | undefined;
  for (; options.rest < argv.length; options.rest += 1) {
    const at = options.rest;
    const word = argv[at];
    const more = at + 1 < argv.length;
    if (isAdd && word === '*') break;
    if (more && (sameWord(word, 'maxlen') || sameWord(word, 'minid'))) {
      if (options.trim) fail('syntax error, MAXLEN and MINID options at the same time are not compatible');
      const read = readThreshold(argv, at);
      options.trim = read.trim;
      options.rest = read.rest;
    } else if (more && sameWord(word, 'limit')) {
      limit = readLong(argv[at + 1]!);
      if (limit < 0) fail('The LIMIT argument must be >= 0.');
      options.rest += 1;
    } else if (isAdd && sameWord(word, 'nomkstream')) {
      options.noMake = true;
    } else if (isAdd) {
      readNewId(word!);
      break;
    } else {
      syntaxError();
    }
  }
  settleLimit(options, limit, isAdd, ctx.store.host.limits.streamNodeEntries);
  return options;
}

/** Without a LIMIT, approximate trimming drops no more than so many nodes at once. */
const mostNodes = 100;

/** Entries in so many nodes; nodes without a limit, or with a huge one, stop nothing. */
function usualLimit(nodeEntries: number): number {
  return nodeEntries <= 0 ? 10_000 : Math.min(mostNodes * nodeEntries, 1_000_000);
}

function settleLimit(options: AddOptions, limit: number | undefined, isAdd: boolean, nodeEntries: number): void {
  const { trim } = options;
  if (trim === undefined) {
    if (limit) fail('syntax error, LIMIT cannot be used without specifying a trimming strategy');
    if (!isAdd) fail('syntax error, XTRIM must be called with a trimming strategy');
    return;
  }
  if (!trim.approximate && limit) fail('syntax error, LIMIT cannot be used without the special ~ option');
  if (trim.approximate) options.trim = { ...trim, limit: limit ?? usualLimit(nodeEntries) };
}

interface NewId {
  readonly id: StreamId;
  /** `ms-*`: the sequence is to be chosen. */
  readonly openSeq: boolean;
}

function readNewId(text: string): NewId {
  if (text.endsWith('-*') && text.length > 2) return { id: readId(`${text.slice(0, -2)}-0`), openSeq: true };
  return { id: readId(text), openSeq: false };
}

function chooseId(stream: StreamValue, wanted: NewId | undefined, now: number): StreamId {
  if (wanted === undefined) return stream.nextId(now)!;
  let id = wanted.id;
  if (wanted.openSeq && msOf(id) === msOf(stream.lastId)) {
    const seq = seqOf(stream.lastId);
    id = seq === SEQ_MAX ? ZERO_ID : makeId(msOf(id), seq + 1n);
  }
  if (id <= stream.lastId) {
    fail('The ID specified in XADD is equal or smaller than the target stream top item');
  }
  return id;
}

function add(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const { trim, noMake, rest } = readAddOptions(ctx, argv, true);
  const fields = argv.slice(rest + 1);
  if (fields.length < 2 || fields.length % 2 === 1) arityError(argv[0]!);
  const wanted = argv[rest] === '*' ? undefined : readNewId(argv[rest]!);
  if (wanted !== undefined && !wanted.openSeq && wanted.id === ZERO_ID) {
    fail('The ID specified in XADD must be greater than 0-0');
  }
  const found = streamAt(ctx, key);
  if (found === undefined && noMake) return null;
  const stream = found ?? new StreamValue(ctx.store.host.limits);
  if (stream.lastId === MAX_ID) {
    fail('The stream has exhausted the last possible ID, unable to add more items');
  }
  const id = chooseId(stream, wanted, ctx.store.now());
  if (found === undefined) ctx.store.put(key, stream);
  stream.append(id, fields);
  ctx.store.changed(key, 't', 'xadd');
  if (trim !== undefined && stream.trim(trim) > 0) ctx.store.event(key, 't', 'xtrim');
  ctx.propagate([...exactTrim(argv.slice(0, rest), stream, trim), formatId(id), ...fields]);
  return formatId(id);
}

/** The words before an ID, with an approximate trim made exact: replicas cut where this server did. */
function exactTrim(words: readonly string[], stream: StreamValue, trim: Trim | undefined): string[] {
  if (trim?.approximate !== true) return [...words];
  const threshold = trim.by === 'length' ? String(stream.size) : formatId(stream.firstId);
  const about = words.indexOf('~');
  const limit = words.findIndex((word, at) => at > about + 1 && sameWord(word, 'limit'));
  const kept = limit < 0 ? words : [...words.slice(0, limit), ...words.slice(limit + 2)];
  return [...kept.slice(0, about), '=', threshold, ...kept.slice(about + 2)];
}

function trimStream(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const { trim } = readAddOptions(ctx, argv, false);
  const stream = streamAt(ctx, key);
  if (stream === undefined) return 0;
  const dropped = stream.trim(trim!);
  if (dropped > 0) {
    ctx.store.changed(key, 't', 'xtrim', dropped);
    ctx.propagate(exactTrim(argv, stream, trim));
  }
  return dropped;
}

function range(ctx: Context, argv: readonly string[], reverse: boolean): Reply {
  const start = readStart(argv[reverse ? 3 : 2]!);
  const end = readEnd(argv[reverse ? 2 : 3]!);
  let count: number | undefined;
  for (let at = 4; at < argv.length; at += 2) {
    if (!sameWord(argv[at], 'count') || argv[at + 1] === undefined) syntaxError();
    count = Math.max(0, readLong(argv[at + 1]!));
  }
  const stream = streamAt(ctx, argv[1]!);
  if (stream === undefined) return [];
  return count === 0 ? NullArray.value : stream.slice(start, end, count ?? 0, reverse).map(entryReply);
}

function remove(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const stream = streamAt(ctx, key);
  if (stream === undefined) return 0;
  const ids = argv.slice(2).map((text) => readId(text));
  const deleted = ids.filter((id) => stream.delete(id)).length;
  if (deleted > 0) ctx.store.changed(key, 't', 'xdel', deleted);
  return deleted;
}

function setId(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const id = readId(argv[2]!);
  let added: number | undefined;
  let maxDeleted = ZERO_ID;
  for (let at = 3; at < argv.length; at += 2) {
    const value = argv[at + 1];
    if (value !== undefined && sameWord(argv[at], 'entriesadded')) {
      added = readLong(value);
      if (added < 0) fail('entries_added must be positive');
    } else if (value !== undefined && sameWord(argv[at], 'maxdeletedid')) {
      maxDeleted = readId(value);
      if (id < maxDeleted) fail('The ID specified in XSETID is smaller than the provided max_deleted_entry_id');
    } else {
      syntaxError();
    }
  }
  const stream = streamAt(ctx, key) ?? fail('no such key');
  if (stream.last !== undefined) {
    if (id < stream.last.id) fail('The ID specified in XSETID is smaller than the target stream top item');
    if (added !== undefined && stream.size > added) {
      fail('The entries_added specified in XSETID is smaller than the target stream length');
    }
  }
  stream.lastId = id;
  if (added !== undefined) stream.entriesAdded = added;
  if (maxDeleted !== ZERO_ID) stream.maxDeletedId = maxDeleted;
  ctx.store.altered(key, 't', 'xsetid');
  return OK;
}

export const streamCommands: CommandGroup = {
  xadd: add,
  xtrim: trimStream,
  xlen: (ctx, argv) => streamAt(ctx, argv[1]!)?.size ?? 0,
  xrange: (ctx, argv) => range(ctx, argv, false),
  xrevrange: (ctx, argv) => range(ctx, argv, true),
  xdel: remove,
  xsetid: setId,
};
