// Reading the words of a command: numbers, counts and options, with the protocol's error texts.
// Every reader returns the value or throws the ReplyError that the command answers.

import { ReplyError } from '../../lib/wire/reply.ts';
import { parseDouble, parseInt64, parseLong } from './number.ts';

const INTEGER_TEXT = 'value is not an integer or out of range';
const LONG_MAX = 2 ** 63;

/** Sampling commands with a negative count repeat members; more than this many would only exhaust memory. */
const MAX_SAMPLES = 2 ** 24;

/** The shortest that one sample can be in a reply. */
const SAMPLE_BYTES = 6;

/** The answer to a call whose answer would be too large for this server; a client with an output limit is closed. */
export class OversizedReply extends ReplyError {
  /** Bytes that the answer would take at least. */
  readonly bytes: number;

  constructor(bytes: number) {
    super('ERR value is out of range');
    this.bytes = bytes;
  }
}

export function fail(text: string): never {
  throw new ReplyError(`ERR ${text}`);
}

export function syntaxError(): never {
  fail('syntax error');
}

/** `name` as the client wrote it. */
export function arityError(name: string): never {
  fail(`wrong number of arguments for '${name.toLowerCase()}' command`);
}

/** A signed 64-bit integer; above 2^53 the nearest double. */
export function readLong(text: string, message: string = INTEGER_TEXT): number {
  return parseLong(text) ?? fail(message);
}

/** A signed 64-bit integer, exact. */
export function readInt64(text: string, message: string = INTEGER_TEXT): bigint {
  return parseInt64(text) ?? fail(message);
}

/** An integer from `min` to 2^63 - 1. */
export function readAtLeast(text: string, min: number, message: string): number {
  const value = readLong(text, message);
  return value < min ? fail(message) : value;
}

/** A count of elements to take: 0 or more. */
export function readCount(text: string): number {
  return readAtLeast(text, 0, 'value is out of range, must be positive');
}

/** A count of samples, negative = with repeats. */
export function readSampleCount(text: string): number {
  const value = readLong(text);
  if (value === -LONG_MAX && parseInt64(text) === -(2n ** 63n)) {
    fail('value is out of range, value must between -9223372036854775807 and 9223372036854775807');
  }
  if (value < -MAX_SAMPLES) throw new OversizedReply(-value * SAMPLE_BYTES);
  return value;
}

export function readDouble(text: string, message = 'value is not a valid float'): number {
  return parseDouble(text) ?? fail(message);
}

/** Seconds as a decimal, given back in whole milliseconds, rounded up. */
export function readTimeout(text: string): number {
  const seconds = parseDouble(text);
  if (seconds === undefined) fail('timeout is not a float or out of range');
  const ms = Math.ceil(seconds * 1000);
  // What does not fit a 64-bit integer wraps to its minimum in the reference.
  return ms < 0 || ms >= LONG_MAX ? fail('timeout is negative') : ms;
}

/** `numkeys` and the keys that follow it at `argv[at]`; `rest` is the index after them. */
export function readKeys(argv: readonly string[], at: number): { keys: string[]; rest: number } {
  const count = readAtLeast(argv[at] ?? '', 1, 'numkeys should be greater than 0');
  if (at + count >= argv.length) syntaxError();
  return { keys: argv.slice(at + 1, at + 1 + count), rest: at + 1 + count };
}

export function sameWord(text: string | undefined, lower: string): boolean {
  return text !== undefined && text.length === lower.length && text.toLowerCase() === lower;
}

/** Start and stop, negative = from the end, as indexes inside `length`; undefined when nothing is between them. */
export function clampRange(
  start: number,
  stop: number,
  length: number,
): { readonly start: number; readonly stop: number } | undefined {
  if (start < 0) start = Math.max(0, start + length);
  if (stop < 0) stop += length;
  if (start > stop || start >= length) return undefined;
  return { start, stop: Math.min(stop, length - 1) };
}
