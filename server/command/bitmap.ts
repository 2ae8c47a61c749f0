// Bits of strings: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP. BITFIELD is in bitmap-field.ts.
// Bit 0 is the highest bit of the first byte.

import type { Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { parseLong } from '../keyspace/number.ts';

/** Bytes: the server's limit for one string, a little lowered to what a JavaScript string can hold. */
const MAX_BYTES = 512 * 1024 * 1024;
const MAX_STRING = 2 ** 29 - 25;

export function readBitOffset(text: string, width = 0): number {
  const hashed = width > 0 && text.startsWith('#');
  const value = parseLong(hashed ? text.slice(1) : text);
  const offset = value === undefined ? -1 : value * (hashed ? width : 1);
  if (offset < 0 || offset / 8 >= MAX_BYTES) fail('bit offset is not an integer or out of range');
  return offset;
}

/** `text` lengthened with zero bytes to `bytes`. */
export function padBytes(text: string, bytes: number): string {
  if (bytes > MAX_STRING) fail('string exceeds maximum allowed size (proto-max-bulk-len)');
  return text.length >= bytes ? text : text + '\0'.repeat(bytes - text.length);
}

function setBit(ctx: Context, argv: readonly string[]): Reply {
  const [, key, offsetText, bitText] = argv as [string, string, string, string];
  const offset = readBitOffset(offsetText);
  if (bitText !== '0' && bitText !== '1') fail('bit is not an integer or out of range');
  const at = Math.floor(offset / 8);
  const before = ctx.store.getString(key);
  const text = padBytes(before ?? '', at + 1);
  const mask = 0x80 >> (offset % 8);
  const byte = text.charCodeAt(at);
  const changed = bitText === '1' ? byte | mask : byte & ~mask;
  const was = (byte & mask) === 0 ? 0 : 1;
  // What stays as it was is no change, but a string whose bits were asked for is raw from then on.
  const same = before?.length === text.length && changed === byte;
  const after = same ? text : text.slice(0, at) + String.fromCharCode(changed) + text.slice(at + 1);
  ctx.store.put(key, after).form = 'raw';
  if (!same) ctx.store.changed(key, '$', 'setbit');
  return was;
}

function getBit(ctx: Context, argv: readonly string[]): Reply {
  const offset = readBitOffset(argv[2]!);
  const text = ctx.store.getString(argv[1]!) ?? '';
  const at = Math.floor(offset / 8);
  return at < text.length ? (text.charCodeAt(at) >> (7 - (offset % 8))) & 1 : 0;
}

interface BitRange {
  /** Bit indexes, both included. */
  readonly start: number;
  readonly end: number;
}

/** `start end [BYTE|BIT]` over `length` bytes, as bits; undefined when nothing is between them. */
function bitRange(startText: string, endText: string | undefined, unit: string | undefined, length: number) {
  const start = readLong(startText);
  const byBit = sameWord(unit, 'bit');
  if (unit !== undefined && !byBit && !sameWord(unit, 'byte')) syntaxError();
  const total = byBit ? length * 8 : length;
  const end = endText === undefined ? total - 1 : readLong(endText);
  const first = start < 0 ? Math.max(0, start + total) : start;
  const last = Math.min(end < 0 ? Math.max(0, end + total) : end, total - 1);
  if (first > last) return undefined;
  const range: BitRange = byBit ? { start: first, end: last } : { start: first * 8, end: last * 8 + 7 };
  return range;
}

const bitsIn: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
});

/** The byte at `at` with only its bits inside the range left. */
function maskedByte(text: string, at: number, range: BitRange): number {
  let byte = text.charCodeAt(at);
  if (at === Math.floor(range.start / 8)) byte &= 0xff >> (range.start % 8);
  if (at === Math.floor(range.end / 8)) byte &= 0xff << (7 - (range.end % 8));
  return byte & 0xff;
}

/** Both counted from the end and in the wrong order: BITCOUNT sees nothing even where clamping would leave a byte. */
function isBackward(start: string | undefined, end: string | undefined): boolean {
  return Number(start) < 0 && Number(end) < 0 && Number(start) > Number(end);
}

function bitCount(ctx: Context, argv: readonly string[]): Reply {
  const text = ctx.store.getString(argv[1]!);
  if (text === undefined) return 0;
  if (argv.length === 3 || argv.length > 5) syntaxError();
  const whole = { start: 0, end: text.length * 8 - 1 };
  const range = argv.length === 2 ? whole : bitRange(argv[2]!, argv[3], argv[4], text.length);
  if (range === undefined || isBackward(argv[2], argv[3])) return 0;
  let count = 0;
  const last = Math.floor(range.end / 8);
  for (let at = Math.floor(range.start / 8); at <= last; at += 1) count += bitsIn[maskedByte(text, at, range)]!;
  return count;
}

function bitPosition(ctx: Context, argv: readonly string[]): Reply {
  const bit = readLong(argv[2]!);
  if (bit !== 0 && bit !== 1) fail('The bit argument must be 1 or 0.');
  const text = ctx.store.getString(argv[1]!);
  if (text === undefined) return bit === 1 ? -1 : 0;
  if (argv.length > 6) syntaxError();
  const range = bitRange(argv[3] ?? '0', argv[4], argv[5], text.length);
  if (range === undefined) return -1;
  const last = Math.floor(range.end / 8);
  const skip = bit === 1 ? 0 : 0xff;
  for (let at = Math.floor(range.start / 8); at <= last; at += 1) {
    if (text.charCodeAt(at) === skip) continue;
    const from = Math.max(range.start, at * 8);
    for (let place = from; place <= Math.min(range.end, at * 8 + 7); place += 1) {
      if (((text.charCodeAt(at) >> (7 - (place % 8))) & 1) === bit) return place;
    }
  }
  // Without an end the string goes on with zeros for ever.
  return bit === 0 && argv[4] === undefined ? text.length * 8 : -1;
}

const operations: Readonly<Record<string, (a: number, b: number) => number>> = {
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  not: (a) => ~a & 0xff,
};

function bitOperation(ctx: Context, argv: readonly string[]): Reply {
  const name = argv[1]!.toLowerCase();
  const operation = operations[name] ?? syntaxError();
  if (name === 'not' && argv.length !== 4) fail('BITOP NOT must be called with a single source key.');
  const target = argv[2]!;
  const sources = ctx.store.asReader(() =>
    argv.slice(3).map((key) => Buffer.from(ctx.store.getString(key) ?? '', 'latin1')),
  );
  const length = Math.max(...sources.map((source) => source.length));
  const result = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) {
    let byte = sources[0]![at] ?? 0;
    if (name === 'not') byte = operation(byte, 0);
    for (let source = 1; source < sources.length; source += 1) byte = operation(byte, sources[source]![at] ?? 0);
    result[at] = byte;
  }
  if (length > 0) {
    ctx.store.replace(target, result.toString('latin1')).form = 'raw';
    ctx.store.changed(target, '$', 'set');
  } else if (ctx.store.drop(target)) {
    ctx.store.changed(target, 'g', 'del');
  }
  return length;
}

export const bitmapCommands: CommandGroup = {
  setbit: setBit,
  getbit: getBit,
  bitcount: bitCount,
  bitpos: bitPosition,
  bitop: bitOperation,
};
