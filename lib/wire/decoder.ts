// RESP2 and RESP3 replies out of bytes that arrive in any pieces. Pull-based: feed() takes a chunk, read() gives the next
// whole reply or `pending` ("not yet" is a normal result).
// Owns: the bytes that were fed and belong to no reply yet. Does not know: sockets, commands.
// Invariants: after a thrown ProtocolError the decoder is dead and its socket must be closed; memory is taken only for
// bytes that have arrived, never for a length that was merely announced. A reply that is well formed but beyond a limit
// is no broken stream: read() *returns* a ProtocolError in its place, at once, and passes over its bytes.
// Source: RESP protocol specification (redis.io/docs/reference/protocol-spec).

import { allocate, type Bytes } from './bytes.ts';
import { LongBulk } from './long-bulk.ts';
import { ProtocolError } from './protocol-error.ts';
import { Push, ReplyError } from './reply.ts';
import { Skip } from './skip.ts';

export { ProtocolError };

export const pending: unique symbol = Symbol('pending');

export interface DecoderOptions {
  /** Longest bulk string in bytes; default 512 MiB, the server's own limit. */
  readonly maxBulkLength?: number | undefined;
  /** Most elements of one aggregate; default 2^27. */
  readonly maxElements?: number;
  /** Deepest nesting of aggregates; default 1024, more than any server's own (Lua gives up near 200). */
  readonly maxDepth?: number;
  /** How RESP3 types come out; default `legacy`. */
  readonly mapping?: Mapping | undefined;
  /** Integers come out as text, exact beyond 2^53 (ioredis's `stringNumbers`); default false. */
  readonly stringNumbers?: boolean | undefined;
  /** Longest simple string, error, number or header line in bytes; default 64 KiB (1 MiB for errors). */
  readonly maxLineLength?: number;
}

/** How bulk strings come out. `utf8` text, `buffer` bytes, `latin1` one char per byte. */
export type Encoding = 'utf8' | 'buffer' | 'latin1';

/**
 * `legacy` folds RESP3 into RESP2 shapes: map -> flat array, double -> a string as any other, bool -> 1/0.
 * `resp3` keeps its types: Map, Set, number, boolean, bigint.
 * `objects` is what ioredis calls "resp3": maps -> plain objects with text keys, sets -> arrays, doubles -> numbers,
 * booleans as they are, big numbers -> text.
 */
export type Mapping = 'legacy' | 'resp3' | 'objects';

/** Bytes of a line that are looked at one by one. */
const nearby = 24;
const CR = 13;
const LF = 10;

const aggregate = { array: 0, map: 1, set: 2, push: 3, attribute: 4 } as const;
type AggregateKind = 0 | 1 | 2 | 3 | 4;

interface Frame {
  readonly kind: AggregateKind;
  readonly items: unknown[];
  remaining: number;
}

const nothing = Buffer.alloc(0) as Bytes;
/** Shorter bulks are not read in pieces: they wait until all of them is there. */
const shortBulk = 4096;
/** Own memory is let go when it is empty and has grown over this. */
const modestRest = 16 * 1024;

export class Decoder {
  readonly #maxBulk: number;
  readonly #maxElements: number;
  readonly #maxDepth: number;
  readonly #maxLine: number;
  readonly #mapping: Mapping;
  readonly #stringNumbers: boolean;
  #buffer: Bytes = nothing;
  #at = 0;
  #end = 0;
  /** Own memory, for bytes kept from a borrowed chunk. */
  #rest: Bytes = nothing;
  #stack: Frame[] = [];
  /** What the next bytes belong to: a bulk that came in part, or a reply that is passed over. */
  #begun: LongBulk | Skip | undefined;
  #pushDepth = 0;

  constructor(options: DecoderOptions = {}) {
    this.#maxBulk = options.maxBulkLength ?? 512 * 1024 * 1024;
    this.#maxElements = options.maxElements ?? 2 ** 27;
    this.#maxDepth = options.maxDepth ?? 1024;
    this.#maxLine = options.maxLineLength ?? 64 * 1024;
    this.#mapping = options.mapping ?? 'legacy';
    this.#stringNumbers = options.stringNumbers ?? false;
  }

