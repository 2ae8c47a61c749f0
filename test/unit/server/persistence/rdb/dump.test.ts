import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { formatDouble } from '../../../../../server/keyspace/number.ts';
import { crc64 } from '../../../../../server/persistence/rdb/crc64.ts';
import { dumpValue, isDumpIntact, parseDump } from '../../../../../server/persistence/rdb/dump.ts';
import { readListpack, writeListpack } from '../../../../../server/persistence/rdb/listpack.ts';
import { packLzf, unpackLzf } from '../../../../../server/persistence/rdb/lzf.ts';
import type { PortableStream, PortableValue } from '../../../../../server/persistence/rdb/portable.ts';

type Json = string | { b64: string } | Json[] | { [key: string]: Json };
interface Vector {
  key: string | null;
  type: string;
  value: Json;
  hex: string;
}

const file = new URL('../../../../../../test/fixtures/dump-vectors.json', import.meta.url);
const vectors = (JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }).vectors.filter((v) => v.key !== null);

/** Bytes of the fixture as a binary string; its texts are UTF-8. */
function binary(value: Json): string {
  if (typeof value === 'string') return Buffer.from(value).toString('latin1');
  return Buffer.from((value as { b64: string }).b64, 'base64').toString('latin1');
}

/** A portable value in the terms of the fixture. */
function comparable(value: PortableValue): unknown {
  switch (value.type) {
    case 'string':
      return value.text;
    case 'list':
      return [...value.items];
    case 'set':
      return [...value.members].sort();
    case 'hash':
      return new Map(value.fields);
    case 'zset':
      return value.entries.map(([member, score]) => [member, formatDouble(score)]);
    case 'stream':
      return value.entries.map(({ id, fields }) => [id.join('-'), fields]);
  }
}

function expected(vector: Vector): unknown {
  const { value } = vector;
  switch (vector.type) {
    case 'string':
      return binary(value);
    case 'list':
      return (value as Json[]).map(binary);
    case 'set':
      return (value as Json[]).map(binary).sort();
    case 'hash':
      return new Map((value as [string, string][]).map(([name, text]) => [binary(name), binary(text)]));
    case 'stream':
      return (value as { entries: unknown }).entries;
    default:
      return value;
  }
}

// Written under other settings or by other choices than ours (two-item list nodes, deleted stream entries kept in
// their node, another compressor): the same value, other bytes.
const otherBytes = new Set(
  'list:multi list:plain list:lzfnode stream:simple stream:deleted hll str:lzf str:lzf20k'.split(' '),
);

