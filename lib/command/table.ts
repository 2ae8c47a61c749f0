// Looks commands up: arity, flags and key specs of every command and subcommand.
// Owns: the reading of table.generated.ts. Does not know: servers, slots.
// Invariant: rows are made on first use and never change.

import { KeyFlag } from './flags.ts';
import { rows } from './table.generated.ts';

export { Flag, KeyFlag } from './flags.ts';

/** Where the keys' search starts: a fixed position, or right after a keyword (searched from `from`; negative = from the end). */
type BeginSearch =
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'keyword'; readonly keyword: string; readonly from: number }
  | { readonly kind: 'unknown' };

/** Which arguments from there on are keys, as COMMAND INFO describes it. */
type FindKeys =
  | { readonly kind: 'range'; readonly last: number; readonly step: number; readonly limit: number }
  | { readonly kind: 'keynum'; readonly count: number; readonly first: number; readonly step: number }
  | { readonly kind: 'unknown' };

export interface KeySpec {
  readonly flags: number;
  readonly begin: BeginSearch;
  readonly find: FindKeys;
}

export interface CommandRow {
  /** Lower case; a subcommand is `container|sub`. */
  readonly name: string;
  /** Arguments, the name included; negative means "at least". */
  readonly arity: number;
  /** Bits of `Flag`. */
  readonly flags: number;
  readonly keySpecs: readonly KeySpec[];
  /** Position of the first key when it is the same in every call; 0 = never a key; -1 = depends on the arguments. */
  readonly firstKey: number;
  /** Full names of the subcommands; empty unless this is a container. */
  readonly subcommands: readonly string[];
}

const lines: Map<string, string> = new Map();
const subcommandsOf: Map<string, string[]> = new Map();
for (const line of rows.split('\n')) {
  const name = line.slice(0, line.indexOf(' '));
  lines.set(name, line);
  const bar = name.indexOf('|');
  if (bar < 0) continue;
  const container = name.slice(0, bar);
  const siblings = subcommandsOf.get(container);
  if (siblings === undefined) subcommandsOf.set(container, [name]);
  else siblings.push(name);
}

/**
 * Every command a client has a method for: lower case, no subcommands, no modules' commands (`json.get` is for call()),
 * no MONITOR (it is not a call but a mode).
 */
export const builtinCommandNames: readonly string[] = [...lines.keys()].filter(
  (name) => !/[|.]/.test(name) && name !== 'monitor',
);

/** Every row's name, subcommands (`cluster|slots`) included. */
export const allCommandNames: readonly string[] = [...lines.keys()];

const made: Map<string, CommandRow> = new Map();

/** The row of a command or `container|sub`, any letter case; undefined when nothing is known of it. */
export function commandOf(name: string): CommandRow | undefined {
  const row = made.get(name);
  if (row !== undefined) return row;
  const lower = name.toLowerCase();
  const line = lines.get(lower);
  if (line === undefined) return undefined;
  const fresh = made.get(lower) ?? parseRow(line);
  made.set(lower, fresh);
  return fresh;
}

/** The row that rules a call: the subcommand's when the command is a container and argv[1] names one. */
export function commandOfArgv(argv: readonly (string | Uint8Array)[]): CommandRow | undefined {
  const name = wordOf(argv[0]);
  const row = commandOf(name);
  if (row === undefined || row.subcommands.length === 0 || argv.length < 2) return row;
  return commandOf(`${row.name}|${wordOf(argv[1])}`) ?? row;
}

/** An argument as text; bytes are read as latin1, which leaves ASCII intact. */
export function wordOf(argument: string | Uint8Array | undefined): string {
  if (typeof argument === 'string') return argument;
  if (argument === undefined) return '';
  return Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength).toString('latin1');
}

function parseRow(line: string): CommandRow {
  const [name, arity, flags, specs] = line.split(' ') as [string, string, string, string?];
  const keySpecs = specs === undefined ? [] : specs.split(';').map(parseSpec);
  const subcommands = subcommandsOf.get(name) ?? [];
  return {
    name,
    arity: Number(arity),
    flags: Number.parseInt(flags, 36),
    keySpecs,
    firstKey: subcommands.length > 0 || name === 'debug' ? -1 : constantFirstKey(keySpecs),
    subcommands,
  };
}

function constantFirstKey(specs: readonly KeySpec[]): number {
  const spec = specs[0];
  if (spec === undefined) return 0;
  // MIGRATE alone: its first key may be the empty string, meaning "see KEYS".
  if (specs.some((other) => (other.flags & KeyFlag.incomplete) !== 0)) return -1;
  return spec.begin.kind === 'index' && spec.find.kind === 'range' ? spec.begin.index : -1;
}

/** `flags:begin:find`, e.g. `h:i1:r0,1,0`, `3:kSTREAMS,1:r-1,1,2`, `5:i2:n0,1,1`, `5:?:?`. */
function parseSpec(text: string): KeySpec {
  const [flags, begin, find] = text.split(':') as [string, string, string];
  return { flags: Number.parseInt(flags, 36), begin: parseBegin(begin), find: parseFind(find) };
}

function parseBegin(text: string): BeginSearch {
  if (text.startsWith('i')) return { kind: 'index', index: Number(text.slice(1)) };
  if (!text.startsWith('k')) return { kind: 'unknown' };
  const [keyword, from] = text.slice(1).split(',') as [string, string];
  return { kind: 'keyword', keyword, from: Number(from) };
}

function parseFind(text: string): FindKeys {
  const [a, b, c] = text.slice(1).split(',').map(Number) as [number, number, number];
  if (text.startsWith('r')) return { kind: 'range', last: a, step: b, limit: c };
  if (text.startsWith('n')) return { kind: 'keynum', count: a, first: b, step: c };
  return { kind: 'unknown' };
}
