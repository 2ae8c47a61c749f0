// HyperLogLog: 16384 registers of 6 bits in a string that starts with `HYLL`, and the estimate they give.
// Reads the dense and the sparse layout; always writes the dense one.
// Sources: Heule, Nunkesser, Hall, "HyperLogLog in Practice"; Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches" (the estimator); A. Appleby's MurmurHash64A.

const REGISTERS = 16384;
const REGISTER_BITS = 6;
const INDEX_BITS = 14n;
const MAX_RANK = 50;
const HEAD = 16;
const DENSE_LENGTH = HEAD + (REGISTERS * REGISTER_BITS) / 8;
const ALPHA = 0.7213475204444817;
const SEED = 0xadc83b19n;
const MULTIPLIER = 0xc6a4a7935bd1e995n;

const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);

function scramble(block: bigint): bigint {
  const mixed = wrap(block * MULTIPLIER);
  return wrap((mixed ^ (mixed >> 47n)) * MULTIPLIER);
}

/** MurmurHash64A of a binary string. */
function murmur64(text: string): bigint {
  const bytes = Buffer.from(text, 'latin1');
  const length = bytes.length;
  let hash = SEED ^ wrap(BigInt(length) * MULTIPLIER);
  const whole = length - (length % 8);
  for (let at = 0; at < whole; at += 8) hash = wrap((hash ^ scramble(bytes.readBigUInt64LE(at))) * MULTIPLIER);
  if (whole < length) {
    let tail = 0n;
    for (let at = length - 1; at >= whole; at -= 1) tail = (tail << 8n) | BigInt(bytes[at]!);
    hash = wrap((hash ^ tail) * MULTIPLIER);
  }
  hash = wrap((hash ^ (hash >> 47n)) * MULTIPLIER);
  return hash ^ (hash >> 47n);
}

/** Not the text of a HyperLogLog, or one whose sparse part is broken. */
export type SketchProblem = 'foreign' | 'corrupt';

export class Sketch {
  /** The dense layout: head and packed registers, lowest bits first. */
  readonly #bytes: Buffer;

  constructor(bytes: Buffer = emptySketch()) {
    this.#bytes = bytes;
  }

  static parse(text: string): Sketch | SketchProblem {
    if (text.length < HEAD || !text.startsWith('HYLL')) return 'foreign';
    const layout = text.charCodeAt(4);
    if (layout === 1) {
      const sketch = new Sketch();
      return sketch.#readSparse(text) ? sketch : 'corrupt';
    }
    if (layout !== 0 || text.length !== DENSE_LENGTH) return 'foreign';
    return new Sketch(Buffer.from(text, 'latin1'));
  }

  /** The dense layout; its cached estimate is marked as out of date. */
  print(): string {
    this.#bytes[HEAD - 1] = 0x80;
    return this.#bytes.toString('latin1');
  }

  /** True when a register grew. */
  add(text: string): boolean {
    const hash = murmur64(text);
    const index = Number(hash & (BigInt(REGISTERS) - 1n));
    let rest = (hash >> INDEX_BITS) | (1n << BigInt(MAX_RANK));
    let rank = 1;
    for (; (rest & 1n) === 0n; rest >>= 1n) rank += 1;
    if (rank <= this.#get(index)) return false;
    this.#set(index, rank);
    return true;
  }

  merge(other: Sketch): void {
    for (let index = 0; index < REGISTERS; index += 1) {
      const rank = other.#get(index);
      if (rank > this.#get(index)) this.#set(index, rank);
    }
  }

  /** The estimated number of distinct elements. */
  count(): number {
    const histogram = new Array<number>(64).fill(0);
    for (let index = 0; index < REGISTERS; index += 1) histogram[this.#get(index)]! += 1;
    let z = REGISTERS * tau((REGISTERS - histogram[MAX_RANK + 1]!) / REGISTERS);
    for (let rank = MAX_RANK; rank >= 1; rank -= 1) z = (z + histogram[rank]!) * 0.5;
    z += REGISTERS * sigma(histogram[0]! / REGISTERS);
    return Math.round((ALPHA * REGISTERS * REGISTERS) / z);
  }

  #get(index: number): number {
    const bit = index * REGISTER_BITS;
    const at = HEAD + (bit >> 3);
    return ((this.#bytes[at]! | ((this.#bytes[at + 1] ?? 0) << 8)) >> (bit & 7)) & 63;
  }

  #set(index: number, rank: number): void {
    const bit = index * REGISTER_BITS;
    const at = HEAD + (bit >> 3);
    const pair = this.#bytes[at]! | ((this.#bytes[at + 1] ?? 0) << 8);
    const changed = (pair & ~(63 << (bit & 7))) | (rank << (bit & 7));
    this.#bytes[at] = changed & 255;
    if (at + 1 < DENSE_LENGTH) this.#bytes[at + 1] = (changed >> 8) & 255;
  }

  /** Runs of `00llllll` zeros, `01llllll llllllll` zeros and `1vvvvvll` values. */
  #readSparse(text: string): boolean {
    let index = 0;
    for (let at = HEAD; at < text.length; at += 1) {
      const byte = text.charCodeAt(at);
      let length = (byte & 3) + 1;
      let value = 0;
      if (byte >= 0x80) {
        value = ((byte >> 2) & 31) + 1;
      } else if (byte >= 0x40) {
        at += 1;
        length = (((byte & 63) << 8) | text.charCodeAt(at)) + 1;
      } else {
        length = (byte & 63) + 1;
      }
      if (!(index + length <= REGISTERS)) return false;
      for (; length > 0; length -= 1) this.#set(index++, value);
    }
    return index === REGISTERS;
  }
}

function emptySketch(): Buffer {
  const bytes = Buffer.alloc(DENSE_LENGTH);
  bytes.write('HYLL', 'latin1');
  return bytes;
}

function sigma(x: number): number {
  if (x === 1) return Infinity;
  let y = 1;
  let z = x;
  for (let before = NaN; before !== z; ) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let y = 1;
  let z = 1 - x;
  for (let before = NaN; before !== z; ) {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}
