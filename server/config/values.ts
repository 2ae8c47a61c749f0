// How the texts of parameters are read: one reader a kind, with the ranges, units and refusals of redis-server. Pure.
// Invariant: what a reader gives is the text that CONFIG GET prints, and reads back as itself.

import { parseDouble } from '../keyspace/number.ts';
import { checks } from './checks.ts';

export interface Kind {
  /** Gives the value of a text, or why it is none. `checkRange` false: integers may lie outside of their range. */
  read(text: string, before: string, checkRange: boolean): Parsed;
}

type Parsed = { readonly value: string; readonly why?: never } | { readonly value?: never; readonly why: string };

const units: Readonly<Record<string, bigint>> = {
  '': 1n,
  b: 1n,
  k: 1000n,
  kb: 1024n,
  m: 1_000_000n,
  mb: 1024n ** 2n,
  g: 1_000_000_000n,
  gb: 1024n ** 3n,
};

const most64 = 2n ** 64n - 1n;
const longestDigits = 128;

/** `100`, `1k`, `2mb` in bytes, as 64-bit arithmetic without sign has it; undefined: it is no such text. */
export function readBytes(text: string): bigint | undefined {
  const match = /^(\d*)([a-z]*)$/i.exec(cut(text));
  const unit = units[match?.[2]?.toLowerCase() ?? 'none'];
  if (match === null || unit === undefined || match[1]!.length >= longestDigits) return undefined;
  const count = BigInt(match[1] || '0');
  return BigInt.asUintN(64, (count > most64 ? most64 : count) * unit);
}

/** As C keeps a text: up to its first zero byte. */
function cut(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** A whole number without sign tricks, leading zeros or spaces, of 64 bits. */
function readInteger(text: string): bigint | undefined {
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value === BigInt.asIntN(64, value) ? value : undefined;
}

/** As strtoll reads a whole text; nothing at all is 0. */
function readLoose(text: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)(\d+)$/.exec(text);
  if (match === null) return text === '' ? 0n : undefined;
  const value = BigInt(match[2]!) * (match[1] === '-' ? -1n : 1n);
  if (value > 2n ** 63n - 1n) return 2n ** 63n - 1n;
  return value < -(2n ** 63n) ? -(2n ** 63n) : value;
}

const badInteger = "argument couldn't be parsed into an integer";

interface Range {
  readonly least: bigint;
  readonly most: bigint;
}

function outside(value: bigint, { least, most }: Range, radix = 10): Parsed | undefined {
  if (value >= least && value <= most) return undefined;
  return { why: `argument must be between ${least.toString(radix)} and ${most.toString(radix)} inclusive` };
}

/** Unsigned parameters see a negative number as a huge one. */
function numbers(range: Range, unsigned: boolean, parse: (text: string) => bigint | undefined, why: string): Kind {
  return {
    read(text, _before, checkRange) {
      const parsed = parse(text);
      if (parsed === undefined) return { why };
      const value = unsigned ? BigInt.asUintN(64, parsed) : BigInt.asIntN(64, parsed);
      return (checkRange ? outside(value, range) : undefined) ?? { value: String(value) };
    },
  };
}

function octal(range: Range): Kind {
  return {
    read(text, _before, checkRange) {
      const match = /^[ \t\n\v\f\r]*([+-]?)([0-7]*)$/.exec(text);
      if (match === null) return { why: "argument couldn't be parsed as an octal number" };
      const value = BigInt(`0o${match[2] || '0'}`) * (match[1] === '-' ? -1n : 1n);
      const unsigned = BigInt.asUintN(64, value);
      return (checkRange ? outside(unsigned, range, 8) : undefined) ?? { value: unsigned.toString(8) };
    },
  };
}

