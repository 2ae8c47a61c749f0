// The syntax of redis.conf, both ways: lines of arguments, quoted where they must be. Pure; knows no parameter.
// Invariant: splitArguments(printWord(text)) is [text] for every binary string.

import { splitArguments } from '../../lib/wire/split-arguments.ts';

/** One line that says something: `port 7000`. */
export interface Directive {
  /** In lower case. */
  readonly name: string;
  readonly values: readonly string[];
  /** Where it stands, for messages: a path, or what else was read. */
  readonly source: string;
  /** From 1. */
  readonly line: number;
  /** The line as it was written. */
  readonly text: string;
}

/** What is wrong with a configuration, and where. */
export class ConfError extends Error {
  override readonly name = 'ConfError';
  readonly source: string;
  readonly line: number;
  readonly text: string;

  constructor(at: Pick<Directive, 'source' | 'line' | 'text'>, why: string) {
    super(why);
    this.source = at.source;
    this.line = at.line;
    this.text = at.text;
  }
}

const maxLines = 1_000_000;
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' };
const unescapes = new Map(Object.entries(escapes).map(([letter, char]) => [char, letter]));

/** A word as it must stand in a file: bare when that is safe, else in double quotes. */
export function printWord(text: string): string {
  return text !== '' && /^[!#-&(-[\]-~]+$/.test(text) ? text : quoteWord(text);
}

/** A word in double quotes. */
export function quoteWord(text: string): string {
  let quoted = '"';
  for (const char of text) {
    const letter = unescapes.get(char);
    if (char === '"' || char === '\\') quoted += `\\${char}`;
    else if (letter !== undefined) quoted += `\\${letter}`;
    else if (char >= ' ' && char <= '~') quoted += char;
    else quoted += `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  }
  return `${quoted}"`;
}

/** The directives of a text in order; comments and empty lines are left out. Throws a ConfError. */
export function parseConf(text: string, source: string): Directive[] {
  const lines = text.split('\n');
  if (lines.length > maxLines) {
    throw new ConfError({ source, line: maxLines, text: '' }, `more than ${maxLines} lines`);
  }
  const directives: Directive[] = [];
  for (const [at, raw] of lines.entries()) {
    const line = raw.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '');
    if (line === '' || line.startsWith('#')) continue;
    const where = { source, line: at + 1, text: line };
    const words = splitArguments(line);
    if (words === undefined) throw new ConfError(where, 'Unbalanced quotes in configuration line');
    const [name, ...values] = words;
    if (name !== undefined) directives.push({ name: name.toLowerCase(), values, ...where });
  }
  return directives;
}
