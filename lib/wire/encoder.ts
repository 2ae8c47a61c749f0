// Commands into bytes: `*n` and one bulk per argument, written into a slab that is handed out in pieces.
// Knows no sockets. Invariant: bytes already taken are not touched again before rewind() says that nobody needs them;
// until then the slab only moves forward, and a socket may hold on to what it was given.

import { allocate, type Bytes, codeAt } from './bytes.ts';

export type Argument = string | Uint8Array;

const smallestSlab = 8 * 1024;
const largestSlab = 1024 * 1024;
/** Bytes from here on travel by reference; below, one copy is cheaper than one more segment in writev. */
const referenceFrom = 16 * 1024;
/** Up to here a loop over char codes beats two calls into C++ (measured: even at about 40 chars). */
const loopUpTo = 40;

const CRLF = 0x0d0a;
const star = 42;
const dollar = 36;

export class Encoder {
  #slab: Bytes = allocate(smallestSlab);
  #start = 0;
  #at = 0;
  #segments: Uint8Array[] = [];
  #segmentBytes = 0;

  /** Bytes encoded and not yet taken. */
  get size(): number {
    return this.#segmentBytes + this.#at - this.#start;
  }

  encode(argv: readonly Argument[]): void {
    if (this.#plain(argv)) return;
    this.#reserve(16);
    this.#at = header(this.#slab, this.#at, star, argv.length);
    for (let index = 0; index < argv.length; index++) {
      const argument = argv[index]!;
      if (typeof argument === 'string') this.#encoded(argument);
      else this.#bytes(argument);
    }
  }

  /** Bytes that are RESP already, such as a prebuilt ASKING. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#slab.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Everything encoded since the last take, in order; nothing is encoded twice. */
  take(): readonly Uint8Array[] {
    this.#cut();
    const segments = this.#segments;
    this.#segments = [];
    this.#segmentBytes = 0;
    return segments;
  }

  /** All that was taken has left: the slab is written from its start again, while it is warm in the processor's cache. */
  rewind(): void {
    if (this.#at !== this.#start || this.#segments.length > 0) return;
    this.#start = 0;
    this.#at = 0;
  }

  // Short ASCII arguments only, as most commands are: one reservation for all, and the position in a local. False, and
  // nothing is written, when an argument is something else.
  #plain(argv: readonly Argument[]): boolean {
    let most = 16;
    for (let index = 0; index < argv.length; index++) {
      const argument = argv[index]!;
      if (typeof argument !== 'string' || argument.length > loopUpTo) return false;
      most += argument.length + 8;
    }
    this.#reserve(most);
    const slab = this.#slab;
    let at = header(slab, this.#at, star, argv.length);
    let all = 0;
    for (let index = 0; index < argv.length; index++) {
      const argument = argv[index] as string;
      const length = argument.length;
      at = header(slab, at, dollar, length);
      for (let place = 0; place < length; place++) {
        const code = codeAt(argument, place);
        all |= code;
        slab[at + place] = code;
      }
      at += length;
      slab[at] = 13;
      slab[at + 1] = 10;
      at += 2;
    }
    if (all > 127) return false;
    this.#at = at;
    return true;
  }

  // Text of any length and script: the length in bytes has to be known before the header.
  #encoded(text: string): void {
    const length = Buffer.byteLength(text);
    if (length >= referenceFrom * 4) {
      this.#reference(Buffer.from(text));
      return;
    }
    this.#reserve(20 + length);
    const slab = this.#slab;
    this.#at = header(slab, this.#at, dollar, length);
    if (length === text.length) slab.latin1Write(text, this.#at, length);
    else slab.utf8Write(text, this.#at, length);
    this.#at += length;
    this.#crlf();
  }

  #bytes(bytes: Uint8Array): void {
    const length = bytes.byteLength;
    if (length >= referenceFrom) {
      this.#reference(bytes);
      return;
    }
    this.#reserve(20 + length);
    this.#at = header(this.#slab, this.#at, dollar, length);
    this.#slab.set(bytes, this.#at);
    this.#at += length;
    this.#crlf();
  }

  #reference(bytes: Uint8Array): void {
    this.#reserve(20);
    this.#at = header(this.#slab, this.#at, dollar, bytes.byteLength);
    this.#cut();
    this.#segments.push(bytes);
    this.#segmentBytes += bytes.byteLength;
    this.#reserve(2);
    this.#crlf();
  }

  #crlf(): void {
    this.#slab[this.#at] = CRLF >> 8;
    this.#slab[this.#at + 1] = CRLF & 0xff;
    this.#at += 2;
  }

  #reserve(size: number): void {
    if (this.#at + size <= this.#slab.length) return;
    this.#cut();
    // A tick that overflows its slab gets a bigger one: fewer segments for the same bytes.
    const grown = this.#segments.length > 0 ? this.#slab.length * 2 : this.#slab.length;
    this.#slab = allocate(Math.max(size, Math.min(largestSlab, grown)));
    this.#start = 0;
    this.#at = 0;
  }

  #cut(): void {
    if (this.#at === this.#start) return;
    this.#segments.push(this.#slab.subarray(this.#start, this.#at));
    this.#segmentBytes += this.#at - this.#start;
    this.#start = this.#at;
  }
}

// `*` or `$`, decimal digits and CRLF; returns the position behind them.
function header(slab: Bytes, from: number, sign: number, value: number): number {
  let at = from;
  slab[at++] = sign;
  if (value < 10) slab[at++] = 48 + value;
  else if (value < 100) {
    slab[at++] = 48 + ((value / 10) | 0);
    slab[at++] = 48 + (value % 10);
  } else {
    let divisor = 100;
    while (divisor * 10 <= value) divisor *= 10;
    while (divisor >= 1) {
      slab[at++] = 48 + (Math.floor(value / divisor) % 10);
      divisor /= 10;
    }
  }
  slab[at] = 13;
  slab[at + 1] = 10;
  return at + 2;
}
