// CRC-64 as RDB files and DUMP payloads carry it: reflected polynomial 0xad93d23594c935a9, no initial or final xor.
// The value is kept as two 32-bit halves, because this runs over every byte of a file and BigInt is too slow there.

const polyLow = 0x94c9_35a9;
const polyHigh = 0xad93_d235;

const { low: tableLow, high: tableHigh } = makeTables();

/** The checksum of `bytes`, as 8 little-endian bytes. */
export function crc64(bytes: Uint8Array): Buffer {
  let low = 0;
  let high = 0;
  for (let at = 0; at < bytes.length; at++) {
    const index = (low ^ bytes[at]!) & 0xff;
    const shifted = ((low >>> 8) | (high << 24)) >>> 0;
    high = ((high >>> 8) ^ tableHigh[index]!) >>> 0;
    low = (shifted ^ tableLow[index]!) >>> 0;
  }
  const out = Buffer.allocUnsafe(8);
  out.writeUInt32LE(low, 0);
  out.writeUInt32LE(high, 4);
  return out;
}

function makeTables(): { low: Uint32Array; high: Uint32Array } {
  const reflectedLow = reverse32(polyHigh);
  const reflectedHigh = reverse32(polyLow);
  const low = new Uint32Array(256);
  const high = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let a = byte;
    let b = 0;
    for (let bit = 0; bit < 8; bit++) {
      const carry = a & 1;
      a = ((a >>> 1) | (b << 31)) >>> 0;
      b >>>= 1;
      if (carry === 1) {
        a = (a ^ reflectedLow) >>> 0;
        b = (b ^ reflectedHigh) >>> 0;
      }
    }
    low[byte] = a;
    high[byte] = b;
  }
  return { low, high };
}

function reverse32(value: number): number {
  let out = 0;
  for (let bit = 0; bit < 32; bit++) out = (out << 1) | ((value >>> bit) & 1);
  return out >>> 0;
}
