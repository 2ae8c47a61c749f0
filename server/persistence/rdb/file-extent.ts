// How many bytes the next value of a file takes, found without decoding it and while the bytes are still arriving:
// generators that yield whenever they need more than is there. So a value is decoded once, when it is whole.
// Knows the shapes of 4.x to 7.2 value types, not what they mean; what it measures may still prove unsound later.

import type { ByteWindow } from './file-window.ts';
import { rdbTypes, streamForms } from './value.ts';

/** Yields when more bytes are wanted. */
export type Measuring<T = void> = Generator<undefined, T, undefined>;

/** A place in the window, ahead of what was taken. Throws when it would pass `limit` bytes. */
export class Cursor {
  readonly #window: ByteWindow;
  readonly #limit: number;
  at = 0;

  constructor(window: ByteWindow, limit: number) {
    this.#window = window;
    this.#limit = limit;
  }

  /** Whether the next `count` bytes are not all there, or not allowed: then await() is to say which. */
  lacks(count: number): boolean {
    return this.at + count > Math.min(this.#window.left, this.#limit);
  }

  *await(count: number): Measuring {
    if (this.at + count > this.#limit) throw new Error(`a value of more than ${this.#limit} bytes`);
    while (this.lacks(count)) yield;
  }

  /** The next byte, which must be there. */
  byte(): number {
    return this.#window.peek(this.at++);
  }
}

export function* measureRaw(cursor: Cursor, count: number): Measuring {
  if (cursor.lacks(count)) yield* cursor.await(count);
  cursor.at += count;
}

/** Passes a length and gives it; above 2^53 it is only about right, and far beyond any limit. */
export function* measureLength(cursor: Cursor): Measuring<number> {
  if (cursor.lacks(1)) yield* cursor.await(1);
  const first = cursor.byte();
  if (first < 0x40) return first;
  const more = first < 0x80 ? 1 : first === 0x80 ? 4 : first === 0x81 ? 8 : undefined;
  if (more === undefined) throw new Error(`0x${first.toString(16)} is no length`);
  if (cursor.lacks(more)) yield* cursor.await(more);
  let length = more === 1 ? first & 0x3f : 0;
  for (let left = more; left > 0; left--) length = length * 256 + cursor.byte();
  return length;
}

const integerWidths: Readonly<Record<number, number>> = { 192: 1, 193: 2, 194: 4 };
const lzfForm = 0xc3;

export function* measureString(cursor: Cursor): Measuring {
  if (cursor.lacks(1)) yield* cursor.await(1);
  const form = cursor.byte();
  let length: number;
  if (form === lzfForm) {
    length = yield* measureLength(cursor);
    yield* measureLength(cursor);
  } else if (form >= 0xc0) {
    const width = integerWidths[form];
    if (width === undefined) throw new Error(`unknown string form 0x${form.toString(16)}`);
    length = width;
  } else {
    cursor.at--;
    length = yield* measureLength(cursor);
  }
  yield* measureRaw(cursor, length);
}

function* measureStrings(cursor: Cursor, perElement: number): Measuring {
  for (let left = (yield* measureLength(cursor)) * perElement; left > 0; left--) yield* measureString(cursor);
}

function* measureTextScores(cursor: Cursor): Measuring {
  for (let left = yield* measureLength(cursor); left > 0; left--) {
    yield* measureString(cursor);
    if (cursor.lacks(1)) yield* cursor.await(1);
    const length = cursor.byte();
    if (length < 253) yield* measureRaw(cursor, length);
  }
}

function* measureScores(cursor: Cursor): Measuring {
  for (let left = yield* measureLength(cursor); left > 0; left--) {
    yield* measureString(cursor);
    yield* measureRaw(cursor, 8);
  }
}

function* measureNodes(cursor: Cursor): Measuring {
  for (let left = yield* measureLength(cursor); left > 0; left--) {
    yield* measureLength(cursor);
    yield* measureString(cursor);
  }
}

function* measureLengths(cursor: Cursor, count: number): Measuring {
  for (let left = count; left > 0; left--) yield* measureLength(cursor);
}

const idLength = 16;

function* measureStream(cursor: Cursor, form: 1 | 2 | 3): Measuring {
  const counted = form > 1;
  yield* measureStrings(cursor, 2);
  yield* measureLengths(cursor, counted ? 8 : 3);
  for (let groups = yield* measureLength(cursor); groups > 0; groups--) {
    yield* measureString(cursor);
    yield* measureLengths(cursor, counted ? 3 : 2);
    for (let pending = yield* measureLength(cursor); pending > 0; pending--) {
      yield* measureRaw(cursor, idLength + 8);
      yield* measureLength(cursor);
    }
    for (let consumers = yield* measureLength(cursor); consumers > 0; consumers--) {
      yield* measureString(cursor);
      yield* measureRaw(cursor, form > 2 ? 16 : 8);
      yield* measureRaw(cursor, (yield* measureLength(cursor)) * idLength);
    }
  }
}

/** Of Valkey 9: each field with the time at which it expires, or -1. */
const hashWithTimes = 22;
/** Of Redis 7.4 and later: the first time at which a field expires, then fields with theirs, or all in a listpack. */
const hashMetadata = 24;
const hashListpackTimes = 25;

/**
 * Passes a value of a newer server that is not decoded here: for who hands its bytes on. False: it is none that can be
 * passed; `version` is that of the file.
 */
export function* measureNewerValue(cursor: Cursor, type: number, version: number): Measuring<boolean> {
  const ofValkey = version >= 80;
  if (ofValkey && type === hashWithTimes) {
    for (let left = yield* measureLength(cursor); left > 0; left--) {
      yield* measureString(cursor);
      yield* measureString(cursor);
      yield* measureRaw(cursor, 8);
    }
    return true;
  }
  if (ofValkey || (type !== hashMetadata && type !== hashListpackTimes)) return false;
  yield* measureRaw(cursor, 8);
  if (type === hashListpackTimes) {
    yield* measureString(cursor);
    return true;
  }
  for (let left = yield* measureLength(cursor); left > 0; left--) {
    yield* measureLength(cursor);
    yield* measureString(cursor);
    yield* measureString(cursor);
  }
  return true;
}

/** Passes the body of a value of `type` (its type byte is passed already). Throws on a type that is not known. */
export function measureValue(cursor: Cursor, type: number): Measuring {
  switch (type) {
    case rdbTypes.list:
    case rdbTypes.set:
    case rdbTypes.listQuicklist:
      return measureStrings(cursor, 1);
    case rdbTypes.hash:
      return measureStrings(cursor, 2);
    case rdbTypes.zset:
      return measureTextScores(cursor);
    case rdbTypes.zset2:
      return measureScores(cursor);
    case rdbTypes.listQuicklist2:
      return measureNodes(cursor);
    case rdbTypes.streamListpacks:
    case rdbTypes.streamListpacks2:
    case rdbTypes.streamListpacks3:
      return measureStream(cursor, streamForms[type]!);
    case rdbTypes.string:
    case rdbTypes.hashZipmap:
    case rdbTypes.listZiplist:
    case rdbTypes.setIntset:
    case rdbTypes.setListpack:
    case rdbTypes.zsetZiplist:
    case rdbTypes.hashZiplist:
    case rdbTypes.hashListpack:
    case rdbTypes.zsetListpack:
      return measureString(cursor);
    default:
      throw new Error(`unknown opcode or value type ${type}`);
  }
}
