// The sparse layout of a HyperLogLog: runs of equal registers, for sketches of few elements.
// `00llllll`: l+1 zeros; `01llllll llllllll`: l+1 zeros; `1vvvvvll`: l+1 times the rank v+1.
// Invariant: what a sequence of ranks makes of it is, byte for byte, what redis-server 7.0 makes of it.

export const registerCount = 16_384;
const mostShortZeros = 64;
const mostRank = 32;
const mostRanks = 4;
/** Runs looked at after a change, from the one before it on, for ranks that can share a byte. */
const mergeReach = 5;

interface Run {
  /** Where its bytes begin, and how many they are. */
  readonly at: number;
  readonly bytes: number;
  /** 0: zeros. */
  readonly rank: number;
  readonly length: number;
}

export class SparseRuns {
  #bytes: Buffer;

  /** Default: zeros alone. */
  constructor(bytes: Buffer = Buffer.from(zeros(registerCount))) {
    this.#bytes = bytes;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Puts every rank into `registers`; false when the runs are not those of so many registers. */
  fill(registers: Uint8Array): boolean {
    let index = 0;
    for (let at = 0; at < this.#bytes.length; ) {
      const run = this.#runAt(at);
      if (index + run.length > registerCount || run.at + run.bytes > this.#bytes.length) return false;
      registers.fill(run.rank, index, index + run.length);
      index += run.length;
      at += run.bytes;
    }
    return index === registerCount;
  }

  /** Whether the runs are those of so many registers as a sketch has. */
  get whole(): boolean {
    const bytes = this.#bytes;
    let index = 0;
    let at = 0;
    for (; at < bytes.length && index <= registerCount; at += runBytes(bytes[at]!)) index += runLength(bytes, at);
    return index === registerCount && at === bytes.length;
  }

  /** `z:` few zeros, `Z:` many, `v:rank,length`. */
  describe(): string {
    const words: string[] = [];
    for (let at = 0; at < this.#bytes.length; ) {
      const { bytes, rank, length } = this.#runAt(at);
      words.push(rank > 0 ? `v:${rank},${length}` : `${bytes === 1 ? 'z' : 'Z'}:${length}`);
      at += bytes;
    }
    return words.join(' ');
  }

  /** Raises a register. `full`: that cannot be stored in this layout, or not within `room` bytes; nothing changed. */
  raise(index: number, rank: number, room: number): 'raised' | 'same' | 'full' {
    if (rank > mostRank) return 'full';
    const bytes = this.#bytes;
    let first = 0;
    let before = 0;
    let at = 0;
    // Without an object a run: this is gone through for every element that is added.
    for (let length = runLength(bytes, 0); index >= first + length; length = runLength(bytes, at)) {
      before = at;
      first += length;
      at += runBytes(bytes[at]!);
    }
    const run = this.#runAt(at);
    if (run.rank >= rank) return 'same';
    const [left, right] = [index - first, first + run.length - 1 - index];
    const same = run.rank === 0 ? zeros : (length: number): number[] => ranks(run.rank, length);
    const fresh = [...(left > 0 ? same(left) : []), ...ranks(rank, 1), ...(right > 0 ? same(right) : [])];
    const growth = fresh.length - run.bytes;
    if (growth > 0 && this.#bytes.length + growth > room) return 'full';
    this.#replace(run, fresh);
    this.#merge(before);
    return 'raised';
  }

  #replace({ at, bytes }: Run, fresh: readonly number[]): void {
    if (fresh.length === bytes) this.#bytes.set(fresh, at);
    else {
      this.#bytes = Buffer.concat([this.#bytes.subarray(0, at), Buffer.from(fresh), this.#bytes.subarray(at + bytes)]);
    }
  }

  /** Joins neighbours of one rank, near the place of a change. */
  #merge(from: number): void {
    let at = from;
    for (let left = mergeReach; left > 0 && at < this.#bytes.length; left--) {
      const run = this.#runAt(at);
      const next = at + run.bytes < this.#bytes.length ? this.#runAt(at + run.bytes) : undefined;
      if (run.rank > 0 && next?.rank === run.rank && run.length + next.length <= mostRanks) {
        const joined = { ...run, bytes: run.bytes + next.bytes };
        this.#replace(joined, ranks(run.rank, run.length + next.length));
      } else at += run.bytes;
    }
  }

  #runAt(at: number): Run {
    const byte = this.#bytes[at]!;
    if (byte >= 0x80) return { at, bytes: 1, rank: ((byte >> 2) & 31) + 1, length: (byte & 3) + 1 };
    if (byte < 0x40) return { at, bytes: 1, rank: 0, length: byte + 1 };
    return { at, bytes: 2, rank: 0, length: (((byte & 63) << 8) | (this.#bytes[at + 1] ?? 0)) + 1 };
  }
}

function runBytes(byte: number): number {
  return byte >= 0x40 && byte < 0x80 ? 2 : 1;
}

function runLength(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]!;
  if (byte >= 0x80) return (byte & 3) + 1;
  return byte < 0x40 ? byte + 1 : (((byte & 63) << 8) | (bytes[at + 1] ?? 0)) + 1;
}

function zeros(length: number): number[] {
  if (length <= mostShortZeros) return [length - 1];
  return [0x40 | ((length - 1) >> 8), (length - 1) & 255];
}

function ranks(rank: number, length: number): number[] {
  return [0x80 | ((rank - 1) << 2) | (length - 1)];
}
