// A bulk string that comes in several pieces, gathered in one place so that each byte is copied once or little more.
// Invariant: the room taken is at most a fixed size, or four times what has arrived: a length that is merely
// announced costs nothing.

import { allocate, type Bytes } from './bytes.ts';

/** Room taken at once. */
const firstRoom = 256 * 1024;
/** Rooms of this size wait here to be used again: bulks that become text leave no garbage but the text. */
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
    if (keep || length > firstRoom) this.#room = allocate(Math.min(length, firstRoom));
    else this.#room = spares.pop() ?? allocate(firstRoom);
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
    if (!this.#keep && this.#room.length === firstRoom && spares.length < mostSpares) spares.push(this.#room);
  }

  #grow(needed: number): void {
    const grown = allocate(Math.min(this.length, needed * 4));
    this.#room.copy(grown, 0, 0, this.have);
    this.#room = grown;
  }
}
