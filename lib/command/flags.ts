// The numbers behind a command's flags and its key specs' flags; what table.generated.ts is written and read with.
// Order is part of the generated file's format: append only.

/** Command flags by the names COMMAND INFO uses, one bit each; `beyond` marks rows of servers newer than the capture. */
export const flagNames: readonly string[] = [
  'write',
  'readonly',
  'denyoom',
  'admin',
  'pubsub',
  'noscript',
  'blocking',
  'loading',
  'stale',
  'fast',
  'no_auth',
  'movablekeys',
  'skip_monitor',
  'skip_slowlog',
  'asking',
  'no_multi',
  'no_mandatory_keys',
  'no_async_loading',
  'allow_busy',
  'beyond',
];

export interface FlagBits {
  readonly write: number;
  readonly readonly: number;
  readonly denyoom: number;
  readonly admin: number;
  readonly pubsub: number;
  readonly noscript: number;
  readonly blocking: number;
  readonly loading: number;
  readonly stale: number;
  readonly fast: number;
  readonly noAuth: number;
  readonly movableKeys: number;
  readonly skipMonitor: number;
  readonly skipSlowlog: number;
  readonly asking: number;
  readonly noMulti: number;
  readonly noMandatoryKeys: number;
  readonly noAsyncLoading: number;
  readonly allowBusy: number;
  /** Not a command of the captured server: known from documentation of newer ones. */
  readonly beyond: number;
}

export const Flag: FlagBits = {
  write: 1 << 0,
  readonly: 1 << 1,
  denyoom: 1 << 2,
  admin: 1 << 3,
  pubsub: 1 << 4,
  noscript: 1 << 5,
  blocking: 1 << 6,
  loading: 1 << 7,
  stale: 1 << 8,
  fast: 1 << 9,
  noAuth: 1 << 10,
  movableKeys: 1 << 11,
  skipMonitor: 1 << 12,
  skipSlowlog: 1 << 13,
  asking: 1 << 14,
  noMulti: 1 << 15,
  noMandatoryKeys: 1 << 16,
  noAsyncLoading: 1 << 17,
  allowBusy: 1 << 18,
  beyond: 1 << 19,
};

/** Key spec flags by the names COMMAND INFO uses, one bit each. */
export const keyFlagNames: readonly string[] = [
  'RO',
  'RW',
  'OW',
  'RM',
  'access',
  'insert',
  'update',
  'delete',
  'not_key',
  'incomplete',
  'variable_flags',
];

export interface KeyFlagBits {
  readonly RO: number;
  readonly RW: number;
  readonly OW: number;
  readonly RM: number;
  readonly access: number;
  readonly insert: number;
  readonly update: number;
  readonly delete: number;
  /** Hashed like a key but none: a shard channel. */
  readonly notKey: number;
  readonly incomplete: number;
  readonly variableFlags: number;
}

export const KeyFlag: KeyFlagBits = {
  RO: 1 << 0,
  RW: 1 << 1,
  OW: 1 << 2,
  RM: 1 << 3,
  access: 1 << 4,
  insert: 1 << 5,
  update: 1 << 6,
  delete: 1 << 7,
  notKey: 1 << 8,
  incomplete: 1 << 9,
  variableFlags: 1 << 10,
};

/** The bits of the named flags; a name that is not listed is an error, so a new server's flag cannot pass unseen. */
export function bitsOf(flags: readonly string[], names: readonly string[]): number {
  let bits = 0;
  for (const flag of flags) {
    const at = names.indexOf(flag);
    if (at < 0) throw new RangeError(`unknown flag: ${flag}`);
    bits |= 1 << at;
  }
  return bits;
}

export function namesOf(bits: number, names: readonly string[]): string[] {
  return names.filter((_, at) => (bits & (1 << at)) !== 0);
}
