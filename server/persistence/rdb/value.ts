// The values of the RDB format, both ways: a type byte and its body, as redis 7.0 writes them; older types are read.
// Knows bytes and portable values only, never keys or stores. Damaged bytes throw an Error, never hang or over-allocate.

import { formatDouble, isInt64Text, parseInt64, parseLooseDouble } from '../../keyspace/number.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { entryLength, listpackOverhead, readListpack, writeListpack } from './listpack.ts';
import type { PortableValue } from './portable.ts';
import { readStream, writeStream } from './stream.ts';
import { readBytes, readCount, readLength, readString, writeBytes, writeLength, writeString } from './string.ts';
import { readZiplist, readZipmap } from './ziplist.ts';

export const rdbTypes = {
  string: 0,
  list: 1,
  set: 2,
  zset: 3,
  hash: 4,
  zset2: 5,
  hashZipmap: 9,
  listZiplist: 10,
  setIntset: 11,
  zsetZiplist: 12,
  hashZiplist: 13,
  listQuicklist: 14,
  streamListpacks: 15,
  hashListpack: 16,
  zsetListpack: 17,
  listQuicklist2: 18,
  streamListpacks2: 19,
  setListpack: 20,
  streamListpacks3: 21,
} as const;

/** The forms of 5.0, 7.0 and 7.2, each with more than the one before. */
export const streamForms: Readonly<Record<number, 1 | 2 | 3>> = {
  [rdbTypes.streamListpacks]: 1,
  [rdbTypes.streamListpacks2]: 2,
  [rdbTypes.streamListpacks3]: 3,
};

/** A quicklist node holds at most this many bytes of listpack, unless one element alone is larger. */
const nodeBytes = 8192;
const plainContainer = 1;
const packedContainer = 2;

/** The type byte, then the body. */
export function writeValue(writer: ByteWriter, value: PortableValue): void {
  writeBody(writer.u8(typeByte(value)), value);
}

export function typeByte(value: PortableValue): number {
  switch (value.type) {
    case 'string':
      return rdbTypes.string;
    case 'list':
      return rdbTypes.listQuicklist2;
    case 'set':
      return value.packed ? rdbTypes.setIntset : rdbTypes.set;
    case 'hash':
      return value.packed ? rdbTypes.hashListpack : rdbTypes.hash;
    case 'zset':
      return value.packed ? rdbTypes.zsetListpack : rdbTypes.zset2;
    case 'stream':
      return rdbTypes.streamListpacks2;
  }
}

/** What follows the type byte; in a file the key stands between them. */
export function writeBody(writer: ByteWriter, value: PortableValue): void {
  switch (value.type) {
    case 'string':
      writeString(writer, value.text);
      break;
    case 'list':
      writeQuicklist(writer, value.items);
      break;
    case 'set':
      if (value.packed) writeBytes(writer, intsetBytes(value.members));
      else writeStrings(writer, value.members.length, value.members);
      break;
    case 'hash':
      if (value.packed) writeBytes(writer, writeListpack(value.fields.flat()));
      else writeStrings(writer, value.fields.length, value.fields.flat());
      break;
    case 'zset':
      if (value.packed) writePackedZset(writer, value.entries);
      else writeSkipList(writer, value.entries);
      break;
    case 'stream':
      writeStream(writer, value);
  }
}

function writeStrings(writer: ByteWriter, count: number, texts: readonly string[]): void {
  writeLength(writer, count);
  for (const text of texts) writeString(writer, text);
}

type Scores = readonly (readonly [member: string, score: number])[];

function writePackedZset(writer: ByteWriter, entries: Scores): void {
  writeBytes(writer, writeListpack(entries.flatMap(([member, score]) => [member, formatDouble(score)])));
}

/** `entries` come ascending by score and are written from the highest down, so that loading appends. */
function writeSkipList(writer: ByteWriter, entries: Scores): void {
  writeLength(writer, entries.length);
  for (const [member, score] of entries.toReversed()) {
    writeString(writer, member);
    writer.f64(score);
  }
}

