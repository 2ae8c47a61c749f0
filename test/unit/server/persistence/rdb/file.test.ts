import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ManualWorld } from '../../../../../lib/base/world.ts';
import { Databases } from '../../../../../server/keyspace/databases.ts';
import { SetValue } from '../../../../../server/keyspace/types/set.ts';
import { crc64 } from '../../../../../server/persistence/rdb/crc64.ts';
import type { RdbContent, RdbKey } from '../../../../../server/persistence/rdb/file.ts';
import { RunningChecksum } from '../../../../../server/persistence/rdb/file-checksum.ts';
import { RdbError, RdbReader, type RdbReaderOptions } from '../../../../../server/persistence/rdb/file-reader.ts';
import { writeRdb } from '../../../../../server/persistence/rdb/file-writer.ts';
import type { PortableValue } from '../../../../../server/persistence/rdb/portable.ts';
import { loadSnapshot, saveSnapshot } from '../../../../../server/persistence/rdb/snapshot.ts';
import { saveInBackground } from '../../../../kit/saves.ts';

const facts = { version: '7.0.15' };

interface Found {
  readonly aux: [string, string][];
  readonly functions: string[];
  readonly keys: (RdbKey & { readonly db: number })[];
  /** Bytes of the file. */
  readonly offset: number;
}

/** Reads a file in pieces of the given sizes, the last of which repeats. */
function read(file: Uint8Array, sizes: readonly number[] = [file.length], options: RdbReaderOptions = {}): Found {
  const found: Omit<Found, 'offset'> = { aux: [], functions: [], keys: [] };
  let db = 0;
  const reader = new RdbReader(
    {
      onAux: (name, value) => void found.aux.push([name, value]),
      onFunction: (source) => void found.functions.push(source),
      onDatabase: (index) => {
        db = index;
      },
      onKey: (key) => void found.keys.push({ ...key, db }),
    },
    options,
  );
  for (let at = 0, piece = 0; at < file.length && !reader.done; piece++) {
    const size = Math.max(1, sizes[Math.min(piece, sizes.length - 1)]!);
    reader.feed(file.subarray(at, at + size));
    at += size;
  }
  reader.end();
  return { ...found, offset: reader.offset };
}

function write(keys: readonly RdbKey[], extra: Partial<RdbContent> = {}, chunkBytes = 65_536): Buffer {
  const databases = [{ index: 3, size: keys.length, expires: 0, keys }];
  return Buffer.concat([...writeRdb({ aux: [], functions: [], databases, ...extra }, { chunkBytes })]);
}

const text = fc.oneof(
  fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 40 }),
  fc.integer().map(String),
  fc.nat({ max: 30_000 }).map((length) => 'ab'.repeat(length)),
  fc.string({ minLength: 64, maxLength: 300 }),
);
const texts = fc.uniqueArray(text, { minLength: 1, maxLength: 20 });
const integers = fc.uniqueArray(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { minLength: 1, maxLength: 20 });
const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const byScore = ([a, x]: [string, number], [b, y]: [string, number]): number =>
  x < y ? -1 : x > y ? 1 : a < b ? -1 : a > b ? 1 : 0;
const scores = fc.double({ noNaN: true }).map((score) => score + 0);
const stream = fc.uniqueArray(fc.bigInt({ min: 1n, max: 2n ** 60n }), { maxLength: 30 }).map((ids): PortableValue => {
  const sorted = ids.sort(ascending);
  const pending = sorted
    .slice(0, 3)
    .map((ms) => ({ id: [ms, 1n] as const, deliveredAt: 1_700_000_000_000, deliveries: 2, consumer: 'alice' }));
  return {
    type: 'stream',
    entries: sorted.map((ms, at) => ({ id: [ms, 1n], fields: at % 4 === 0 ? ['o', 'x'] : ['a', `${at}`, 'b', '2'] })),
    lastId: [2n ** 62n, 5n],
    maxDeletedId: [1n, 0n],
    entriesAdded: 5000n,
    groups: [
      {
        name: 'g',
        lastId: [7n, 0n],
        entriesRead: -1n,
        pending,
        consumers: [{ name: 'alice', seenAt: 1_700_000_000_001 }],
      },
    ],
  };
});
const value: fc.Arbitrary<PortableValue> = fc.oneof(
  text.map((text): PortableValue => ({ type: 'string', text })),
  fc.array(text, { minLength: 1, maxLength: 30 }).map((items): PortableValue => ({ type: 'list', items })),
  texts.map((members): PortableValue => ({ type: 'set', members, packed: false })),
  integers.map((all): PortableValue => ({ type: 'set', members: all.sort(ascending).map(String), packed: true })),
  fc
    .tuple(texts, text, fc.boolean())
    .map(
      ([names, text, packed]): PortableValue => ({ type: 'hash', fields: names.map((name) => [name, text]), packed }),
    ),
  fc
    .tuple(
      fc.uniqueArray(fc.tuple(text, scores), { minLength: 1, maxLength: 20, selector: ([member]) => member }),
      fc.boolean(),
    )
    .map(([entries, packed]): PortableValue => ({ type: 'zset', entries: entries.sort(byScore), packed })),
  stream,
);
const key: fc.Arbitrary<RdbKey> = fc.record({
  key: text,
  value,
  expireAt: fc.oneof(fc.constant(-1), fc.nat({ max: 2 ** 45 })),
});
const pieces = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 8 });

