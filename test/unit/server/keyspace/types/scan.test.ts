import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HashValue } from '../../../../../server/keyspace/types/hash.ts';
import { SetValue } from '../../../../../server/keyspace/types/set.ts';
import { ZsetValue } from '../../../../../server/keyspace/types/zset.ts';

interface Scanned {
  readonly scan: (cursor: number, count: number, visit: (member: string) => void) => number;
  readonly add: (member: string) => void;
  readonly delete: (member: string) => void;
}

const kinds: Record<string, () => Scanned> = {
  hash: () => {
    const hash = new HashValue();
    return {
      scan: (...args) => hash.scan(...args),
      add: (member) => void hash.set(member, 'v'),
      delete: (member) => void hash.delete(member),
    };
  },
  set: () => {
    const set = new SetValue();
    return {
      scan: (...args) => set.scan(...args),
      add: (member) => void set.add(member),
      delete: (member) => void set.delete(member),
    };
  },
  zset: () => {
    const zset = new ZsetValue();
    return {
      scan: (...args) => zset.scan(...args),
      add: (member) => void zset.set(member, 1),
      delete: (member) => void zset.delete(member),
    };
  },
};

describe('SCAN cursors of values', () => {
  for (const [name, make] of Object.entries(kinds)) {
    it(`${name}: every member that stays is seen, whatever comes and goes meanwhile`, () => {
      const changes = fc.array(fc.tuple(fc.boolean(), fc.nat(899)), { minLength: 50, maxLength: 400 });
      fc.assert(
        fc.property(changes, fc.integer({ min: 1, max: 70 }), (steps, count) => {
          const value = make();
          for (let at = 0; at < 600; at += 1) value.add(`member${at}`);
          const touched = new Set(steps.map(([, at]) => `member${at}`));
          const seen = new Set<string>();
          let cursor = 0;
          let next = 0;
          do {
            cursor = value.scan(cursor, count, (member) => seen.add(member));
            for (const [adds, at] of steps.slice(next, next + 5)) {
              if (adds) value.add(`member${at}`);
              else value.delete(`member${at}`);
            }
            next += 5;
          } while (cursor !== 0);
          for (let at = 0; at < 600; at += 1) {
            if (!touched.has(`member${at}`)) assert.ok(seen.has(`member${at}`), `member${at} was not seen`);
          }
        }),
        { numRuns: 30 },
      );
    });
  }

  it('a compact value is returned in one step', () => {
    const hash = new HashValue();
    for (const field of ['c', 'a', 'b']) hash.set(field, '1');
    const seen: string[] = [];
    assert.equal(
      hash.scan(0, 1, (field) => seen.push(field)),
      0,
    );
    assert.deepEqual(seen, ['c', 'a', 'b']);
  });
});
