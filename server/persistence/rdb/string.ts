// Lengths and strings of the RDB format, both ways; everything larger is made of these two.
// Source: the format as read off redis-server 7.0.15 dumps.

import { isInt64Text } from '../../keyspace/number.ts';
import { type ByteReader, ByteWriter } from './bytes.ts';
import { packLzf, unpackLzf } from './lzf.ts';

/** No single string is larger than this on any server of the family. */
const maxStringLength: number = 512 * 1024 * 1024;

const lzfThreshold = 20;
const lzfSaving = 4;

export function writeLength(writer: ByteWriter, length: number | bigint): void {
  if (length < 64) writer.u8(Number(length));
  else if (length < 16384) writer.u8(0x40 | (Number(length) >> 8)).u8(Number(length));
  else if (length <= 0xffff_ffff) writer.u8(0x80).be(length, 4);
  else writer.u8(0x81).be(length, 8);
}

/** A length as a plain number. Throws on a string's special form and on what no memory could hold. */
export function readLength(reader: ByteReader): number {
  const length = readBigLength(reader);
  if (length > Number.MAX_SAFE_INTEGER) throw new Error(`length ${length} is too large`);
  return Number(length);
}

/** A length that may use all 64 bits (streams count so). */
export function readBigLength(reader: ByteReader): bigint {
  const first = reader.u8();
  if (first < 0x40) return BigInt(first);
  if (first < 0x80) return BigInt(((first & 0x3f) << 8) | reader.u8());
  if (first === 0x80) return BigInt(reader.u32be());
  if (first === 0x81) return reader.u64be();
  throw new Error(`0x${first.toString(16)} is no length`);
}

/** How many elements follow; each takes at least `least` bytes, so a larger claim is refused before memory is taken. */
export function readCount(reader: ByteReader, least = 1): number {
  const count = readLength(reader);
  if (count * least > reader.left) throw new Error(`${count} elements cannot be in ${reader.left} bytes`);
  return count;
}

export function writeString(writer: ByteWriter, text: string): void {
  if (writeAsInteger(writer, text)) return;
  if (text.length > lzfThreshold) {
    if (writer.packing === 'now' && writePacked(writer, Buffer.from(text, 'latin1'))) return;
    if (writer.packing === 'later') writer.strings.push(writer.length, text.length);
  }
  writeLength(writer, text.length);
  writer.text(text);
}

/** False: it would not be shorter, and nothing was written. */
function writePacked(writer: ByteWriter, bytes: Buffer): boolean {
  const packed = packLzf(bytes, lzfSaving);
  if (packed === undefined) return false;
  writeLength(writer.u8(0xc3), packed.length);
  writeLength(writer, bytes.length);
  writer.raw(packed);
  return true;
}

/** What a writer that packs `later` has written, with its strings packed. Throws a RangeError for places outside. */
export function packStrings(bytes: Buffer, strings: readonly number[]): Buffer {
  if (strings.length === 0) return bytes;
  const writer = new ByteWriter('now', bytes.length);
  let done = 0;
  for (let at = 0; at < strings.length; at += 2) {
    const start = strings[at]!;
    const length = strings[at + 1]!;
    const end = start + prefixLength(length) + length;
    if (start < done || end > bytes.length) throw new RangeError(`no string of ${length} bytes is at ${start}`);
    writer.raw(bytes.subarray(done, start));
    if (!writePacked(writer, bytes.subarray(end - length, end))) writer.raw(bytes.subarray(start, end));
    done = end;
  }
  return writer.raw(bytes.subarray(done)).bytes();
}

/** Bytes that writeLength takes for it. */
function prefixLength(length: number): number {
  if (length < 64) return 1;
  if (length < 16384) return 2;
  return length <= 0xffff_ffff ? 5 : 9;
}

function writeAsInteger(writer: ByteWriter, text: string): boolean {
  if (text.length > 11 || !isInt64Text(text)) return false;
  const value = Number(text);
  if (value >= -0x80 && value <= 0x7f) writer.u8(0xc0).le(value, 1);
  else if (value >= -0x8000 && value <= 0x7fff) writer.u8(0xc1).le(value, 2);
  else if (value >= -0x8000_0000 && value <= 0x7fff_ffff) writer.u8(0xc2).le(value, 4);
  else return false;
  return true;
}

export function writeBytes(writer: ByteWriter, bytes: Buffer): void {
  writeString(writer, bytes.toString('latin1'));
}

export function readString(reader: ByteReader): string {
  const first = reader.bytes[reader.at] ?? 0;
  if (first < 0xc0) return reader.text(readLength(reader));
  return readSpecial(reader).toString('latin1');
}

export function readBytes(reader: ByteReader): Buffer {
  const first = reader.bytes[reader.at] ?? 0;
  return first < 0xc0 ? reader.raw(readLength(reader)) : readSpecial(reader);
}

function readSpecial(reader: ByteReader): Buffer {
  const form = reader.u8();
  if (form === 0xc3) {
    const packed = readLength(reader);
    const length = readLength(reader);
    if (length > maxStringLength) throw new Error(`string of ${length} bytes`);
    return unpackLzf(reader.raw(packed), length);
  }
  const width = { 192: 1, 193: 2, 194: 4 }[form];
  if (width === undefined) throw new Error(`unknown string form 0x${form.toString(16)}`);
  return Buffer.from(String(reader.int(width)));
}
