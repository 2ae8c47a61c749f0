// Damaged RDB files: each is refused with an error that says why, or read; what was read can be written and read again
// to the same data.

import { Databases } from '../../../server/keyspace/databases.ts';
import { digestAll } from '../../../server/persistence/rdb/debug-digest.ts';
import { RdbError, RdbReader } from '../../../server/persistence/rdb/file-reader.ts';
import { writeRdb } from '../../../server/persistence/rdb/file-writer.ts';
import { capturedContent, loadSink } from '../../../server/persistence/rdb/snapshot.ts';
import { type Chance, type InputReport, newReport, refuse, resealed, spoiled, timed, watched } from './kit.ts';
import { allSamples, world } from './samples.ts';

/** As in a cluster, where there is one database whose keys are known by slot; else with 16. */
function load(file: Buffer, pieces: readonly number[], clustered: boolean): Databases {
  const databases = new Databases(world, { count: clustered ? 1 : 16, indexSlots: clustered });
  const reader = new RdbReader(loadSink(databases, { dropExpired: false }).sink, {
    databases: databases.stores.length,
  });
  let at = 0;
  for (const length of [...pieces, file.length]) {
    if (reader.done) break;
    reader.feed(file.subarray(at, at + length));
    at += length;
  }
  reader.end();
  // Deadlines that have passed are data, too.
  databases.mode = 'applying';
  return databases;
}

/** The end of a file says whether it is whole: most get one that hides the damage. */
function ended(file: Buffer, chance: Chance): Buffer {
  const kind = chance(5);
  if (kind < 2) return resealed(file);
  if (kind < 4 && file.length > 8) file.fill(0, file.length - 8);
  return file;
}

export async function fuzzRdb(runs: number, chance: Chance): Promise<InputReport> {
  const { files } = await allSamples();
  const report = newReport('rdb', runs);
  let keys = 0;
  await watched(report, async () => {
    for (let run = 0; run < runs; run++) {
      const file = ended(spoiled(files, chance), chance);
      const pieces = Array.from({ length: chance(4) }, () => chance(file.length + 1));
      try {
        const databases = timed(report, () => load(file, pieces, run % 16 === 0));
        report.accepted++;
        for (const { size } of databases.stores) keys += size;
        const again = Buffer.concat([...writeRdb(capturedContent(databases, { version: '7.0.15' }))]);
        if (digestAll(load(again, [], false)) !== digestAll(databases))
          throw new Error('read, written and read: other data');
      } catch (error) {
        // Twice the same key is noticed where keys go.
        const { message } = error as Error;
        const clear = error instanceof RdbError || message.startsWith('RDB: the key');
        if (!clear) throw new Error(`run ${run}: ${message}: ${file.toString('hex')}`, { cause: error });
        try {
          refuse(report, message);
        } catch (accident) {
          throw new Error(`run ${run}: ${file.toString('hex')}`, { cause: accident });
        }
      }
      if (run % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  });
  report.notes.push(`${keys} keys in the files that were read, the same data again when written and read`);
  return report;
}
