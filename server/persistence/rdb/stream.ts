// The stream value of the RDB format, both ways.
// Entries lie in nodes of at most 100: a node has a master id and master field names, an entry stores only what
// differs. After the nodes come the counters, then groups with their pending entries and consumers.

import { ByteReader, type ByteWriter } from './bytes.ts';
import { readListpack, writeListpack } from './listpack.ts';
import type { PortableGroup, PortableId, PortableStream } from './portable.ts';
import { readBigLength, readBytes, readCount, readString, writeBytes, writeLength, writeString } from './string.ts';

type StreamEntry = PortableStream['entries'][number];

const nodeEntries = 100;
const nodeBytes = 4096;
const flagDeleted = 1;
const flagSameFields = 2;
const noId: PortableId = [0n, 0n];

export function writeStream(writer: ByteWriter, stream: PortableStream): void {
  const nodes = splitNodes(stream.entries);
  writeLength(writer, nodes.length);
  for (const node of nodes) {
    writer.u8(16);
    writeRawId(writer, node[0]!.id);
    writeBytes(writer, writeListpack(nodeItems(node)));
  }
  writeLength(writer, stream.entries.length);
  writeId(writer, stream.lastId);
  writeId(writer, stream.entries[0]?.id ?? noId);
  writeId(writer, stream.maxDeletedId);
  writeLength(writer, stream.entriesAdded);
  writeLength(writer, stream.groups.length);
  for (const group of stream.groups) writeGroup(writer, group);
}

function splitNodes(entries: readonly StreamEntry[]): StreamEntry[][] {
  const nodes: StreamEntry[][] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = entry.fields.reduce((sum, field) => sum + field.length + 2, 8);
    const node = nodes.at(-1);
    if (node === undefined || node.length >= nodeEntries || bytes + size > nodeBytes) {
      nodes.push([entry]);
      bytes = size;
    } else {
      node.push(entry);
      bytes += size;
    }
  }
  return nodes;
}

function nodeItems(node: readonly StreamEntry[]): string[] {
  const master = node[0]!;
  const names = namesOf(master);
  const items = [String(node.length), '0', String(names.length), ...names, '0'];
  for (const { id, fields } of node) {
    const own = namesOf({ id, fields });
    const same = own.length === names.length && own.every((name, at) => name === names[at]);
    const start = items.length;
    items.push(
      String(same ? flagSameFields : 0),
      String(id[0] - master.id[0]),
      String(BigInt.asIntN(64, id[1] - master.id[1])),
    );
    if (same) for (let at = 1; at < fields.length; at += 2) items.push(fields[at]!);
    else items.push(String(own.length), ...fields);
    items.push(String(items.length - start));
  }
  return items;
}

function namesOf(entry: StreamEntry): string[] {
  return entry.fields.filter((_, at) => at % 2 === 0);
}

function writeGroup(writer: ByteWriter, group: PortableGroup): void {
  writeString(writer, group.name);
  writeId(writer, group.lastId);
  writeLength(writer, BigInt.asUintN(64, group.entriesRead));
  writeLength(writer, group.pending.length);
  for (const entry of group.pending) {
    writeRawId(writer, entry.id);
    writer.le(Math.floor(entry.deliveredAt), 8);
    writeLength(writer, entry.deliveries);
  }
  writeLength(writer, group.consumers.length);
  for (const consumer of group.consumers) {
    writeString(writer, consumer.name);
    writer.le(Math.floor(consumer.seenAt), 8);
    const own = group.pending.filter((entry) => entry.consumer === consumer.name);
    writeLength(writer, own.length);
    for (const entry of own) writeRawId(writer, entry.id);
  }
}

function writeRawId(writer: ByteWriter, [ms, seq]: PortableId): void {
  writer.be(ms, 8).be(seq, 8);
}

function writeId(writer: ByteWriter, [ms, seq]: PortableId): void {
  writeLength(writer, ms);
  writeLength(writer, seq);
}

/**
 * `form` 1 is that of 5.0; 2, of 7.0, adds first id, deleted id, entries added and entries read; 3, of 7.2, the time of
 * each consumer's last success, which is not kept.
 */
