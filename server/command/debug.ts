// The few DEBUG words that tests and tools rely on.

import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { arityRefusal, type CommandGroup, Later, type Outcome } from '../engine/registry.ts';
import { parseDouble } from '../keyspace/number.ts';
import { noSuchKey } from './expire.ts';
import { encodingOf } from './keys.ts';

/** Keeps this client waiting. Unlike redis-server the others go on: a server inside a program must not freeze it. */
function sleep(engine: Engine, client: Client, text: string): Outcome {
  const ms = Math.max(0, (parseDouble(text) ?? 0) * 1000);
  if (client.denyBlocking) return OK;
  return new Later((settle) => {
    const timer = engine.world.after(Math.min(ms, 0x7fffffff), () => settle(OK));
    return () => timer.cancel();
  });
}

function describe(engine: Engine, client: Client, key: string): Reply {
  const entry = client.store.peek(key);
  if (entry === undefined) return noSuchKey;
  const idle = Math.max(0, Math.floor((engine.world.now() - entry.accessed) / 1000));
  const size = typeof entry.value === 'string' ? entry.value.length : entry.value.size;
  return new Status(
    `Value at:0x000000000000 refcount:1 encoding:${encodingOf(entry)} serializedlength:${size} lru:0 lru_seconds_idle:${idle}`,
  );
}

export function debugCommands(engine: Engine): CommandGroup<Client> {
  return {
    debug: (client, argv) => {
      const [, word, first] = argv as [string, string, string?];
      switch (word.toLowerCase()) {
        case 'sleep':
          return first === undefined ? arityRefusal('debug') : sleep(engine, client, first);
        case 'object':
          return first === undefined ? arityRefusal('debug') : describe(engine, client, first);
        case 'set-active-expire':
          engine.databases.activeExpiry = first !== '0';
          return OK;
        case 'quicklist-packed-threshold':
          return OK;
        default:
          return new ReplyError(`ERR unknown subcommand or wrong number of arguments for '${word}'. Try DEBUG HELP.`);
      }
    },
  };
}
