// Keys and the values that belong to them. A value names its key and its generation, so a reply that belongs to
// another key, or an old one, is seen. Keys for reading are loaded once; every client writes keys of its own.

const keyCounts: ReadonlyMap<number, number> = new Map([
  [16, 10_000],
  [1024, 4_000],
  [65536, 200],
]);

export function countFor(size: number): number {
  const count = keyCounts.get(size);
  if (count === undefined) throw new Error(`no key count for values of ${size} bytes`);
  return count;
}

export const readKey = (size: number, index: number): string => `r${size}:${index}`;
export const writeKey = (client: string, size: number, index: number): string => `w:${client}:${size}:${index}`;

/** The value of key `index` after `generation` writes; ASCII, exactly `size` bytes, a flat string. */
export function valueFor(size: number, index: number, generation: number): string {
  const head = `${index}:${generation}:`;
  if (head.length > size)
    throw new Error(`a value of ${size} bytes cannot name key ${index}, generation ${generation}`);
  const bytes = Buffer.allocUnsafe(size);
  const start = bytes.write(head, 'latin1');
  for (let at = start; at < size; at++) bytes[at] = 97 + ((at * 7 + index) % 26);
  return bytes.toString('latin1');
}

export function valuesOf(size: number, generation: number): string[] {
  return Array.from({ length: countFor(size) }, (_, index) => valueFor(size, index, generation));
}
