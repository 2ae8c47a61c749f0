import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type OwnedRange, SlotMap } from '../../../lib/topology/slot-map.ts';

function range(start: number, end: number, master: string, ...replicas: string[]): OwnedRange {
  return { start, end, master, replicas };
}

const thirds = SlotMap.of([
  range(0, 5460, 'a:1', 'a:2'),
  range(5461, 10922, 'b:1', 'b:2', 'b:3'),
  range(10923, 16383, 'c:1'),
]);

describe('topology/slot-map', () => {
  it('knows the owner of every slot', () => {
    assert.equal(thirds.masterOf(0), 'a:1');
    assert.equal(thirds.masterOf(5460), 'a:1');
    assert.equal(thirds.masterOf(5461), 'b:1');
    assert.equal(thirds.masterOf(16383), 'c:1');
    assert.equal(thirds.covered, 16384);
  });

  it('leaves slots without owner uncovered', () => {
    const map = SlotMap.of([range(10, 20, 'a:1')]);
    assert.equal(map.masterOf(9), undefined);
    assert.equal(map.covered, 11);
  });

  it('lists addresses with roles; a node that is a master anywhere is one', () => {
    const roles = SlotMap.of([range(0, 1, 'a:1', 'b:1'), range(2, 3, 'b:1')]).addresses();
    assert.deepEqual(
      [...roles],
      [
        ['a:1', 'master'],
        ['b:1', 'master'],
      ],
    );
  });

  it('patches exactly one slot for a move to another shard', () => {
    const moved = thirds.withMoved(100, 'c:1');
    for (let slot = 0; slot < 16384; slot++) {
      assert.equal(moved.masterOf(slot), slot === 100 ? 'c:1' : thirds.masterOf(slot));
    }
    assert.equal(thirds.masterOf(100), 'a:1', 'the old map has changed');
  });

  it('takes in a node it did not know', () => {
    const moved = thirds.withMoved(7, 'new:9');
    assert.equal(moved.masterOf(7), 'new:9');
    assert.equal(moved.masterOf(8), 'a:1');
    assert.equal(moved.addresses().get('new:9'), 'master');
  });

  it('promotes a replica of the same shard for all its slots', () => {
    const promoted = thirds.withMoved(6000, 'b:3');
    assert.equal(promoted.masterOf(5461), 'b:3');
    assert.equal(promoted.masterOf(10922), 'b:3');
    assert.equal(promoted.masterOf(5460), 'a:1');
    assert.deepEqual(promoted.shardOf(6000)?.replicas, ['b:2']);
  });

  it('is the same map when nothing is new', () => {
    assert.equal(thirds.withMoved(3, 'a:1'), thirds);
  });

  it('compares owners and replicas, not the order of ranges', () => {
    const shuffled = SlotMap.of([
      range(10923, 16383, 'c:1'),
      range(0, 5460, 'a:1', 'a:2'),
      range(5461, 10922, 'b:1', 'b:3', 'b:2'),
    ]);
    assert.ok(thirds.sameAs(shuffled) && shuffled.sameAs(thirds));
    assert.ok(!thirds.sameAs(thirds.withMoved(5, 'b:1')));
    assert.ok(!thirds.sameAs(SlotMap.of([range(0, 16383, 'a:1')])));
  });

  it('keeps its laws under any series of moves', () => {
    const move = fc.tuple(fc.integer({ min: 0, max: 16383 }), fc.constantFrom('a:1', 'b:1', 'c:1', 'd:1', 'e:1'));
    fc.assert(
      fc.property(fc.array(move, { maxLength: 30 }), (moves) => {
        let map = SlotMap.of([range(0, 8191, 'a:1'), range(8192, 16383, 'b:1')]);
        const expected = new Map<number, string>();
        for (const [slot, to] of moves) {
          map = map.withMoved(slot, to);
          expected.set(slot, to);
          assert.equal(map.masterOf(slot), to);
        }
        for (const [slot, to] of expected) assert.equal(map.masterOf(slot), to);
        assert.equal(map.covered, 16384);
        assert.ok(map.sameAs(map.withMoved(0, map.masterOf(0)!)));
      }),
      { numRuns: 50 },
    );
  });

  it('holds 1,000 shards and 16,384 one-slot ranges', () => {
    const ranges = Array.from({ length: 16384 }, (_, slot) =>
      range(slot, slot, `n${slot % 1000}:1`, `r${slot % 1000}:1`),
    );
    const map = SlotMap.of(ranges);
    assert.equal(map.shards.length, 1000);
    assert.equal(map.masterOf(16383), 'n383:1');
    assert.ok(map.sameAs(SlotMap.of(ranges.toReversed())));
  });
});