export function readStream(reader: ByteReader, form: 1 | 2 | 3): PortableStream {
  const counted = form > 1;
  const entries: StreamEntry[] = [];
  for (let node = readCount(reader, 2); node > 0; node--) {
    const key = new ByteReader(readBytes(reader));
    if (key.left !== 16) throw new Error('stream: a node key that is no id');
    readNode(readRawId(key), soundItems(readBytes(reader)), entries);
  }
  const length = readBigLength(reader);
  if (length !== BigInt(entries.length)) throw new Error(`stream: ${entries.length} entries, not ${length}`);
  const lastId = readId(reader);
  if (counted) readId(reader);
  const maxDeletedId = counted ? readId(reader) : noId;
  const entriesAdded = counted ? readBigLength(reader) : length;
  checkOrder(
    entries.map((entry) => entry.id),
    lastId,
  );
  const groups: PortableGroup[] = [];
  for (let left = readCount(reader, 4); left > 0; left--) groups.push(readGroup(reader, form));
  if (new Set(groups.map((group) => group.name)).size !== groups.length) throw new Error('stream: a group twice');
  return { type: 'stream', entries, lastId, maxDeletedId, entriesAdded, groups };
}

function soundItems(bytes: Buffer): string[] {
  try {
    return readListpack(bytes);
  } catch (error) {
    throw new Error(`Stream listpack integrity check failed. (${(error as Error).message})`);
  }
}

function checkOrder(ids: readonly PortableId[], lastId: PortableId): void {
  const all = ids.length === 0 ? [] : [...ids.slice(1), lastId];
  for (const [at, id] of all.entries()) {
    const order = compareIds(ids[at]!, id);
    if (order > 0 || (order === 0 && at < ids.length - 1)) throw new Error('stream: ids out of order');
  }
}

function compareIds(a: PortableId, b: PortableId): number {
  const [x, y] = a[0] === b[0] ? [a[1], b[1]] : [a[0], b[0]];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Walks the items of one node; every read is checked, because the counts inside come from outside. */
function readNode(master: PortableId, items: readonly string[], out: StreamEntry[]): void {
  let at = 0;
  const next = (): string => {
    const item = items[at++];
    if (item === undefined) throw new Error('stream: a node ends too early');
    return item;
  };
  const integer = (): bigint => {
    const item = next();
    if (!/^-?\d+$/.test(item)) throw new Error(`stream: '${item}' where a number belongs`);
    return BigInt(item);
  };
  const count = (): number => {
    const value = integer();
    if (value < 0n || value > BigInt(items.length)) throw new Error(`stream: ${value} items in a node`);
    return Number(value);
  };
  const entries = count() + count();
  const names: string[] = [];
  for (let left = count(); left > 0; left--) names.push(next());
  integer();
  for (let left = entries; left > 0; left--) {
    const start = at;
    const flags = count();
    const id: PortableId = [BigInt.asUintN(64, master[0] + integer()), BigInt.asUintN(64, master[1] + integer())];
    const fields: string[] = [];
    if ((flags & flagSameFields) !== 0) for (const name of names) fields.push(name, next());
    else for (let own = count() * 2; own > 0; own--) fields.push(next());
    const items = at - start;
    if (count() !== items) throw new Error('stream: an entry and its backward count disagree');
    if ((flags & flagDeleted) === 0) out.push({ id, fields });
  }
  if (at !== items.length) throw new Error('stream: items after the last entry of a node');
}

function readGroup(reader: ByteReader, form: 1 | 2 | 3): PortableGroup {
  const name = readString(reader);
  const lastId = readId(reader);
  const entriesRead = form > 1 ? BigInt.asIntN(64, readBigLength(reader)) : -1n;
  const waiting = new Map<string, { id: PortableId; deliveredAt: number; deliveries: number; consumer: string }>();
  for (let left = readCount(reader, 25); left > 0; left--) {
    const id = readRawId(reader);
    const deliveredAt = Number(reader.i64());
    waiting.set(id.join('-'), { id, deliveredAt, deliveries: Number(readBigLength(reader)), consumer: '' });
  }
  const consumers: PortableGroup['consumers'][number][] = [];
  const owned = new Set<string>();
  for (let left = readCount(reader, 10); left > 0; left--) {
    const consumer = { name: readString(reader), seenAt: Number(reader.i64()) };
    if (form > 2) reader.i64();
    consumers.push(consumer);
    for (let own = readCount(reader, 16); own > 0; own--) {
      const key = readRawId(reader).join('-');
      const entry = waiting.get(key);
      if (entry === undefined || owned.has(key))
        throw new Error(`stream: ${key} pends for a consumer but not its group`);
      owned.add(key);
      entry.consumer = consumer.name;
    }
  }
  if (new Set(consumers.map((consumer) => consumer.name)).size !== consumers.length) {
    throw new Error('Duplicate stream consumer detected');
  }
  if (owned.size !== waiting.size) throw new Error('stream: a pending entry without a consumer');
  return { name, lastId, entriesRead, pending: [...waiting.values()], consumers };
}

function readRawId(reader: ByteReader): PortableId {
  return [reader.u64be(), reader.u64be()];
}

function readId(reader: ByteReader): PortableId {
  return [readBigLength(reader), readBigLength(reader)];
}
