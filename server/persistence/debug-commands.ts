// DEBUG DIGEST and DEBUG DIGEST-VALUE: the words of DEBUG that need the portable form of values.

import { ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import type { CommandGroup } from '../engine/registry.ts';
import { digestAll, digestEntry } from './rdb/debug-digest.ts';

/** Adds to the engine's own DEBUG, which answers every other word. */
export function debugWords(engine: Engine): CommandGroup<Client> {
  const others = engine.registry.find(['debug', 'sleep']);
  if (others instanceof ReplyError) throw new Error(others.message);
  const { handler } = others;
  return {
    debug: (client, argv) => {
      const word = argv[1]!.toLowerCase();
      if (word === 'digest' && argv.length === 2) return new Status(digestAll(engine.databases));
      if (word !== 'digest-value' || argv.length < 3) return handler(client, argv);
      return argv.slice(2).map((key) => new Status(digestEntry(client.store.peek(key))));
    },
  };
}
