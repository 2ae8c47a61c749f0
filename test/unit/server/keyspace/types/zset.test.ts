import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ZsetValue } from '../../../../../server/keyspace/types/zset.ts';

const member = fc.integer({ min: 0, max: 60 }).map((number) => `m${number}`);
const score = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constantFrom(Infinity, -Infinity, 0.5));
const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ member, score: fc.option(score, { nil: undefined }) }) },
  { weight: 2, arbitrary: fc.record({ member, score }) },
);

function ordered(model: ReadonlyMap<string, number>): { member: string; score: number }[] {
  const pairs = [...model].map(([name, value]) => ({ member: name, score: value }));
  return pairs.sort((a, b) => (a.score === b.score ? (a.member < b.member ? -1 : 1) : a.score < b.score ? -1 : 1));
}

const plain = (pairs: readonly { member: string; score: number }[]): unknown =>
  pairs.map((pair) => [pair.member, pair.score]);

describe('ZsetValue', () => {
  it('keeps the order, ranks and ranges of a sorted array', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), fc.nat(70), fc.nat(70), (changes, start, length) => {
        const zset = new ZsetValue();
        const model = new Map<string, number>();
        for (const { member: name, score: value } of changes) {
          if (value === undefined) assert.equal(zset.delete(name), model.delete(name));
          else {
            assert.equal(zset.set(name, value), !model.has(name));
            model.set(name, value);
          }
        }
        const pairs = ordered(model);
        assert.deepEqual(plain(zset.range(0, zset.size - 1, false)), plain(pairs));
        assert.deepEqual([...zset.entries()], plain(pairs));
        for (const [place, pair] of pairs.entries()) assert.equal(zset.rank(pair.member), place);
        const stop = Math.min(start + length, pairs.length - 1);
        if (start > stop) return;
        assert.deepEqual(plain(zset.range(start, stop, false)), plain(pairs.slice(start, stop + 1)));
        assert.deepEqual(plain(zset.range(start, stop, true)), plain([...pairs].reverse().slice(start, stop + 1)));
        const bound = pairs[start]!.score;
        const expected = pairs.filter((pair) => pair.score < bound).length;
        assert.equal(
          zset.countBefore((pair) => pair.score >= bound),
          expected,
        );
      }),
    );
  });

  it('stays right with many members', () => {
    const zset = new ZsetValue();
    for (let at = 0; at < 20_000; at += 1) zset.set(`m${(at * 7919) % 20_000}`, (at * 7919) % 20_000);
    for (let at = 0; at < 20_000; at += 3) zset.delete(`m${at}`);
    assert.equal(zset.size, 13_333);
    assert.equal(zset.rank('m1'), 0);
    assert.equal(zset.rank('m19999'), zset.size - 1);
    assert.equal(zset.range(5000, 5000, false)[0]?.score, 7501);
    assert.equal(zset.encoding, 'skiplist');
  });
});
