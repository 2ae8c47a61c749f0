// HyperLogLog: 16384 registers of 6 bits in a string that starts with `HYLL`, and the estimate they give.
// Sparse at first, dense for good once it has grown, as redis-server 7.0 has it.
// Sources: Heule, Nunkesser, Hall, "HyperLogLog in Practice"; Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches" (the estimator).

import { defaultLimits } from '../encoding.ts';
import { registerCount, SparseRuns } from './hyperloglog-sparse.ts';
import { murmur64 } from './murmur64.ts';

const REGISTER_BITS = 6;
const INDEX_BITS = 14;
const MAX_RANK = 50;
const HEAD = 16;
const LAYOUT = 4;
const DENSE_LENGTH = (registerCount * REGISTER_BITS) / 8;
const ALPHA = 0.7213475204444817;

/** Not the text of a HyperLogLog, or one whose sparse part is broken. */
export type SketchProblem = 'foreign' | 'corrupt';

export class Sketch {
  readonly #head: Buffer;
  /** `hll-sparse-max-bytes`: head included. */
  mostSparse: number = defaultLimits.sparseBytes;
  /** Sparse as long as it is short: runs; then packed registers, lowest bits first. */
  #body: SparseRuns | Buffer;

  constructor(head: Buffer = newHead(), body: SparseRuns | Buffer = new SparseRuns()) {
    this.#head = head;
    this.#body = body;
  }

  static parse(text: string): Sketch | SketchProblem {
    if (text.length < HEAD || !text.startsWith('HYLL')) return 'foreign';
    const layout = text.charCodeAt(LAYOUT);
    const head = Buffer.from(text.slice(0, HEAD), 'latin1');
    const body = Buffer.from(text.slice(HEAD), 'latin1');
    if (layout === 1) {
      const runs = new SparseRuns(body);
      return runs.whole ? new Sketch(head, runs) : 'corrupt';
    }
    if (layout !== 0 || body.length !== DENSE_LENGTH) return 'foreign';
    return new Sketch(head, body);
  }

  /** As redis-server keeps it; its cached estimate is marked as out of date. */
  print(): string {
    this.#head[HEAD - 1]! |= 0x80;
    const body = this.#body instanceof SparseRuns ? this.#body.bytes : this.#body;
    return this.#head.toString('latin1') + body.toString('latin1');
  }

  /** True when a register grew. */
  add(text: string): boolean {
    const { high, low } = murmur64(text);
    const index = low & (registerCount - 1);
    // 50 bits are left: 18 of the lower half, 32 of the upper one. The rank is that of the lowest bit that is set.
    const rest = low >>> INDEX_BITS;
    const rank = rest !== 0 ? lowestBit(rest) + 1 : high !== 0 ? lowestBit(high) + 33 - INDEX_BITS : MAX_RANK + 1;
    return this.#raise(index, rank);
  }

  /** Takes over what is greater in any of the others; dense when one of them is. */
  merge(others: readonly Sketch[]): void {
    if (others.some((other) => other.#body instanceof Buffer)) this.#unfold();
    for (const [index, rank] of greatest(others).entries()) if (rank > 0) this.#raise(index, rank);
  }

  get dense(): boolean {
    return this.#body instanceof Buffer;
  }

  makeDense(): void {
    this.#unfold();
  }

  /** The runs of the sparse layout as text; undefined: it is dense. */
  runs(): string | undefined {
    return this.#body instanceof SparseRuns ? this.#body.describe() : undefined;
  }

  /** The rank of each register. */
  registers(): Uint8Array {
    const ranks = new Uint8Array(registerCount);
    if (this.#body instanceof SparseRuns) this.#body.fill(ranks);
    else for (let index = 0; index < registerCount; index += 1) ranks[index] = get(this.#body, index);
    return ranks;
  }

  #raise(index: number, rank: number): boolean {
    if (this.#body instanceof SparseRuns) {
      const outcome = this.#body.raise(index, rank, this.mostSparse - HEAD);
      if (outcome !== 'full') return outcome === 'raised';
    }
    const dense = this.#unfold();
    if (rank <= get(dense, index)) return false;
    set(dense, index, rank);
    return true;
  }

  #unfold(): Buffer {
    if (this.#body instanceof Buffer) return this.#body;
    const dense = Buffer.alloc(DENSE_LENGTH);
    for (const [index, rank] of this.registers().entries()) if (rank > 0) set(dense, index, rank);
    this.#head[LAYOUT] = 0;
    this.#body = dense;
    return dense;
  }
}

/** The position of the lowest bit that is set, from 0. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

/** The estimated number of distinct elements of all sketches together. */
export function estimate(sketches: readonly Sketch[]): number {
  const histogram = new Array<number>(64).fill(0);
  for (const rank of greatest(sketches)) histogram[rank]! += 1;
  let z = registerCount * tau((registerCount - histogram[MAX_RANK + 1]!) / registerCount);
  for (let rank = MAX_RANK; rank >= 1; rank -= 1) z = (z + histogram[rank]!) * 0.5;
  z += registerCount * sigma(histogram[0]! / registerCount);
  return Math.round((ALPHA * registerCount * registerCount) / z);
}

/** Of each register, the greatest rank. */
function greatest(sketches: readonly Sketch[]): Uint8Array {
  const ranks = new Uint8Array(registerCount);
  for (const sketch of sketches) {
    const its = sketch.registers();
    for (let index = 0; index < registerCount; index += 1) {
      if (its[index]! > ranks[index]!) ranks[index] = its[index]!;
    }
  }
  return ranks;
}

function get(dense: Buffer, index: number): number {
  const bit = index * REGISTER_BITS;
  const at = bit >> 3;
  return ((dense[at]! | ((dense[at + 1] ?? 0) << 8)) >> (bit & 7)) & 63;
}

function set(dense: Buffer, index: number, rank: number): void {
  const bit = index * REGISTER_BITS;
  const at = bit >> 3;
  const pair = dense[at]! | ((dense[at + 1] ?? 0) << 8);
  const changed = (pair & ~(63 << (bit & 7))) | (rank << (bit & 7));
  dense[at] = changed & 255;
  if (at + 1 < DENSE_LENGTH) dense[at + 1] = (changed >> 8) & 255;
}

function newHead(): Buffer {
  const head = Buffer.alloc(HEAD);
  head.write('HYLL', 'latin1');
  head[LAYOUT] = 1;
  return head;
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

/** Where the head keeps an estimate: 64 bits, lowest byte first; the highest bit says that it is out of date. */
const estimateAt = 8;
const estimateEnd = 16;

/** The estimate in a HyperLogLog's text, if it is still true. */
export function keptEstimate(text: string): number | undefined {
  const bytes = Buffer.from(text.slice(estimateAt, estimateEnd), 'latin1');
  if ((bytes[7]! & 0x80) !== 0) return undefined;
  return Number(bytes.readBigUInt64LE());
}

/** The text with an estimate in its head. */
export function keepEstimate(text: string, count: number): string {
  const bytes = Buffer.alloc(estimateEnd - estimateAt);
  bytes.writeBigUInt64LE(BigInt(count));
  return text.slice(0, estimateAt) + bytes.toString('latin1') + text.slice(estimateEnd);
}
