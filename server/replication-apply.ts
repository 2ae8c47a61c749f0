// A replica's data: taking a copy in, applying effects, giving a copy out. Between the engine and replication.

import { ReplyError } from '../lib/wire/reply.ts';
import { Client, type Outlet } from './command/client.ts';
import { apply } from './command/dispatch.ts';
import type { Engine } from './command/engine.ts';
import { never, type Store } from './keyspace/store.ts';
import type { CopiedKey, Copy, Words } from './replication/transport.ts';

const nobody: Outlet = {
  address: '',
  localAddress: '',
  fd: -1,
  send: () => undefined,
  settle: () => undefined,
  close: () => undefined,
  useProtocol: () => undefined,
  restrict: () => undefined,
  outputBytes: () => 0,
  inputBytes: () => 0,
};

/** Words of the stream that carry no data. */
const marks = new Set(['ping', 'multi', 'exec', 'select']);

/** Every live key with a value of its own. */
export function copyKeys(store: Store): CopiedKey[] {
  const keys: CopiedKey[] = [];
  for (const { key, value, expireAt } of store.entries()) {
    keys.push({ key, value: typeof value === 'string' ? value : value.clone(), expireAt });
  }
  return keys;
}

export function loadCopy(engine: Engine, store: Store, copy: Copy): void {
  store.clear();
  withoutExpiry(engine, () => {
    for (const { key, value, expireAt } of copy.keys) {
      const entry = store.replace(key, value);
      if (expireAt !== never) store.setDeadline(entry, expireAt);
      store.signal(key);
    }
  });
}

/** What applies batches of effects to `engine`, as its primary's own words. */
export function applier(engine: Engine): (batch: readonly Words[]) => void {
  const client = trusted(engine);
  return (batch) =>
    withoutExpiry(engine, () => {
      for (const words of batch) if (!marks.has(words[0]!.toLowerCase())) apply(engine, client, words);
    });
}

/** What applies writes that this node itself once logged. Throws an Error for a command that does not exist. */
export function databaseApplier(engine: Engine): (db: number, argv: Words) => void {
  const client = trusted(engine);
  return (db, argv) =>
    withoutExpiry(engine, () => {
      const known = engine.registry.find(argv);
      if (known instanceof ReplyError) throw new Error(known.message);
      client.store = engine.databases.stores[db]!;
      apply(engine, client, argv);
    });
}

/** A client whose words are facts already: no checks, no waiting. */
function trusted(engine: Engine): Client {
  const client = new Client(0, engine.world, engine.databases.stores[0]!, nobody, true);
  client.primaryLink = true;
  client.denyBlocking = true;
  return client;
}

/** The primary decides when a key is gone: its words must find what they were meant for. */
function withoutExpiry(engine: Engine, run: () => void): void {
  const { mode } = engine.databases;
  engine.databases.mode = 'applying';
  try {
    run();
  } finally {
    engine.databases.mode = mode;
  }
}
