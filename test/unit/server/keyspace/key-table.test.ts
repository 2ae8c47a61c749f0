// The table finds what a Map finds, while it grows, shrinks, and closes the gaps that deletions leave.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Entry } from '../../../../server/keyspace/entry.ts';
import { KeyTable } from '../../../../server/keyspace/key-table.ts';

class Keys {
  readonly dense: Entry[] = [];
  readonly table: KeyTable;

  constructor(seed: number) {
    this.table = new KeyTable(this.dense, seed);
  }

  add(key: string): void {
    const entry = new Entry(key, 'v');
    entry.place = this.dense.length;
    this.dense.push(entry);
    this.table.add(entry);
  }

  delete(key: string): void {
    const entry = this.table.get(key)!;
    this.table.delete(entry);
    const last = this.dense.pop()!;
    if (last === entry) return;
    this.table.move(last, entry.place);
    this.dense[entry.place] = last;
    last.place = entry.place;
  }
}

describe('the table of keys', () => {
  it('holds what was added and not deleted, in any order, whatever the seed', () => {
    const step = fc.tuple(fc.boolean(), fc.nat(400));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 1500 }), fc.integer(), (steps, seed) => {
        const keys = new Keys(seed);
        const model = new Set<string>();
        for (const [adds, n] of steps) {
          const key = `key:${n}`;
          if (adds && !model.has(key)) {
            keys.add(key);
            model.add(key);
          } else if (!adds && model.delete(key)) keys.delete(key);
        }
        for (let n = 0; n <= 400; n++)
          assert.equal(keys.table.get(`key:${n}`)?.key, model.has(`key:${n}`) ? `key:${n}` : undefined);
      }),
      { numRuns: 50 },
    );
  });

  it('grows to many keys and shrinks to none', () => {
    const keys = new Keys(7);
    const count = 20_000;
    for (let n = 0; n < count; n++) keys.add(`\xff\0${n}`);
    for (let n = 0; n < count; n++) assert.ok(keys.table.has(`\xff\0${n}`));
    for (let n = 0; n < count; n += 2) keys.delete(`\xff\0${n}`);
    for (let n = 0; n < count; n++) assert.equal(keys.table.has(`\xff\0${n}`), n % 2 === 1);
    for (let n = 1; n < count; n += 2) keys.delete(`\xff\0${n}`);
    for (let n = 0; n < count; n++) assert.ok(!keys.table.has(`\xff\0${n}`));
    keys.add('again');
    assert.equal(keys.table.get('again'), keys.dense[0]);
  });

  it('keeps the empty key, a key and its beginning apart', () => {
    const keys = new Keys(-1);
    for (const key of ['', '\0', '\0\0', 'a', 'ab']) keys.add(key);
    for (const key of ['', '\0', '\0\0', 'a', 'ab']) assert.equal(keys.table.get(key)?.key, key);
    for (const key of ['b', 'a\0', '\0\0\0']) assert.equal(keys.table.get(key), undefined);
  });
});
