// The vocabulary of RDB files, shared by their writer and their reader: opcodes, limits and what a file is made of.
// Layout: `REDIS` and four digits of version (`VALKEY` and three since Valkey 9), aux fields, functions, then for each database its number, its sizes and
// its keys, the end opcode, and a checksum over everything before it (eight zero bytes: not checked).

import type { PortableValue } from './portable.ts';

export const rdbMagic = 'REDIS';
/** Of Valkey 9 and later, whose version has one digit less. */
const valkeyMagic = 'VALKEY';

/** Bytes before the first opcode: the magic and the version. */
export const rdbHeaderLength: number = rdbMagic.length + 4;

/** Whether bytes that start so are an RDB file and not commands. */
export function startsRdb(bytes: Buffer): boolean {
  return [rdbMagic, valkeyMagic].some((magic) => bytes.toString('latin1', 0, magic.length) === magic);
}

/** The version that a header has; undefined when it is none. */
export function versionOfHeader(header: string): number | undefined {
  const digits = /^(?:REDIS(\d{4})|VALKEY(\d{3}))$/.exec(header);
  return digits === null ? undefined : Number(digits[1] ?? digits[2]);
}

export const rdbFooterLength = 8;

export const rdbOpcodes = {
  slotInfo: 244,
  function: 245,
  oldFunction: 246,
  moduleAux: 247,
  idle: 248,
  frequency: 249,
  aux: 250,
  resize: 251,
  expireMs: 252,
  expireSeconds: 253,
  database: 254,
  end: 255,
} as const;

/** One key as a file holds it. */
export interface RdbKey {
  readonly key: string;
  readonly value: PortableValue;
  /** Absolute ms since the epoch, or -1 for none. */
  readonly expireAt: number;
}

/** One key whose value was passed over and not decoded. */
export interface RawRdbKey {
  readonly key: string;
  readonly type: number;
  /** What follows the key in the file; a view that lasts until the next feed. */
  readonly body: Buffer;
  /** Absolute ms since the epoch, or -1 for none. */
  readonly expireAt: number;
  /** Of the file. */
  readonly version: number;
}

/** One database of a file; the counts are hints for the reader and must not be below the truth. */
export interface RdbDatabase {
  readonly index: number;
  readonly size: number;
  readonly expires: number;
  readonly keys: Iterable<RdbKey>;
}

/** Everything that a file says. */
export interface RdbContent {
  /** Facts about the writer, such as `redis-ver`, in order. */
  readonly aux: readonly (readonly [name: string, value: string])[];
  /** Sources of function libraries. */
  readonly functions: readonly string[];
  /** Databases without keys are left out of the file. */
  readonly databases: Iterable<RdbDatabase>;
  /** How far the walk over it is. */
  readonly progress?: ContentProgress;
  /** To be called once it was written, however that ended. */
  release?(): void;
}

export interface ContentProgress {
  readonly keys: number;
  readonly written: number;
  /** Estimated bytes of values that are kept for it because the originals have changed since. */
  readonly kept: number;
}

/** Receives what a reader finds, in the order of the file. A sink that throws ends the reading with its error. */
export interface RdbSink {
  onAux?(name: string, value: string): void;
  onFunction?(source: string): void;
  /** Once per database, before its keys; sizes are hints from outside and not to be trusted. */
  onDatabase?(index: number): void;
  onKey(key: RdbKey): void;
  /** In the place of onKey, for who wants values as they stand in the file. */
  onRawKey?(key: RawRdbKey): void;
  /** A key whose value has no elements: it is left out. */
  onEmptyKey?(key: string): void;
}