  /** Bytes taken in so far that belong to no finished reply. */
  get buffered(): number {
    return this.#end - this.#at + (this.#begun instanceof LongBulk ? this.#begun.have : 0);
  }

  /**
   * Takes the bytes of a chunk from `start` to `end`. Every reply in it must be read before the next chunk is fed. What
   * is before `start` is free space: the few bytes left of the last chunk go there, so that nothing else is copied.
   */
  feed(chunk: Buffer, start = 0, end: number = chunk.length): void {
    const left = this.#end - this.#at;
    if (left > 0 && left <= start) {
      this.#buffer.copy(chunk, start - left, this.#at, this.#end);
      this.#buffer = chunk as Bytes;
    } else if (left > 0) {
      this.#buffer = Buffer.concat([this.#buffer.subarray(this.#at, this.#end), chunk.subarray(start, end)]) as Bytes;
      this.#at = 0;
      this.#end = this.#buffer.length;
      return;
    } else this.#buffer = chunk as Bytes;
    this.#at = start - left;
    this.#end = end;
  }

  /** Lets the chunk go, which was only lent: what is unread is copied. */
  keep(): void {
    const left = this.#end - this.#at;
    if (this.#rest.length < left || (left === 0 && this.#rest.length > modestRest)) {
      this.#rest = left === 0 ? nothing : allocate(Math.max(256, 2 ** Math.ceil(Math.log2(left))));
    }
    if (left > 0) this.#buffer.copy(this.#rest, 0, this.#at, this.#end);
    this.#buffer = this.#rest;
    this.#at = 0;
    this.#end = left;
  }

