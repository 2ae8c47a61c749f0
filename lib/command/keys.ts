// Where the keys are in an argv (argv[0] is the command's name). Pure; knows the table, not the slots.
// Follows the key specs of COMMAND INFO, and by hand the two commands whose specs are not the whole truth
// (SORT, MIGRATE). A command that is not in the table, a module's say, is taken to have its key at argv[1].

import { type CommandRow, commandOf, commandOfArgv, KeyFlag, type KeySpec, wordOf } from './table.ts';

export type Argv = readonly (string | Uint8Array)[];

export interface KeyOptions {
  /** Count shard channels (SSUBSCRIBE, SPUBLISH): they choose a slot like keys. Default true; COMMAND GETKEYS says false. */
  readonly channels?: boolean;
}

/**
 * Positions in argv of all keys, in the order of the specs; empty for keyless commands and for calls whose
 * arguments do not parse (a count that is no number): the server's own refusal is the better answer to those.
 */
export function keyIndexes(argv: Argv, options?: KeyOptions): number[] {
  if (argv.length < 2) return [];
  const row = commandOfArgv(argv);
  return row === undefined ? [1] : keyIndexesOf(row, argv, options);
}

/** As `keyIndexes`, for a caller that has already found the row. */
export function keyIndexesOf(row: CommandRow, argv: Argv, options?: KeyOptions): number[] {
  if (row.keySpecs.length === 0) return [];
  const byHand = handFinders.get(row.name);
  if (byHand !== undefined) return byHand(argv);
  const found: number[] = [];
  for (const spec of row.keySpecs) {
    if (options?.channels === false && (spec.flags & KeyFlag.notKey) !== 0) continue;
    if (!collect(spec, argv, found)) return [];
  }
  return found;
}

/** One key of a call, and what the call does with it. */
export interface KeyUse {
  /** Position in argv. */
  readonly at: number;
  /** Bits of `KeyFlag`. */
  readonly flags: number;
}

/**
 * The keys of a call with what is done with each, as access rules look at them: channels are not keys, and a call whose
 * arguments do not parse has none.
 */
export function keyUsesOf(row: CommandRow, argv: Argv): KeyUse[] {
  const byHand = usesByHand.get(row.name);
  if (byHand !== undefined) return byHand(argv);
  const uses: KeyUse[] = [];
  for (const spec of row.keySpecs) {
    if ((spec.flags & KeyFlag.notKey) !== 0) continue;
    const found: number[] = [];
    if (!collect(spec, argv, found) || (found.length === 0 && spec.find.kind === 'keynum')) return [];
    for (const at of found) uses.push({ at, flags: spec.flags });
  }
  return uses;
}

/**
 * Position of the first key, 0 when there is none. `row` is what `commandOf(argv[0])` gave; undefined means a
 * command nobody knows, whose key is argv[1]. Containers are resolved to their subcommand here.
 */
export function firstKeyIndex(row: CommandRow | undefined, argv: Argv): number {
  if (row === undefined) return argv.length > 1 ? 1 : 0;
  const constant = row.firstKey;
  if (constant >= 0) return constant < argv.length ? constant : 0;
  if (row.subcommands.length === 0) return (routingOnly.get(row.name) ?? keyIndexesOf)(row, argv)[0] ?? 0;
  if (argv.length < 2) return 0;
  const sub = commandOf(`${row.name}|${wordOf(argv[1])}`);
  return sub === undefined ? 0 : firstKeyIndex(sub, argv);
}

/** The first key itself, for routing; undefined when the call has none. */
export function firstKey(argv: Argv): string | Uint8Array | undefined {
  const at = firstKeyIndex(commandOf(wordOf(argv[0])), argv);
  return at === 0 ? undefined : argv[at];
}

/** False when a count promises more keys than there are arguments: a syntax error, so no key of the call is certain. */
function collect(spec: KeySpec, argv: Argv, found: number[]): boolean {
  const begin = beginOf(spec, argv);
  if (begin <= 0 || spec.find.kind === 'unknown') return true;
  let first = begin;
  let last: number;
  if (spec.find.kind === 'range') {
    last = rangeEnd(first, spec.find.last, spec.find.limit, argv.length);
  } else {
    const count = countAt(argv, first + spec.find.count);
    first += spec.find.first;
    last = first + (count - 1) * spec.find.step;
  }
  if (last >= argv.length) {
    if (spec.find.kind === 'keynum') return false;
    last = argv.length - 1;
  }
  for (let at = first; at <= last; at += spec.find.step) found.push(at);
  return true;
}