describe('RDB checksum in pieces', () => {
  it('is the checksum of the whole', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (parts) => {
        const running = new RunningChecksum();
        for (const part of parts) running.update(part);
        assert.deepEqual(running.value, crc64(Buffer.concat(parts)));
      }),
    );
  });

  it('does so beyond the size that is copied at a time', () => {
    const bytes = Buffer.from('0123456789abcdef!'.repeat(10_000));
    const running = new RunningChecksum();
    running.update(bytes);
    assert.deepEqual(running.value, crc64(bytes));
  });
});

describe('RDB file', () => {
  it('gives back every value, in pieces of any size', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 12 }), pieces, fc.integer({ min: 1, max: 4000 }), (keys, sizes, chunk) => {
        const file = write(keys, { aux: [['redis-ver', '7.0.15']], functions: ['#!lua name=f\n'] }, chunk);
        const found = read(file, sizes);
        assert.deepEqual(found.aux, [['redis-ver', '7.0.15']]);
        assert.deepEqual(found.functions, ['#!lua name=f\n']);
        assert.deepEqual(
          found.keys,
          keys.map((key) => ({ ...key, db: 3 })),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('is read byte by byte', () => {
    const keys = fc.sample(key, { numRuns: 20, seed: 7 });
    assert.deepEqual(
      read(write(keys), [1]).keys,
      keys.map((key) => ({ ...key, db: 3 })),
    );
  });

  it('comes in chunks of about the size that was asked for', () => {
    const keys = Array.from({ length: 1000 }, (_, at) => ({
      key: `k${at}`,
      value: { type: 'string' as const, text: `value ${at}` },
      expireAt: -1,
    }));
    const content = { aux: [], functions: [], databases: [{ index: 0, size: 1000, expires: 0, keys }] };
    const lengths = [...writeRdb(content, { chunkBytes: 1000 })].map((chunk) => chunk.length);
    assert.ok(lengths.length > 10 && Math.max(...lengths) < 1100, `chunks of ${lengths}`);
  });

  it('reads the files that a real master sent to its replicas', () => {
    const fixture = new URL('../../../../../../test/fixtures/repl-vectors.json', import.meta.url);
    const { vectors } = JSON.parse(readFileSync(fixture, 'utf8')) as {
      vectors: { name: string; hex?: string; receivedHex?: string }[];
    };
    let files = 0;
    for (const { name, hex, receivedHex } of vectors) {
      const bytes = Buffer.from(hex ?? receivedHex ?? '', 'hex');
      const start = bytes.indexOf('REDIS00');
      if (start < 0) continue;
      files++;
      for (const sizes of [[bytes.length], [1], [7]]) {
        const reader = new RdbReader({ onKey: ({ key, value }) => keys.set(key, value) });
        const keys = new Map<string, PortableValue>();
        let used = 0;
        for (let at = start; !reader.done && at < bytes.length; at += sizes[0]!) {
          used += reader.feed(bytes.subarray(at, at + sizes[0]!));
        }
        reader.end();
        assert.equal(used, reader.offset, name);
        assert.ok(keys.size > 0, name);
        // A transfer with an end mark has the 40 bytes of the mark right after the file.
        const mark = /\$EOF:([0-9a-f]{40})/.exec(bytes.toString('latin1', 0, start))?.[1];
        if (mark !== undefined) assert.equal(bytes.toString('latin1', start + used, start + used + 40), mark, name);
        const size = /\$(\d+)\r\n$/.exec(bytes.toString('latin1', 0, start))?.[1];
        if (size !== undefined) assert.equal(used, Number(size), name);
      }
    }
    assert.ok(files >= 4, `${files} files`);
  });

  it('reads the old ways of telling deadlines, and skips what servers say about use and slots', () => {
    const head = Buffer.from('REDIS0009', 'latin1');
    const body = Buffer.from([
      ...[0xfe, 0, 0xfb, 2, 2],
      ...[0xf4, 5, 1, 1],
      ...[0xfd, 0x10, 0, 0, 0, 0xf8, 9, 0, 1, 0x61, 1, 0x62],
      ...[0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf9, 200, 0, 1, 0x63, 1, 0x64],
      ...[0, 1, 0x65, 0xc0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
    ]);
    assert.deepEqual(read(Buffer.concat([head, body]), [1]).keys, [
      { key: 'a', value: { type: 'string', text: 'b' }, expireAt: 16_000, db: 0 },
      { key: 'c', value: { type: 'string', text: 'd' }, expireAt: 0, db: 0 },
      { key: 'e', value: { type: 'string', text: '-1' }, expireAt: -1, db: 0 },
    ]);
  });

  it('says what is wrong and where', () => {
    const file = write([{ key: 'k', value: { type: 'string', text: 'hello there' }, expireAt: -1 }]);
    const refused = (bytes: Buffer, why: RegExp, options?: RdbReaderOptions): void => {
      assert.throws(() => read(bytes, [bytes.length], options), why);
      assert.throws(() => read(bytes, [1], options), why);
    };
    const changed = (at: number, byte: number): Buffer => {
      const copy = Buffer.from(file);
      copy[at] = byte;
      return copy;
    };
    refused(Buffer.from('*1\r\n$4\r\nPING\r\n'), /RDB: this is no RDB file \(at byte 0\)/);
    for (const version of ['0013', '0079', '0081', '0000']) {
      refused(Buffer.from(`REDIS${version}\xff`, 'latin1'), /Can't handle RDB format version \d+, only 1 to 12 and 80/);
    }
    refused(file.subarray(0, -1), /cut short/);
    refused(Buffer.alloc(0), /cut short \(at byte 0\)/);
    refused(changed(18, 0x7a), /its checksum does not fit its bytes/);
    refused(changed(10, 16), /database 16 of a server with 16/);
    refused(file, /database 3 of a server with 2/, { databases: 2 });
    refused(
      Buffer.from('REDIS0010\x06\x01k\x00', 'latin1'),
      /the key 'k' is a value of a module \(type 6\), which this server does not keep/,
    );
    refused(Buffer.from('REDIS0010\xf7\x01k\x00', 'latin1'), /data of a module/);
    refused(Buffer.from('REDIS0010\xf6\x01k\x00', 'latin1'), /release candidate/);
    refused(Buffer.from('REDIS0010\x63\x01k\x00', 'latin1'), /unknown opcode or value type 99/);
    refused(file, /a value of more than 10 bytes/, { maxValueBytes: 10 });
    refused(Buffer.from('REDIS0010\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff', 'latin1'), /more than 536870912 bytes/);
  });

  it('goes on failing once it failed, and hands on what a sink throws', () => {
    const file = write([{ key: 'k', value: { type: 'string', text: 'v' }, expireAt: -1 }]);
    const failure = new Error('disk full');
    const reader = new RdbReader({
      onKey: () => {
        throw failure;
      },
    });
    assert.throws(() => reader.feed(file), failure);
    assert.throws(() => reader.feed(file), RdbError);
    assert.throws(() => reader.end(), RdbError);
  });

  it('survives damage: every changed byte is found or harmless, and nothing but an RdbError is thrown', () => {
    const files = [1, 2, 3].map((seed) => write(fc.sample(key, { numRuns: 12, seed })));
    const mutation = fc.tuple(
      fc.nat({ max: files.length - 1 }),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat({ max: 255 })), {
        minLength: 1,
        maxLength: 4,
      }),
      pieces,
    );
    fc.assert(
      fc.property(mutation, ([which, changes, sizes]) => {
        const file = Buffer.from(files[which]!);
        for (const [place, byte] of changes) file[Math.floor(place * (file.length - 1))] = byte;
        if (file.equals(files[which]!)) return;
        try {
          const { offset } = read(file, sizes);
          // Only a checksum of zeros hides a change.
          assert.ok(file.subarray(offset - 8, offset).every((byte) => byte === 0));
        } catch (error) {
          if (!(error instanceof RdbError)) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('snapshots', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lingcache-snapshot-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const fill = (databases: Databases): void => {
    databases.stores[0]!.replace('name', 'value');
    databases.stores[5]!.replace('set', SetValue.from(['1', '2', 'x']));
    const entry = databases.stores[5]!.replace('due', 'soon');
    databases.stores[5]!.setDeadline(entry, 1_060_000);
  };
  const members = (databases: Databases): string[] =>
    [...databases.stores[5]!.getTyped<SetValue>('set', 'set')!].sort();

  it('are saved and loaded, deadlines and databases included', async () => {
    const path = join(folder, 'dump.rdb');
    const first = new Databases(new ManualWorld());
    fill(first);
    saveSnapshot(path, first, facts);
    assert.deepEqual(readdirSync(folder), ['dump.rdb']);
    const second = new Databases(new ManualWorld());
    second.stores[1]!.replace('stale', 'x');
    const summary = await loadSnapshot(path, second);
    assert.equal(summary.keys, 3);
    assert.equal(summary.aux.get('redis-ver'), '7.0.15');
    assert.deepEqual(
      second.stores.map((store) => store.size).filter((size) => size > 0),
      [1, 2],
    );
    assert.equal(second.stores[0]!.getString('name'), 'value');
    assert.equal(second.stores[5]!.peek('due')!.expireAt, 1_060_000);
    assert.deepEqual(members(second), ['1', '2', 'x']);
  });

  it('leave out what has run out, unless asked to keep it', async () => {
    const path = join(folder, 'dump.rdb');
    const first = new Databases(new ManualWorld());
    fill(first);
    saveSnapshot(path, first, facts);
    const later = new Databases(new ManualWorld({ now: 2_000_000 }));
    assert.deepEqual((({ keys, expired }) => ({ keys, expired }))(await loadSnapshot(path, later)), {
      keys: 2,
      expired: 1,
    });
    assert.equal((await loadSnapshot(path, later, { dropExpired: false })).keys, 3);
  });

  it('may be loaded with pauses, behind the last piece too, and keys that have run out count', async () => {
    const path = join(folder, 'dump.rdb');
    const first = new Databases(new ManualWorld());
    fill(first);
    saveSnapshot(path, first, facts);
    const counts: number[] = [];
    const later = new Databases(new ManualWorld({ now: 2_000_000 }));
    await loadSnapshot(path, later, { pause: (count) => void counts.push(count) });
    assert.deepEqual(counts, [3]);
  });

  it('show one moment, though they are written while the keys change', async () => {
    const path = join(folder, 'dump.rdb');
    const first = new Databases(new ManualWorld());
    fill(first);
    const saved = saveInBackground(path, first, facts);
    first.stores[0]!.replace('name', 'other');
    first.stores[0]!.replace('new', 'x');
    first.stores[5]!.getTyped<SetValue>('set', 'set')!.add('late');
    await saved;
    const second = new Databases(new ManualWorld());
    await loadSnapshot(path, second);
    assert.equal(second.stores[0]!.getString('name'), 'value');
    assert.equal(second.stores[0]!.has('new'), false);
    assert.deepEqual(members(second), ['1', '2', 'x']);
  });

  it('replace a file whole or not at all', () => {
    const path = join(folder, 'dump.rdb');
    const databases = new Databases(new ManualWorld());
    fill(databases);
    saveSnapshot(path, databases, facts);
    const before = readFileSync(path);
    // A value of a kind that cannot be written makes the writing fail half way.
    databases.stores[7]!.replace('odd', {
      type: 'set',
      encoding: 'odd',
      size: 1,
      clone: () => assert.fail(),
      memory: () => 0,
      counted: 0,
    });
    assert.throws(() => saveSnapshot(path, databases, facts), RangeError);
    assert.deepEqual(readFileSync(path), before);
    assert.deepEqual(readdirSync(folder), ['dump.rdb']);
    assert.throws(() => saveSnapshot(join(folder, 'none', 'dump.rdb'), databases, facts), /ENOENT/);
  });

  it('leave the databases empty when a file is damaged', async () => {
    const path = join(folder, 'dump.rdb');
    const databases = new Databases(new ManualWorld());
    fill(databases);
    saveSnapshot(path, databases, facts);
    const bytes = readFileSync(path);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(path, bytes);
    await assert.rejects(loadSnapshot(path, databases), /checksum/);
    assert.ok(databases.stores.every((store) => store.size === 0));
    assert.deepEqual(readFileSync(path), bytes);
  });
});