  /**
   * The next whole reply, or `pending`; a ProtocolError stands for a reply beyond a limit. `encoding` must be the same on
   * every try for one reply.
   */
  read(encoding: Encoding): unknown {
    for (;;) {
      const form = this.#mapping === 'objects' && this.#atKey() ? 'utf8' : encoding;
      let value = this.#begun === undefined ? this.#readValue(form) : this.#goOn(this.#begun, form);
      if (value === pending) return pending;
      if (value === opened) continue;
      // A finished value closes every frame that it fills.
      for (;;) {
        // Never stack[-1]: that is the property named "-1", looked up by name, and cost more than all the rest.
        if (this.#stack.length === 0) return value;
        const frame = this.#stack[this.#stack.length - 1]!;
        frame.items.push(value);
        if (--frame.remaining > 0) break;
        this.#stack.pop();
        value = this.#close(frame);
        if (value === opened) break;
      }
    }
  }

  /** The next value is the key of a map. */
  #atKey(): boolean {
    if (this.#stack.length === 0) return false;
    const frame = this.#stack[this.#stack.length - 1]!;
    return frame.kind === aggregate.map && frame.items.length % 2 === 0;
  }

  #readValue(encoding: Encoding): unknown {
    const buffer = this.#buffer;
    const start = this.#at;
    if (start >= this.#end) return pending;
    const type = buffer[start]!;
    // '$' first: most replies are bulk strings.
    if (type === 36) return this.#readBulk(encoding, false, false);
    const end = this.#lineEnd(start + 1, type === 45 ? Math.max(this.#maxLine, 1 << 20) : this.#maxLine);
    if (end < 0) return pending;
    switch (type) {
      case 43: // +
        this.#at = end + 2;
        // What nearly every write is answered with.
        if (end - start === 3 && buffer[start + 1] === 79 && buffer[start + 2] === 75 && encoding !== 'buffer') {
          if (this.#pushDepth === 0) return 'OK';
        }
        return this.#text(start + 1, end, encoding);
      case 58: // :
        this.#at = end + 2;
        return this.#integer(start + 1, end);
      case 42: // *
        return this.#open(aggregate.array, start + 1, end);
      case 45: // -
        this.#at = end + 2;
        return new ReplyError(buffer.utf8Slice(start + 1, end));
      case 95: // _
        this.#at = end + 2;
        if (end !== start + 1) throw new ProtocolError('Protocol error: a null reply carries text');
        return null;
      case 44: // ,
        this.#at = end + 2;
        return this.#double(buffer.latin1Slice(start + 1, end), encoding);
      case 35: // #
        this.#at = end + 2;
        return this.#boolean(buffer.latin1Slice(start + 1, end));
      case 40: // (
        this.#at = end + 2;
        return this.#bigNumber(buffer.latin1Slice(start + 1, end));
      case 33: // !
        return this.#readBulk(encoding, false, true);
      case 61: // =
        return this.#readBulk(encoding, true, false);
      case 37: // %
        return this.#open(aggregate.map, start + 1, end);
      case 126: // ~
        return this.#open(aggregate.set, start + 1, end);
      case 62: // >
        if (this.#stack.length > 0) throw new ProtocolError('Protocol error: a push frame inside a reply');
        return this.#open(aggregate.push, start + 1, end);
      case 124: // |
        return this.#open(aggregate.attribute, start + 1, end);
      default:
        throw new ProtocolError(
          `Protocol error, got ${JSON.stringify(String.fromCharCode(type))} as reply type byte at the start of a reply`,
        );
    }
  }

  // Position of the CR that ends the line, or -1 when it has not arrived.
  #lineEnd(from: number, limit: number): number {
    const buffer = this.#buffer;
    // Most lines are a few bytes, and a call into C++ costs more than reading them (measured: 102 -> 60 ns for `+OK`).
    const size = this.#end;
    const near = Math.min(from + nearby, size);
    let end = from;
    while (end < near && buffer[end] !== CR) end++;
    if (end === near) {
      end = buffer.indexOf(CR, near);
      if (end >= size) end = -1;
    }
    if ((end < 0 ? size : end) - from > limit) {
      throw new ProtocolError(`Protocol error: a line is longer than ${limit} bytes`);
    }
    if (end < 0 || end + 1 >= size) return -1;
    if (buffer[end + 1] !== LF) throw new ProtocolError('Protocol error: CR without LF');
    return end;
  }

  #readBulk(encoding: Encoding, verbatim: boolean, error: boolean): unknown {
    const buffer = this.#buffer;
    const size = this.#end;
    const start = this.#at;
    let at = start + 1;
    let length = 0;
    let digits = 0;
    for (; at < size; at++) {
      const digit = buffer[at]! - 48;
      if (digit < 0 || digit > 9) break;
      length = length * 10 + digit;
      if (++digits > 10) throw new ProtocolError('Protocol error: invalid bulk length');
    }
    if (at + 1 >= size) {
      if (at < size && buffer[at] !== CR && !(digits === 0 && buffer[at] === 45)) throw this.#badLength(start);
      return pending;
    }
    if (buffer[at] !== CR || buffer[at + 1] !== LF || digits === 0) {
      // $-1: the null of RESP2.
      if (digits === 0 && buffer[at] === 45 && !verbatim && !error) {
        if (size - at < 4) return pending;
        if (buffer[at + 1] === 49 && buffer[at + 2] === CR && buffer[at + 3] === LF) {
          this.#at = at + 4;
          return null;
        }
      }
      throw this.#badLength(start);
    }
    if (length > this.#maxBulk) {
      const error = new ProtocolError(
        `Protocol error: a bulk of ${length} bytes is over the limit of ${this.#maxBulk}`,
      );
      this.#at = at + 2;
      return this.#passOver(error, 0, length + 2, false);
    }
    const body = at + 2;
    const end = body + length;
    if (end + 2 <= size) {
      if (buffer[end] !== CR || buffer[end + 1] !== LF)
        throw new ProtocolError('Protocol error: a bulk does not end in CRLF');
      this.#at = end + 2;
      if (verbatim || error || this.#pushDepth > 0)
        return this.#finishSpecial(buffer.subarray(body, end) as Bytes, encoding, verbatim, error);
      return this.#text(body, end, encoding);
    }
    if (length < shortBulk) return pending;
    const wanted = encoding === 'buffer' && !verbatim && !error && this.#pushDepth === 0;
    const bulk = new LongBulk(length, verbatim, error, wanted);
    this.#begun = bulk;
    this.#at = body;
    return this.#readBulkRest(bulk, encoding);
  }

  #goOn(begun: LongBulk | Skip, encoding: Encoding): unknown {
    return begun instanceof Skip ? this.#skipOn(begun) : this.#readBulkRest(begun, encoding);
  }

  /** Values of the reply at hand that have not been read, the one being read included. */
  get #valuesLeft(): number {
    const stack = this.#stack;
    // An attribute is no value: whoever counts its frame still waits for the value behind it.
    let left = stack.length === 0 || stack[0]!.kind === aggregate.attribute ? 1 : 0;
    for (let at = 0; at < stack.length; at++) {
      const child = stack[at + 1];
      left += stack[at]!.remaining - (child === undefined || child.kind === aggregate.attribute ? 0 : 1);
    }
    return left;
  }

