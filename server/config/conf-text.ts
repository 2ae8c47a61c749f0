// The syntax of redis.conf, both ways: lines of words, quoted where they must be. Pure; knows no parameter.
// Invariant: splitWords(printWord(text)) is [text] for every binary string.

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

/**
 * The words of a line: separated by blanks; "..." with backslash escapes (\n \r \t \b \a \xHH), '...' with \' alone.
 * Undefined when a quote is not closed, or something follows a closing quote at once.
 */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (isBlank(line[at])) at++;
    if (at >= line.length) return words;
    const word = readWord(line, at);
    if (word === undefined) return undefined;
    words.push(word.text);
    at = word.end;
  }
}

function readWord(line: string, start: number): { text: string; end: number } | undefined {
  let text = '';
  let at = start;
  while (at < line.length && !isBlank(line[at])) {
    const char = line[at]!;
    if (char !== '"' && char !== "'") {
      text += char;
      at++;
      continue;
    }
    const quoted = char === '"' ? readDouble(line, at + 1) : readSingle(line, at + 1);
    if (quoted === undefined || (quoted.end < line.length && !isBlank(line[quoted.end]))) return undefined;
    text += quoted.text;
    at = quoted.end;
  }
  return { text, end: at };
}

function readDouble(line: string, start: number): { text: string; end: number } | undefined {
  let text = '';
  for (let at = start; at < line.length; at++) {
    const char = line[at]!;
    if (char === '"') return { text, end: at + 1 };
    if (char !== '\\' || at + 1 >= line.length) {
      text += char;
      continue;
    }
    const hex = /^x([0-9a-f]{2})/i.exec(line.slice(at + 1, at + 4));
    if (hex === null) {
      const next = line[++at]!;
      text += escapes[next] ?? next;
    } else {
      text += String.fromCharCode(Number.parseInt(hex[1]!, 16));
      at += 3;
    }
  }
  return undefined;
}

function readSingle(line: string, start: number): { text: string; end: number } | undefined {
  let text = '';
  for (let at = start; at < line.length; at++) {
    if (line[at] === '\\' && line[at + 1] === "'") {
      text += "'";
      at++;
    } else if (line[at] === "'") return { text, end: at + 1 };
    else text += line[at];
  }
  return undefined;
}

function isBlank(char: string | undefined): boolean {
  return char === ' ' || (char !== undefined && char >= '\t' && char <= '\r') || char === '\0';
}

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
    const words = splitWords(line);
    if (words === undefined) throw new ConfError(where, 'Unbalanced quotes in configuration line');
    const [name, ...values] = words;
    if (name !== undefined) directives.push({ name: name.toLowerCase(), values, ...where });
  }
  return directives;
}
