// A user: its name for good, and what it may do, which is replaced as a whole. Clients hold the user, so that a change
// concerns whoever has authenticated as it.
// Invariants: the rules of a user never change in place; passwords are kept as SHA-256 only.

import { createHash, timingSafeEqual } from 'node:crypto';
import { type Problem, parseSelector, problems, Selector, untilZero } from './selector.ts';

/** 64 lower-case hex digits. `password` is a binary string. */
function hashPassword(password: string): string {
  return createHash('sha256').update(password, 'latin1').digest('hex');
}

/** What one user may do. Changed only while it is being made of rules. */
export class UserRules {
  enabled = false;
  noPassword = false;
  /** Whether RESTORE looks at payloads of this user; undefined: as the parameter says. */
  sanitize: boolean | undefined = undefined;
  passwords: string[] = [];
  /** The first one is the user's own, the others stand in parentheses. */
  selectors: Selector[];
  #text: string | undefined;

  constructor(allChannels: boolean) {
    this.selectors = [new Selector(allChannels)];
  }

  copy(): UserRules {
    const copy = new UserRules(false);
    copy.enabled = this.enabled;
    copy.noPassword = this.noPassword;
    copy.sanitize = this.sanitize;
    copy.passwords = [...this.passwords];
    copy.selectors = this.selectors.map((selector) => selector.copy());
    return copy;
  }

  /** Nothing can be refused to it. */
  get unlimited(): boolean {
    return this.selectors.some((selector) => selector.unlimited);
  }

  /** Applies one rule; the problem with it, or undefined. `allChannels`: what a new selector starts with. */
  apply(rule: string, allChannels: boolean): Problem | undefined {
    this.#text = undefined;
    if (rule === '') return undefined;
    const change = plainRules.get(untilZero(rule).toLowerCase());
    if (change !== undefined) {
      change(this, allChannels);
      return undefined;
    }
    switch (rule[0]) {
      case '>':
        return this.#addPassword(hashPassword(rule.slice(1)));
      case '#':
        return isHash(rule.slice(1)) ? this.#addPassword(rule.slice(1)) : problems.badHash;
      case '<':
        return this.#removePassword(hashPassword(rule.slice(1)));
      case '!':
        return isHash(rule.slice(1)) ? this.#removePassword(rule.slice(1)) : problems.badHash;
      case '(':
        if (rule.endsWith(')')) return this.#addSelector(rule, allChannels);
    }
    return this.selectors[0]!.apply(rule);
  }

  setPasswords(noPassword: boolean): void {
    this.noPassword = noPassword;
    this.passwords = [];
  }

  reset(allChannels: boolean): void {
    this.setPasswords(false);
    this.enabled = false;
    this.sanitize = true;
    this.selectors = [new Selector(allChannels)];
  }

  /** Takes as long for every wrong password. */
  matchesPassword(password: string): boolean {
    const given = Buffer.from(hashPassword(password));
    return this.passwords.some((known) => timingSafeEqual(given, Buffer.from(known)));
  }

  /** `on`, `nopass` and so on. */
  get flags(): string[] {
    return [
      this.enabled ? 'on' : 'off',
      ...(this.noPassword ? ['nopass'] : []),
      ...(this.sanitize === undefined ? [] : [this.sanitize ? 'sanitize-payload' : 'skip-sanitize-payload']),
    ];
  }

  /** The rules that make these out of none, as ACL LIST prints them. */
  print(): string {
    this.#text ??= [
      ...this.flags,
      ...this.passwords.map((hash) => `#${hash}`),
      ...this.selectors.map((selector, at) => (at === 0 ? selector.print() : `(${selector.print()})`)),
    ].join(' ');
    return this.#text;
  }

  #addPassword(hash: string): undefined {
    if (!this.passwords.includes(hash)) this.passwords.push(hash);
    this.noPassword = false;
  }

  #removePassword(hash: string): Problem | undefined {
    const at = this.passwords.indexOf(hash);
    if (at < 0) return problems.noSuchPassword;
    this.passwords.splice(at, 1);
    return undefined;
  }

  #addSelector(rule: string, allChannels: boolean): Problem | undefined {
    const selector = parseSelector(rule, allChannels);
    if (typeof selector === 'string') return selector;
    this.selectors.push(selector);
    return undefined;
  }
}

const plainRules: ReadonlyMap<string, (rules: UserRules, allChannels: boolean) => void> = new Map<
  string,
  (rules: UserRules, allChannels: boolean) => void
>([
  [
    'on',
    (rules) => {
      rules.enabled = true;
    },
  ],
  [
    'off',
    (rules) => {
      rules.enabled = false;
    },
  ],
  [
    'sanitize-payload',
    (rules) => {
      rules.sanitize = true;
    },
  ],
  [
    'skip-sanitize-payload',
    (rules) => {
      rules.sanitize = false;
    },
  ],
  ['nopass', (rules) => rules.setPasswords(true)],
  ['resetpass', (rules) => rules.setPasswords(false)],
  [
    'clearselectors',
    (rules) => {
      rules.selectors.length = 1;
    },
  ],
  ['reset', (rules, allChannels) => rules.reset(allChannels)],
]);

function isHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** Everything at any time: the default user's rules at first. */
export function unlimitedRules(): UserRules {
  const rules = new UserRules(true);
  for (const rule of ['+@all', '~*', 'on', 'nopass']) rules.apply(rule, true);
  return rules;
}

export class User {
  readonly name: string;
  #rules: UserRules;
  /** Whether calls have to be looked at: the one test that calls of a user without limits cost. */
  limited: boolean;

  constructor(name: string, rules: UserRules) {
    this.name = name;
    this.#rules = rules;
    this.limited = !rules.unlimited;
  }

  get rules(): UserRules {
    return this.#rules;
  }

  replace(rules: UserRules): void {
    this.#rules = rules;
    this.limited = !rules.unlimited;
  }
}

/** Who the node itself is, and its master: nobody can log in as it. */
export const superuser: User = new User('(superuser)', unlimitedRules());
