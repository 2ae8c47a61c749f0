// Whoever opens a room finds in its main file what it owns, what it does not know and its invariant.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Floors } from '../../scripts/check-house.ts';

const root = process.cwd();

/** Main files that are not named like their room. */
const mainFiles: Readonly<Record<string, string>> = {
  lib: 'index.ts',
  'lib/base': 'world.ts',
  'lib/wire': 'decoder.ts',
  'lib/topology': 'slot-map.ts',
  'lib/command': 'table.ts',
  'lib/batch': 'pipeline.ts',
  'lib/pubsub': 'cluster-subscriber.ts',
  'lib/cache': 'near-cache.ts',
  'lib/scan': 'cluster-scan.ts',
  'lib/core': 'cluster-core.ts',
  'lib/facade': 'cluster.ts',
  server: 'index.ts',
  'server/tools': 'main.ts',
  'server/process': 'run.ts',
  'server/embedded': 'cluster.ts',
  'server/faults': 'freezer.ts',
  'server/command': 'all.ts',
  'server/keyspace': 'store.ts',
  'server/cluster': 'state.ts',
  'server/operator/link': 'cluster-link.ts',
  'server/operator/shape': 'members.ts',
  'server/persistence/rdb': 'snapshot.ts',
  'server/persistence/aof': 'log.ts',
  'server/persistence/disk': 'atomic-file.ts',
};

function headerOf(text: string): string {
  return /^(?:#!.*\n)?((?:\/\/.*\n)+)/.exec(text)?.[1] ?? '';
}

describe('house: headers', () => {
  const floors = JSON.parse(readFileSync(join(root, 'scripts/floors.json'), 'utf8')) as Floors;
  const rooms = Object.keys(floors).filter((room) => /^(?:lib|server)(?:\/|$)/.test(room));

  for (const room of rooms) {
    it(`the main file of ${room} says what it owns, what it does not know, and its invariant`, () => {
      const file = join(root, room, mainFiles[room] ?? `${basename(room)}.ts`);
      const header = headerOf(readFileSync(file, 'utf8'));
      for (const part of [/\n\/\/ Owns: /, /Does not know: /, /\n\/\/ Invariants?: /]) assert.match(header, part, file);
    });
  }

  it('the table of main files names no room that is gone', () => {
    assert.deepEqual(
      Object.keys(mainFiles).filter((room) => !rooms.includes(room)),
      [],
    );
  });
});
