// The tokens of a JSON text, as cjson reads them: numbers as strtod takes them, a zero byte as the end. Pure.

import { parseLooseDouble } from '../keyspace/number.ts';

export type Token = { readonly at: number } & (
  | { readonly kind: '{' | '}' | '[' | ']' | ':' | ',' | 'true' | 'false' | 'null' | 'end' }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'error'; readonly why: string }
);

/** What strtod takes from the front of a text. */
const numberPattern =
  /[+-]?(?:0x(?:[\da-f]+\.?[\da-f]*|\.[\da-f]+)(?:p[+-]?\d+)?|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan(?:\(\w*\))?)/iy;
/** Numbers that are none in JSON. */
const invalidPattern = /\+|-?(?:0(?:x|\d)|inf|nan)/iy;
const plainPattern = /[^"\\\0]*/y;
const hexPattern = /[\da-fA-F]{4}/y;

const simpleEscapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  t: '\t',
  n: '\n',
  f: '\f',
  r: '\r',
};

export class JsonTokens {
  /** How far the text was read, in bytes. */
  at = 0;
  readonly #text: string;
  readonly #allowInvalid: boolean;

  constructor(text: string, allowInvalid: boolean) {
    this.#text = text;
    this.#allowInvalid = allowInvalid;
  }

  next(): Token {
    const text = this.#text;
    let char = text[this.at];
    while (char === ' ' || char === '\t' || char === '\n' || char === '\r') char = text[++this.at];
    const { at } = this;
    switch (char) {
      case undefined:
      case '\0':
        return { kind: 'end', at };
      case '{':
      case '}':
      case '[':
      case ']':
      case ':':
      case ',':
        this.at++;
        return { kind: char, at };
      case '"':
        return this.#string(at);
      default:
        return this.#word(at, char);
    }
  }

  #word(at: number, char: string): Token {
    const text = this.#text;
    if (char === '-' || (char >= '0' && char <= '9')) {
      if (!this.#allowInvalid && this.#looksInvalid()) return { kind: 'error', at, why: 'invalid number' };
      return this.#number(at);
    }
    for (const kind of ['true', 'false', 'null'] as const) {
      if (!text.startsWith(kind, at)) continue;
      this.at += kind.length;
      return { kind, at };
    }
    if (this.#allowInvalid && this.#looksInvalid()) return this.#number(at);
    return { kind: 'error', at, why: 'invalid token' };
  }

  #looksInvalid(): boolean {
    invalidPattern.lastIndex = this.at;
    return invalidPattern.test(this.#text);
  }

  #number(at: number): Token {
    numberPattern.lastIndex = at;
    const found = numberPattern.exec(this.#text)?.[0];
    if (found === undefined) return { kind: 'error', at, why: 'invalid number' };
    this.at = at + found.length;
    return { kind: 'number', at, value: parseLooseDouble(found) ?? Number.NaN };
  }

  #string(start: number): Token {
    const text = this.#text;
    let found = '';
    let at = start + 1;
    for (;;) {
      plainPattern.lastIndex = at;
      const plain = plainPattern.exec(text)![0];
      found += plain;
      at += plain.length;
      if (text[at] === '"') {
        this.at = at + 1;
        return { kind: 'string', at: start, text: found };
      }
      if (text[at] !== '\\') return this.#broken(at, 'unexpected end of string');
      const letter = text[at + 1] ?? '';
      if (letter === 'u') {
        const code = this.#unicode(at);
        if (code === undefined) return this.#broken(at, 'invalid unicode escape code');
        found += code.text;
        at += code.length;
        continue;
      }
      const simple = simpleEscapes[letter];
      if (simple === undefined) return this.#broken(at, 'invalid escape code');
      found += simple;
      at += 2;
    }
  }

  #broken(at: number, why: string): Token {
    this.at = at;
    return { kind: 'error', at, why };
  }

  /** The bytes of \uXXXX, or of two of them that are one character. */
  #unicode(at: number): { text: string; length: number } | undefined {
    const first = this.#hex(at + 2);
    if (first === undefined) return undefined;
    if ((first & 0xf800) !== 0xd800) return { text: utf8(first), length: 6 };
    if ((first & 0x400) !== 0 || !this.#text.startsWith('\\u', at + 6)) return undefined;
    const second = this.#hex(at + 8);
    if (second === undefined || (second & 0xfc00) !== 0xdc00) return undefined;
    return { text: utf8((((first & 0x3ff) << 10) | (second & 0x3ff)) + 0x10000), length: 12 };
  }

  #hex(at: number): number | undefined {
    hexPattern.lastIndex = at;
    const digits = hexPattern.exec(this.#text)?.[0];
    return digits === undefined ? undefined : Number.parseInt(digits, 16);
  }
}

function utf8(codePoint: number): string {
  return Buffer.from(String.fromCodePoint(codePoint), 'utf8').toString('latin1');
}
