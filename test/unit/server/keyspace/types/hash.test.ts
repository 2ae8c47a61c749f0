// A hash is what a Map is, packed into one text or spread out, and however it changes between the two.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HashValue } from '../../../../../server/keyspace/types/hash.ts';

const binary = (most: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength: most }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const field = fc.oneof(binary(3), binary(40));
const value = fc.oneof(binary(10), binary(200), binary(300));

function alike(hash: HashValue, model: ReadonlyMap<string, string>): void {
  assert.equal(hash.size, model.size);
  assert.deepEqual([...hash.entries()], [...model]);
  assert.deepEqual([...hash.fields()], [...model.keys()]);
  assert.deepEqual([...hash.values()], [...model.values()]);
  for (const [name, text] of model) assert.equal(hash.get(name), text);
}

describe('a hash', () => {
  it('keeps what a Map keeps, in its order, under any mix of writes and deletions', () => {
    const step = fc.oneof(
      fc.record({ set: fc.constant(true), field, value }),
      fc.record({ set: fc.constant(false), field, value: fc.constant('') }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const hash = new HashValue();
        const model = new Map<string, string>();
        for (const one of steps) {
          const there = model.has(one.field);
          assert.equal(hash.has(one.field), there);
          if (one.set) {
            assert.equal(hash.set(one.field, one.value), !there);
            model.set(one.field, one.value);
          } else assert.equal(hash.delete(one.field), model.delete(one.field));
        }
        alike(hash, model);
        const copy = hash.clone();
        copy.set('of the copy', 'alone');
        alike(hash, model);
      }),
    );
  });

  it('a field is not found in the bytes of a value, nor in those of two words', () => {
    const hash = new HashValue();
    hash.set('a', '\x01b\x01c');
    hash.set('', '\x01x');
    hash.set('b\x01c', '');
    for (const name of ['b', 'c', '\x01b', 'x', '\x01', 'b\x01']) assert.equal(hash.get(name), undefined, name);
    assert.equal(hash.get(''), '\x01x');
    assert.equal(hash.get('b\x01c'), '');
  });

  it('grows past what one text holds, and is scanned and sampled the same before and after', () => {
    const hash = new HashValue();
    const model = new Map<string, string>();
    for (let at = 0; at < 300; at++) {
      hash.set(`field:${at}`, `value:${at}`);
      model.set(`field:${at}`, `value:${at}`);
      if (at % 30 !== 0) continue;
      alike(hash, model);
      assert.ok(model.has(hash.randomField(0.5)));
      const seen = new Set<string>();
      let cursor = 0;
      do cursor = hash.scan(cursor, 10, (name) => seen.add(name));
      while (cursor !== 0);
      assert.deepEqual(seen, new Set(model.keys()));
    }
    assert.equal(hash.encoding, 'listpack');
  });
});
