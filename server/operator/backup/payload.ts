// The values of an RDB file as payloads of RESTORE: the same bytes with a version and a checksum behind them, so that
// what this code does not know in detail passes through.
// Invariant: a payload claims the oldest version that knows its type, so that older servers take what they can read.

import { crc64 } from '../../persistence/rdb/crc64.ts';
import { dumpValue, parseDump } from '../../persistence/rdb/dump.ts';
import type { RawRdbKey } from '../../persistence/rdb/file.ts';

/** Types up to this one were known to that version; what is above keeps the version of its file. */
const knownSince: readonly (readonly [type: number, version: number])[] = [
  [15, 9],
  [19, 10],
  [21, 11],
];

/** A binary string. */
export function payloadOf({ type, body, version }: Pick<RawRdbKey, 'type' | 'body' | 'version'>): string {
  const claimed = knownSince.find(([most]) => type <= most)?.[1] ?? version;
  const bytes = Buffer.allocUnsafe(body.length + 11);
  bytes[0] = type;
  body.copy(bytes, 1);
  bytes.writeUInt16LE(Math.min(claimed, version), body.length + 1);
  crc64(bytes.subarray(0, -8)).copy(bytes, body.length + 3);
  return bytes.toString('latin1');
}

/** The same value in the forms of Redis 7.0; undefined: it has none that is known here. */
export function plainPayloadOf(payload: string): string | undefined {
  const value = parseDump(payload);
  return value === undefined ? undefined : dumpValue(value);
}
