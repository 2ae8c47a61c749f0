import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RealWorld } from '../../../lib/base/world.ts';
import { Databases } from '../../../server/keyspace/databases.ts';
import { parseDump } from '../../../server/persistence/rdb/dump.ts';
import type { PortableValue } from '../../../server/persistence/rdb/portable.ts';
import { loadSnapshot, saveSnapshot } from '../../../server/persistence/rdb/snapshot.ts';
import { toPortable } from '../../../server/persistence/rdb/value-bridge.ts';
import { needRedisServer, type RealNode } from '../../kit/redis-server.ts';
import { saveInBackground } from '../../kit/saves.ts';
import { checked, dumpAll, everything, type RealKey, realNodeOn, sendAll, withClient } from './files.ts';

// RDB files across servers: a real node writes, we load and write again, another real node loads that.

/** Hash tables have an order of their own on each server. */
function ordered(value: PortableValue): PortableValue {
  if (value.type === 'set') return { ...value, members: value.members.toSorted() };
  if (value.type === 'hash') return { ...value, fields: value.fields.toSorted(([a], [b]) => (a < b ? -1 : 1)) };
  return value;
}

function valuesOf(keys: Map<string, RealKey>): Map<string, unknown> {
  return new Map([...keys].map(([name, { dump, expireAt }]) => [name, { value: ordered(parseDump(dump)!), expireAt }]));
}

function valuesIn(databases: Databases): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const store of databases.stores) {
    for (const { key, value, expireAt } of store.entries()) {
      found.set(`${store.index} ${key}`, { value: ordered(toPortable(value)), expireAt });
    }
  }
  return found;
}

describe('RDB files and redis-server', () => {
  let folder = '';
  const nodes: RealNode[] = [];
  beforeEach(function () {
    needRedisServer(this);
    folder = mkdtempSync(join(tmpdir(), 'lingcache-rdb-'));
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.kill()));
    rmSync(folder, { recursive: true, force: true });
  });
  const start = async (): Promise<RealNode> => {
    const node = await realNodeOn(folder);
    nodes.push(node);
    return node;
  };

  for (const compressed of ['yes', 'no']) {
    it(`a file of its (rdbcompression ${compressed}) is loaded, and one of ours gives it the same data`, async () => {
      const first = await start();
      const before = await withClient(first, async (client) => {
        await sendAll(client, [['CONFIG', 'SET', 'rdbcompression', compressed], ...everything]);
        assert.equal(await client.call('SAVE'), 'OK');
        return { digest: await client.call('DEBUG', 'DIGEST'), keys: await dumpAll(client) };
      });
      await first.kill();
      assert.equal(before.keys.size, 31);

      const path = join(folder, 'dump.rdb');
      const databases = new Databases(new RealWorld());
      const summary = await loadSnapshot(path, databases);
      assert.equal(summary.keys, before.keys.size);
      assert.equal(summary.aux.get('redis-ver'), '7.0.15');
      assert.deepEqual(valuesIn(databases), valuesOf(before.keys));

      saveSnapshot(path, databases, { version: '7.0.15' });
      assert.match(checked('redis-check-rdb', path), /\[offset \d+\] Checksum OK[\s\S]*RDB looks OK/);
      const second = await start();
      const after = await withClient(second, async (client) => ({
        digest: await client.call('DEBUG', 'DIGEST'),
        keys: await dumpAll(client),
      }));
      assert.equal(after.digest, before.digest);
      assert.deepEqual(valuesOf(after.keys), valuesOf(before.keys));
    });
  }

  it('functions come through', async () => {
    const library = "#!lua name=lib\nredis.register_function('f', function() return 7 end)";
    const first = await start();
    await withClient(first, (client) => sendAll(client, [['FUNCTION', 'LOAD', library], ['SAVE']]));
    await first.kill();
    const path = join(folder, 'dump.rdb');
    const databases = new Databases(new RealWorld());
    const { functions } = await loadSnapshot(path, databases);
    assert.deepEqual(functions, [library]);
    saveSnapshot(path, databases, { version: '7.0.15', functions });
    await withClient(await start(), async (client) => assert.equal(await client.call('FCALL', 'f', '0'), 7));
  });

  it('a file of nothing, and one of many keys written in the background', async () => {
    const path = join(folder, 'dump.rdb');
    const databases = new Databases(new RealWorld());
    saveSnapshot(path, databases, { version: '7.0.15' });
    checked('redis-check-rdb', path);
    for (let at = 0; at < 50_000; at++) databases.stores[0]!.replace(`key:${at}`, `value ${at}`);
    await saveInBackground(path, databases, { version: '7.0.15' });
    checked('redis-check-rdb', path);
    await withClient(await start(), async (client) => {
      assert.equal(await client.call('DBSIZE'), 50_000);
      assert.equal(await client.call('GET', 'key:49999'), 'value 49999');
    });
  });
});
