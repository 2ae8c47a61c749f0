// Reads the line of a command: options by its declaration, positional arguments by theirs. Pure.
// node:util's parseArgs splits the line; what it cannot know (ranges, units, near misses) is checked here.
// Invariant: a line is read whole or refused with the option at fault by its name.

import { parseArgs } from 'node:util';
import { type ArgumentSpec, ExitError, exitCodes, type OptionSpec, type OptionTable } from './command.ts';
import { nearest } from './near.ts';

export interface ReadLine {
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly help: boolean;
}

export interface LineRules {
  readonly options: OptionTable;
  readonly arguments: readonly ArgumentSpec[];
  readonly rawAfter?: number | undefined;
}

const help: OptionSpec = { kind: 'flag', short: 'h', help: 'this text' };

/** Throws an ExitError (2) that names what is wrong. */
export function readLine(line: readonly string[], rules: LineRules): ReadLine {
  const table: OptionTable = { ...rules.options, help };
  const { given, args } = split(line, table, rules.rawAfter);
  if (given.has('help')) return { args, options: {}, help: true };
  checkArguments(args, rules.arguments);
  const options: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(rules.options))
    options[name] = readValue(name, spec, given.get(name) ?? []);
  return { args, options, help: false };
}

function split(
  line: readonly string[],
  table: OptionTable,
  rawAfter: number | undefined,
): { given: Map<string, string[]>; args: string[] } {
  const types = Object.entries(table).map(([name, spec]) => {
    const short = 'short' in spec ? { short: spec.short } : {};
    return [name, { type: spec.kind === 'flag' ? 'boolean' : 'string', multiple: true, ...short }] as const;
  });
  const { tokens } = parseArgs({
    args: [...line],
    options: Object.fromEntries(types) as Record<string, { type: 'string' | 'boolean'; short?: string }>,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  const args: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') args.push(token.value);
    else if (token.kind === 'option') take(given, table, token);
    if (rawAfter !== undefined && args.length > rawAfter) {
      const raw = line.slice(token.index);
      // No command ends so, and who asks for JSON asks at the end as often as not.
      if (raw.at(-1) === '--json' && raw.length > 1) given.set(raw.pop()!.slice(2), ['']);
      args.splice(-1, 1, ...raw);
      break;
    }
  }
  return { given, args };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function take(given: Map<string, string[]>, table: OptionTable, token: OptionToken): void {
  const { name, rawName, value, inlineValue } = token;
  const spec = Object.hasOwn(table, name) ? table[name] : undefined;
  if (spec === undefined) {
    const near = nearest(name, Object.keys(table));
    throw usage(`unknown option '${rawName}'${near === undefined ? '' : `; did you mean --${near}?`}`);
  }
  if (spec.kind === 'flag') {
    if (value !== undefined) throw usage(`--${name} takes no value`);
    given.set(name, ['']);
    return;
  }
  // What looks like an option after one that wants a value is more often a value that was forgotten.
  const forgotten = value === undefined || (inlineValue !== true && /^-./.test(value) && !/^-\d/.test(value));
  if (forgotten) throw usage(`--${name} needs a value`);
  const values = given.get(name) ?? [];
  if (spec.kind !== 'list' && values.length > 0) throw usage(`--${name} is there twice`);
  given.set(name, [...values, value]);
}

function checkArguments(args: readonly string[], specs: readonly ArgumentSpec[]): void {
  const missing = specs.find((spec, at) => spec.optional !== true && at >= args.length);
  if (missing !== undefined) throw usage(`${missing.name} is missing`);
  if (args.length > specs.length && specs.at(-1)?.rest !== true) throw usage(`'${args[specs.length]}' is one too many`);
}

function readValue(name: string, spec: OptionSpec, given: readonly string[]): unknown {
  if (spec.kind === 'flag') return given.length > 0;
  if (spec.kind === 'list') return given.flatMap((value) => value.split(',')).filter((value) => value !== '');
  const text = given[0];
  if (text === undefined) return spec.default;
  if (spec.kind === 'text') return text;
  if (spec.kind === 'choice') {
    if (spec.choices.includes(text)) return text;
    throw usage(`--${name}: '${text}' is not ${spec.choices.join(', ')}`);
  }
  return readNumber(name, spec, text);
}

const units: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  duration: { ms: 1, s: 1000, '': 1000, m: 60_000, h: 3_600_000 },
  bytes: { '': 1, b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 },
};
const wanted = {
  integer: 'an integer',
  number: 'a number',
  duration: 'a time such as 250ms, 5s or 2m',
  bytes: 'a size such as 64kb or 10mb',
};

type NumberSpec = Extract<OptionSpec, { kind: 'integer' | 'number' | 'duration' | 'bytes' }>;

function readNumber(name: string, spec: NumberSpec, text: string): number {
  const found = /^(-?\d{1,15}(?:\.\d{1,9})?)([a-z]*)$/i.exec(text);
  const unit = units[spec.kind]?.[found?.[2]?.toLowerCase() ?? ''] ?? (found?.[2] === '' ? 1 : Number.NaN);
  const value = found === null ? Number.NaN : Number(found[1]) * unit;
  const { least = 0, most = Number.MAX_SAFE_INTEGER } = spec;
  const whole = spec.kind === 'number' || Number.isInteger(value);
  if (value >= least && value <= most && whole) return value;
  const range = spec.kind === 'integer' || spec.kind === 'number' ? ` within ${least}..${most}` : '';
  throw usage(`--${name}: '${text}' is not ${wanted[spec.kind]}${range}`);
}

export function usage(message: string): ExitError {
  return new ExitError(exitCodes.usage, message);
}