  // The value just begun is beyond a limit: it holds `inside` further values and `bytes`. What has been made of its reply
  // is let go, and the rest is passed over before the next reply. The error is given at once: a reply that was merely
  // announced may never end. A push frame answers nobody, so it is only lost.
  #passOver(error: ProtocolError, inside: number, bytes: number, attribute: boolean): unknown {
    const push = this.#pushDepth > 0;
    this.#begun = new Skip(this.#valuesLeft - (attribute ? 0 : 1) + inside, bytes);
    this.#stack = [];
    this.#pushDepth = 0;
    return push ? opened : error;
  }

  #skipOn(skip: Skip): unknown {
    for (;;) {
      if (skip.bytes > 0) {
        const passed = Math.min(skip.bytes, this.#end - this.#at);
        this.#at += passed;
        skip.bytes -= passed;
        if (skip.bytes > 0) return pending;
      }
      if (skip.values === 0) break;
      const start = this.#at;
      if (start >= this.#end) return pending;
      const end = this.#lineEnd(start + 1, Math.max(this.#maxLine, 1 << 20));
      if (end < 0) return pending;
      this.#at = end + 2;
      skip.header(this.#buffer[start]!, this.#buffer.latin1Slice(start + 1, end));
    }
    this.#begun = undefined;
    return opened;
  }

  #readBulkRest(bulk: LongBulk, encoding: Encoding): unknown {
    const buffer = this.#buffer;
    this.#at += bulk.take(buffer, this.#at, this.#end);
    if (bulk.have < bulk.length || this.#end - this.#at < 2) return pending;
    if (buffer[this.#at] !== CR || buffer[this.#at + 1] !== LF) {
      throw new ProtocolError('Protocol error: a bulk does not end in CRLF');
    }
    this.#at += 2;
    this.#begun = undefined;
    const { bytes, length, verbatim, error } = bulk;
    let value: unknown = bytes;
    if (verbatim || error || this.#pushDepth > 0) value = this.#finishSpecial(bytes, encoding, verbatim, error);
    else if (encoding !== 'buffer') {
      value = encoding === 'utf8' ? bytes.utf8Slice(0, length) : bytes.latin1Slice(0, length);
    }
    bulk.release();
    return value;
  }

  #finishSpecial(bytes: Bytes, encoding: Encoding, verbatim: boolean, error: boolean): unknown {
    if (error) return new ReplyError(bytes.utf8Slice(0, bytes.length));
    if (verbatim) {
      if (bytes.length < 4 || bytes[3] !== 58)
        throw new ProtocolError('Protocol error: a verbatim string without its format');
      bytes = bytes.subarray(4) as Bytes;
    }
    if (this.#pushDepth > 0 || encoding === 'buffer') return Buffer.from(bytes);
    return encoding === 'utf8' ? bytes.utf8Slice(0, bytes.length) : bytes.latin1Slice(0, bytes.length);
  }

  #text(start: number, end: number, encoding: Encoding): string | Buffer {
    if (this.#pushDepth > 0 || encoding === 'buffer') {
      // A copy: a small value must not keep a 64 KiB chunk alive.
      return Buffer.from(this.#buffer.subarray(start, end));
    }
    return encoding === 'utf8' ? this.#buffer.utf8Slice(start, end) : this.#buffer.latin1Slice(start, end);
  }

  #integer(start: number, end: number): number | string {
    const buffer = this.#buffer;
    let at = start;
    const negative = buffer[at] === 45;
    if (negative || buffer[at] === 43) at++;
    const digits = end - at;
    if (digits < 1 || digits > 19) throw new ProtocolError('Protocol error: invalid integer');
    let value = 0;
    for (; at < end; at++) {
      const digit = buffer[at]! - 48;
      if (digit < 0 || digit > 9) throw new ProtocolError('Protocol error: invalid integer');
      value = value * 10 + digit;
    }
    if (this.#stringNumbers) return buffer.latin1Slice(start, end);
    return negative ? -value : value;
  }

  #double(text: string, encoding: Encoding): unknown {
    if (!/^(?:[+-]?(?:inf|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|-?nan)$/.test(text)) {
      throw new ProtocolError(`Protocol error: invalid double ${JSON.stringify(text.slice(0, 32))}`);
    }
    if (this.#stringNumbers) return text;
    // RESP2 says a double as a bulk string, so it comes in the form of one.
    if (this.#mapping === 'legacy') return encoding === 'buffer' ? Buffer.from(text) : text;
    if (text.endsWith('inf')) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    return Number(text);
  }

  #boolean(text: string): unknown {
    if (text !== 't' && text !== 'f') throw new ProtocolError('Protocol error: invalid boolean');
    const value = text === 't';
    return this.#mapping === 'legacy' ? Number(value) : value;
  }

  #bigNumber(text: string): unknown {
    if (!/^[+-]?\d+$/.test(text)) throw new ProtocolError('Protocol error: invalid big number');
    return this.#mapping === 'resp3' ? BigInt(text) : text;
  }

  #open(kind: AggregateKind, start: number, end: number): unknown {
    const text = this.#buffer.latin1Slice(start, end);
    this.#at = end + 2;
    if (text === '-1' && kind === aggregate.array) return null;
    if (!/^\d{1,10}$/.test(text))
      throw new ProtocolError(`Protocol error: invalid multibulk length ${JSON.stringify(text.slice(0, 32))}`);
    const count = Number(text);
    const remaining = kind === aggregate.map || kind === aggregate.attribute ? count * 2 : count;
    if (count > this.#maxElements || this.#stack.length >= this.#maxDepth) {
      if (kind === aggregate.push) this.#pushDepth++;
      return this.#passOver(this.#overLimit(count), remaining, 0, kind === aggregate.attribute);
    }
    const frame: Frame = { kind, items: [], remaining };
    if (kind === aggregate.push) this.#pushDepth++;
    if (remaining === 0) return this.#close(frame);
    this.#stack.push(frame);
    return opened;
  }

  #overLimit(count: number): ProtocolError {
    const what =
      count > this.#maxElements
        ? `an aggregate of ${count} elements is over the limit of ${this.#maxElements}`
        : `replies are nested deeper than ${this.#maxDepth}`;
    return new ProtocolError(`Protocol error: ${what}`);
  }

  #close(frame: Frame): unknown {
    const items = frame.items;
    switch (frame.kind) {
      case aggregate.array:
        return items;
      case aggregate.push:
        this.#pushDepth--;
        return new Push(items);
      case aggregate.attribute:
        // Out-of-band data about the reply that follows: read and let go.
        return opened;
      case aggregate.set:
        return this.#mapping === 'resp3' ? new Set(items) : items;
      default: {
        if (this.#mapping === 'legacy') return items;
        if (this.#mapping === 'objects') return objectOf(items);
        const map = new Map<unknown, unknown>();
        for (let at = 0; at < items.length; at += 2) map.set(items[at], items[at + 1]);
        return map;
      }
    }
  }

  #badLength(start: number): ProtocolError {
    const shown = this.#buffer.latin1Slice(start + 1, Math.min(start + 16, this.#end));
    return new ProtocolError(`Protocol error: invalid bulk length ${JSON.stringify(shown)}`);
  }
}

/** [k, v, ...] as an object whose every key, `__proto__` too, is a property of its own. */
function objectOf(items: readonly unknown[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (let at = 0; at < items.length; at += 2) {
    const key = String(items[at]);
    const value = items[at + 1];
    if (key in object) {
      Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true });
    } else object[key] = value;
  }
  return object;
}

const opened: unique symbol = Symbol('opened');
