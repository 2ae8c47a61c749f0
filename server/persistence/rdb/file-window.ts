// Bytes of a file between their arrival and their use: appended at the end, taken at the start, checksummed once.
// Invariant: every byte taken was or will be added to the checksum exactly once, in order.

import { RunningChecksum } from './file-checksum.ts';

const firstCapacity = 65_536;

export class ByteWindow {
  #bytes: Buffer = Buffer.allocUnsafe(firstCapacity);
  /** First byte not yet checksummed, first byte not yet taken, end of what is there. */
  #summed = 0;
  #at = 0;
  #end = 0;
  readonly #checksum = new RunningChecksum();
  /** Bytes taken since the start of the file. */
  taken = 0;

  /** Bytes there and not yet taken. */
  get left(): number {
    return this.#end - this.#at;
  }

  /** Copies `chunk` in; what was taken before gives up its place. Views handed out earlier are void. */
  append(chunk: Uint8Array): void {
    this.#settle();
    if (this.#end + chunk.length > this.#bytes.length) this.#makeRoom(chunk.length);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** The byte `offset` places ahead, which must be there. */
  peek(offset: number): number {
    return this.#bytes[this.#at + offset]!;
  }

  /** A view of the next `length` bytes, which must be there, without taking them. */
  view(length: number): Buffer {
    return this.#bytes.subarray(this.#at, this.#at + length);
  }

  /** Takes the next `length` bytes, which must be there; the view lasts until the next append. */
  take(length: number): Buffer {
    const view = this.view(length);
    this.#at += length;
    this.taken += length;
    return view;
  }

  /** CRC-64 of all bytes taken. */
  checksum(): Buffer {
    this.#settle();
    return this.#checksum.value;
  }

  #settle(): void {
    this.#checksum.update(this.#bytes.subarray(this.#summed, this.#at));
    this.#summed = this.#at;
  }

  #makeRoom(length: number): void {
    const left = this.left;
    const wanted = left + length;
    // Growing only when more than half would stay in use keeps the copies linear in the bytes that pass through.
    const target =
      wanted * 2 > this.#bytes.length ? Buffer.allocUnsafe(Math.max(firstCapacity, wanted * 2)) : this.#bytes;
    this.#bytes.copy(target, 0, this.#at, this.#end);
    this.#bytes = target;
    this.#summed = 0;
    this.#at = 0;
    this.#end = left;
  }
}