describe('DUMP payloads', () => {
  it('has every value type of the fixture', () => assert.ok(vectors.length >= 30, `${vectors.length} vectors`));

  for (const vector of vectors) {
    const payload = Buffer.from(vector.hex, 'hex').toString('latin1');

    it(`reads ${vector.key} as redis-server wrote it`, () => {
      assert.equal(isDumpIntact(payload), true);
      assert.deepEqual(comparable(parseDump(payload)!), expected(vector));
    });

    it(`writes ${vector.key} ${otherBytes.has(vector.key!) ? 'so that it reads back' : 'byte for byte'}`, () => {
      const value = parseDump(payload)!;
      const written = dumpValue(value);
      assert.equal(isDumpIntact(written), true);
      assert.deepEqual(parseDump(written), value);
      if (!otherBytes.has(vector.key!)) assert.equal(Buffer.from(written, 'latin1').toString('hex'), vector.hex);
    });
  }

  it('refuses a payload with any one byte changed', () => {
    for (const vector of vectors.filter((v) => v.hex.length < 300)) {
      const bytes = Buffer.from(vector.hex, 'hex');
      for (let at = 0; at < bytes.length; at++) {
        bytes[at]! ^= 0x41;
        assert.equal(isDumpIntact(bytes.toString('latin1')), false, `${vector.key} at ${at}`);
        bytes[at]! ^= 0x41;
      }
    }
  });

  it('survives damaged bytes under a good checksum: a value or undefined, never a throw', () => {
    const index = fc.nat();
    const counts = { read: 0, refused: 0 };
    fc.assert(
      fc.property(
        fc.constantFrom(...vectors),
        fc.array(fc.tuple(index, fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (vector, edits) => {
          const body = Buffer.from(vector.hex, 'hex').subarray(0, -8);
          for (const [at, byte] of edits) body[at % (body.length - 2)] = byte;
          const payload = Buffer.concat([body, crc64(body)]).toString('latin1');
          const value = parseDump(payload);
          if (value === undefined) counts.refused++;
          else {
            counts.read++;
            assert.deepEqual(parseDump(dumpValue(value)), value);
          }
        },
      ),
      { numRuns: 3000 },
    );
    assert.ok(counts.read > 100 && counts.refused > 100, JSON.stringify(counts));
  });

  it('knows the check value of the checksum', () => {
    assert.equal(crc64(Buffer.from('123456789')).readBigUInt64LE().toString(16), 'e9c6d914c4b8d9ca');
  });
});

const text = fc.oneof(
  fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.integer({ min: -5000, max: 70000 }).map(String),
  fc.constantFrom('-0', '00', '+1', '', '9223372036854775808'),
  fc.nat({ max: 20000 }).map((length) => 'ab'.repeat(length / 2)),
);

describe('the parts of DUMP payloads', () => {
  it('a listpack gives back its items', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 40 }), (items) => {
        assert.deepEqual(readListpack(Buffer.from(writeListpack(items))), items);
      }),
    );
  });

  it('LZF gives back its bytes, and is shorter by what was asked', () => {
    const repetitive = fc.array(fc.constantFrom('abc', 'abcd', 'x', '0123456789'), { maxLength: 400 });
    fc.assert(
      fc.property(repetitive, (words) => {
        const bytes = Buffer.from(words.join(''));
        const packed = packLzf(bytes, 4);
        if (packed === undefined) return;
        assert.ok(packed.length <= bytes.length - 4);
        assert.deepEqual(unpackLzf(packed, bytes.length), bytes);
      }),
    );
    assert.ok(packLzf(Buffer.alloc(10_000, 'ab'), 4)!.length < 200);
  });

  it('LZF refuses damage and any length but the right one', () => {
    const packed = packLzf(Buffer.alloc(300, 'abc'), 4)!;
    assert.throws(() => unpackLzf(packed, 299));
    assert.throws(() => unpackLzf(packed, 301));
    assert.throws(() => unpackLzf(packed, 2 ** 31), /cannot hold/);
    // Bytes alone are hardly ever a packing of anything: what is packed is changed in a place or none.
    const counts = { read: 0, refused: 0 };
    const plain = fc.uint8Array({ max: 2, minLength: 60, maxLength: 200 });
    const edit = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 1 });
    fc.assert(
      fc.property(plain, edit, fc.integer({ min: -1, max: 1 }), (bytes, edits, off) => {
        const packed = packLzf(Buffer.from(bytes), 4);
        if (packed === undefined) return;
        for (const [at, byte] of edits) packed[at % packed.length] = byte;
        try {
          assert.equal(unpackLzf(packed, bytes.length + off).length, bytes.length + off);
          counts.read++;
        } catch (error) {
          assert.match((error as Error).message, /^LZF/);
          counts.refused++;
        }
      }),
      { numRuns: 1000 },
    );
    assert.ok(counts.read > 100 && counts.refused > 100, JSON.stringify(counts));
  });

  it('every value gives itself back', () => {
    const names = fc.uniqueArray(text, { minLength: 1, maxLength: 30 });
    const score = fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0));
    const value: fc.Arbitrary<PortableValue> = fc.oneof(
      text.map((it): PortableValue => ({ type: 'string', text: it })),
      fc.array(text, { minLength: 1 }).map((items): PortableValue => ({ type: 'list', items })),
      names.map((members): PortableValue => ({ type: 'set', members, packed: false })),
      fc.tuple(names, text, fc.boolean()).map(
        ([all, it, packed]): PortableValue => ({
          type: 'hash',
          fields: all.map((name): [string, string] => [name, it]),
          packed,
        }),
      ),
      fc
        .tuple(names, fc.array(score, { minLength: 30, maxLength: 30 }), fc.boolean())
        .map(([all, scores, packed]): PortableValue => {
          const entries = all.map((name, at): [string, number] => [name, scores[at]!]);
          entries.sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
          return { type: 'zset', entries, packed };
        }),
    );
    fc.assert(fc.property(value, (it) => assert.deepEqual(parseDump(dumpValue(it)), it)));
  });

  it('a stream gives itself back, groups and pending entries included', () => {
    const ids = fc.uniqueArray(fc.tuple(fc.bigInt(0n, 50n), fc.bigInt(0n, 2n ** 64n - 1n)), {
      maxLength: 250,
      selector: (id) => id.join('-'),
    });
    const fields = fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 3 });
    const stream = fc.tuple(ids, fields, fields).map(([all, a, b]): PortableStream => {
      all.sort(([x, i], [y, j]) => (x !== y ? (x < y ? -1 : 1) : i < j ? -1 : 1));
      const entries = all.map((id, at) => ({ id, fields: (at % 3 === 0 ? a : b).flat() }));
      const pending = all
        .slice(0, 5)
        .map((id, at) => ({ id, deliveredAt: 1000 + at, deliveries: at + 1, consumer: `c${at % 2}` }));
      const consumers = [
        { name: 'c0', seenAt: 7 },
        { name: 'c1', seenAt: 8 },
      ];
      const lastId = all.at(-1) ?? ([5n, 6n] as const);
      const groups = [{ name: 'g', lastId, entriesRead: -1n, pending, consumers }];
      return { type: 'stream', entries, lastId, maxDeletedId: [1n, 2n], entriesAdded: 300n, groups };
    });
    fc.assert(
      fc.property(stream, (it) => assert.deepEqual(parseDump(dumpValue(it)), it)),
      { numRuns: 50 },
    );
  });
});
