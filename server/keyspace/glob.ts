// Glob patterns of KEYS, SCAN MATCH and PSUBSCRIBE: `*`, `?`, `[a-z]`, `[^a]` and `\x`, over bytes.
// Invariant: matching takes at most O(text x pattern) steps, whatever the pattern; only the last `*` is ever retried.

const STAR = -1;
const ANY = -2;

/** A literal byte, STAR, ANY, or the table of bytes a class accepts. */
type Token = number | Uint8Array;

/** A predicate for binary strings. `nocase` folds ASCII letters. */
export function globMatcher(pattern: string, nocase = false): (text: string) => boolean {
  if (pattern === '*') return () => true;
  const tokens = tokensOf(nocase ? lower(pattern) : pattern, nocase);
  if (tokens.every((token) => typeof token === 'number' && token >= 0)) {
    const literal = Buffer.from(tokens as number[]).toString('latin1');
    return nocase ? (text) => lower(text) === literal : (text) => text === literal;
  }
  return nocase ? (text) => matches(tokens, lower(text)) : (text) => matches(tokens, text);
}

const lower = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

function tokensOf(pattern: string, nocase: boolean): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern[at];
    if (char === '*') {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
    } else if (char === '?') {
      tokens.push(ANY);
    } else if (char === '[') {
      const table = new Uint8Array(256);
      at = readClass(pattern, at + 1, table);
      if (nocase) foldCase(table);
      tokens.push(table);
    } else {
      if (char === '\\' && at + 1 < pattern.length) at += 1;
      tokens.push(pattern.charCodeAt(at));
    }
  }
  return tokens;
}

/** Fills `table` and returns the index of the closing bracket (or of the last byte when it is missing). */
function readClass(pattern: string, at: number, table: Uint8Array): number {
  const negated = pattern[at] === '^';
  if (negated) at += 1;
  for (; at < pattern.length && pattern[at] !== ']'; at += 1) {
    const left = pattern.length - at;
    if (pattern[at] === '\\' && left >= 2) {
      at += 1;
      table[pattern.charCodeAt(at)] = 1;
    } else if (left >= 3 && pattern[at + 1] === '-') {
      addRange(table, signed(pattern.charCodeAt(at)), signed(pattern.charCodeAt(at + 2)));
      at += 2;
    } else {
      table[pattern.charCodeAt(at)] = 1;
    }
  }
  if (negated) for (let byte = 0; byte < 256; byte += 1) table[byte] = table[byte] === 1 ? 0 : 1;
  return Math.min(at, pattern.length - 1);
}

// The reference compares ranges as signed chars, so [a-\xff] runs from \xff (-1) up to 'a'.
const signed = (byte: number): number => (byte > 127 ? byte - 256 : byte);

function addRange(table: Uint8Array, one: number, other: number): void {
  for (let value = Math.min(one, other); value <= Math.max(one, other); value += 1) table[value & 255] = 1;
}

function foldCase(table: Uint8Array): void {
  for (let letter = 0x41; letter <= 0x5a; letter += 1) {
    if (table[letter] === 1) table[letter + 32] = 1;
  }
}

function accepts(token: Token | undefined, byte: number): boolean {
  if (typeof token === 'number') return token === byte || token === ANY;
  return token !== undefined && token[byte] === 1;
}

function matches(tokens: readonly Token[], text: string): boolean {
  let token = 0;
  let at = 0;
  let starToken = -1;
  let starAt = 0;
  while (at < text.length) {
    if (tokens[token] === STAR) {
      starToken = token++;
      starAt = at;
    } else if (accepts(tokens[token], text.charCodeAt(at))) {
      token += 1;
      at += 1;
    } else if (starToken >= 0) {
      token = starToken + 1;
      starAt += 1;
      at = starAt;
    } else {
      return false;
    }
  }
  while (tokens[token] === STAR) token += 1;
  return token === tokens.length;
}
