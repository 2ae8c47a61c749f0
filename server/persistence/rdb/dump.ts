// The payload of DUMP, RESTORE and MIGRATE: one value, the RDB version, a checksum over both.

import { ByteReader, ByteWriter } from './bytes.ts';
import { crc64 } from './crc64.ts';
import type { PortableValue } from './portable.ts';
import { readValue, writeValue } from './value.ts';
import { isReadableVersion, rdbVersion, unkeptType } from './versions.ts';

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
  if (!isReadableVersion(versionOf(payload))) return false;
  return skipChecksum || crc64(bytes.subarray(0, -8)).equals(bytes.subarray(-8));
}

/** The value of an intact payload; undefined when its bytes make no sense, and `onDamage` is called with the reason. */
export function parseDump(payload: string, onDamage?: (why: string) => void): PortableValue | undefined {
  try {
    const reader = new ByteReader(Buffer.from(payload, 'latin1').subarray(0, -footerLength));
    const value = readValue(reader);
    if (reader.left === 0) return value;
    onDamage?.('bytes after the value');
  } catch (error) {
    onDamage?.((error as Error).message);
  }
  return undefined;
}

/** What an intact payload holds that a newer server knows and this one does not keep; undefined: nothing of the kind. */
export function unkeptValue(payload: string): string | undefined {
  return unkeptType(payload.charCodeAt(0), versionOf(payload));
}

/** Whether an intact payload comes from a server that writes a newer form than this one. */
export function isNewerDump(payload: string): boolean {
  return versionOf(payload) > rdbVersion;
}

function versionOf(payload: string): number {
  const at = payload.length - footerLength;
  return payload.charCodeAt(at) + 256 * payload.charCodeAt(at + 1);
}
