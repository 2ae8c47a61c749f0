// Replies as the cache keeps them: how much memory one takes, and a copy that its receiver may do with as he likes.
// Text, numbers, booleans and null cannot be changed by anyone, and are handed out as they are.

/** Taken for what surrounds a value in memory; a guess on the high side. */
const overhead = 32;

export function isPlain(reply: unknown): boolean {
  return typeof reply !== 'object' || reply === null;
}

/** Bytes, about; Infinity for what no server sends and so nobody knows how to copy. */
export function sizeOf(reply: unknown): number {
  if (typeof reply === 'string') return overhead + 2 * reply.length;
  if (typeof reply !== 'object' || reply === null) return overhead;
  if (Buffer.isBuffer(reply)) return 3 * overhead + reply.length;
  if (Array.isArray(reply)) return reply.reduce<number>((sum, item) => sum + sizeOf(item), overhead);
  if (Object.getPrototypeOf(reply) !== Object.prototype) return Number.POSITIVE_INFINITY;
  return Object.entries(reply).reduce((sum, [field, value]) => sum + sizeOf(field) + sizeOf(value), overhead);
}

export function copyOf(reply: unknown): unknown {
  if (typeof reply !== 'object' || reply === null) return reply;
  if (Buffer.isBuffer(reply)) return Buffer.from(reply);
  if (Array.isArray(reply)) return reply.map(copyOf);
  const copy: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(reply)) {
    if (field === '__proto__') {
      Object.defineProperty(copy, field, {
        value: copyOf(value),
        configurable: true,
        enumerable: true,
        writable: true,
      });
    } else copy[field] = copyOf(value);
  }
  return copy;
}
