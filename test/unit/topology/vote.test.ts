import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { SlotMap } from '../../../lib/topology/slot-map.ts';
import { combine, merge, type View, type ViewShard } from '../../../lib/topology/vote.ts';

function shard(id: string, epoch: number, ...ranges: [number, number][]): ViewShard {
  return { id, master: `${id}:1`, replicas: [`${id}:2`], epoch, ranges };
}

function view(...shards: ViewShard[]): View {
  return { from: 'x:1', shards };
}

const before = view(shard('a', 1, [0, 8191]), shard('b', 2, [8192, 16383]));
/** Slot 100 went from a to b, whose epoch was bumped. */
const after = view(shard('a', 1, [0, 99], [101, 8191]), shard('b', 3, [100, 100], [8192, 16383]));

/** A few masters with a few ranges each, which may overlap. */
const someView = fc
  .array(
    fc.tuple(
      fc.constantFrom('a', 'b', 'c'),
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.tuple(fc.nat(16383), fc.nat(6000)), { maxLength: 3 }),
    ),
    { maxLength: 4 },
  )
  .map((shards) =>
    view(
      ...shards.map(([id, epoch, ranges]) =>
        shard(
          id,
          epoch,
          ...ranges.map(([start, length]): [number, number] => [start, Math.min(16383, start + length)]),
        ),
      ),
    ),
  );

/** Where claims begin and end, and one slot to either side. */
function borders(shards: readonly ViewShard[]): number[] {
  const at = shards.flatMap(({ ranges }) => ranges.flatMap(([start, end]) => [start - 1, start, end, end + 1]));
  return [0, 16383, ...at].filter((slot) => slot >= 0 && slot < 16384);
}

