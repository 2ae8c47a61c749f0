// Runs writes that were decided before: by this node, which logged them, or by its master. Knows no logs and no links.
// Invariant: what is replayed passes no check of a client's rights and meets every key that it was meant for, expired
// or not.

import { ReplyError } from '../../lib/wire/reply.ts';
import { superuser } from '../acl/user.ts';
import { Client, type ReplySink } from './client.ts';
import { apply } from './dispatch.ts';
import type { Engine } from './engine.ts';
import { arityRefusal, type Command, wrongArity } from './registry.ts';

/** Where the replies to what is replayed go. */
export const nobody: ReplySink = {
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

/** What applies writes that this node itself once logged. Throws an Error for a command that does not exist. */
export function databaseApplier(engine: Engine): (db: number, argv: readonly string[]) => void {
  const client = trusted(engine);
  return (db, argv) =>
    withoutExpiry(engine, () => {
      const known = wellFormed(engine, argv);
      if (known instanceof ReplyError) throw new Error(known.message);
      client.store = engine.databases.stores[db]!;
      apply(engine, client, argv);
    });
}

/** The command that an argv calls, or why it calls none: nothing else looks at its length. */
export function wellFormed(engine: Engine, argv: readonly string[]): Command<Client> | ReplyError {
  const command = engine.registry.findTrusted(argv);
  if (command instanceof ReplyError) return command;
  return wrongArity(command.row, argv) ? arityRefusal(command.row.name) : command;
}

/** A client whose commands are facts already: no checks, no waiting. */
export function trusted(engine: Engine): Client {
  return trust(new Client(0, engine.world, engine.databases.stores[0]!, nobody, true));
}

export function trust(client: Client): Client {
  client.authenticated = true;
  client.user = superuser;
  client.primaryLink = true;
  client.denyBlocking = true;
  return client;
}

/** The primary decides when a key is gone: its commands must find what they were meant for. */
export function withoutExpiry(engine: Engine, run: () => void): void {
  const { mode } = engine.databases;
  engine.databases.mode = 'applying';
  try {
    run();
  } finally {
    engine.databases.mode = mode;
  }
}
