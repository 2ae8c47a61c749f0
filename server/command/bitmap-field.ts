// BITFIELD and BITFIELD_RO: integers of any width inside a string.
// Invariant: a command that writes first lengthens the string to its furthest write, as the reference does.

import type { Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readInt64, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { INT64_MAX } from '../keyspace/number.ts';
import { padBytes, readBitOffset } from './bitmap.ts';

type Overflow = 'wrap' | 'sat' | 'fail';

interface FieldOperation {
  readonly word: 'get' | 'set' | 'incrby';
  readonly signed: boolean;
  readonly width: number;
  readonly offset: number;
  readonly value: bigint;
  readonly overflow: Overflow;
}

function readType(text: string): { signed: boolean; width: number } {
  const match = /^([iu])([1-9]\d?)$/.exec(text);
  const width = Number(match?.[2] ?? 0);
  const signed = match?.[1] === 'i';
  if (width < 1 || width > (signed ? 64 : 63)) {
    fail('Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.');
  }
  return { signed, width };
}

function readOverflow(text: string): Overflow {
  for (const known of ['wrap', 'sat', 'fail'] as const) if (sameWord(text, known)) return known;
  return fail('Invalid OVERFLOW type specified');
}

function readOperations(argv: readonly string[], readOnly: boolean): FieldOperation[] {
  const operations: FieldOperation[] = [];
  let overflow: Overflow = 'wrap';
  for (let at = 2; at < argv.length; ) {
    const left = argv.length - at - 1;
    const word = (['get', 'set', 'incrby'] as const).find((known) => sameWord(argv[at], known));
    if (sameWord(argv[at], 'overflow') && left >= 1) {
      overflow = readOverflow(argv[at + 1]!);
      at += 2;
      continue;
    }
    if (word === undefined || left < (word === 'get' ? 2 : 3)) syntaxError();
    const type = readType(argv[at + 1]!);
    const offset = readBitOffset(argv[at + 2]!, type.width);
    if (word !== 'get' && readOnly) fail('BITFIELD_RO only supports the GET subcommand');
    const value = word === 'get' ? 0n : readInt64(argv[at + 3]!);
    operations.push({ word, ...type, offset, value, overflow });
    at += word === 'get' ? 3 : 4;
  }
  return operations;
}

function readField(bytes: Uint8Array, { offset, width, signed }: FieldOperation): bigint {
  let value = 0n;
  for (let bit = offset; bit < offset + width; bit += 1) {
    const byte = bytes[Math.floor(bit / 8)] ?? 0;
    value = (value << 1n) | BigInt((byte >> (7 - (bit % 8))) & 1);
  }
  return signed ? BigInt.asIntN(width, value) : value;
}

function writeField(bytes: Uint8Array, { offset, width }: FieldOperation, value: bigint): void {
  for (let bit = offset + width - 1; bit >= offset; bit -= 1) {
    const at = Math.floor(bit / 8);
    const mask = 0x80 >> (bit % 8);
    bytes[at] = (value & 1n) === 1n ? bytes[at]! | mask : bytes[at]! & ~mask;
    value >>= 1n;
  }
}

/** What is stored for `base + added`, or undefined when it does not fit and the operation is to fail. */
function settle(base: bigint, added: bigint, { signed, width, overflow }: FieldOperation): bigint | undefined {
  const bits = BigInt(width);
  const max = signed ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
  const min = signed ? -max - 1n : 0n;
  const value = base + added;
  if (value >= min && value <= max) return value;
  if (overflow === 'fail') return undefined;
  // The reference finds the room above a value in 64 bits; far below the minimum it wraps and counts as above.
  const above = value > max || (signed && width < 64 && max - base > INT64_MAX);
  if (overflow === 'sat') return above ? max : min;
  return signed ? BigInt.asIntN(width, value) : BigInt.asUintN(width, value);
}

interface Performed {
  readonly reply: Reply;
  readonly wrote: boolean;
  /** The field held the same before. */
  readonly same: boolean;
}

function perform(bytes: Uint8Array, operation: FieldOperation): Performed {
  const old = readField(bytes, operation);
  if (operation.word === 'get') return { reply: old, wrote: false, same: true };
  const set = operation.word === 'set';
  // The reference takes what SET gives an unsigned field as an unsigned number, so -1 is beyond the maximum.
  const given = set && !operation.signed ? BigInt.asUintN(64, operation.value) : operation.value;
  const stored = set ? settle(given, 0n, operation) : settle(old, given, operation);
  if (stored === undefined) return { reply: null, wrote: false, same: true };
  writeField(bytes, operation, stored);
  return { reply: set ? old : stored, wrote: true, same: stored === old };
}

function bitField(ctx: Context, argv: readonly string[], readOnly: boolean): Reply {
  const operations = readOperations(argv, readOnly);
  const key = argv[1]!;
  // With a GET alone it is a read.
  const text =
    readOnly || operations.every(({ word }) => word === 'get')
      ? ctx.store.asReader(() => ctx.store.getString(key))
      : ctx.store.getString(key);
  const writes = operations.filter((operation) => operation.word !== 'get');
  const reach = writes.reduce((most, { offset, width }) => Math.max(most, Math.ceil((offset + width) / 8)), 0);
  const padded = padBytes(text ?? '', reach);
  const bytes = Buffer.from(padded, 'latin1');
  const results = operations.map((operation) => perform(bytes, operation));
  if (writes.length > 0) {
    ctx.store.put(key, bytes.toString('latin1')).form = 'raw';
    const grew = text !== undefined && padded.length > text.length;
    const changes = results.filter(({ wrote, same }) => wrote && (grew || text === undefined || !same)).length;
    if (changes > 0) ctx.store.changed(key, '$', 'setbit', changes);
  }
  return results.map(({ reply }) => reply);
}

export const bitmapFieldCommands: CommandGroup = {
  bitfield: (ctx, argv) => bitField(ctx, argv, false),
  bitfield_ro: (ctx, argv) => bitField(ctx, argv, true),
};
