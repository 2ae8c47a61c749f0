// The words of `maxmemory-policy`: which keys may go, and which of them goes first. Pure.

export interface Policy {
  /** Only keys with a deadline. */
  readonly volatile: boolean;
  readonly by: 'lru' | 'lfu' | 'random' | 'ttl';
}

/** Undefined: nothing is evicted. */
export function policyOf(text: string): Policy | undefined {
  const match = /^(volatile|allkeys)-(lru|lfu|random|ttl)$/.exec(text);
  if (match === null) return undefined;
  return { volatile: match[1] === 'volatile', by: match[2] as Policy['by'] };
}

const gentleSteps = 10;
const gentleMs = 0.05;
const steepMs = 0.5;
const growth = 1.15;

/** Milliseconds that one command may spend on evicting, of `maxmemory-eviction-tenacity`. */
export function evictionTimeMs(tenacity: number): number {
  if (tenacity <= gentleSteps) return gentleMs * tenacity;
  return tenacity < 100 ? steepMs * growth ** (tenacity - gentleSteps) : Number.POSITIVE_INFINITY;
}
