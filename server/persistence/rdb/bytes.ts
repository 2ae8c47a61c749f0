// A growing byte writer and a bounds-checked reader: the hands of every binary format of this folder.
// Text in and out is a binary string (one char, one byte). A reader never allocates for bytes that are not there.

/** What becomes of strings that could be shorter: packed at once, left as they are, or left and noted for later. */
export type Packing = 'now' | 'never' | 'later';

const firstLength = 256;

export class ByteWriter {
  readonly packing: Packing;
  /** With `later`: for each string that could be packed where it begins, and how many bytes it has. */
  readonly strings: number[] = [];
  #bytes: Buffer;
  #length = 0;

  /** `room`: bytes that it holds before it has to grow. */
  constructor(packing: Packing = 'now', room: number = firstLength) {
    this.packing = packing;
    this.#bytes = Buffer.allocUnsafe(Math.max(firstLength, room));
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value & 0xff;
    return this;
  }

  /** `width` little-endian bytes of an integer (signed or not). */
  le(value: number | bigint, width: number): this {
    let rest = BigInt.asUintN(width * 8, BigInt(value));
    for (let byte = 0; byte < width; byte++) {
      this.u8(Number(rest & 0xffn));
      rest >>= 8n;
    }
    return this;
  }

  be(value: number | bigint, width: number): this {
    const whole = BigInt.asUintN(width * 8, BigInt(value));
    for (let byte = width - 1; byte >= 0; byte--) this.u8(Number((whole >> BigInt(byte * 8)) & 0xffn));
    return this;
  }

  f64(value: number): this {
    this.#reserve(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
    return this;
  }

  text(value: string): this {
    this.#reserve(value.length);
    this.#length += this.#bytes.write(value, this.#length, 'latin1');
    return this;
  }

  raw(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** A view of what was written; valid until the next write. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    const wanted = this.#length + count;
    if (wanted <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(wanted, this.#bytes.length * 2));
    grown.set(this.bytes());
    this.#bytes = grown;
  }
}

export class ByteReader {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  u8(): number {
    return this.bytes[this.#take(1)]!;
  }

  u16(): number {
    return this.bytes.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.#take(4));
  }

  u64(): bigint {
    return this.bytes.readBigUInt64LE(this.#take(8));
  }

  u32be(): number {
    return this.bytes.readUInt32BE(this.#take(4));
  }

  u64be(): bigint {
    return this.bytes.readBigUInt64BE(this.#take(8));
  }

  /** A signed little-endian integer of 1-6 bytes. */
  int(width: number): number {
    return this.bytes.readIntLE(this.#take(width), width);
  }

  i64(): bigint {
    return this.bytes.readBigInt64LE(this.#take(8));
  }

  f64(): number {
    return this.bytes.readDoubleLE(this.#take(8));
  }

  raw(length: number): Buffer {
    const start = this.#take(length);
    return this.bytes.subarray(start, start + length);
  }

  text(length: number): string {
    const start = this.#take(length);
    return this.bytes.toString('latin1', start, start + length);
  }

  #take(count: number): number {
    if (count < 0 || count > this.left) throw new Error(`wanted ${count} bytes, ${this.left} are left`);
    const start = this.at;
    this.at += count;
    return start;
  }
}
