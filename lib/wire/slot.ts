// Hash slots: CRC16 (XMODEM: poly 0x1021, init 0) of the key's hash tag, modulo 16384.
// Source: Redis Cluster specification, "Key distribution model" and "Hash tags".

import { codeAt } from './bytes.ts';

export const slotCount = 16384;

const brace = 0x7b;
const table = makeTable();

function makeTable(): Uint16Array {
  const crcs = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    crcs[byte] = crc;
  }
  return crcs;
}

/** CRC16 of bytes `start` (inclusive) to `end` (exclusive). */
export function crc16(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  let crc = 0;
  for (let at = start; at < end; at++) crc = ((crc << 8) & 0xffff) ^ table[(crc >> 8) ^ bytes[at]!]!;
  return crc;
}

/** The slot (0-16383) of a key. Strings are hashed as the UTF-8 bytes that travel. */
export function slotOf(key: string | Uint8Array): number {
  return typeof key === 'string' ? slotOfText(key) : slotOfBytes(key);
}

/** The slot of a key held as a binary string, one byte per char (latin1), as the server holds keys. */
export function slotOfBinary(key: string): number {
  let start = 0;
  let end = key.length;
  const open = key.indexOf('{');
  if (open >= 0) {
    const close = key.indexOf('}', open + 1);
    if (close > open + 1) {
      start = open + 1;
      end = close;
    }
  }
  let crc = 0;
  for (let at = start; at < end; at++) crc = ((crc << 8) & 0xffff) ^ table[((crc >> 8) ^ codeAt(key, at)) & 0xff]!;
  return crc & 0x3fff;
}

// Short ASCII keys are hashed straight from the string; one char beyond ASCII falls back to encoded bytes.
function slotOfText(key: string): number {
  const length = key.length;
  let crc = 0;
  for (let at = 0; at < length; at++) {
    const code = codeAt(key, at);
    if (code === brace) return slotOfTag(key, at);
    if (code > 127) return slotOfBytes(Buffer.from(key));
    crc = ((crc << 8) & 0xffff) ^ table[(crc >> 8) ^ code]!;
  }
  return crc & 0x3fff;
}

// `open`: where the first brace is; a tag that is empty or has no end is no tag.
function slotOfTag(key: string, open: number): number {
  const close = key.indexOf('}', open + 1);
  const tagged = close > open + 1;
  const start = tagged ? open + 1 : 0;
  const end = tagged ? close : key.length;
  let crc = 0;
  for (let at = start; at < end; at++) {
    const code = codeAt(key, at);
    if (code > 127) return slotOfBytes(Buffer.from(key));
    crc = ((crc << 8) & 0xffff) ^ table[(crc >> 8) ^ code]!;
  }
  return crc & 0x3fff;
}

function slotOfBytes(key: Uint8Array): number {
  const open = key.indexOf(0x7b);
  if (open >= 0) {
    const close = key.indexOf(0x7d, open + 1);
    if (close > open + 1) return crc16(key, open + 1, close) & 0x3fff;
  }
  return crc16(key) & 0x3fff;
}
