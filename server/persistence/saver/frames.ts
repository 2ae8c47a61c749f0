// What a node sends to the process that writes its save: pieces, each with the places of its strings that are to be
// packed, and an end. A stream that stops without its end is one of a node that died. Pure.
// Layout: a byte of kind; for a piece how many bytes it has and how many numbers its places take (u32, little-endian),
// the places (u32, as the machine has them), the bytes. Both sides are of one program on one machine.

import type { RdbPiece } from '../rdb/file-writer.ts';

const pieceKind = 1;
const endKind = 2;
const headerLength = 9;
const placeLength = 4;
const most = 0xffff_ffff;

export const endFrame: Buffer = Buffer.from([endKind]);

/** What stands before the bytes of a piece. Throws a RangeError for one of 4 GiB and more. */
export function pieceHeader({ bytes, strings }: RdbPiece): Buffer {
  if (bytes.length > most) throw new RangeError(`a value of ${bytes.length} bytes is too large to be saved`);
  const header = Buffer.allocUnsafe(headerLength + strings.length * placeLength);
  header.writeUInt8(pieceKind, 0);
  header.writeUInt32LE(bytes.length, 1);
  header.writeUInt32LE(strings.length, 5);
  let at = headerLength;
  for (const place of strings) at = header.writeUInt32LE(place, at);
  return header;
}

export interface FrameSink {
  /** A whole piece where it has strings to pack, else any part of one; a view that lasts for the call. */
  onBytes(bytes: Buffer, strings: readonly number[]): void;
  onEnd(): void;
}

/** Reads what pieceHeader and endFrame have made, in chunks of any size. */
export class FrameReader {
  readonly #sink: FrameSink;
  #kept: Buffer[] = [];
  #keptLength = 0;
  /** Bytes that the next step needs at once. */
  #needed = 1;
  /** Bytes of the piece that have not come; only where it has nothing to pack. */
  #passing = 0;
  #header: { readonly length: number; readonly places: number } | undefined;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Throws an Error for what is no frame, and what the sink throws. */
  feed(chunk: Buffer): void {
    let rest = this.#pass(chunk);
    if (rest.length === 0) return;
    this.#kept.push(rest);
    this.#keptLength += rest.length;
    while (this.#keptLength >= this.#needed && this.#keptLength > 0) {
      rest = this.#kept.length === 1 ? this.#kept[0]! : Buffer.concat(this.#kept, this.#keptLength);
      const used = this.#step(rest);
      rest = this.#pass(rest.subarray(used));
      this.#kept = rest.length === 0 ? [] : [rest];
      this.#keptLength = rest.length;
    }
  }

  #pass(bytes: Buffer): Buffer {
    const count = Math.min(this.#passing, bytes.length);
    if (count === 0) return bytes;
    this.#passing -= count;
    this.#sink.onBytes(bytes.subarray(0, count), []);
    return bytes.subarray(count);
  }

  /** Takes a header or a piece from the start of `bytes`; how much that was. */
  #step(bytes: Buffer): number {
    if (this.#header !== undefined) return this.#takePiece(bytes, this.#header);
    if (bytes[0] === endKind) {
      this.#sink.onEnd();
      return 1;
    }
    if (bytes[0] !== pieceKind) throw new Error(`no frame begins with ${bytes[0]}`);
    this.#needed = headerLength;
    if (bytes.length < headerLength) return 0;
    const header = { length: bytes.readUInt32LE(1), places: bytes.readUInt32LE(5) };
    if (header.places === 0) {
      this.#passing = header.length;
      this.#needed = 1;
    } else {
      this.#header = header;
      this.#needed = header.places * placeLength + header.length;
    }
    return headerLength;
  }

  #takePiece(bytes: Buffer, { length, places }: { readonly length: number; readonly places: number }): number {
    const strings: number[] = [];
    for (let at = 0; at < places; at++) strings.push(bytes.readUInt32LE(at * placeLength));
    const start = places * placeLength;
    this.#header = undefined;
    this.#needed = 1;
    this.#sink.onBytes(bytes.subarray(start, start + length), strings);
    return start + length;
  }
}
