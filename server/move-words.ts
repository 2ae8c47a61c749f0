// DUMP, RESTORE, RESTORE-ASKING and MIGRATE: the words over the moving room.

import { type Reply, ReplyError } from '../lib/wire/reply.ts';
import type { Client } from './command/client.ts';
import type { Engine } from './command/engine.ts';
import { type CommandGroup, type Handler, Later } from './command/registry.ts';
import type { KeyLocks } from './move/key-locks.ts';
import type { LinkCache } from './move/link-cache.ts';
import { migrate, noKey, readMigrate } from './move/migrate.ts';
import { dumpKey, restoreKey } from './move/payload.ts';

const insideMulti = new ReplyError('ERR MIGRATE inside MULTI is not supported');

export function moveWords(engine: Engine, locks: KeyLocks, links: LinkCache): CommandGroup<Client> {
  const restore: Handler<Client> = (client, argv) => {
    const { reply, effect } = restoreKey(client.store, argv);
    if (effect !== undefined) client.propagate(effect);
    return reply;
  };
  const migrateWord: Handler<Client> = (client, argv) => {
    const request = readMigrate(argv);
    if (request instanceof ReplyError) return request;
    if (client.denyBlocking) return insideMulti;
    const { store } = client;
    const propagate = (effect: readonly string[]): void => engine.effect(store, effect);
    const exchange = migrate(store, request, { locks, links, asking: engine.clusterEnabled, propagate });
    if (exchange === undefined) return noKey;
    return new Later((settle) => {
      void exchange.then((reply: Reply) => {
        // Also when the client is gone: what was deleted must reach the replicas.
        engine.finish();
        settle(reply);
      });
      return () => undefined;
    });
  };
  return {
    dump: (client, argv) => dumpKey(client.store, argv[1]!),
    restore,
    'restore-asking': restore,
    migrate: migrateWord,
  };
}
