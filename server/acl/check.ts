// Whether a user may run a call: its command, its keys, its channels. Pure.
// Invariant: a call is allowed when one selector allows all of it; permissions of several do not add up.

import { Permission, type Selector } from './selector.ts';
import type { User } from './user.ts';

export interface Denial {
  readonly reason: 'command' | 'key' | 'channel';
  /** Place in argv of the key or channel; 0 for a command. */
  readonly at: number;
}

/** One key of a call. */
interface KeyAccess {
  /** Position in argv. */
  readonly at: number;
  /** Bits of `Permission` that are needed; 0: any permission will do. */
  readonly permission: number;
}

/** A call as the rules look at it. */
export interface CheckedCall {
  /** Lower case; a subcommand is `container|sub`. */
  readonly name: string;
  readonly argv: readonly string[];
  /** A command that everybody may run, as AUTH. */
  readonly everybody: boolean;
  /** Asked for at most once. */
  keys(): readonly KeyAccess[];
}

/** Where the channels of a command are: all that follow, or one. */
interface Channels {
  readonly many: boolean;
  readonly patterns: boolean;
}

const channelsOf: ReadonlyMap<string, Channels> = new Map([
  ['subscribe', { many: true, patterns: false }],
  ['ssubscribe', { many: true, patterns: false }],
  ['psubscribe', { many: true, patterns: true }],
  ['publish', { many: false, patterns: false }],
  ['spublish', { many: false, patterns: false }],
]);

/** What of the call is refused to the user, or undefined when it may run. */
export function checkCall(user: User, call: CheckedCall): Denial | undefined {
  const check = checker(call);
  let denial: Denial | undefined;
  for (const selector of user.rules.selectors) {
    const found = check(selector);
    if (found === undefined) return undefined;
    if (denial === undefined || isNearer(found, denial)) denial = found;
  }
  return denial;
}

/** Whether the user may run the call and, by the same selector, read every key there may be. */
export function checkCallOnAnyKey(user: User, call: CheckedCall): boolean {
  const check = checker(call);
  return user.rules.selectors.some(
    (selector) => selector.allowsAnyKey(Permission.read) && check(selector) === undefined,
  );
}

const nearness = { command: 0, key: 1, channel: 2 } as const;

/** The denial that is reported is the one that comes last in the call. */
function isNearer(found: Denial, than: Denial): boolean {
  return found.reason === than.reason ? found.at > than.at : nearness[found.reason] > nearness[than.reason];
}

/** Looks for the keys once, for however many selectors. */
function checker(call: CheckedCall): (selector: Selector) => Denial | undefined {
  let keys: readonly KeyAccess[] | undefined;
  return (selector) => {
    const first = call.argv[call.name.includes('|') ? 2 : 1];
    if (!call.everybody && !selector.allowsCommand(call.name, first)) return { reason: 'command', at: 0 };
    if (!selector.allKeys) {
      keys ??= call.keys();
      const refused = keys.find(({ at, permission }) => !selector.allowsKey(call.argv[at]!, permission));
      if (refused !== undefined) return { reason: 'key', at: refused.at };
    }
    return checkChannels(selector, call);
  };
}

function checkChannels(selector: Selector, { name, argv }: CheckedCall): Denial | undefined {
  const channels = channelsOf.get(name);
  if (channels === undefined || selector.allChannels) return undefined;
  const end = channels.many ? argv.length : 2;
  for (let at = 1; at < end; at++) {
    if (!selector.allowsChannel(argv[at]!, channels.patterns)) return { reason: 'channel', at };
  }
  return undefined;
}