/** Bytes, or a percentage of `maxmemory`. */
function bytesOrPercent(range: Range): Kind {
  return {
    read(text, _before, checkRange) {
      const bytes = readBytes(text);
      if (bytes !== undefined) {
        const value = BigInt.asIntN(64, bytes);
        // What wraps to below zero is taken for a percentage, as redis-server keeps those.
        if (value < 0n) return percent(-value, range);
        return (checkRange ? outside(value, range) : undefined) ?? { value: String(value) };
      }
      const parsed = text.endsWith('%') ? readInteger(text.slice(0, -1)) : undefined;
      if (parsed === undefined || parsed < 0n) return { why: 'argument must be a memory or percent value' };
      return percent(parsed, range);
    },
  };
}

function percent(value: bigint, range: Range): Parsed {
  if (value > -range.least) return { why: `percentage argument must be less or equal to ${-range.least}` };
  return { value: value === 0n ? '0' : `${value}%` };
}

const flag: Kind = {
  read(text) {
    const word = cut(text).toLowerCase();
    return word === 'yes' || word === 'no' ? { value: word } : { why: "argument must be 'yes' or 'no'" };
  },
};

/** A word may stand for another: `relative=yes`. */
function oneOf(words: readonly string[]): Kind {
  const meanings = new Map(words.map((word): [string, string] => [word.split('=')[0]!, word.split('=')[1] ?? word]));
  const why = `argument(s) must be one of the following: ${[...meanings.keys()].join(', ')}`;
  return {
    read(text) {
      const word = cut(text).toLowerCase();
      const value = meanings.get(word);
      return value === undefined ? { why } : { value };
    },
  };
}

/** Some of the words; the first one stands for none of the others. */
function someOf(words: readonly string[]): Kind {
  const why = `argument(s) must be one of the following: ${words.join(', ')}`;
  return {
    read(text) {
      const given = new Set(text.split(' ').map((word) => cut(word).toLowerCase()));
      for (const word of given) if (!words.includes(word)) return { why };
      const set = words.slice(1).filter((word) => given.has(word));
      if (set.includes('save') && set.includes('nosave')) {
        return { why: "shutdown options SAVE and NOSAVE can't be used simultaneously" };
      }
      return { value: set.length === 0 ? words[0]! : set.join(' ') };
    },
  };
}

const savePoints: Kind = {
  read(text) {
    const words = text.split(' ').map(cut);
    if (words.length === 1 && words[0] === '') return { value: '' };
    const read = words.map(readLoose);
    const sound = read.every((value, at) => value !== undefined && value >= (at % 2 === 0 ? 1n : 0n));
    if (!sound || read.length % 2 !== 0) return { why: 'Invalid save parameters' };
    return { value: read.map((value, at) => (at % 2 === 0 ? value : BigInt.asIntN(32, value!))).join(' ') };
  },
};

const bufferError = 'Error in hard, soft or soft_seconds setting in buffer limit configuration.';

/** `class hard soft seconds` groups; classes not named keep their limits. */
const buffers: Kind = {
  read(text, before) {
    if (text === '') return { value: before };
    const words = text.split(' ');
    const now = before.split(' ');
    if (words.length % 4 !== 0) return { why: 'Wrong number of arguments in buffer limit configuration.' };
    for (let at = 0; at < words.length; at += 4) {
      const name = cut(words[at]!).toLowerCase();
      const place = now.indexOf(name === 'replica' ? 'slave' : name);
      if (place < 0 || place % 4 !== 0) return { why: 'Invalid client class specified in buffer limit configuration.' };
      const [hard, soft] = [readBytes(words[at + 1]!), readBytes(words[at + 2]!)];
      const seconds = readLoose(cut(words[at + 3]!));
      if (hard === undefined || soft === undefined || seconds === undefined) return { why: bufferError };
      const kept = BigInt.asIntN(32, seconds);
      if (kept < 0n) return { why: bufferError };
      now.splice(place + 1, 3, String(hard), String(soft), String(kept));
    }
    return { value: now.join(' ') };
  },
};

const eventLetters = 'Ag$lshzxeKEtmdn';
/** The classes that `A` stands for. */
const allEvents = 'g$lshzxetd';

