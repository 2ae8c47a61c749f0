// Stream IDs `ms-seq`, two unsigned 64-bit numbers, held as one bigint: ms x 2^64 + seq, so that order is number order.

import { fail } from '../arguments.ts';

export type StreamId = bigint;

const HALF = 64n;
const HALF_MAX = 2n ** 64n - 1n;
const MAX_TEXT = 127;

export const ZERO_ID: StreamId = 0n;
export const MAX_ID: StreamId = 2n ** 128n - 1n;

export function makeId(ms: bigint, seq: bigint): StreamId {
  return (ms << HALF) | seq;
}

export function msOf(id: StreamId): bigint {
  return id >> HALF;
}

export function seqOf(id: StreamId): bigint {
  return id & HALF_MAX;
}

export function formatId(id: StreamId): string {
  return `${msOf(id)}-${seqOf(id)}`;
}

function parseHalf(text: string): bigint | undefined {
  if (!/^\s*\+?\d{1,40}$/.test(text)) return undefined;
  const value = BigInt(text.trim().replace('+', ''));
  return value > HALF_MAX ? undefined : value;
}

/** `ms` or `ms-seq`; without a seq it is `missingSeq`. */
export function parseId(text: string, missingSeq: bigint): StreamId | undefined {
  if (text.length > MAX_TEXT) return undefined;
  const dash = text.indexOf('-');
  const ms = parseHalf(dash < 0 ? text : text.slice(0, dash));
  const seq = dash < 0 ? missingSeq : parseHalf(text.slice(dash + 1));
  return ms === undefined || seq === undefined ? undefined : makeId(ms, seq);
}

export function readId(text: string, missingSeq = 0n): StreamId {
  return parseId(text, missingSeq) ?? fail('Invalid stream ID specified as stream command argument');
}

/** Like readId, but `-` and `+` are the lowest and the highest ID. */
export function readLooseId(text: string, missingSeq = 0n): StreamId {
  if (text === '-') return ZERO_ID;
  return text === '+' ? MAX_ID : readId(text, missingSeq);
}

/** The start of an interval; `(id` excludes it. */
export function readStart(text: string): StreamId {
  if (!text.startsWith('(')) return readLooseId(text);
  const id = readId(text.slice(1));
  return id === MAX_ID ? fail('invalid start ID for the interval') : id + 1n;
}

/** The end of an interval; `(id` excludes it, and without a seq it takes in the whole millisecond. */
export function readEnd(text: string): StreamId {
  if (!text.startsWith('(')) return readLooseId(text, HALF_MAX);
  const id = readId(text.slice(1), HALF_MAX);
  return id === ZERO_ID ? fail('invalid end ID for the interval') : id - 1n;
}
