// Requests out of bytes that arrive in any pieces: arrays of bulk strings, and inline commands as typed by hand.
// The server's half of the codec; every argument comes out as a binary string, one char per byte.
// Invariants: after a RequestError the decoder is dead and its socket must be closed; memory is taken only for bytes
// that have arrived. What is accepted, and each text, is what redis-server 7.0 does (a line ends at its CR and the byte
// after it is not looked at; neither are the two bytes after a bulk).

import { constants } from 'node:buffer';
import type { Bytes } from './bytes.ts';
import { splitArguments } from './split-arguments.ts';

/** A request that is not RESP; `message` is the text for the client, without `ERR`. */
export class RequestError extends Error {
  override get name(): string {
    return 'RequestError';
  }
}

export interface RequestLimits {
  /** Longest argument in bytes; default 512 MiB (or the longest string the engine can hold). */
  maxBulkLength?: number;
  /** Most arguments; default 1,048,576. */
  maxArguments?: number;
  /** Longest inline command or header line in bytes; default 64 KiB. */
  maxLineLength?: number;
  /** Most bytes of one unfinished request; default 1 GiB. */
  maxRequestBytes?: number;
}

const CR = 13;
const LF = 10;
const STAR = 42;
const DOLLAR = 36;
const empty = Buffer.alloc(0) as Buffer as Bytes;
/** A bulk longer than this that is not all there yet is taken out of the buffer as it comes. */
const gatherFrom = 16 * 1024;
/** An announced argument from this length on counts as held before it has arrived, as redis-server has it. */
const reserveFrom = 32 * 1024;

export class RequestDecoder {
  /** Until the client has authenticated, requests must be small: 10 arguments of 16 KiB. */
  restricted = false;
  readonly #maxBulk: number;
  readonly #maxArguments: number;
  readonly #maxLine: number;
  readonly #maxBytes: number;
  #buffer: Bytes = empty;
  #at = 0;
  /** Chunks behind the buffer. */
  #queue: Buffer[] = [];
  #queued = 0;
  /** Arguments still to come of the request being read; 0 = between requests. */
  #missing = 0;
  #argv: string[] = [];
  /** Length of the argument being read, -1 = its header has not been read. */
  #bulk = -1;
  #parts: string[] = [];
  #gathered = 0;
  #bytes = 0;

  constructor(limits: RequestLimits = {}) {
    this.#maxBulk = Math.min(limits.maxBulkLength ?? 512 * 1024 * 1024, constants.MAX_STRING_LENGTH);
    this.#maxArguments = limits.maxArguments ?? 1024 * 1024;
    this.#maxLine = limits.maxLineLength ?? 64 * 1024;
    this.#maxBytes = limits.maxRequestBytes ?? 1024 * 1024 * 1024;
  }

  /** Bytes held of requests that were not given out yet. */
  get buffered(): number {
    return this.#buffer.length - this.#at + this.#queued + this.#bytes + this.#gathered;
  }

  /** Of these, the bytes of arguments that were read already. */
  get parsed(): number {
    return this.#bytes;
  }

