// The users of one server: who there is, who may log in, what was refused lately.
// Owns: the users, the log and the counters of what was refused.
// Does not know: clients, files and parameters; changes of users are reported by `onChange`.
// Invariants: the default user always exists and stays the same object; a definition that has a mistake changes nothing.

import type { Denial } from './check.ts';
import { AclLog } from './log.ts';
import { joinSelectors } from './rule-text.ts';
import { hasSpaces, type Problem, problems, untilZero } from './selector.ts';
import { User, UserRules, unlimitedRules } from './user.ts';

/** What was refused, by reason. */
export interface DenialCounts {
  auth: number;
  command: number;
  key: number;
  channel: number;
}

export interface AclEvents {
  /** `before`: the rules that the user had until now. */
  onChange(user: User, before: UserRules): void;
  /** The user is gone. */
  onDelete(user: User): void;
}

const defaultName = 'default';

export class Acl {
  readonly log: AclLog = new AclLog();
  readonly denied: DenialCounts = { auth: 0, command: 0, key: 0, channel: 0 };
  /** Who a client is before it says otherwise. */
  readonly default: User;
  readonly #allChannels: () => boolean;
  readonly #events: AclEvents;
  #users = new Map<string, User>();

  /** `allChannels`: whether a new user may use every channel (`acl-pubsub-default`). */
  constructor(allChannels: () => boolean, events: AclEvents) {
    this.#allChannels = allChannels;
    this.#events = events;
    this.default = new User(defaultName, unlimitedRules());
    this.#users.set(defaultName, this.default);
  }

  /** CONFIG RESETSTAT. */
  resetCounts(): void {
    Object.assign(this.denied, { auth: 0, command: 0, key: 0, channel: 0 });
  }

  /** Whether a client that has not authenticated may do nothing. */
  get needsAuth(): boolean {
    return !isOpen(this.default);
  }

  get(name: string): User | undefined {
    return this.#users.get(name);
  }

