// MULTI, EXEC, DISCARD, WATCH, UNWATCH.

import { NullArray, OK, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { type Client, emptyTransaction } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import type { CommandGroup } from '../engine/registry.ts';

function exec(engine: Engine, client: Client): Reply {
  const transaction = client.transaction;
  if (transaction === undefined) return new ReplyError('ERR EXEC without MULTI');
  const broken = client.watchBroken;
  client.discard();
  if (transaction.aborted) return new ReplyError('EXECABORT Transaction discarded because of previous errors.');
  if (broken) return NullArray.value;
  const replies: Reply[] = [];
  client.denyBlocking = true;
  client.gathered = replies;
  try {
    for (const { command, argv } of transaction.queue) {
      const forbidden = client.user.limited ? engine.access.forbiddenAtExec(client, command.row, argv) : undefined;
      if (forbidden !== undefined) {
        replies.push(forbidden);
        continue;
      }
      const reply = engine.run(client, command, argv);
      // A command that sends its own replies (SUBSCRIBE) has put them there already.
      if (reply !== undefined) replies.push(reply);
    }
  } finally {
    client.denyBlocking = false;
    client.gathered = undefined;
  }
  // Its commands have collected their own effects.
  client.propagate();
  return replies;
}

export function transactionCommands(engine: Engine): CommandGroup<Client> {
  return {
    multi: (client) => {
      if (client.transaction !== undefined) return new ReplyError('ERR MULTI calls can not be nested');
      client.transaction = emptyTransaction();
      return OK;
    },
    exec: (client) => exec(engine, client),
    discard: (client) => {
      if (client.transaction === undefined) return new ReplyError('ERR DISCARD without MULTI');
      client.discard();
      return OK;
    },
    watch: (client, argv) => {
      if (client.transaction !== undefined) return new ReplyError('ERR WATCH inside MULTI is not allowed');
      if (client.watcher.dirty) return OK;
      const store = client.store;
      for (const key of argv.slice(1)) {
        if (client.watched.some((held) => held.key === key && held.store === store)) continue;
        client.watch(key);
      }
      return OK;
    },
    unwatch: (client) => {
      client.unwatch();
      return OK;
    },
  };
}
