// Lengths and strings of the RDB format, both ways; everything larger is made of these two.
// Source: the format as read off redis-server 7.0.15 dumps.

import { isInt64Text } from '../../keyspace/number.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
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
  const packed = text.length > lzfThreshold ? packLzf(Buffer.from(text, 'latin1'), lzfSaving) : undefined;
  if (packed !== undefined) {
    writeLength(writer.u8(0xc3), packed.length);
    writeLength(writer, text.length);
    writer.raw(packed);
    return;
  }
  writeLength(writer, text.length);
  writer.text(text);
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
