// Commands on keys that are on their way to another node wait until the exchange is over, then go through every check
// again, because the keys may be elsewhere by then. Works by wrapping handlers: the commands know nothing of it.
// Invariant: while nothing is locked a command pays one comparison.

import { keysOf } from '../engine/call-traits.ts';
import type { Client } from '../engine/client.ts';
import { execute } from '../engine/dispatch.ts';
import type { Engine } from '../engine/engine.ts';
import { AsyncReply, type Command, type Handler } from '../engine/registry.ts';
import type { KeyLocks } from './key-locks.ts';

/** Commands that touch every key. */
const wholeStore = new Set(['flushall', 'flushdb']);

/** Makes every command of the engine wait for `locks`. Call it once, after all commands were added. */
export function wrapWithKeyLocks(engine: Engine, locks: KeyLocks): void {
  const group: Record<string, Handler<Client>> = {};
  for (const command of [...engine.registry.all()]) {
    const mustWait = waitRule(command, locks);
    if (mustWait === undefined) continue;
    const { handler } = command;
    group[command.row.name] = (client, argv) => {
      if (locks.size > 0 && !client.primaryLink && mustWait(client, argv)) return waitFor(engine, locks, client, argv);
      return handler(client, argv);
    };
  }
  engine.add(group);
}

type WaitRule = (client: Client, argv: readonly string[]) => boolean;

function waitRule({ row }: Command<Client>, locks: KeyLocks): WaitRule | undefined {
  if (row.name === 'exec') {
    return ({ transaction }) =>
      transaction?.queue.some(({ command, argv }) => keysOf(command.row, argv).some((key) => locks.isLocked(key))) ??
      false;
  }
  // Inside EXEC the whole transaction has waited already.
  if (wholeStore.has(row.name)) return (client) => !client.denyBlocking;
  if (row.keySpecs.length === 0) return undefined;
  // Taking keys back out of a held slot is what it is held for.
  if (row.name === 'migrate') return (_client, argv) => keysOf(row, argv).some((key) => locks.isLocked(key));
  return (client, argv) => !client.denyBlocking && keysOf(row, argv).some((key) => locks.isLocked(key));
}

function waitFor(engine: Engine, locks: KeyLocks, client: Client, argv: readonly string[]): AsyncReply {
  // ASKING is good for one command, and this is still that command.
  const { asking } = client;
  return new AsyncReply(() =>
    locks.onUnlock(() => {
      if (client.closed) return;
      client.blocked?.cancel();
      client.asking = asking;
      const reply = execute(engine, client, argv);
      if (client.blocked === undefined) client.sink.settle(reply);
    }),
  );
}
