// The payload of FUNCTION DUMP and FUNCTION RESTORE: the sources of libraries, the RDB version, a checksum over both.

import { ByteReader, ByteWriter } from './bytes.ts';
import { crc64 } from './crc64.ts';
import { isDumpIntact } from './dump.ts';
import { rdbOpcodes } from './file.ts';
import { readString, writeString } from './string.ts';
import { rdbVersion } from './versions.ts';

const footerLength = 10;

/** The payload as a binary string. */
export function dumpFunctions(sources: readonly string[]): string {
  const writer = new ByteWriter();
  for (const source of sources) writeString(writer.u8(rdbOpcodes.function), source);
  writer.le(rdbVersion, 2);
  return writer.raw(crc64(writer.bytes())).bytes().toString('latin1');
}

/** The sources in a payload; why there are none: its footer, something that is no function, or bytes that are cut. */
export function parseFunctions(payload: string): readonly string[] | 'damaged' | 'no function' | 'cut short' {
  if (!isDumpIntact(payload)) return 'damaged';
  const reader = new ByteReader(Buffer.from(payload, 'latin1').subarray(0, -footerLength));
  const sources: string[] = [];
  try {
    while (reader.left > 0) {
      const type = reader.u8();
      if (type !== rdbOpcodes.function) return 'no function';
      sources.push(readString(reader));
    }
  } catch {
    return 'cut short';
  }
  return sources;
}
