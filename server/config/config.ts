// The server's parameters: their values, which texts are valid, and listeners for changes.
// Owns: the values.
// Does not know: what a parameter does; whoever needs one reads its value or listens.
// Invariant: every value is valid at every moment; CONFIG SET changes all the parameters it names or none.

import { globMatcher } from '../keyspace/glob.ts';
import { splitWords } from './conf-text.ts';
import { parameters } from './parameters.ts';

type Kind = 'b' | 'n' | 'm' | 's' | 'e' | 'buffers' | 'save' | 'events';

interface Parameter {
  readonly name: string;
  readonly kind: Kind;
  readonly words: readonly string[];
  readonly fixed: boolean;
  value: string;
}

/** Texts accepted or printed for the older names of some parameters. */
const twins: readonly (readonly [string, string])[] = [
  ['slave-', 'replica-'],
  ['-slave', '-replica'],
  ['-slaves', '-replicas'],
  ['ziplist', 'listpack'],
  ['lua-time-limit', 'busy-reply-threshold'],
  ['slaveof', 'replicaof'],
];

/** Paths that a client may not choose, unless `enable-protected-configs` says so. */
const guarded = new Set(['dir', 'dbfilename']);

/** Directives that are no parameters, and may be given many times. */
const repeated = ['user', 'rename-command'] as const;
export type RepeatedDirective = (typeof repeated)[number];

export function isRepeated(name: string): name is RepeatedDirective {
  return (repeated as readonly string[]).includes(name);
}

/** Parameters that name a file or folder inside `dir`. */
const baseNames: Readonly<Record<string, string>> = {
  dbfilename: 'filename',
  appendfilename: 'filename',
  appenddirname: 'dirname',
};

const units: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1_000_000,
  mb: 1024 ** 2,
  g: 1_000_000_000,
  gb: 1024 ** 3,
};

export interface OutputLimit {
  readonly hard: number;
  readonly soft: number;
  readonly softSeconds: number;
}

export class Config {
  readonly #parameters = new Map<string, Parameter>();
  readonly #listeners: ((name: string, value: string) => void)[] = [];
  readonly #limits = new Map<string, OutputLimit>();
  readonly #kept = new Set<string>();
  readonly #repeated = new Map<RepeatedDirective, (readonly string[])[]>();

  /**
   * `values` overrides defaults, fixed parameters included; `user` and `rename-command` have a definition a line.
   * Throws RangeError for an unknown name or a bad value.
   */
  constructor(values: Readonly<Record<string, string>> = {}) {
    for (const line of parameters.trim().split('\n')) {
      const [name, kindText, ...rest] = line.split(' ') as [string, string, ...string[]];
      const fixed = kindText.endsWith('!');
      const [kind, words] = kindText.replace('!', '').split(':') as [Kind, string?];
      this.#parameters.set(name, { name, kind, words: words?.split(',') ?? [], fixed, value: rest.join(' ') });
    }
    for (const [name, value] of Object.entries(values)) {
      if (isRepeated(name)) this.#addText(name, value);
      else this.put(name, value);
    }
  }

  /** The words of each such directive, in the order they were given. */
  directives(name: RepeatedDirective): readonly (readonly string[])[] {
    return this.#repeated.get(name) ?? [];
  }

  addDirective(name: RepeatedDirective, words: readonly string[]): void {
    this.#repeated.set(name, [...this.directives(name), words]);
  }

