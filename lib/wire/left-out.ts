// What a tolerant reader leaves out of a reply, and why. Owns a bounded list: a reply of a thousand unusable entries
// is described by its first few and a count.

/** Most reasons kept. */
const maxReasons = 8;
/** Most characters of one reason. */
const maxLength = 160;

export class LeftOut {
  readonly #reasons: string[] = [];
  #count = 0;

  /** Entries and fields left out. */
  get count(): number {
    return this.#count;
  }

  add(reason: unknown): void {
    this.#count++;
    if (this.#reasons.length >= maxReasons) return;
    const text = reason instanceof Error ? reason.message : String(reason);
    this.#reasons.push(text.length > maxLength ? `${text.slice(0, maxLength)}...` : text);
  }

  /** The first reasons, and how many more there were. */
  get list(): string[] {
    const more = this.#count - this.#reasons.length;
    return more === 0 ? [...this.#reasons] : [...this.#reasons, `and ${more} more`];
  }

  /** For an error message: `''` when nothing was left out. */
  toString(): string {
    return this.#count === 0 ? '' : `left out: ${this.list.join('; ')}`;
  }
}
