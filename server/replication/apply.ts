// A replica's data: taking a copy in, applying effects, giving a copy out. Between the engine and replication.

import { ReplyError } from '../../lib/wire/reply.ts';
import { Client, type Outlet } from '../engine/client.ts';
import { apply } from '../engine/dispatch.ts';
import type { Engine } from '../engine/engine.ts';
import { arityRefusal, type Command } from '../engine/registry.ts';
import { serverVersion } from '../engine/version.ts';
import { Databases } from '../keyspace/databases.ts';
import type { RdbContent } from '../persistence/rdb/file.ts';
import { capturedContent, loadSink } from '../persistence/rdb/snapshot.ts';
import type { Loading } from './master-link.ts';
import type { Words } from './stream.ts';

/** A master that speaks of what this server does not know may do so without end. */
const refusalsLogged = 10;

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

/** A copy of all data, made beside the data there is: readers see the old data, and a copy cut short changes nothing. */
export function startLoading(engine: Engine, onFinish: (facts: ReadonlyMap<string, string>) => void): Loading {
  const { databases } = engine;
  const { world, stores } = databases;
  const beside = new Databases(world, { count: stores.length, indexSlots: engine.clusterEnabled });
  const { sink, summary } = loadSink(beside, { dropExpired: false });
  // Who has nothing to show is not ready; who has an old copy may show it.
  engine.copying = stores.every(({ size }) => size === 0);
  return {
    sink,
    finish: () => {
      engine.copying = false;
      for (const store of stores) store.swapWith(beside.stores[store.index]!);
      onFinish(summary.aux);
      engine.finish();
    },
    abort: () => {
      engine.copying = false;
    },
  };
}

/** Everything in the databases, keys past their deadline too: whoever gets it is told when they go. */
export function captureAll(
  engine: Engine,
  functionsOnly: boolean,
  facts: readonly (readonly [string, string])[],
): RdbContent {
  let content: RdbContent | undefined;
  withoutExpiry(engine, () => {
    content = capturedContent(engine.databases, { version: serverVersion, more: facts });
  });
  return functionsOnly ? { ...content!, databases: [] } : content!;
}

/** Applies what comes from this node's master, as facts. */
export class Applier {
  readonly #engine: Engine;
  #client: Client;
  #refused = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#client = trusted(engine);
  }

  /** The link stands: it is a client among the others, who can be listed and killed. */
  attach(ends: { readonly local: string; readonly remote: string }, close: () => void): void {
    const { store } = this.#client;
    const client = this.#engine.connect({ ...nobody, address: ends.remote, localAddress: ends.local, close });
    this.#client = trust(client);
    client.store = store;
  }

  detach(): void {
    this.#engine.disconnect(this.#client);
  }

  /** The database that the stream speaks of. */
  get db(): number {
    return this.#client.store.index;
  }

  /** The first one for what is no database. */
  select(db: number): void {
    this.#client.store = this.#engine.databases.stores[db] ?? this.#engine.databases.stores[0]!;
  }

  /** One command, or the commands of one transaction: their effects leave as one. */
  apply(unit: readonly Words[]): void {
    this.#client.lastActive = this.#engine.world.now();
    withoutExpiry(this.#engine, () => {
      for (const words of unit) this.#run(words);
    });
    this.#engine.finish();
  }

  #run(words: Words): void {
    const command = wellFormed(this.#engine, words);
    const reply = command instanceof ReplyError ? command : this.#engine.run(this.#client, command, words);
    if (reply instanceof ReplyError && ++this.#refused <= refusalsLogged) {
      this.#engine.world.log(`replication: '${words[0]}' of the master was refused: ${reply.message}`);
    }
  }
}

/** What applies writes that this node itself once logged. Throws an Error for a command that does not exist. */
export function databaseApplier(engine: Engine): (db: number, argv: Words) => void {
  const client = trusted(engine);
  return (db, argv) =>
    withoutExpiry(engine, () => {
      const known = wellFormed(engine, argv);
      if (known instanceof ReplyError) throw new Error(known.message);
      client.store = engine.databases.stores[db]!;
      apply(engine, client, argv);
    });
}

/** The command that the words call, or why they call none: nothing else looks at how many they are. */
function wellFormed(engine: Engine, words: Words): Command<Client> | ReplyError {
  const command = engine.registry.find(words);
  if (command instanceof ReplyError) return command;
  const { arity, name } = command.row;
  return (arity > 0 ? words.length === arity : words.length >= -arity) ? command : arityRefusal(name);
}

/** A client whose words are facts already: no checks, no waiting. */
function trusted(engine: Engine): Client {
  return trust(new Client(0, engine.world, engine.databases.stores[0]!, nobody, true));
}

function trust(client: Client): Client {
  client.authenticated = true;
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
