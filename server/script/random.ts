// The numbers that math.random gives to scripts: the same for the same seed everywhere (drand48's generator).
// Pure but for its own state.

const multiplier = 0x5deece66dn;
const mask = (1n << 48n) - 1n;

export class ScriptRandom {
  #state = 0x1234abcd330en;

  seed(value: number): void {
    this.#state = (BigInt(value >>> 0) << 16n) | 0x330en;
  }

  /** The next number below 2^31. */
  next(): number {
    this.#state = (this.#state * multiplier + 11n) & mask;
    return Number(this.#state >> 17n);
  }
}
