// The server's parameters: their values, which texts are valid, and listeners for changes.
// Owns: the values.
// Does not know: what a parameter does; whoever needs one reads its value or listens.
// Invariant: every value is valid at every moment; CONFIG SET changes all the parameters it names or none.

import { splitArguments } from '../../lib/wire/split-arguments.ts';
import { globMatcher } from '../keyspace/glob.ts';
import { parameters } from './parameters.ts';
import { type Kind, kindOf, readBytes } from './values.ts';

interface Parameter {
  readonly name: string;
  readonly kind: Kind;
  /** Fixed at start; protected, see `enable-protected-configs`; left out of patterns. */
  readonly fixed: boolean;
  readonly guarded: boolean;
  readonly hidden: boolean;
  value: string;
}

/** Some values are taken and then brought within what is sensible. */
const sensible: Readonly<Record<string, readonly [least: number, most: number]>> = {
  hz: [1, 500],
  'repl-backlog-size': [16 * 1024, Number.POSITIVE_INFINITY],
};

/** Directives that are no parameters, and may be given many times. */
const repeated = ['user', 'rename-command'] as const;
export type RepeatedDirective = (typeof repeated)[number];

export function isRepeated(name: string): name is RepeatedDirective {
  return (repeated as readonly string[]).includes(name);
}

export interface OutputLimit {
  readonly hard: number;
  readonly soft: number;
  readonly softSeconds: number;
}

export interface SetOptions {
  /** Listeners are not called; notify() does that once the values are final. Default false. */
  readonly quietly?: boolean;
  /** Protected parameters may be set. Default false. */
  readonly unguarded?: boolean;
}

export class Config {
  /** By name; older names lead to the same parameter. */
  readonly #parameters = new Map<string, Parameter>();
  readonly #listeners: ((name: string, value: string) => void)[] = [];
  readonly #limits = new Map<string, OutputLimit>();
  readonly #repeated = new Map<RepeatedDirective, (readonly string[])[]>();

  /**
   * `values` overrides defaults, fixed parameters included; `user` and `rename-command` have a definition a line.
   * Throws RangeError for an unknown name or a bad value.
   */
  constructor(values: Readonly<Record<string, string>> = {}) {
    const older: [string, string][] = [];
    for (const line of parameters.trim().split('\n')) {
      const [name, kindText, ...rest] = line.split(' ') as [string, string, ...string[]];
      if (kindText.startsWith('=')) older.push([name, kindText.slice(1)]);
      else this.#parameters.set(name, readRow(name, kindText, rest.join(' ')));
    }
    for (const [name, now] of older) this.#parameters.set(name, this.#parameters.get(now)!);
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
      const words = splitArguments(line);
      if (words === undefined) throw new RangeError(`${name}: unbalanced quotes`);
      if (words.length > 0) this.addDirective(name, words);
    }
  }

  knows(name: string): boolean {
    return this.#parameters.has(name);
  }

  /** The name that a parameter has now. */
  nameOf(name: string): string {
    return this.#parameters.get(name)?.name ?? name;
  }

  /** Every parameter by its present name. */
  names(): string[] {
    return [...new Set(this.#parameters.values())].map(({ name }) => name);
  }

  /** Whether CONFIG REWRITE leaves it out unless the file has it. */
  hidden(name: string): boolean {
    return this.#parameters.get(name)?.hidden === true;
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

  /** `1mb` in bytes; undefined for what is no such text. */
  bytesOf(text: string): number | undefined {
    const bytes = readBytes(text);
    return bytes === undefined ? undefined : Number(bytes);
  }

  onChange(listener: (name: string, value: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Names and values that match any of the patterns, each once: as it was asked for first. */
  match(patterns: readonly string[]): Map<string, string> {
    const found = new Map<string, string>();
    const taken = new Set<string>();
    const take = (name: string, value: string): void => {
      const lower = name.toLowerCase();
      if (!taken.has(lower)) found.set(name, value);
      taken.add(lower);
    };
    for (const pattern of patterns) {
      if (/[[*?]/.test(pattern)) {
        const matches = globMatcher(pattern, true);
        for (const [name, { hidden, value }] of this.#parameters) {
          if (!hidden && matches(name)) take(name, printed(name, value));
        }
        continue;
      }
      const exact = this.#parameters.get(pattern.toLowerCase());
      if (exact !== undefined) take(pattern, printed(exact.name, exact.value));
    }
    return found;
  }

  /** Sets several at once, all or none; the text of the refusal (without ERR) or undefined. */
  set(pairs: readonly (readonly [string, string])[], options: SetOptions = {}): string | undefined {
    const seen = new Set<string>();
    for (const [name] of pairs) {
      const lower = name.toLowerCase();
      const known = this.#parameters.get(lower);
      if (known === undefined) return `Unknown option or number of arguments for CONFIG SET - '${name}'`;
      if (known.fixed) return refusal(name, "can't set immutable config");
      if (known.guarded && options.unguarded !== true) return refusal(name, "can't set protected config");
      if (seen.has(lower)) return refusal(name, 'duplicate parameter');
      seen.add(lower);
    }
    const before = pairs.map(([name]) => this.get(name.toLowerCase()));
    for (const [at, [name, value]] of pairs.entries()) {
      const why = this.#assign(name.toLowerCase(), value, true);
      if (why === undefined) continue;
      for (let back = 0; back < at; back++) this.#assign(pairs[back]![0].toLowerCase(), before[back]!, false);
      return refusal(name.toLowerCase(), why);
    }
    if (options.quietly !== true) this.notify(seen);
    return undefined;
  }

  /** Notifies whoever listens that these may have changed. */
  notify(names: Iterable<string>): void {
    for (const each of names) {
      const name = this.nameOf(each);
      for (const listener of this.#listeners) listener(name, this.get(name));
    }
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
    const parsed = parameter.kind.read(text, parameter.value, checkRange);
    if (parsed.value === undefined) return parsed.why;
    parameter.value = within(sensible[parameter.name], parsed.value);
    this.#limits.clear();
    return undefined;
  }
}

function readRow(name: string, text: string, value: string): Parameter {
  const marks = /[!#?]*$/.exec(text)![0];
  const kind = kindOf(name, text.slice(0, text.length - marks.length));
  const [fixed, guarded, hidden] = [marks.includes('!'), marks.includes('#'), marks.includes('?')];
  return { name, kind, fixed, guarded, hidden, value };
}

function within(bounds: readonly [number, number] | undefined, text: string): string {
  if (bounds === undefined) return text;
  const [least, most] = bounds;
  const value = Number(text);
  return value < least || value > most ? String(Math.min(Math.max(value, least), most)) : text;
}

/** `A` stands for all classes of events when it is printed, for the one of new keys too. */
function printed(name: string, value: string): string {
  return name === 'notify-keyspace-events' ? value.replace('An', 'A') : value;
}

export function refusal(name: string, why: string): string {
  return `CONFIG SET failed (possibly related to argument '${name}') - ${why}`;
}
