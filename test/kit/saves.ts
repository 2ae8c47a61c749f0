// Saves in the background as a node without a child process makes them, for tests of the parts below the node.

import type { Databases } from '../../server/keyspace/databases.ts';
import type { BaseOrder } from '../../server/persistence/aof/base.ts';
import { baseRequest } from '../../server/persistence/base-save.ts';
import { rdbPieces } from '../../server/persistence/rdb/file-writer.ts';
import { capturedContent, type SnapshotFacts } from '../../server/persistence/rdb/snapshot.ts';
import { InProcessSaver } from '../../server/persistence/saver/in-process.ts';
import { BackgroundSaves, type SaveEnd, type SaveRequest } from '../../server/persistence/saver/saver.ts';

async function save(request: SaveRequest): Promise<void> {
  const end: SaveEnd = await new BackgroundSaves(new InProcessSaver()).begin(request).ended;
  if (end.how === 'failed') throw end.error ?? new Error('the save failed');
}

/** Writes the base of a log as a rewrite wants it. */
export function writeBase(order: BaseOrder): Promise<void> {
  return save(baseRequest(order, { flag: () => true }, undefined));
}

/** Writes what the databases hold at the moment of the call. */
export function saveInBackground(path: string, databases: Databases, facts: SnapshotFacts): Promise<void> {
  const content = capturedContent(databases, facts);
  const target = { path, before: `${path}-temp-`, after: '.rdb' };
  return save({ kind: 'rdb', rdb: true, checksum: true, target, content, pieces: rdbPieces(content, 'later') });
}
