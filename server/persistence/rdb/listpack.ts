// Listpack: a run of small strings and integers in one block of bytes, both ways. Integers become their text.
// u32 total bytes, u16 count (65535: unknown), entries, 0xff. An entry is encoding, data and its own length again
// (7 bits a byte), so that real servers can walk backwards.

import { isInt64Text } from '../../keyspace/number.ts';
import { ByteReader, ByteWriter } from './bytes.ts';

const headerLength = 6;
const end = 0xff;

export function readListpack(bytes: Buffer): string[] {
  const reader = new ByteReader(bytes);
  if (reader.u32() !== bytes.length) throw new Error('listpack: its length is not that of its bytes');
  const count = reader.u16();
  const items: string[] = [];
  for (;;) {
    if (reader.left === 1 && reader.bytes[reader.at] === end) break;
    const start = reader.at;
    items.push(readEntry(reader));
    checkBackLength(reader, reader.at - start);
  }
  if (count !== 0xffff && count !== items.length) throw new Error(`listpack: ${items.length} entries, not ${count}`);
  return items;
}

export function writeListpack(items: readonly string[]): Buffer {
  const writer = new ByteWriter();
  writer.le(0, 4).le(Math.min(items.length, 0xffff), 2);
  for (const item of items) writeEntry(writer, item);
  const bytes = writer.u8(end).bytes();
  bytes.writeUInt32LE(bytes.length, 0);
  return bytes;
}

/** Bytes that an empty listpack plus these items take; what the node limits of lists count. */
export function entryLength(item: string): number {
  const writer = new ByteWriter();
  writeEntry(writer, item);
  return writer.length;
}

export const listpackOverhead: number = headerLength + 1;

function readEntry(reader: ByteReader): string {
  const first = reader.u8();
  if (first < 0x80) return String(first);
  if (first < 0xc0) return reader.text(first & 0x3f);
  if (first < 0xe0) {
    const value = ((first & 0x1f) << 8) | reader.u8();
    return String(value < 4096 ? value : value - 8192);
  }
  if (first < 0xf0) return reader.text(((first & 0x0f) << 8) | reader.u8());
  switch (first) {
    case 0xf0:
      return reader.text(reader.u32());
    case 0xf1:
      return String(reader.int(2));
    case 0xf2:
      return String(reader.int(3));
    case 0xf3:
      return String(reader.int(4));
    case 0xf4:
      return String(reader.i64());
    default:
      throw new Error(`listpack: unknown encoding 0x${first.toString(16)}`);
  }
}

function checkBackLength(reader: ByteReader, length: number): void {
  for (const byte of backLength(length)) {
    if (reader.u8() !== byte) throw new Error('listpack: an entry and its backward length disagree');
  }
}

function backLength(length: number): number[] {
  const bytes = [length & 0x7f];
  for (let rest = length >>> 7; rest > 0; rest >>>= 7) bytes.unshift(rest & 0x7f);
  for (let at = 1; at < bytes.length; at++) bytes[at] = bytes[at]! | 0x80;
  return bytes;
}

function writeEntry(writer: ByteWriter, item: string): void {
  const start = writer.length;
  if (isInt64Text(item)) writeInteger(writer, item.length < 16 ? Number(item) : BigInt(item));
  else writeText(writer, item);
  for (const byte of backLength(writer.length - start)) writer.u8(byte);
}

function writeInteger(writer: ByteWriter, value: number | bigint): void {
  if (value >= 0 && value <= 127) writer.u8(Number(value));
  else if (value >= -4096 && value <= 4095) {
    const bits = Number(value) & 0x1fff;
    writer.u8(0xc0 | (bits >> 8)).u8(bits);
  } else if (value >= -0x8000 && value <= 0x7fff) writer.u8(0xf1).le(value, 2);
  else if (value >= -0x80_0000 && value <= 0x7f_ffff) writer.u8(0xf2).le(value, 3);
  else if (value >= -0x8000_0000 && value <= 0x7fff_ffff) writer.u8(0xf3).le(value, 4);
  else writer.u8(0xf4).le(value, 8);
}

function writeText(writer: ByteWriter, text: string): void {
  if (text.length < 64) writer.u8(0x80 | text.length);
  else if (text.length < 4096) writer.u8(0xe0 | (text.length >> 8)).u8(text.length);
  else writer.u8(0xf0).le(text.length, 4);
  writer.text(text);
}
