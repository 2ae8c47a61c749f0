// SAVE, BGSAVE, BGREWRITEAOF and LASTSAVE: arguments and replies; the work is done by bgsave.ts and rewrites.ts.

import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { CommandGroup } from '../engine/registry.ts';
import type { PersistenceManager } from './persistence.ts';

const saveRunning = new ReplyError('ERR Background save already in progress');
const rewriteRunning = new ReplyError('ERR Background append only file rewriting already in progress');
const saveBlocked = new ReplyError(
  "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
);
/** Its text is empty, as that of redis-server: the log says why. */
const saveFailed = new ReplyError('ERR');
const rewriteFailed = new ReplyError(
  "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
);
const saveStarted = new Status('Background saving started');
const saveScheduled = new Status('Background saving scheduled');
const rewriteScheduled = new Status('Background append only file rewriting scheduled');
const rewriteStarted = new Status('Background append only file rewriting started');

export function persistenceCommands({ snapshots, aof, saves }: PersistenceManager): CommandGroup<Client> {
  const { rewrites } = aof;
  const saveInBackground = (client: Client, argv: readonly string[]): Reply => {
    const schedule = argv[1]?.toLowerCase() === 'schedule';
    if (argv.length > 2 || (argv.length === 2 && !schedule)) return new ReplyError('ERR syntax error');
    if (snapshots.running) return saveRunning;
    if (rewrites.running || client.denyBlocking) {
      if (!schedule && !client.denyBlocking) return saveBlocked;
      snapshots.schedule();
      return saveScheduled;
    }
    return snapshots.begin() === undefined ? saveFailed : saveStarted;
  };
  return {
    save: (client) => {
      if (snapshots.running) return saveRunning;
      // That nothing counts as changed any more is no change itself.
      client.override = [];
      return snapshots.save() ? OK : saveFailed;
    },
    bgsave: saveInBackground,
    bgrewriteaof: (client) => {
      if (rewrites.running) return rewriteRunning;
      if (saves.running !== undefined || client.denyBlocking) {
        rewrites.request();
        return rewriteScheduled;
      }
      return rewrites.begin() ? rewriteStarted : rewriteFailed;
    },
    lastsave: () => snapshots.lastSave,
  };
}