function writeQuicklist(writer: ByteWriter, items: readonly string[]): void {
  const nodes: string[][] = [];
  let room = 0;
  for (const item of items) {
    const length = entryLength(item);
    if (length <= room) {
      nodes.at(-1)!.push(item);
      room -= length;
    } else {
      nodes.push([item]);
      room = nodeBytes - listpackOverhead - length;
    }
  }
  writeLength(writer, nodes.length);
  for (const node of nodes) {
    writeLength(writer, packedContainer);
    writeBytes(writer, writeListpack(node));
  }
}

function intsetBytes(members: readonly string[]): Buffer {
  const values = members.map((member) => BigInt(member)).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const low = values[0] ?? 0n;
  const high = values.at(-1) ?? 0n;
  const fits = (bits: number): boolean => BigInt.asIntN(bits, low) === low && BigInt.asIntN(bits, high) === high;
  const width = fits(16) ? 2 : fits(32) ? 4 : 8;
  const writer = new ByteWriter().le(width, 4).le(values.length, 4);
  for (const value of values) writer.le(value, width);
  return writer.bytes();
}

/** Reads one value, its type byte first. Throws an Error on anything that is not a whole, sound value. */
export function readValue(reader: ByteReader): PortableValue {
  const type = reader.u8();
  switch (type) {
    case rdbTypes.string:
      return { type: 'string', text: readString(reader) };
    case rdbTypes.list:
      return list(readStrings(reader, 1));
    case rdbTypes.listZiplist:
      return list(packed('List ziplist', reader, readZiplist));
    case rdbTypes.listQuicklist:
    case rdbTypes.listQuicklist2:
      return list(readQuicklist(reader, type === rdbTypes.listQuicklist2));
    case rdbTypes.set:
      return set(readStrings(reader, 1), false);
    case rdbTypes.setListpack:
      return set(packed('Set listpack', reader, readListpack), false);
    case rdbTypes.setIntset:
      return set(packed('Intset', reader, readIntset), true);
    case rdbTypes.hash:
      return hash(readStrings(reader, 2), false);
    case rdbTypes.hashZipmap:
      return hash(packed('Zipmap', reader, readZipmap), true);
    case rdbTypes.hashZiplist:
      return hash(packed('Hash ziplist', reader, pairsOf(readZiplist)), true);
    case rdbTypes.hashListpack:
      return hash(packed('Hash listpack', reader, pairsOf(readListpack)), true);
    case rdbTypes.zset:
    case rdbTypes.zset2:
      return zset(readScores(reader, type === rdbTypes.zset2), false);
    case rdbTypes.zsetZiplist:
      return zset(pairScores(packed('Zset ziplist', reader, pairsOf(readZiplist))), true);
    case rdbTypes.zsetListpack:
      return zset(pairScores(packed('Zset listpack', reader, pairsOf(readListpack))), true);
    case rdbTypes.streamListpacks:
    case rdbTypes.streamListpacks2:
    case rdbTypes.streamListpacks3:
      return readStream(reader, streamForms[type]!);
    default:
      throw new Error(`unknown value type ${type}`);
  }
}

/** The elements of a block of bytes. Damage is reported as redis-server does, with what was found behind it. */
function packed(what: string, reader: ByteReader, read: (bytes: Buffer) => string[]): string[] {
  const bytes = readBytes(reader);
  try {
    return read(bytes);
  } catch (error) {
    throw new Error(`${what} integrity check failed. (${(error as Error).message})`);
  }
}

/** A block of fields and values, or members and scores. */
function pairsOf(read: (bytes: Buffer) => string[]): (bytes: Buffer) => string[] {
  return (bytes) => {
    const flat = read(bytes);
    if (new Set(pairs(flat).map(([name]) => name)).size * 2 !== flat.length) throw new Error('an element twice');
    return flat;
  };
}

/** An element too large for a block: never an empty one. */
function plainItem(reader: ByteReader): string {
  const item = readString(reader);
  if (item === '') throw new Error('an empty element that is called too large for a block');
  return item;
}

