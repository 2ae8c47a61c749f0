// LZF, the compression inside RDB strings, both ways.
// A token below 32 copies token+1 literal bytes; a larger one repeats (token >> 5) + 2 bytes from
// ((token & 31) << 8 | next) + 1 bytes back, where a length of 7 is extended by one more byte before `next`.

const hashBits = 14;
const maxDistance = 1 << 13;
const maxRepeat = 264;
const maxLiteral = 32;

/** Unpacks exactly `length` bytes; throws when the data is damaged or yields any other length. */
export function unpackLzf(bytes: Uint8Array, length: number): Buffer {
  // Two bytes yield at most 264; a larger claim is a lie, refused before memory is taken.
  if (length > bytes.length * maxRepeat) throw new Error(`LZF: ${bytes.length} bytes cannot hold ${length}`);
  const out = Buffer.allocUnsafe(length);
  let from = 0;
  let to = 0;
  while (from < bytes.length) {
    const token = bytes[from++]!;
    if (token < 32) {
      const end = from + token + 1;
      if (end > bytes.length || to + token + 1 > length) throw new Error('LZF: literal run beyond the end');
      while (from < end) out[to++] = bytes[from++]!;
      continue;
    }
    let count = token >> 5;
    if (count === 7) count += bytes[from++] ?? Number.NaN;
    const distance = ((token & 31) << 8) + (bytes[from++] ?? Number.NaN) + 1;
    count += 2;
    // Written so that NaN, which stands for a missing byte, fails too.
    if (!(to + count <= length && distance <= to)) throw new Error('LZF: repeat out of bounds');
    for (const end = to + count; to < end; to++) out[to] = out[to - distance]!;
  }
  if (to !== length) throw new Error(`LZF: ${to} bytes where ${length} were promised`);
  return out;
}

/**
 * Where each hash was seen last. One table for all strings: a new one for each would cost more than packing a short
 * string. Places are counted on from string to string, so that what is left of earlier ones lies below the base.
 */
const last = new Int32Array(1 << hashBits);
let placed = 1;
const mostPlaces = 2 ** 30;

/** The place of the first of `length` bytes. */
function nextBase(length: number): number {
  if (placed + length > mostPlaces) {
    last.fill(0);
    placed = 1;
  }
  const first = placed;
  placed += length;
  return first;
}

/** Packs `bytes`; undefined when the result would not be at least `saving` bytes shorter. */
export function packLzf(bytes: Uint8Array, saving: number): Buffer | undefined {
  const limit = bytes.length - saving;
  if (limit <= 0) return undefined;
  const out = Buffer.allocUnsafe(bytes.length + (bytes.length >> 5) + 8);
  const base = nextBase(bytes.length);
  let to = 0;
  let literal = 0;
  let at = 0;
  const flush = (end: number): void => {
    while (literal < end) {
      const count = Math.min(maxLiteral, end - literal);
      out[to++] = count - 1;
      for (const stop = literal + count; literal < stop; literal++) out[to++] = bytes[literal]!;
    }
  };
  while (at + 2 < bytes.length) {
    const hash = hashOf(bytes, at);
    const candidate = last[hash]! - base;
    last[hash] = base + at;
    const distance = at - candidate;
    const count = candidate >= 0 && distance <= maxDistance ? sameBytes(bytes, candidate, at) : 0;
    if (count < 3) {
      at++;
      continue;
    }
    flush(at);
    to = writeRepeat(out, to, count, distance);
    if (to >= limit) return undefined;
    for (const end = at + count; at < end; at++) if (at + 2 < bytes.length) last[hashOf(bytes, at)] = base + at;
    literal = at;
  }
  flush(bytes.length);
  return to <= limit ? out.subarray(0, to) : undefined;
}

function hashOf(bytes: Uint8Array, at: number): number {
  const word = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
  return Math.imul(word, 0x9e3779b1) >>> (32 - hashBits);
}

function sameBytes(bytes: Uint8Array, a: number, b: number): number {
  const limit = Math.min(maxRepeat, bytes.length - b);
  let count = 0;
  while (count < limit && bytes[a + count] === bytes[b + count]) count++;
  return count;
}

function writeRepeat(out: Buffer, to: number, count: number, distance: number): number {
  const back = distance - 1;
  const extra = count - 2;
  if (extra < 7) {
    out[to++] = (extra << 5) | (back >> 8);
  } else {
    out[to++] = (7 << 5) | (back >> 8);
    out[to++] = extra - 7;
  }
  out[to++] = back & 0xff;
  return to;
}
