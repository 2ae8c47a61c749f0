// Which calls the near cache may keep the answer of, and under what name. Pure; knows the command table.
// Invariant: two calls share a name only when a server would give both the same answer, byte for byte.

import { keyIndexes } from '../command/keys.ts';
import { commandOf, Flag } from '../command/table.ts';
import type { Argument } from '../wire/encoder.ts';

/**
 * Read-only by the table, and yet not for keeping: chance decides (..randmember), the clock does (ttl, xpending), a
 * cursor belongs to one walk (..scan), reading is an act (touch), or what is read is more than the keys that the
 * server is given (scripts, sort_ro's patterns, the containers memory, object and xinfo). What a module's commands rest
 * on, nobody has promised.
 */
const never: ReadonlySet<string> = new Set(
  (
    'clusterscan hrandfield srandmember zrandmember vrandmember ttl pttl httl hpttl xpending hscan sscan zscan arscan touch ' +
    'eval_ro evalsha_ro fcall_ro sort_ro memory object xinfo'
  ).split(' '),
);

const verdicts = new Map<string, boolean>();
/** Names come from users: a program that makes them up must not fill memory. */
const maxVerdicts = 4096;

/** May answers of this command be kept? By its name in any letter case. */
export function mayKeep(name: Argument): boolean {
  if (typeof name !== 'string') return false;
  const known = verdicts.get(name);
  if (known !== undefined) return known;
  const verdict = judge(name.toLowerCase());
  if (verdicts.size < maxVerdicts) verdicts.set(name, verdict);
  return verdict;
}

function judge(name: string): boolean {
  const row = commandOf(name);
  if (row === undefined || never.has(name) || name.includes('.') || row.keySpecs.length === 0) return false;
  return (row.flags & Flag.readonly) !== 0 && (row.flags & (Flag.blocking | Flag.write)) === 0;
}

/**
 * The name an answer is kept under: all arguments and how text comes out. `GET k` and `get k` differ, since users may have
 * set a shape for one; text and bytes of the same key differ too, which costs a second entry and nothing else.
 */
export function nameOf(argv: readonly Argument[], encoding: string): string {
  const [command, key] = argv;
  // No command has a space in its name and none begins with a digit: the short form is never mistaken for the long.
  if (argv.length === 2 && typeof key === 'string') return `${encoding} ${command as string} ${key}`;
  let name = `${encoding} ${argv.length} ${command as string} `;
  for (let at = 1; at < argv.length; at++) {
    const argument = argv[at]!;
    name +=
      typeof argument === 'string' ? `${argument.length}:${argument}` : `b${argument.length}:${bytesAsText(argument)}`;
  }
  return name;
}

/** A key as the server names it in a notice: one char a byte. */
export function keyNameOf(key: Argument): string {
  if (typeof key !== 'string') return bytesAsText(key);
  return Buffer.byteLength(key) === key.length ? key : Buffer.from(key).toString('latin1');
}

/** The keys of a call as a server names them, without repeats. */
export function keyNamesOf(argv: readonly Argument[]): string[] {
  const positions = keyIndexes(argv);
  if (positions.length === 1) return [keyNameOf(argv[positions[0]!]!)];
  return [...new Set(positions.map((at) => keyNameOf(argv[at]!)))];
}

function bytesAsText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
