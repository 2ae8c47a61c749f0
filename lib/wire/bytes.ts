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
