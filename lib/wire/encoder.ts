// Commands into bytes: `*n` and one bulk per argument, written into a slab that is handed out once per tick.
// Knows no sockets. Invariant: bytes already taken are never touched again, the slab only moves forward, so a
// socket may hold on to what it was given for as long as it likes.

import { allocate, type Bytes } from './bytes.ts';

export type Argument = string | Uint8Array;

const smallestSlab = 32 * 1024;
const largestSlab = 1024 * 1024;
/** Bytes from here on travel by reference; below, one copy is cheaper than one more segment in writev. */
const referenceFrom = 16 * 1024;
/** Up to here a loop over char codes beats two calls into C++ (measured: even at about 40 chars). */
const loopUpTo = 40;

const CRLF = 0x0d0a;

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
    this.#reserve(16);
    this.#slab[this.#at++] = 42;
    this.#header(argv.length);
    for (let index = 0; index < argv.length; index++) {
      const argument = argv[index]!;
      if (typeof argument === 'string') this.#text(argument);
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

  #text(text: string): void {
    const length = text.length;
    if (length <= loopUpTo) {
      this.#reserve(16 + length * 3);
      const slab = this.#slab;
      const before = this.#at;
      slab[this.#at++] = 36;
      this.#header(length);
      let at = this.#at;
      for (let index = 0; index < length; index++) {
        const code = text.charCodeAt(index);
        if (code > 127) {
          this.#at = before;
          this.#encoded(text);
          return;
        }
        slab[at++] = code;
      }
      slab[at] = 13;
      slab[at + 1] = 10;
      this.#at = at + 2;
      return;
    }
    this.#encoded(text);
  }

  // Text that is long or not ASCII: the length in bytes has to be known before the header.
  #encoded(text: string): void {
    const length = Buffer.byteLength(text);
    if (length >= referenceFrom * 4) {
      this.#reference(Buffer.from(text));
      return;
    }
    this.#reserve(20 + length);
    const slab = this.#slab;
    slab[this.#at++] = 36;
    this.#header(length);
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
    this.#slab[this.#at++] = 36;
    this.#header(length);
    this.#slab.set(bytes, this.#at);
    this.#at += length;
    this.#crlf();
  }

  #reference(bytes: Uint8Array): void {
    this.#reserve(20);
    this.#slab[this.#at++] = 36;
    this.#header(bytes.byteLength);
    this.#cut();
    this.#segments.push(bytes);
    this.#segmentBytes += bytes.byteLength;
    this.#reserve(2);
    this.#crlf();
  }

  // Decimal digits and CRLF.
  #header(value: number): void {
    const slab = this.#slab;
    let at = this.#at;
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
    this.#at = at + 2;
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
