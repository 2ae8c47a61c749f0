// The last bytes of a stream, so that a replica that lost its link can go on where it stopped: a ring. What replicas
// wait for that get a copy of the data is in it too, once for all of them; the ring grows where that is more than its
// usual size, and is made small again afterwards.
// Offsets count the bytes of the stream from 1, as PSYNC does.
// Invariant: it holds exactly the bytes first..end, among them all from the one on that somebody waits for.

/** As redis-server, which keeps no less. */
const leastCapacity = 16 * 1024;

export class Backlog {
  #ring: Buffer;
  /** Where the next byte goes. */
  #at = 0;
  #held = 0;
  /** Offset of the last byte of the stream. */
  end: number;

  /** An empty one for a stream of which `end` bytes have gone by. */
  constructor(capacity: number, end: number) {
    this.#ring = Buffer.allocUnsafeSlow(Math.max(leastCapacity, capacity));
    this.end = end;
  }

  /** Bytes that it takes. */
  get capacity(): number {
    return this.#ring.length;
  }

  /** Bytes held. */
  get length(): number {
    return this.#held;
  }

  /** Offset of the oldest byte held; that of the next byte to come when none is. */
  get first(): number {
    return this.end - this.#held + 1;
  }

  /** `needed`: the offset from which on no byte may go, undefined when nobody waits for any. */
  append(bytes: Uint8Array, needed?: number): void {
    const length = needed === undefined ? 0 : this.end + bytes.length - needed + 1;
    if (length > this.#ring.length) this.#remake(Math.max(length, 2 * this.#ring.length));
    const ring = this.#ring;
    this.end += bytes.length;
    const kept = bytes.length > ring.length ? bytes.subarray(bytes.length - ring.length) : bytes;
    const room = ring.length - this.#at;
    ring.set(kept.subarray(0, room), this.#at);
    if (kept.length > room) ring.set(kept.subarray(room), 0);
    this.#at = (this.#at + kept.length) % ring.length;
    this.#held = Math.min(ring.length, this.#held + kept.length);
  }

  /** Whether the stream can be given from the byte `next` on; `next` may be the one that is yet to come. */
  reaches(next: number): boolean {
    return next >= this.first && next <= this.end + 1;
  }

  /** A copy of the bytes from `next` to the end; only for what it reaches. */
  from(next: number): Buffer {
    const length = this.end - next + 1;
    const ring = this.#ring;
    const start = (this.#at - length + ring.length) % ring.length;
    const copy = Buffer.allocUnsafe(length);
    const whole = Math.min(length, ring.length - start);
    ring.copy(copy, 0, start, start + whole);
    ring.copy(copy, whole, 0, length - whole);
    return copy;
  }

  /** Takes another capacity, and keeps the newest bytes that fit; all from `needed` on fit. */
  resize(capacity: number, needed?: number): void {
    const wanted = Math.max(leastCapacity, capacity);
    // It has grown, and still has to be of that size.
    if (needed !== undefined && this.end - needed + 1 > wanted) return;
    if (wanted !== this.#ring.length) this.#remake(wanted);
  }

  #remake(wanted: number): void {
    const kept = this.from(Math.max(this.first, this.end - wanted + 1));
    this.#ring = Buffer.allocUnsafeSlow(wanted);
    this.#at = 0;
    this.#held = 0;
    this.end -= kept.length;
    this.append(kept);
  }
}
