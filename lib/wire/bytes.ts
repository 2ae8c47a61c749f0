// Node's Buffer with the raw string methods that its typings leave out. They skip the encoding look-up of
// toString() and write(), which costs more than the copy itself for the short strings a cache holds.

export interface Bytes extends Buffer {
  utf8Slice(start?: number, end?: number): string;
  latin1Slice(start?: number, end?: number): string;
  utf8Write(text: string, offset?: number, length?: number): number;
  latin1Write(text: string, offset?: number, length?: number): number;
}

/** Uninitialised memory of its own (never a slice of the shared pool, so a slab can be let go whole). */
export function allocate(size: number): Bytes {
  return Buffer.allocUnsafeSlow(size) as Bytes;
}

const { charCodeAt } = String.prototype;

/**
 * `text.charCodeAt(at)` without asking String.prototype for it. One `class X extends String` anywhere in the process
 * (ioredis has one) takes that prototype out of V8's fast paths: each look-up is a call then, 92 ns instead of 18 to
 * hash a key of eight chars.
 */
export function codeAt(text: string, at: number): number {
  return charCodeAt.call(text, at);
}
