// EXEC of a transaction that hands keys over (MIGRATE). Its commands run one after the other, as always; while a
// MIGRATE waits for the other node, everyone else waits for the keys of the whole transaction.
// Invariant: between the first and the last command no other client sees or changes a key of the transaction.

import type { Reply } from '../../lib/wire/reply.ts';
import { keysOf } from '../engine/call-traits.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { AsyncReply, type Handler } from '../engine/registry.ts';
import type { KeyLocks } from './key-locks.ts';

/** Starts a MIGRATE; a reply at once when there is nothing to hand over. Takes no locks of its own. */
export type StartMigrate = (client: Client, argv: readonly string[]) => Reply | Promise<Reply>;

/** Wraps EXEC. */
export function execWithMigrate(engine: Engine, locks: KeyLocks, start: StartMigrate): Handler<Client> {
  const plain = engine.registry.get('exec')!.handler;
  return (client, argv) => {
    const { transaction, watchBroken } = client;
    const hands = transaction?.queue.some(({ command }) => command.row.name === 'migrate');
    if (transaction === undefined || !hands || transaction.aborted || watchBroken) return plain(client, argv);
    const { queue } = transaction;
    client.discard();
    const keys = [...new Set(queue.flatMap(({ command, argv }) => keysOf(command.row, argv)))];
    locks.lock(keys);
    return new AsyncReply((settle) => {
      void run(engine, client, queue, start).then((replies) => {
        // Also when the client is gone: what was changed must reach the replicas, and the keys whoever waits.
        engine.finish();
        locks.unlock(keys);
        settle(replies);
      });
      return () => undefined;
    });
  };
}

async function run(
  engine: Engine,
  client: Client,
  queue: NonNullable<Client['transaction']>['queue'],
  start: StartMigrate,
): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (const { command, argv } of queue) {
    const forbidden = engine.access.forbiddenAtExec(client, command.row, argv);
    if (forbidden !== undefined) replies.push(forbidden);
    else if (command.row.name === 'migrate') replies.push(await start(client, argv));
    else runOne(client, () => engine.run(client, command, argv), replies);
  }
  return replies;
}

/** Inside EXEC nothing waits, and replies that a command sends itself (SUBSCRIBE) are gathered with the others. */
function runOne(client: Client, call: () => Reply | undefined, replies: Reply[]): void {
  client.denyBlocking = true;
  client.gathered = replies;
  try {
    const reply = call();
    if (reply !== undefined) replies.push(reply);
  } finally {
    client.denyBlocking = false;
    client.gathered = undefined;
  }
}