describe('topology/vote', () => {
  describe('combine', () => {
    it('takes the claim with the highest epoch, whoever primaries', () => {
      for (const [primary, secondary] of [
        [before, after],
        [after, before],
      ] as const) {
        const map = combine(primary, [secondary]);
        assert.equal(map.masterOf(100), 'b:1');
        assert.equal(map.masterOf(99), 'a:1');
        assert.equal(map.masterOf(101), 'a:1');
      }
    });

    it('fills slots the primary does not know', () => {
      const map = combine(view(shard('a', 1, [0, 10])), [view(shard('b', 1, [11, 20]))]);
      assert.equal(map.masterOf(10), 'a:1');
      assert.equal(map.masterOf(20), 'b:1');
      assert.equal(map.covered, 21);
    });

    it('reaches nodes by the address the primary gives them', () => {
      const secondary = view({ ...shard('b', 9, [0, 16383]), master: '10.0.0.1:1', replicas: [] });
      assert.equal(combine(before, [secondary]).masterOf(0), 'b:1');
    });

    it('does not depend on the order of secondaries while epochs differ', () => {
      const claim = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(16383), fc.nat(500));
      const views = fc.array(fc.array(claim, { maxLength: 4 }), { maxLength: 4 });
      fc.assert(
        fc.property(views, fc.nat(), (all, seed) => {
          // One epoch per claim: no ties to settle by order.
          let epoch = 1;
          const made = all.map((claims) =>
            view(...claims.map(([id, start, length]) => shard(id, epoch++, [start, Math.min(16383, start + length)]))),
          );
          const shuffled = made.toSorted(
            (one, other) => ((made.indexOf(one) * 7 + seed) % 5) - ((made.indexOf(other) * 7 + seed) % 5),
          );
          assert.ok(ownersAgree(combine(before, made), combine(before, shuffled)));
        }),
        { numRuns: 50 },
      );
    });

    it('is, slot by slot, the first of the highest claims, whether views differ or say the same', () => {
      const kinds = fc.array(fc.oneof(someView, fc.constant('same'), fc.constant('newer')), { maxLength: 3 });
      fc.assert(
        fc.property(someView, kinds, (primary, chosen) => {
          const secondaries = chosen.map((kind): View => {
            if (typeof kind !== 'string') return kind;
            const shards = primary.shards.toReversed();
            return view(...(kind === 'same' ? shards : shards.map((one) => ({ ...one, epoch: 5 }))));
          });
          const map = combine(primary, secondaries);
          const claims = [primary, ...secondaries].flatMap(({ shards }) => shards);
          for (const slot of borders(claims)) {
            const mine = claims.filter(({ ranges }) => ranges.some(([start, end]) => start <= slot && slot <= end));
            const highest = Math.max(...mine.map(({ epoch }) => epoch));
            const { master, epoch } = mine.find((one) => one.epoch === highest) ?? {};
            const owner = map.shardOf(slot);
            assert.deepEqual([owner?.master, owner?.epoch], [master, epoch], `slot ${slot}`);
          }
        }),
        { numRuns: 200 },
      );
    });
  });

  describe('merge', () => {
    const held = combine(after, []);

    it('is, slot by slot, what is seen, but for owners of a higher epoch and slots that could not be read', () => {
      const moves = fc.array(fc.tuple(fc.nat(16383), fc.constantFrom('a:1', 'b:1', 'b:2', 'z:1')), { maxLength: 3 });
      const unread = fc.array(fc.tuple(fc.nat(16383), fc.nat(500)), { maxLength: 2 });
      fc.assert(
        fc.property(someView, moves, someView, unread, (one, named, other, gaps) => {
          const mine = combine(one, []).withMoves(named);
          const ranges = gaps.map(([start, length]) => [start, Math.min(16383, start + length)] as const);
          const seen = combine({ ...other, unread: ranges }, []);
          const merged = merge(mine, seen);
          const epochs = new Map(seen.shards.map(({ master, epoch }) => [master, epoch]));
          const edges = ranges.map(([start, end]): ViewShard => shard('', 0, [start, end]));
          const slots = borders([...one.shards, ...other.shards, ...edges]);
          for (const slot of [...slots, ...named.map(([moved]) => moved)]) {
            const [ours, theirs] = [mine.shardOf(slot), seen.shardOf(slot)];
            const isUnread = theirs === undefined && ranges.some(([start, end]) => start <= slot && slot <= end);
            const known = ours && epochs.get(ours.master);
            const isNewer = ours !== undefined && (theirs === undefined || theirs.epoch < ours.epoch);
            const byMoved = ours !== undefined && !Number.isInteger(ours.epoch);
            const stays = known !== undefined && isNewer && (byMoved || known < ours!.epoch);
            const expected = ours !== undefined && (isUnread || stays) ? ours.master : theirs?.master;
            assert.equal(merged.masterOf(slot), expected, `slot ${slot}`);
          }
        }),
        { numRuns: 200 },
      );
    });

    it('ignores a view older than what is held', () => {
      assert.equal(merge(held, combine(before, [])).masterOf(100), 'b:1');
    });

    it('takes a newer one', () => {
      assert.equal(merge(combine(before, []), held).masterOf(100), 'b:1');
    });

    it('keeps what a MOVED named until a view is at least as new', () => {
      const patched = combine(before, []).withMoved(100, 'b:1').withMoved(200, 'c:1');
      const stale = merge(patched, combine(before, []));
      assert.equal(stale.masterOf(100), 'b:1');
      // c is no master in that view: nothing speaks for it.
      assert.equal(stale.masterOf(200), 'a:1');
      assert.equal(merge(patched, held).masterOf(100), 'b:1');
    });

    it('lets a view take back a patch when the slot moved on', () => {
      const patched = combine(before, []).withMoved(100, 'b:1');
      const onwards = combine(view(shard('a', 4, [0, 8191]), shard('b', 2, [8192, 16383])), []);
      assert.equal(merge(patched, onwards).masterOf(100), 'a:1');
    });

    it('takes a failover, and a promotion known by MOVED stands against a view from before', () => {
      const promoted = combine(before, []).withMoved(5, 'a:2');
      assert.equal(promoted.masterOf(8191), 'a:2');
      const seen = combine(
        view({ ...shard('a2', 5, [0, 8191]), master: 'a:2', replicas: ['a:1'] }, shard('b', 2, [8192, 16383])),
        [],
      );
      assert.ok(merge(promoted, seen).sameAs(seen));
      // The old master still primaries in a stale view, and a:2 primaries nowhere: the view has it for lack of better.
      assert.equal(merge(promoted, combine(before, [])).masterOf(5), 'a:1');
    });

    it('changes nothing when nothing changed, and is idempotent', () => {
      assert.ok(merge(held, held).sameAs(held));
      const once = merge(held, combine(before, []));
      assert.ok(merge(once, combine(before, [])).sameAs(once));
    });

    it('lets a node lose a slot to one with a lower epoch', () => {
      // a lagging view had the slot with a, whose epoch has grown meanwhile; every later view has it with b.
      const lagging = combine(view(shard('a', 9, [0, 8191]), shard('b', 8, [8192, 16383])), []);
      const seen = combine(view(shard('a', 9, [0, 99], [101, 8191]), shard('b', 8, [100, 100], [8192, 16383])), []);
      assert.equal(merge(lagging, seen).masterOf(100), 'b:1');
      // What a MOVED named is newer than both.
      assert.equal(merge(seen.withMoved(100, 'a:1'), seen).masterOf(100), 'a:1');
    });

    it('lets go of masters that no view knows', () => {
      const elsewhere = combine(view(shard('n', 1, [0, 16383])), []);
      assert.ok(merge(held, elsewhere).sameAs(elsewhere));
    });
  });
});

function ownersAgree(one: SlotMap, other: SlotMap): boolean {
  for (let slot = 0; slot < 16384; slot++) if (one.masterOf(slot) !== other.masterOf(slot)) return false;
  return true;
}
