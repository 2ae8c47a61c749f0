// What a call does, read from its row and, for EXEC, from the rows of its queue: keys, writes, what replicas see of it.
// Pure. Invariant: EXEC has every trait that a command of its queue has.

import { Flag } from '../../lib/command/flags.ts';
import { keyIndexesOf } from '../../lib/command/keys.ts';
import { type CommandRow, commandOf } from '../../lib/command/table.ts';
import type { Transaction } from './client.ts';

/** Reach the replicas though they are no writes. */
const replicated = new Set(['pfcount', 'publish', 'spublish']);
/** May turn out to write; a script that declares what it does has a row of its own. */
const runScripts = new Set(['eval', 'evalsha', 'fcall']);
/** A client in a transaction may call these even when memory is full: they end the transaction. */
const leavesMulti = new Set(['discard', 'quit', 'reset']);

export function writes(row: CommandRow, transaction: Transaction | undefined): boolean {
  if ((row.flags & Flag.write) !== 0) return true;
  return row.name === 'exec' && transaction !== undefined && (transaction.anyFlags & Flag.write) !== 0;
}

/** Whether it may send anything to the replicas. */
export function mayReplicate(row: CommandRow, transaction: Transaction | undefined): boolean {
  if (writes(row, transaction) || replicated.has(row.name)) return true;
  if (runScripts.has(row.name)) return row === commandOf(row.name);
  return row.name === 'exec' && transaction !== undefined && transaction.replicates;
}

/** Whether it is refused when memory is full. Queues of transactions may not grow then either. */
export function takesMemory(row: CommandRow, transaction: Transaction | undefined): boolean {
  if ((row.flags & Flag.denyoom) !== 0) return true;
  if (transaction === undefined) return false;
  if (row.name !== 'exec') return !leavesMulti.has(row.name);
  return transaction.queue.some(({ command }) => (command.row.flags & Flag.denyoom) !== 0);
}

/** Flags that allow a command something: EXEC has those that its whole queue has. */
export function permissionFlags(row: CommandRow, transaction: Transaction | undefined): number {
  return row.name === 'exec' && transaction !== undefined ? row.flags & transaction.allFlags : row.flags;
}

/** The keys of a call, and the shard channels that are routed like keys. */
export function keysOf(row: CommandRow, argv: readonly string[]): string[] {
  const spec = row.keySpecs[0];
  if (spec === undefined) return [];
  const { begin, find } = spec;
  if (row.keySpecs.length === 1 && begin.kind === 'index' && find.kind === 'range' && find.last === 0) {
    const key = argv[begin.index];
    return key === undefined ? [] : [key];
  }
  return keyIndexesOf(row, argv).map((at) => argv[at]!);
}