function beginOf(spec: KeySpec, argv: Argv): number {
  if (spec.begin.kind === 'index') return spec.begin.index;
  if (spec.begin.kind === 'unknown') return 0;
  const { keyword, from } = spec.begin;
  const step = from > 0 ? 1 : -1;
  // The keyword itself is never the last argument, going up, nor the command's name, going down.
  const end = from > 0 ? argv.length - 1 : 1;
  for (let at = from > 0 ? from : argv.length + from; step > 0 ? at < end : at > end; at += step) {
    if (isWord(argv[at], keyword)) return at + 1;
  }
  return 0;
}

/** `last` >= 0 is relative to the first key; negative counts from the end, `limit` > 1 taking 1/limit of the rest. */
function rangeEnd(first: number, last: number, limit: number, length: number): number {
  if (last >= 0) return first + last;
  if (limit <= 1) return length + last;
  return first + Math.floor((length - first) / limit) + last;
}

/** The number of keys an argument names; 0 unless it is a plain non-negative integer. */
function countAt(argv: Argv, at: number): number {
  const text = wordOf(argv[at]);
  return /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

function isWord(argument: string | Uint8Array | undefined, upper: string): boolean {
  if (argument === undefined || argument.length !== upper.length) return false;
  return wordOf(argument).toUpperCase() === upper;
}

function sortKeys(argv: Argv): number[] {
  let store = 0;
  for (let at = 2; at < argv.length; at++) {
    if (isWord(argv[at], 'LIMIT')) at += 2;
    else if (isWord(argv[at], 'GET') || isWord(argv[at], 'BY')) at += 1;
    else if (isWord(argv[at], 'STORE') && at + 1 < argv.length) store = ++at;
  }
  if (argv.length < 2) return [];
  return store === 0 ? [1] : [1, store];
}

function migrateKeys(argv: Argv): number[] {
  const single = argv[3];
  if (single === undefined) return [];
  for (let at = 6; at < argv.length; at++) {
    if (isWord(argv[at], 'AUTH')) at += 1;
    else if (isWord(argv[at], 'AUTH2')) at += 2;
    else if (isWord(argv[at], 'KEYS')) {
      // Both a key and KEYS: the server refuses it.
      return single.length > 0 ? [] : Array.from({ length: argv.length - at - 1 }, (_, i) => at + 1 + i);
    }
  }
  return [3];
}

const update = KeyFlag.OW | KeyFlag.update;
const readAndUpdate = KeyFlag.RW | KeyFlag.access | KeyFlag.update;

/** What does not parse counts as writing. */
function bitfieldReadsOnly(argv: Argv): boolean {
  for (let at = 2; at < argv.length; at++) {
    const more = argv.length - at - 1;
    if (isWord(argv[at], 'GET') && more >= 2) at += 2;
    else if (isWord(argv[at], 'OVERFLOW') && more >= 1) at += 1;
    else return false;
  }
  return true;
}

const handFinders: ReadonlyMap<string, (argv: Argv) => number[]> = new Map([
  ['sort', sortKeys],
  ['migrate', migrateKeys],
]);

/** Keys the server does not declare, but without which a call would land on a node at random. */
const routingOnly: ReadonlyMap<string, (row: CommandRow, argv: Argv) => number[]> = new Map([
  ['debug', (_row, argv) => (argv.length > 2 && isWord(argv[1], 'OBJECT') ? [2] : [])],
]);

/** SET reads only with GET, BITFIELD writes only with SET or INCRBY: their specs say the most they can do. */
const usesByHand: ReadonlyMap<string, (argv: Argv) => KeyUse[]> = new Map([
  [
    'set',
    (argv) => [{ at: 1, flags: argv.slice(3).some((argument) => isWord(argument, 'GET')) ? readAndUpdate : update }],
  ],
  ['bitfield', (argv) => [{ at: 1, flags: bitfieldReadsOnly(argv) ? KeyFlag.RO | KeyFlag.access : readAndUpdate }]],
  [
    'sort',
    (argv) => sortKeys(argv).map((at, index) => ({ at, flags: index === 0 ? KeyFlag.RO | KeyFlag.access : update })),
  ],
  ['migrate', (argv) => migrateKeys(argv).map((at) => ({ at, flags: KeyFlag.RW | KeyFlag.access | KeyFlag.delete }))],
]);
