// Latencies in a fixed number of buckets, eight to each doubling: no allocation a sample, percentiles to about 6 %.
// From 1 µs to more than an hour; what is beyond falls into the last bucket.

const perDoubling = 8;
const doublings = 32;
const bucketCount = perDoubling * doublings;

export interface Latencies {
  readonly count: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export class Histogram {
  readonly #buckets = new Uint32Array(bucketCount);
  #count = 0;
  #max = 0;

  /** `ms`: milliseconds, fractions welcome. */
  record(ms: number): void {
    this.#count++;
    if (ms > this.#max) this.#max = ms;
    const micros = ms * 1000;
    if (micros < perDoubling) {
      this.#buckets[micros < 0 ? 0 : micros | 0]!++;
      return;
    }
    // The leading bit, and the three bits behind it.
    const whole = micros > 0xffffffff ? 0xffffffff : micros >>> 0;
    const exponent = 31 - Math.clz32(whole);
    this.#buckets[(exponent - 2) * perDoubling + ((whole >>> (exponent - 3)) & (perDoubling - 1))]!++;
  }

  get summary(): Latencies {
    return { count: this.#count, p50: this.#at(0.5), p95: this.#at(0.95), p99: this.#at(0.99), max: this.#max };
  }

  // Milliseconds: the middle of the bucket that holds the sample of this rank, no more than the largest seen.
  #at(share: number): number {
    if (this.#count === 0) return 0;
    let left = Math.ceil(this.#count * share);
    for (let at = 0; at < bucketCount; at++) {
      left -= this.#buckets[at]!;
      if (left <= 0) return Math.min(middleOf(at) / 1000, this.#max);
    }
    return this.#max;
  }
}

/** A histogram for each node, by address. */
export class NodeLatencies {
  readonly #isKnown: (address: string) => boolean;
  readonly #histograms = new Map<string, Histogram>();
  /** Who answered last, and its histogram: replies come in runs from one connection. */
  #last: object | undefined;
  #histogram = new Histogram();

  /** Of nodes that are not known (they have just left) nothing is kept. */
  constructor(isKnown: (address: string) => boolean) {
    this.#isKnown = isKnown;
  }

  /** `ms` passed until `from` answered. */
  record(ms: number, from: { readonly address: string }): void {
    if (from !== this.#last) this.#turnTo(from);
    this.#histogram.record(ms);
  }

  /** Undefined when it has answered nothing. */
  of(address: string): Latencies | undefined {
    return this.#histograms.get(address)?.summary;
  }

  forget(address: string): void {
    this.#histograms.delete(address);
    this.#last = undefined;
  }

  #turnTo(from: { readonly address: string }): void {
    this.#last = from;
    let histogram = this.#histograms.get(from.address);
    if (histogram === undefined) {
      histogram = new Histogram();
      if (this.#isKnown(from.address)) this.#histograms.set(from.address, histogram);
    }
    this.#histogram = histogram;
  }
}

// Microseconds.
function middleOf(bucket: number): number {
  if (bucket < perDoubling) return bucket + 0.5;
  const exponent = Math.floor(bucket / perDoubling) + 2;
  const width = 2 ** (exponent - 3);
  return 2 ** exponent + (bucket % perDoubling) * width + width / 2;
}
