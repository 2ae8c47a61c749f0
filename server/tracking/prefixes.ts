// Whether prefixes of keys overlap: two do when one is the beginning of the other, so that one key could match both.

export interface PrefixOverlap {
  /** The first given prefix that overlaps with another. */
  readonly prefix: string;
  readonly with: string;
  /** The other one was there before; otherwise it is one of those given. */
  readonly existing: boolean;
}

/**
 * The first overlap of `given`, in their order, with `existing` (which do not overlap with each other) or with a later
 * one of `given`. Near-linear: a client may give a great many.
 */
export function prefixOverlap(given: readonly string[], existing: ReadonlySet<string>): PrefixOverlap | undefined {
  const held = new SortedPrefixes([...existing]);
  const all = new SortedPrefixes(given);
  for (const prefix of given) {
    const before = held.firstOverlap(prefix);
    if (before !== undefined) return { prefix, with: before, existing: true };
    const beside = all.others(prefix) ?? (all.repeated(prefix) ? prefix : undefined);
    // With a later one: what overlaps with an earlier one was found when that one was looked at.
    if (beside !== undefined) return { prefix, with: first(given, prefix), existing: false };
  }
  return undefined;
}

/** The first of `given` after `prefix` that overlaps with it. */
function first(given: readonly string[], prefix: string): string {
  for (let at = given.indexOf(prefix) + 1; at < given.length; at++) {
    const other = given[at]!;
    if (other.startsWith(prefix) || prefix.startsWith(other)) return other;
  }
  return prefix;
}

class SortedPrefixes {
  readonly #sorted: readonly string[];
  readonly #counts = new Map<string, number>();
  readonly #lengths: readonly number[];

  constructor(prefixes: readonly string[]) {
    for (const prefix of prefixes) this.#counts.set(prefix, (this.#counts.get(prefix) ?? 0) + 1);
    this.#sorted = [...this.#counts.keys()].sort((a, b) => (a < b ? -1 : 1));
    this.#lengths = [...new Set(this.#sorted.map((prefix) => prefix.length))].sort((a, b) => a - b);
  }

  repeated(prefix: string): boolean {
    return (this.#counts.get(prefix) ?? 0) > 1;
  }

  /** The first in sorted order that overlaps with `prefix`, itself included. */
  firstOverlap(prefix: string): string | undefined {
    return this.#shorter(prefix) ?? this.#longer(prefix, this.#lowerBound(prefix));
  }

  /** One that overlaps with `prefix`, which is one of them, other than itself. */
  others(prefix: string): string | undefined {
    return this.#shorter(prefix) ?? this.#longer(prefix, this.#lowerBound(prefix) + 1);
  }

  #shorter(prefix: string): string | undefined {
    for (const length of this.#lengths) {
      if (length >= prefix.length) return undefined;
      const start = prefix.slice(0, length);
      if (this.#counts.has(start)) return start;
    }
    return undefined;
  }

  #longer(prefix: string, at: number): string | undefined {
    const next = this.#sorted[at];
    return next?.startsWith(prefix) === true ? next : undefined;
  }

  #lowerBound(prefix: string): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle]! < prefix) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