  #addText(name: RepeatedDirective, text: string): void {
    for (const line of text.split('\n')) {
      const words = splitWords(line);
      if (words === undefined) throw new RangeError(`${name}: unbalanced quotes`);
      if (words.length > 0) this.addDirective(name, words);
    }
  }

  knows(name: string): boolean {
    return this.#parameters.has(name);
  }

  /** Keeps a parameter that means nothing to this server, so that who set it finds it again. */
  keep(name: string, value: string): void {
    this.#parameters.set(name, { name, kind: 's', words: [], fixed: false, value });
    this.#kept.add(name);
  }

  /** Whether it was only kept. */
  kept(name: string): boolean {
    return this.#kept.has(name);
  }

  /** Every parameter that means something here. */
  names(): string[] {
    return [...this.#parameters.keys()].filter((name) => !this.#kept.has(name));
  }

  /** The value as text; '' for a name that is not known. */
  get(name: string): string {
    return this.#parameters.get(name)?.value ?? '';
  }

  number(name: string): number {
    return Number(this.get(name));
  }

  flag(name: string): boolean {
    return this.get(name) === 'yes';
  }

  onChange(listener: (name: string, value: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Names and values that match any of the patterns. */
  match(patterns: readonly string[]): Map<string, string> {
    const found = new Map<string, string>();
    for (const pattern of patterns) {
      const exact = this.#parameters.get(pattern.toLowerCase());
      if (exact !== undefined) found.set(pattern, exact.value);
      else if (/[[*?]/.test(pattern)) {
        const matches = globMatcher(pattern, true);
        for (const { name, value } of this.#parameters.values()) if (matches(name)) found.set(name, value);
      }
    }
    return found;
  }

  /**
   * Sets several at once, all or none; the text of the refusal (without ERR) or undefined. `quietly`: whoever listens
   * is not told, tell() does that when the values hold. `trusted`: may choose paths.
   */
  set(pairs: readonly (readonly [string, string])[], quietly = false, trusted = false): string | undefined {
    const seen = new Set<string>();
    for (const [name] of pairs) {
      const known = this.#parameters.get(name.toLowerCase());
      if (known === undefined) {
        return `Unknown option or number of arguments for CONFIG SET - '${name}'`;
      }
      if (guarded.has(known.name) && !trusted) return refusal(name, "can't set protected config");
      if (known.fixed) return refusal(name, "can't set immutable config");
      if (seen.has(known.name)) return refusal(name, 'duplicate parameter');
      seen.add(known.name);
    }
    const before = pairs.map(([name]) => this.get(name.toLowerCase()));
    for (const [at, [name, value]] of pairs.entries()) {
      const why = this.#assign(name.toLowerCase(), value, true);
      if (why === undefined) continue;
      for (let back = 0; back < at; back++) this.#assign(pairs[back]![0].toLowerCase(), before[back]!, false);
      return refusal(name, why);
    }
    if (!quietly) this.tell(seen);
    return undefined;
  }

  /** Tells whoever listens that these may have changed. */
  tell(names: Iterable<string>): void {
    for (const name of names) for (const listener of this.#listeners) listener(name, this.get(name));
  }

  /** Writes a value as the server itself: fixed parameters too (the port that was bound). Throws RangeError. */
  put(name: string, value: string, checkRange = false): void {
    const why = this.#assign(name, value, checkRange);
    if (why !== undefined) throw new RangeError(`${name}: ${why}`);
  }

  /** The output buffer limit of a class of clients. */
  outputLimit(of: 'normal' | 'replica' | 'pubsub'): OutputLimit {
    const known = this.#limits.get(of);
    if (known !== undefined) return known;
    const words = this.get('client-output-buffer-limit').split(' ');
    const at = words.indexOf(of === 'replica' ? 'slave' : of);
    const limit = { hard: Number(words[at + 1]), soft: Number(words[at + 2]), softSeconds: Number(words[at + 3]) };
    this.#limits.set(of, limit);
    return limit;
  }

  #assign(name: string, text: string, checkRange: boolean): string | undefined {
    const parameter = this.#parameters.get(name);
    if (parameter === undefined) return 'unknown parameter';
    const parsed = checkBaseName(name, text) ?? parse(parameter, text, checkRange);
    if (parsed.value === undefined) return parsed.why;
    parameter.value = parsed.value;
    for (const [old, now] of twins) {
      for (const other of [name.replace(old, now), name.replace(now, old)]) {
        const twin = other === name ? undefined : this.#parameters.get(other);
        if (twin !== undefined) twin.value = parsed.value;
      }
    }
    this.#limits.clear();
    return undefined;
  }
}

export function refusal(name: string, why: string): string {
  return `CONFIG SET failed (possibly related to argument '${name}') - ${why}`;
}

/** The refusal of a path where a name is wanted. */
function checkBaseName(name: string, text: string): Parsed | undefined {
  const kind = baseNames[name];
  if (kind === undefined) return undefined;
  if (/[/\\]/.test(text)) return { why: `${name} can't be a path, just a ${kind}` };
  return text === '' && name !== 'dbfilename' ? { why: `${name} can't be empty` } : undefined;
}

type Parsed = { readonly value: string; readonly why?: never } | { readonly value?: never; readonly why: string };

function parse(parameter: Parameter, text: string, checkRange: boolean): Parsed {
  switch (parameter.kind) {
    case 'b': {
      const word = text.toLowerCase();
      return word === 'yes' || word === 'no' ? { value: word } : { why: "argument must be 'yes' or 'no'" };
    }
    case 'n':
      if (!/^-?\d{1,19}$/.test(text)) return { why: "argument couldn't be parsed into an integer" };
      return checkRange ? inRange(parameter.name, Number(text)) : { value: text };
    case 'm': {
      const match = /^(\d+)([a-z]*)$/i.exec(text);
      const unit = units[match?.[2]?.toLowerCase() ?? ''];
      return match === null || unit === undefined
        ? { why: 'argument must be a memory value' }
        : { value: String(Number(match[1]) * unit) };
    }
    case 'e': {
      const word = text.toLowerCase();
      return parameter.words.includes(word)
        ? { value: word }
        : { why: `argument(s) must be one of the following: ${parameter.words.join(', ')}` };
    }
    case 'buffers':
      return parseBuffers(parameter.value, text);
    case 'save':
      return /^(?:\d+ \d+(?: \d+ \d+)*)?$/.test(text) ? { value: text } : { why: 'Invalid save parameters' };
    case 'events':
      return parseEvents(text);
    default:
      return { value: text };
  }
}

/** Least and greatest values that matter to a server; others are only integers. */
const ranges: Readonly<Record<string, readonly [number, number]>> = {
  maxclients: [1, 2 ** 32 - 1],
  timeout: [0, 2 ** 31 - 1],
  hz: [0, 2 ** 31 - 1],
  port: [0, 65535],
  'tls-port': [0, 65535],
  'slowlog-max-len': [0, Number.MAX_SAFE_INTEGER],
  'slowlog-log-slower-than': [-1, Number.MAX_SAFE_INTEGER],
  'cluster-node-timeout': [0, 2 ** 31 - 1],
  'cluster-migration-barrier': [0, 2 ** 31 - 1],
  'min-replicas-to-write': [0, 2 ** 31 - 1],
  'tcp-keepalive': [0, 2 ** 31 - 1],
};

function inRange(name: string, value: number): Parsed {
  const [least, most] = ranges[name] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (value < least || value > most) return { why: `argument must be between ${least} and ${most} inclusive` };
  return { value: String(value) };
}

/** `class hard soft seconds` groups; classes not named keep their limits. */
function parseBuffers(current: string, text: string): Parsed {
  const words = text.split(' ');
  const now = current.split(' ');
  if (words.length % 4 !== 0) return { why: 'Wrong number of arguments in buffer limit configuration.' };
  for (let at = 0; at < words.length; at += 4) {
    const name = words[at] === 'replica' ? 'slave' : words[at]!;
    const place = now.indexOf(name);
    if (place < 0 || place % 4 !== 0) {
      return { why: 'Invalid client class specified in buffer limit configuration.' };
    }
    for (let offset = 1; offset <= 3; offset++) {
      const match = /^(\d+)([a-z]*)$/i.exec(words[at + offset]!);
      const unit = units[match?.[2]?.toLowerCase() ?? ''];
      if (match === null || unit === undefined) {
        return { why: 'Error in hard, soft or soft_seconds setting in buffer limit configuration.' };
      }
      now[place + offset] = String(Number(match[1]) * unit);
    }
  }
  return { value: now.join(' ') };
}

const eventLetters = 'Ag$lshzxeKEtmdn';

/** Letters in the order they are printed; all classes of A together print as A. */
function parseEvents(text: string): Parsed {
  for (const letter of text) {
    if (!eventLetters.includes(letter)) return { why: "Invalid event class character. Use 'Ag$lshzxeKEtmdn'." };
  }
  const all = 'g$lshzxetd';
  const has = (letter: string): boolean => text.includes(letter) || (text.includes('A') && all.includes(letter));
  const classes = [...all].every(has) ? 'A' : [...all].filter(has).join('');
  return { value: classes + [...'KEmn'].filter(has).join('') };
}
