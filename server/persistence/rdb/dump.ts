// The payload of DUMP, RESTORE and MIGRATE: one value, the RDB version, a checksum over both.

import { ByteReader, ByteWriter } from './bytes.ts';
import { crc64 } from './crc64.ts';
import type { PortableValue } from './portable.ts';
import { readValue, writeValue } from './value.ts';

/** What redis 7.0 writes and the newest that it reads. */
export const rdbVersion = 10;

const footerLength = 10;

/** The payload as a binary string. */
export function dumpValue(value: PortableValue): string {
  const writer = new ByteWriter();
  writeValue(writer, value);
  writer.le(rdbVersion, 2);
  return writer.raw(crc64(writer.bytes())).bytes().toString('latin1');
}

/** Whether the footer is sound: a version that we read, and, unless it is skipped, the checksum of what stands before. */
export function isDumpIntact(payload: string, skipChecksum = false): boolean {
  if (payload.length < footerLength) return false;
  const bytes = Buffer.from(payload, 'latin1');
  if (bytes.readUInt16LE(bytes.length - footerLength) > rdbVersion) return false;
  return skipChecksum || crc64(bytes.subarray(0, -8)).equals(bytes.subarray(-8));
}

/** The value of an intact payload; undefined when its bytes make no sense. */
export function parseDump(payload: string): PortableValue | undefined {
  try {
    const reader = new ByteReader(Buffer.from(payload, 'latin1').subarray(0, -footerLength));
    const value = readValue(reader);
    return reader.left === 0 ? value : undefined;
  } catch {
    return undefined;
  }
}
