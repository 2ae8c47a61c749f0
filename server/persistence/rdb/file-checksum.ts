// CRC-64 over bytes that come in pieces, on top of the one-shot checksum.
// The checksum is linear and its register starts at zero, so a register left by earlier bytes counts as if it were
// added (xor) to the first eight bytes that follow; what reaches beyond a shorter piece is only moved down.

import { crc64 } from './crc64.ts';

const registerLength = 8;
/** Bytes copied at a time, so that a large value is not held twice. */
const sliceLength = 65_536;

export class RunningChecksum {
  #register: Buffer = Buffer.alloc(registerLength);
  readonly #counts: boolean;

  /** `counts` false: the value stays zeros, which readers take as "not checked". */
  constructor(counts = true) {
    this.#counts = counts;
  }

  /** The checksum of everything so far, 8 little-endian bytes; valid until the next update. */
  get value(): Buffer {
    return this.#register;
  }

  update(bytes: Uint8Array): void {
    if (!this.#counts) return;
    for (let at = 0; at < bytes.length; at += sliceLength) this.#add(bytes.subarray(at, at + sliceLength));
  }

  #add(bytes: Uint8Array): void {
    const register = this.#register;
    const mixed = Buffer.from(bytes);
    const shared = Math.min(registerLength, mixed.length);
    for (let at = 0; at < shared; at++) mixed[at] = mixed[at]! ^ register[at]!;
    const next = crc64(mixed);
    for (let at = shared; at < registerLength; at++) next[at - shared] = next[at - shared]! ^ register[at]!;
    this.#register = next;
  }
}
