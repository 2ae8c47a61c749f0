// The keyPrefix option: puts a prefix before every key of an argv. Pure.
// Shard channels count as keys; patterns, classic channels, cursors and the keys of modules' commands do not, as with
// ioredis.

import type { Argument } from './argv.ts';
import { keyIndexesOf } from './keys.ts';
import { commandOfArgv, wordOf } from './table.ts';

/** A copy of argv with its keys prefixed; argv itself when it has none. Text and bytes mix: bytes on either side give bytes. */
export function prefixKeys(argv: Argument[], prefix: string | Uint8Array): Argument[] {
  const row = commandOfArgv(argv);
  if (row === undefined || argv.length < 2 || row.name === 'clusterscan' || row.name.includes('.')) return argv;
  const indexes = keyIndexesOf(row, argv);
  if (row.name === 'sort' || row.name === 'sort_ro') indexes.push(...externalKeys(argv));
  if (indexes.length === 0) return argv;
  const prefixed = [...argv];
  for (const at of indexes) prefixed[at] = join(prefix, argv[at]!);
  return prefixed;
}

/** SORT's BY and GET patterns name keys too; `GET #` is the element itself. */
function externalKeys(argv: readonly Argument[]): number[] {
  const found: number[] = [];
  for (let at = 2; at < argv.length - 1; at++) {
    const keyword = wordOf(argv[at]).toUpperCase();
    if (keyword === 'LIMIT') at += 2;
    else if (keyword === 'STORE') at += 1;
    else if (keyword === 'BY' || keyword === 'GET') {
      at += 1;
      if (keyword === 'BY' || wordOf(argv[at]) !== '#') found.push(at);
    }
  }
  return found;
}

function join(prefix: string | Uint8Array, key: Argument): Argument {
  if (typeof prefix === 'string' && typeof key === 'string') return prefix + key;
  return Buffer.concat([bytesOf(prefix), bytesOf(key)]);
}

function bytesOf(value: Argument): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value;
}
