// Which database a number names.

import type { Engine } from '../engine/engine.ts';
import { fail, readLong } from '../keyspace/arguments.ts';
import type { Store } from '../keyspace/store.ts';

/** A database's number, whether it exists or not; `message` replaces the one for what is no index. */
export function readIndex(text: string, message?: string): number {
  const index = readLong(text, message);
  if (index > 2 ** 31 - 1 || index < -(2 ** 31)) {
    fail(message ?? 'value is out of range, value must between -2147483648 and 2147483647');
  }
  return index;
}

/** The database of an index; throws the refusal. */
export function readStore(engine: Engine, text: string, message?: string): Store {
  return engine.databases.stores[readIndex(text, message)] ?? fail('DB index is out of range');
}
