// A bulk string that comes in several pieces, gathered in one place so that each byte is copied once or little more.
// Invariant: the room taken is no more than was announced, and of that at most a fixed size or four times what has
// arrived: a length that is merely announced costs nothing.

import { allocate, type Bytes } from './bytes.ts';

/** Most room taken at once. */
const firstRoom = 256 * 1024;
/** Rooms that wait to be used again: bulks that become text leave no garbage but the text. */
const spares: Bytes[] = [];
const mostSpares = 4;

export class LongBulk {
  /** Bytes announced. */
  readonly length: number;
  readonly verbatim: boolean;
  readonly error: boolean;
  /** Bytes that have arrived. */
  have = 0;
  #room: Bytes;
  readonly #keep: boolean;

  /** `keep`: the bytes themselves are wanted, in memory of their own. */
  constructor(length: number, verbatim: boolean, error: boolean, keep: boolean) {
    this.length = length;
    this.verbatim = verbatim;
    this.error = error;
    this.#keep = keep;
    this.#room = (keep ? undefined : spareFor(length)) ?? allocate(Math.min(length, firstRoom));
  }

  /** Takes what belongs to it of `source` from `at` to `end`; returns how many bytes that were. */
  take(source: Bytes, at: number, end: number): number {
    const count = Math.min(this.length - this.have, end - at);
    if (this.have + count > this.#room.length) this.#grow(this.have + count);
    source.copy(this.#room, this.have, at, at + count);
    this.have += count;
    return count;
  }

  /** All bytes. With `keep` they are the caller's; otherwise they are valid until `release`. */
  get bytes(): Bytes {
    return this.#room.length === this.length ? this.#room : (this.#room.subarray(0, this.length) as Bytes);
  }

  /** Gives the room back, when it was not to be kept. */
  release(): void {
    if (this.#keep || this.#room.length > firstRoom) return;
    if (spares.length < mostSpares) spares.push(this.#room);
    else if (this.#room.length > spares[mostSpares - 1]!.length) spares[mostSpares - 1] = this.#room;
  }

  #grow(needed: number): void {
    const grown = allocate(Math.min(this.length, needed * 4));
    this.#room.copy(grown, 0, 0, this.have);
    this.#room = grown;
  }
}

/** The spare room used last, when it holds a bulk of this length. */
function spareFor(length: number): Bytes | undefined {
  return spares.length > 0 && spares[spares.length - 1]!.length >= length ? spares.pop() : undefined;
}
