// How redis-server would hold a value: what OBJECT ENCODING says. The limits are parameters; a value that grew past them
// stays what it became.

import type { Entry } from './entry.ts';
import { isInt64Text } from './number.ts';

/** `hash-max-listpack-entries` and its like; read whenever a value grows. Lengths in bytes. */
export interface EncodingLimits {
  hashEntries: number;
  hashValue: number;
  setIntegers: number;
  zsetEntries: number;
  zsetValue: number;
  /** 0: no limit. */
  streamNodeEntries: number;
  streamNodeBytes: number;
  /** Bytes up to which a HyperLogLog is sparse. */
  sparseBytes: number;
}

/** As redis-server starts. */
export const defaultLimits: EncodingLimits = {
  hashEntries: 512,
  hashValue: 64,
  setIntegers: 512,
  zsetEntries: 128,
  zsetValue: 64,
  streamNodeEntries: 100,
  streamNodeBytes: 4096,
  sparseBytes: 3000,
};

/** Strings up to this long are held inside their object by redis-server, and called so. */
const embeddedLength = 44;

export function encodingOf(entry: Entry): string {
  const { value, form } = entry;
  if (typeof value !== 'string') return value.encoding;
  if (form === 'raw') return 'raw';
  if (form === undefined && isInt64Text(value)) return 'int';
  return value.length <= embeddedLength ? 'embstr' : 'raw';
}
