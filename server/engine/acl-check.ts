// Access rules and the command table together: what a user may run. Pure; scripts ask here too.

import { Flag, KeyFlag } from '../../lib/command/flags.ts';
import { keyUsesOf } from '../../lib/command/keys.ts';
import type { CommandRow } from '../../lib/command/table.ts';
import { type CheckedCall, checkCall, checkCallOnAnyKey, type Denial } from '../acl/check.ts';
import { Permission } from '../acl/selector.ts';
import type { User } from '../acl/user.ts';

/** What of a call is refused to a user, or undefined when it may run. Nothing is counted or noted. */
export function aclCheck(user: User, row: CommandRow, argv: readonly string[]): Denial | undefined {
  return user.limited ? checkCall(user, checkedCall(row, argv)) : undefined;
}

/** Whether a user may run a call and, by the same rules, read every key there may be: what SORT BY and GET need. */
export function mayReadAnyKey(user: User, row: CommandRow, argv: readonly string[]): boolean {
  return !user.limited || checkCallOnAnyKey(user, checkedCall(row, argv));
}

function checkedCall(row: CommandRow, argv: readonly string[]): CheckedCall {
  return {
    name: row.name,
    argv,
    everybody: (row.flags & Flag.noAuth) !== 0,
    keys: () => keyUsesOf(row, argv).map(({ at, flags }) => ({ at, permission: permissionOf(flags) })),
  };
}

/** What a key spec does with its keys; those that only look whether a key exists need any permission. */
function permissionOf(flags: number): number {
  const reads = (flags & KeyFlag.access) !== 0 ? Permission.read : 0;
  const writes = (flags & (KeyFlag.insert | KeyFlag.update | KeyFlag.delete)) !== 0 ? Permission.write : 0;
  return reads | writes;
}