function list(items: string[]): PortableValue {
  if (items.length === 0) throw new EmptyValueError('empty list');
  return { type: 'list', items };
}

function set(members: string[], packed: boolean): PortableValue {
  refuseTwice(members, 'set');
  return { type: 'set', members, packed };
}

function hash(flat: string[], packed: boolean): PortableValue {
  const fields = pairs(flat);
  refuseTwice(
    fields.map(([name]) => name),
    'hash',
  );
  return { type: 'hash', fields, packed };
}

function zset(entries: [string, number][], packed: boolean): PortableValue {
  refuseTwice(
    entries.map(([member]) => member),
    'sorted set',
  );
  for (const [, score] of entries) if (Number.isNaN(score)) throw new Error('a score that is no number');
  entries.sort(([a, x], [b, y]) => (x < y ? -1 : x > y ? 1 : a < b ? -1 : a > b ? 1 : 0));
  return { type: 'zset', entries, packed };
}

/** A value without elements, which no server keeps: a file may be loaded without it. */
export class EmptyValueError extends Error {}

function refuseTwice(names: readonly string[], what: string): void {
  if (names.length === 0) throw new EmptyValueError(`empty ${what}`);
  if (new Set(names).size !== names.length) throw new Error(`${what} with an element twice`);
}

function readStrings(reader: ByteReader, perElement: number): string[] {
  const count = readCount(reader, perElement) * perElement;
  const texts: string[] = [];
  for (let at = 0; at < count; at++) texts.push(readString(reader));
  return texts;
}

function readQuicklist(reader: ByteReader, withContainer: boolean): string[] {
  const items: string[] = [];
  for (let node = readCount(reader); node > 0; node--) {
    const container = withContainer ? readLength(reader) : packedContainer;
    if (container === plainContainer) items.push(plainItem(reader));
    else if (container !== packedContainer) throw new Error(`unknown list container ${container}`);
    else
      for (const item of withContainer
        ? packed('Listpack', reader, readListpack)
        : packed('Ziplist', reader, readZiplist))
        items.push(item);
  }
  return items;
}

function readIntset(bytes: Buffer): string[] {
  const reader = new ByteReader(bytes);
  const width = reader.u32();
  const count = reader.u32();
  if (width !== 2 && width !== 4 && width !== 8) throw new Error(`intset of width ${width}`);
  if (reader.left !== count * width) throw new Error('intset: its count is not that of its bytes');
  const members: string[] = [];
  let previous: number | bigint | undefined;
  for (let at = 0; at < count; at++) {
    const value = width === 8 ? reader.i64() : reader.int(width);
    if (previous !== undefined && value <= previous) throw new Error('intset out of order');
    members.push(String(value));
    previous = value;
  }
  return members;
}

function readScores(reader: ByteReader, binary: boolean): [string, number][] {
  const entries: [string, number][] = [];
  for (let left = readCount(reader, 2); left > 0; left--) {
    const member = readString(reader);
    entries.push([member, binary ? reader.f64() : readScoreText(reader)]);
  }
  return entries;
}

/** The old text scores: 255, 254 and 253 stand for -inf, +inf and nan, any other byte is the length of the text. */
function readScoreText(reader: ByteReader): number {
  const length = reader.u8();
  if (length === 255) return Number.NEGATIVE_INFINITY;
  if (length === 254) return Number.POSITIVE_INFINITY;
  return length === 253 ? Number.NaN : scoreOf(reader.text(length));
}

function pairs(flat: readonly string[]): [string, string][] {
  if (flat.length % 2 !== 0) throw new Error('a field without a value');
  const out: [string, string][] = [];
  for (let at = 0; at < flat.length; at += 2) out.push([flat[at]!, flat[at + 1]!]);
  return out;
}

function pairScores(flat: readonly string[]): [string, number][] {
  return pairs(flat).map(([member, score]) => [member, scoreOf(score)]);
}

function scoreOf(text: string): number {
  const value = isInt64Text(text) ? Number(parseInt64(text)) : parseLooseDouble(text);
  if (value === undefined) throw new Error(`'${text}' is no score`);
  return value;
}
