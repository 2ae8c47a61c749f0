// DUMP, RESTORE, RESTORE-ASKING and MIGRATE (alone and inside MULTI): arguments and replies; the work is done by
// payload.ts, migrate.ts and exec.ts.

import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { AsyncReply, type CommandGroup, type Handler } from '../engine/registry.ts';
import { execWithMigrate } from './exec.ts';
import type { KeyLocks } from './key-locks.ts';
import type { LinkCache } from './link-cache.ts';
import { type MigrateHost, migrate, noKey, readMigrate } from './migrate.ts';
import { dumpKey, restoreKey } from './payload.ts';

/** The transaction holds the keys already. */
const noLocks: MigrateHost['locks'] = { lock: () => undefined, unlock: () => undefined };

export function migrateCommands(engine: Engine, locks: KeyLocks, links: LinkCache): CommandGroup<Client> {
  const restore: Handler<Client> = (client, argv) => {
    const { reply, effect } = restoreKey(client.store, argv);
    if (effect !== undefined) client.propagate(effect);
    return reply;
  };
  const start = (client: Client, argv: readonly string[], held: MigrateHost['locks']): Reply | Promise<Reply> => {
    const request = readMigrate(argv);
    if (request instanceof ReplyError) return request;
    const { store } = client;
    const propagate = (effect: readonly string[]): void => engine.effect(store, effect);
    return migrate(store, request, { locks: held, links, asking: engine.clusterEnabled, propagate }) ?? noKey;
  };
  const migrateWord: Handler<Client> = (client, argv) => {
    const exchange = start(client, argv, locks);
    if (!(exchange instanceof Promise)) return exchange;
    return new AsyncReply((settle) => {
      void exchange.then((reply) => {
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
    exec: execWithMigrate(engine, locks, (client, argv) => start(client, argv, noLocks)),
  };
}