  /** By name, in the order of bytes. */
  list(): User[] {
    return [...this.#users.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** The user of this name when the password is right and the user is on. */
  authenticate(name: string, password: string): User | undefined {
    const user = this.#users.get(name);
    if (user === undefined || !user.rules.enabled) return undefined;
    return user.rules.noPassword || user.rules.matchesPassword(password) ? user : undefined;
  }

  /** Makes or changes a user; the text of the refusal, without its code, or undefined. */
  set(name: string, words: readonly string[]): string | undefined {
    const user = this.#users.get(name);
    const rules = user?.rules.copy() ?? new UserRules(this.#allChannels());
    const why = this.#apply(rules, words);
    if (why !== undefined) return why;
    if (user === undefined) this.#users.set(name, new User(name, rules));
    else this.#replace(user, rules);
    return undefined;
  }

  /** The password of the default user (`requirepass`); `''`: none is needed. */
  setDefaultPassword(password: string): void {
    const rules = this.default.rules.copy();
    rules.setPasswords(password === '');
    if (password !== '') rules.apply(`>${password}`, false);
    this.#replace(this.default, rules);
  }

  delete(name: string): boolean {
    const user = this.#users.get(name);
    if (user === undefined || user === this.default) return false;
    this.#users.delete(name);
    this.#events.onDelete(user);
    return true;
  }

  /** The text of an ACL file with all users. */
  print(): string {
    return this.definitions()
      .map((line) => `${line}\n`)
      .join('');
  }

  /** `user name rules` of each. */
  definitions(): string[] {
    return this.list().map((user) => `user ${user.name} ${user.rules.print()}`);
  }

  /**
   * Puts the users of an ACL file in the place of those there are; when anything is wrong with it nothing changes, and
   * the text of the refusal comes back. `path` is for that text.
   */
  load(text: string, path: string): string | undefined {
    const { users, mistakes } = this.#parseFile(text, path);
    if (mistakes !== '') {
      return `${mistakes}WARNING: ACL errors detected, no change to the previously active ACL rules was performed`;
    }
    const gone = this.list().filter((user) => user !== this.default);
    const rules = users.get(defaultName) ?? unlimitedRules();
    this.#users = new Map([[defaultName, this.default]]);
    for (const [name, each] of users) if (name !== defaultName) this.#users.set(name, new User(name, each));
    for (const user of gone) this.#events.onDelete(user);
    this.#replace(this.default, rules);
    return undefined;
  }

  /**
   * A definition of the configuration, `name rule rule ...`, for a server that is being started. The default user begins
   * anew with it. Throws an Error that names the word at fault.
   */
  define(words: readonly string[]): void {
    const [name, ...rest] = words as [string, ...string[]];
    if (hasSpaces(name)) throw new Error('Spaces not allowed in ACL usernames');
    const rules = new UserRules(this.#allChannels());
    if (name === defaultName) rules.reset(this.#allChannels());
    const joined = joinSelectors(rest);
    if (!Array.isArray(joined))
      throw new Error(`Error in user declaration '${rest[joined.at]}': Unmatched parenthesis`);
    for (const rule of joined) {
      const problem = rules.apply(rule, this.#allChannels());
      if (problem !== undefined) throw new Error(`Error in user declaration '${untilZero(rule)}': ${problem}`);
    }
    if (name === defaultName) this.#replace(this.default, rules);
    else this.#users.set(name, new User(name, rules));
  }

  #replace(user: User, rules: UserRules): void {
    const before = user.rules;
    user.replace(rules);
    this.#events.onChange(user, before);
  }

  #apply(rules: UserRules, words: readonly string[]): string | undefined {
    const joined = joinSelectors(words);
    if (!Array.isArray(joined)) {
      return `Unmatched parenthesis in acl selector starting at '${untilZero(words[joined.at]!)}'.`;
    }
    for (const rule of joined) {
      const problem = rules.apply(rule, this.#allChannels());
      if (problem !== undefined) return `Error in ACL SETUSER modifier '${untilZero(rule)}': ${problem}`;
    }
    return undefined;
  }

  #parseFile(text: string, path: string): { users: Map<string, UserRules>; mistakes: string } {
    const users = new Map<string, UserRules>();
    let mistakes = '';
    for (const [at, raw] of text.split('\n').entries()) {
      const line = raw.replace(/^[ \t\r]+|[ \t\r]+$/g, '');
      if (line === '') continue;
      const where = `${path}:${at + 1}`;
      const [keyword, name, ...words] = line.split(' ');
      if (keyword !== 'user' || name === undefined) {
        mistakes += `${where} should start with user keyword followed by the username. `;
      } else if (hasSpaces(name)) {
        mistakes += `'${where}: username '${name}' contains invalid characters. `;
      } else if (users.has(name)) {
        mistakes += `WARNING: Duplicate user '${name}' found on line ${at + 1}. `;
      } else {
        const rules = new UserRules(this.#allChannels());
        users.set(name, rules);
        mistakes += this.#applyLine(rules, words, where);
      }
    }
    return { users, mistakes };
  }

  #applyLine(rules: UserRules, words: readonly string[], where: string): string {
    const joined = joinSelectors(words);
    if (!Array.isArray(joined)) return `${where}: Unmatched parenthesis in selector definition. `;
    let mistakes = '';
    let first: Problem | undefined;
    for (const word of joined) {
      const rule = word.replace(/^[\t\r\n]+|[\t\r\n]+$/g, '');
      const problem = rules.apply(rule, this.#allChannels());
      if (problem === undefined) continue;
      // What else is wrong may hold a password, or follow from the first mistake.
      if (problem === problems.unknownCommand) {
        mistakes += `${where}: Error in applying operation '${rule}': ${problem}. `;
      } else if (first === undefined) {
        first = problem;
        mistakes += `${where}: ${problem}. `;
      }
    }
    return mistakes;
  }
}

/** Whether a client is this user without a word. */
export function isOpen({ rules }: User): boolean {
  return rules.noPassword && rules.enabled;
}

/** A denial in the words that the client gets. */
export function denialText(denial: Denial, command: string): string {
  switch (denial.reason) {
    case 'command':
      return `NOPERM this user has no permissions to run the '${command}' command`;
    case 'key':
      return 'NOPERM this user has no permissions to access one of the keys used as arguments';
    case 'channel':
      return 'NOPERM this user has no permissions to access one of the channels used as arguments';
  }
}

/** Channels that were allowed before and are not any more: whether subscriptions have to be looked at. */
export function losesChannels(before: UserRules, now: UserRules): boolean {
  if (now.selectors.some((selector) => selector.allChannels)) return false;
  const kept = new Set(now.selectors.flatMap((selector) => [...selector.channelPatterns]));
  return before.selectors.some(
    (selector) => selector.allChannels || [...selector.channelPatterns].some((pattern) => !kept.has(pattern)),
  );
}

/** Whether any selector allows the channel; of patterns only the very same. */
export function allowsChannel(rules: UserRules, channel: string, isPattern: boolean): boolean {
  return rules.selectors.some((selector) => selector.allowsChannel(channel, isPattern));
}
