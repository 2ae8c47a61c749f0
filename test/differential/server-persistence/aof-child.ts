// A process to be killed: appends one write after the other with `always` and says on stdout when each is safe, with
// one rewrite after the other under way meanwhile. Arguments: the folder, and the bytes of padding of each value.

import { writeSync } from 'node:fs';
import { RealWorld } from '../../../lib/base/world.ts';
import { Databases } from '../../../server/keyspace/databases.ts';
import { AppendLog } from '../../../server/persistence/aof/log.ts';
import { capturedContent } from '../../../server/persistence/rdb/snapshot.ts';
import { writeBase } from '../../kit/saves.ts';

const [dir = '', padding = '0'] = process.argv.slice(2);
const world = new RealWorld();
const databases = new Databases(world);
const content = () => capturedContent(databases, { version: '7.0.15', aofBase: true });
const log = new AppendLog({ dir, world, policy: 'always' }, content);
const tail = 'x'.repeat(Number(padding));

function put(db: number, key: string, text: string): { db: number; argv: string[] } {
  databases.stores[db]!.replace(key, text);
  return { db, argv: ['SET', key, text] };
}

async function rewriteForEver(): Promise<never> {
  for (;;) await log.rewrite(content, writeBase);
}

async function writeForEver(): Promise<never> {
  for (let at = 0; ; at++) {
    const write = put(at % 3, `key:${at}`, `${at}${tail}`);
    log.append(at % 5 === 0 ? [write, put(at % 3, `twin:${at}`, 'x')] : [write]);
    log.flush();
    writeSync(1, `${at}\n`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

await Promise.all([rewriteForEver(), writeForEver()]);