/** Letters in the order they are printed; all classes of A together print as A. */
const events: Kind = {
  read(text) {
    for (const letter of cut(text)) {
      if (!eventLetters.includes(letter)) return { why: "Invalid event class character. Use 'Ag$lshzxeKEtmdn'." };
    }
    const has = (letter: string): boolean =>
      cut(text).includes(letter) || (cut(text).includes('A') && allEvents.includes(letter));
    const classes = [...allEvents].every(has) ? 'A' : [...allEvents].filter(has).join('');
    return { value: classes + [...'nKEm'].filter(has).join('') };
  },
};

const scores: Kind = {
  read(text) {
    const read = text.split(' ').map((word) => readLoose(cut(word)));
    if (read.length !== 3) return { why: 'wrong number of arguments' };
    if (read.some((value) => value === undefined || value < -2000n || value > 2000n)) {
      return { why: 'Invalid oom-score-adj-values, elements must be between -2000 and 2000.' };
    }
    return { value: read.join(' ') };
  },
};

const mostAddresses = 16;

const addresses: Kind = {
  read: (text) =>
    text.split(' ').length > mostAddresses ? { why: 'Too many bind addresses specified.' } : { value: text },
};

const highestPort = 65_535n;

const master: Kind = {
  read(text) {
    if (text === '') return { value: '' };
    const words = text.split(' ');
    if (words.length !== 2) return { why: 'wrong number of arguments' };
    if (text.toLowerCase() === 'no one') return { value: '' };
    const port = readLoose(words[1]!);
    if (port === undefined || port < 0n || port > highestPort) return { why: 'Invalid master port' };
    return { value: `${words[0]} ${port}` };
  },
};

const percentiles: Kind = {
  read(text) {
    if (text === '') return { value: '' };
    const read: string[] = [];
    for (const word of text.split(' ')) {
      const value = parseDouble(word);
      if (value === undefined) return { why: 'Invalid latency-tracking-info-percentiles parameters' };
      if (value < 0 || value > 100) {
        return { why: 'latency-tracking-info-percentiles parameters should sit between [0.0,100.0]' };
      }
      read.push(Object.is(value, -0) ? '-0' : String(Number(value.toFixed(6))));
    }
    return { value: read.join(' ') };
  },
};

/** Texts that may hold any byte; others end at their first zero byte. */
const binary = new Set(['masterauth', 'requirepass']);

function texts(name: string): Kind {
  return {
    read(given) {
      const text = binary.has(name) ? given : cut(given);
      const why = checks[name]?.(text);
      return why === undefined ? { value: text } : { why };
    },
  };
}

function ranged(parts: readonly string[]): Range {
  return { least: BigInt(parts[1]!), most: BigInt(parts[2]!) };
}

/** The kind that a line of the table names: `n:0:65535`, `e:a,b`. */
export function kindOf(name: string, text: string): Kind {
  const parts = text.split(':');
  switch (parts[0]) {
    case 'b':
      return name === 'activedefrag' ? onlyNo : flag;
    case 'n':
    case 'nu':
      return numbers(ranged(parts), parts[0] === 'nu', readInteger, badInteger);
    case 'm':
    case 'mu':
      return numbers(ranged(parts), parts[0] === 'mu', readBytes, 'argument must be a memory value');
    case 'o':
      return octal(ranged(parts));
    case 'p':
      return bytesOrPercent(ranged(parts));
    case 'e':
      return oneOf(parts[1]!.split(','));
    case 'flags':
      return someOf(parts[1]!.split(','));
    case 's':
      return texts(name);
    default:
      return special[parts[0]!]!;
  }
}

/** This allocator moves what it likes by itself. */
const onlyNo: Kind = {
  read(text, before, checkRange) {
    const parsed = flag.read(text, before, checkRange);
    if (parsed.value !== 'yes') return parsed;
    return {
      why: 'Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc like the one shipped by default with the Redis source distribution',
    };
  },
};

const special: Readonly<Record<string, Kind>> = {
  save: savePoints,
  buffers,
  events,
  scores,
  bind: addresses,
  master,
  percentiles,
};