  /** Bytes still to come of a long argument whose length has been announced: what its sender is about to cost. */
  get awaited(): number {
    if (this.#bulk < reserveFrom) return 0;
    return Math.max(0, this.#bulk - this.#gathered - (this.#buffer.length - this.#at) - this.#queued);
  }

  feed(chunk: Buffer): void {
    if (this.#at === this.#buffer.length && this.#queue.length === 0) {
      this.#buffer = chunk as Bytes;
      this.#at = 0;
      return;
    }
    // Joined when they are read, all at once: a client may send for long before its requests are run.
    this.#queue.push(chunk);
    this.#queued += chunk.length;
  }

  /** The next whole request, or undefined when it has not all arrived. Throws RequestError. */
  read(): string[] | undefined {
    const argv = this.#read();
    if (argv !== undefined || this.#queue.length === 0) return argv;
    this.#joinQueue();
    return this.#read();
  }

  #read(): string[] | undefined {
    for (;;) {
      if (this.#missing === 0) {
        if (this.#at >= this.#buffer.length) return undefined;
        if (this.#buffer[this.#at] !== STAR) {
          const argv = this.#readInline();
          if (argv === undefined || argv.length > 0) return argv;
          continue;
        }
        if (!this.#readCount()) return undefined;
        if (this.#missing === 0) continue;
      }
      return this.#readArguments();
    }
  }

  /** The bytes not yet read: what follows a command that takes the socket over. */
  take(): Buffer {
    this.#joinQueue();
    const rest = this.#buffer.subarray(this.#at);
    this.#buffer = empty;
    this.#at = 0;
    return rest;
  }

  #joinQueue(): void {
    if (this.#queue.length === 0) return;
    this.#buffer = Buffer.concat([this.#buffer.subarray(this.#at), ...this.#queue]) as Buffer as Bytes;
    this.#at = 0;
    this.#queue = [];
    this.#queued = 0;
  }

  #readCount(): boolean {
    const end = this.#lineEnd('too big mbulk count string');
    if (end < 0) return false;
    const count = this.#number(this.#at + 1, end);
    if (Number.isNaN(count) || count > this.#maxArguments) throw protocolError('invalid multibulk length');
    if (this.restricted && count > 10) throw protocolError('unauthenticated multibulk length');
    this.#at = end + 2;
    this.#missing = Math.max(0, count);
    this.#argv = [];
    this.#bytes = 0;
    return true;
  }

  #readArguments(): string[] | undefined {
    while (this.#missing > 0) {
      if (this.#bulk < 0 && !this.#readHeader()) return undefined;
      const text = this.#readBulk();
      if (text === undefined) return undefined;
      this.#argv.push(text);
      this.#bytes += text.length;
      this.#bulk = -1;
      this.#missing--;
    }
    this.#bytes = 0;
    return this.#argv;
  }

  #readHeader(): boolean {
    const end = this.#lineEnd('too big bulk count string');
    if (end < 0) return false;
    const buffer = this.#buffer;
    if (buffer[this.#at] !== DOLLAR) {
      throw protocolError(`expected '$', got '${String.fromCharCode(buffer[this.#at]!)}'`);
    }
    const length = this.#number(this.#at + 1, end);
    // Written so that a length that is no number fails too.
    if (!(length >= 0 && length <= this.#maxBulk)) throw protocolError('invalid bulk length');
    if (this.restricted && length > 16384) throw protocolError('unauthenticated bulk length');
    if (this.#bytes + length > this.#maxBytes) throw protocolError('too big request');
    this.#at = end + 2;
    this.#bulk = length;
    return true;
  }

  #readBulk(): string | undefined {
    const buffer = this.#buffer;
    const length = this.#bulk - this.#gathered;
    const at = this.#at;
    if (buffer.length - at >= length + 2) {
      this.#at = at + length + 2;
      const text = length === 0 ? '' : buffer.latin1Slice(at, at + length);
      if (this.#parts.length === 0) return text;
      this.#parts.push(text);
      const whole = this.#parts.join('');
      this.#parts = [];
      this.#gathered = 0;
      return whole;
    }
    if (this.#bulk > gatherFrom) {
      const end = Math.min(buffer.length, at + length);
      if (end > at) {
        this.#parts.push(buffer.latin1Slice(at, end));
        this.#gathered += end - at;
        this.#at = end;
      }
    }
    return undefined;
  }

  /** Position of the line's CR once the byte after it is there too, else -1. */
  #lineEnd(tooBig: string): number {
    const buffer = this.#buffer;
    const start = this.#at;
    // Nearly every header is a few bytes long.
    const near = Math.min(buffer.length, start + 12);
    for (let at = start; at < near; at++) {
      if (buffer[at] === CR) return at + 1 < buffer.length ? at : -1;
    }
    const end = buffer.indexOf(CR, start);
    if ((end < 0 ? buffer.length : end) - start > this.#maxLine) throw protocolError(tooBig);
    return end < 0 || end + 1 >= buffer.length ? -1 : end;
  }

  /** A decimal without leading zeros or plus sign; NaN when it is none. */
  #number(start: number, end: number): number {
    const buffer = this.#buffer;
    let at = start;
    const negative = buffer[at] === 45;
    if (negative) at++;
    const digits = end - at;
    if (digits < 1 || digits > 15 || (digits > 1 && buffer[at] === 48)) return Number.NaN;
    let value = 0;
    for (; at < end; at++) {
      const digit = buffer[at]! - 48;
      if (digit < 0 || digit > 9) return Number.NaN;
      value = value * 10 + digit;
    }
    if (negative && value === 0) return Number.NaN;
    return negative ? -value : value;
  }

  #readInline(): string[] | undefined {
    const buffer = this.#buffer;
    const end = buffer.indexOf(LF, this.#at);
    if ((end < 0 ? buffer.length : end) - this.#at > this.#maxLine) throw protocolError('too big inline request');
    if (end < 0) return undefined;
    const stop = end > this.#at && buffer[end - 1] === CR ? end - 1 : end;
    const line = buffer.latin1Slice(this.#at, stop);
    this.#at = end + 1;
    const argv = splitArguments(line);
    if (argv === undefined) throw protocolError('unbalanced quotes in request');
    return argv;
  }
}

function protocolError(text: string): RequestError {
  return new RequestError(`Protocol error: ${text}`);
}
