// One set of permissions: commands, key patterns, channel patterns. A user has one of its own and any number beside it.
// Invariant: a rule that is refused has changed nothing.

import { splitArguments } from '../../lib/wire/request-decoder.ts';
import { globMatcher } from '../keyspace/glob.ts';
import { categoryBit, ruledLike } from './catalog.ts';
import { CommandSet, entryByName } from './command-set.ts';

/** What may be done to a key, as bits. */
export const Permission = { read: 1, write: 2, all: 3 } as const;

/** Why a rule is refused; the texts are redis-server's. */
export const problems = {
  unknownCommand: 'Unknown command or category name in ACL',
  syntax: 'Syntax error',
  keysAfterAll:
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns",
  channelsAfterAll:
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels",
  noSuchPassword: 'The password you are trying to remove from the user does not exist',
  badHash: 'The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters',
  firstArgumentOfSubcommand: 'Allowing first-arg of a subcommand is not supported',
  duplicateUser: 'Duplicate user found. A user can only be defined once in config files',
} as const;

export type Problem = (typeof problems)[keyof typeof problems];

interface Pattern {
  /** Bits of `Permission`; those of channels have all. */
  readonly permission: number;
  readonly matches: (text: string) => boolean;
}

export class Selector {
  allKeys = false;
  allChannels: boolean;
  readonly #commands: CommandSet;
  readonly #keys: Map<string, Pattern>;
  readonly #channels: Map<string, Pattern>;

  constructor(allChannels: boolean, like?: Selector) {
    this.allChannels = allChannels;
    this.#commands = like === undefined ? new CommandSet() : like.#commands.copy();
    this.#keys = new Map(like === undefined ? [] : like.#keys);
    this.#channels = new Map(like === undefined ? [] : like.#channels);
  }

  copy(): Selector {
    const copy = new Selector(this.allChannels, this);
    copy.allKeys = this.allKeys;
    return copy;
  }

  /** Nothing can be refused. */
  get unlimited(): boolean {
    return this.allKeys && this.allChannels && this.#commands.unlimited;
  }

  get channelPatterns(): Iterable<string> {
    return this.#channels.keys();
  }

  allowsCommand(name: string, firstArgument: string | undefined): boolean {
    return this.#commands.has(ruledLike(name)) || this.#commands.allowsFirst(name, firstArgument);
  }

  /** `permission`: bits that one pattern must all have. */
  allowsKey(key: string, permission: number): boolean {
    if (this.allKeys) return true;
    for (const pattern of this.#keys.values()) {
      if ((pattern.permission & permission) === permission && pattern.matches(key)) return true;
    }
    return false;
  }

  /** Every key there may be. */
  allowsAnyKey(permission: number): boolean {
    if (this.allKeys) return true;
    const all = this.#keys.get('*');
    return all !== undefined && (all.permission & permission) === permission;
  }

