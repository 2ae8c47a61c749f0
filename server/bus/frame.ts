// Cuts a stream of bytes into packets. Knows the first eight bytes of a packet and nothing else of it.
// Invariant: signature and length are judged before anything is kept for them, and no more is kept than has arrived.

import { headerLength, signature } from './codec-layout.ts';

const prefix = 8;

export class Framer {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #held = 0;
  /** Of the packet under way; 0: not known yet. */
  #length = 0;

  /** `limit`: the longest packet, in bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of a packet that has not come whole. */
  get pending(): number {
    return this.#held;
  }

  /** Takes bytes in and gives the packets they complete. Throws when the stream is no bus; it is of no use then. */
  push(chunk: Buffer): Buffer[] {
    if (chunk.length > 0) {
      this.#chunks.push(chunk);
      this.#held += chunk.length;
    }
    const packets: Buffer[] = [];
    while (this.#held >= prefix) {
      if (this.#length === 0) this.#length = this.#judge(this.#front(prefix));
      if (this.#held < this.#length) break;
      const front = this.#front(this.#length);
      packets.push(front.subarray(0, this.#length));
      this.#held -= this.#length;
      this.#chunks = this.#held > 0 ? [front.subarray(this.#length), ...this.#chunks.slice(1)] : [];
      this.#length = 0;
    }
    return packets;
  }

  #judge(front: Buffer): number {
    if (front.readUInt32BE(0) !== signature) throw new Error('what came is not the cluster bus');
    const length = front.readUInt32BE(4);
    if (length < headerLength) throw new Error(`a packet of ${length} bytes is shorter than its header`);
    if (length > this.#limit) throw new Error(`a packet of ${length} bytes is above the limit of ${this.#limit}`);
    return length;
  }

  /** The first chunk, made at least `length` long; that many bytes are there. */
  #front(length: number): Buffer {
    if (this.#chunks[0]!.length < length) {
      // The length itself may sit astride two chunks: joined alone, so that no byte is copied twice for it.
      let count = 0;
      for (let size = 0; size < length; count++) size += this.#chunks[count]!.length;
      this.#chunks.splice(0, count, Buffer.concat(this.#chunks.slice(0, count)));
    }
    return this.#chunks[0]!;
  }
}