  /** A pattern that someone subscribes to must be one of the selector's, letter by letter. */
  allowsChannel(channel: string, isPattern: boolean): boolean {
    if (this.allChannels) return true;
    if (isPattern) return this.#channels.has(channel);
    for (const pattern of this.#channels.values()) if (pattern.matches(channel)) return true;
    return false;
  }

  /** Applies one rule; the problem with it, or undefined. */
  apply(rule: string): Problem | undefined {
    const words = plainRules.get(untilZero(rule).toLowerCase());
    if (words !== undefined) {
      words(this, this.#commands);
      return undefined;
    }
    switch (rule[0]) {
      case '~':
      case '%':
        return this.#addKeys(rule);
      case '&':
        return this.#addChannels(rule.slice(1));
      case '+':
      case '-':
        return this.#setCommands(untilZero(rule));
      default:
        return problems.syntax;
    }
  }

  clearKeys(all: boolean): void {
    this.allKeys = all;
    this.#keys.clear();
  }

  clearChannels(all: boolean): void {
    this.allChannels = all;
    this.#channels.clear();
  }

  printCommands(): string {
    return this.#commands.print();
  }

  printKeys(): string {
    if (this.allKeys) return '~*';
    return [...this.#keys].map(([text, { permission }]) => `${keySigns[permission]}${text}`).join(' ');
  }

  /** As rules: `~*` would be the end of all other patterns. */
  #keyRules(): string {
    if (this.allKeys) return '~*';
    const sign = (text: string, permission: number): string => (text === '*' ? anyKeySigns : keySigns)[permission]!;
    return [...this.#keys].map(([text, { permission }]) => sign(text, permission) + text).join(' ');
  }

  printChannels(): string {
    return this.allChannels ? '&*' : [...this.#channels.keys()].map((text) => `&${text}`).join(' ');
  }

  /** The rules that make this selector out of an empty one. */
  print(): string {
    const channels = this.allChannels ? '&*' : `resetchannels ${this.printChannels()}`.trimEnd();
    return [this.#keyRules(), channels, this.printCommands()].filter((part) => part !== '').join(' ');
  }

  #addKeys(rule: string): Problem | undefined {
    if (this.allKeys) return problems.keysAfterAll;
    const sign = /^(?:~|%([rw]{0,2})(?:~|$))/i.exec(rule);
    if (sign === null) return problems.syntax;
    const letters = sign[1]?.toLowerCase();
    if (letters === 'rr' || letters === 'ww') return problems.syntax;
    const permission =
      letters === undefined
        ? Permission.all
        : (letters.includes('r') ? Permission.read : 0) | (letters.includes('w') ? Permission.write : 0);
    const text = rule.slice(sign[0].length);
    if (permission === 0 || hasSpaces(text)) return problems.syntax;
    const known = this.#keys.get(text);
    const matches = known?.matches ?? globMatcher(text);
    this.#keys.set(text, { permission: permission | (known?.permission ?? 0), matches });
    return undefined;
  }

  #addChannels(text: string): Problem | undefined {
    if (this.allChannels) return problems.channelsAfterAll;
    if (hasSpaces(text)) return problems.syntax;
    if (!this.#channels.has(text)) this.#channels.set(text, { permission: Permission.all, matches: globMatcher(text) });
    return undefined;
  }

  #setCommands(rule: string): Problem | undefined {
    const allowed = rule[0] === '+';
    if (rule[1] === '@') {
      const bit = categoryBit(rule.slice(2));
      if (bit === 0) return problems.unknownCommand;
      this.#commands.setCategory(bit, allowed);
      return undefined;
    }
    const name = rule.slice(1);
    const bar = name.lastIndexOf('|');
    if (allowed && bar >= 0) return this.#allowPart(name, bar);
    const entry = entryByName(name);
    if (entry === undefined) return problems.unknownCommand;
    this.#commands.set(entry, allowed);
    return undefined;
  }

  /** `+config|get`, or `+select|0`: a command that is allowed with one first argument. */
  #allowPart(name: string, bar: number): Problem | undefined {
    const command = entryByName(name.slice(0, bar));
    const argument = name.slice(bar + 1);
    if (command === undefined) return problems.unknownCommand;
    if (command.isSubcommand) return problems.firstArgumentOfSubcommand;
    // Nor with blanks, as what is printed could not be read again.
    if (argument === '' || hasSpaces(argument)) return problems.syntax;
    if (command.subcommands.length === 0) {
      this.#commands.allowFirst(command, argument);
      return undefined;
    }
    const sub = entryByName(name);
    if (sub === undefined) return problems.unknownCommand;
    this.#commands.set(sub, true);
    return undefined;
  }
}

const keySigns: Readonly<Record<number, string>> = { 1: '%R~', 2: '%W~', 3: '~' };
const anyKeySigns: typeof keySigns = { ...keySigns, 3: '%RW~' };

/** Rules that are one word. */
const plainRules: ReadonlyMap<string, (selector: Selector, commands: CommandSet) => void> = new Map<
  string,
  (selector: Selector, commands: CommandSet) => void
>([
  ['allkeys', (selector) => selector.clearKeys(true)],
  ['~*', (selector) => selector.clearKeys(true)],
  ['resetkeys', (selector) => selector.clearKeys(false)],
  ['allchannels', (selector) => selector.clearChannels(true)],
  ['&*', (selector) => selector.clearChannels(true)],
  ['resetchannels', (selector) => selector.clearChannels(false)],
  ['allcommands', (_selector, commands) => commands.setAll(true)],
  ['+@all', (_selector, commands) => commands.setAll(true)],
  ['nocommands', (_selector, commands) => commands.setAll(false)],
  ['-@all', (_selector, commands) => commands.setAll(false)],
]);

/** A selector of `(rule rule ...)`, or the problem with the first rule that has one. */
export function parseSelector(text: string, allChannels: boolean): Selector | Problem {
  const selector = new Selector(allChannels);
  for (const rule of splitArguments(text.slice(1, -1)) ?? []) {
    // Printed, it would end the selector where it stands.
    const problem = rule.endsWith(')') ? problems.syntax : selector.apply(rule);
    if (problem !== undefined) return problem;
  }
  return selector;
}

/** Names and patterns are printed with blanks between them, and never quoted. */
export function hasSpaces(text: string): boolean {
  return /[\0\t\n\v\f\r ]/.test(text);
}

/** Words of rules end at their first zero byte, as redis-server reads them. */
export function untilZero(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
