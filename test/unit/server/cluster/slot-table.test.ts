// A table of slots against an array that is copied whole.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SlotTable } from '../../../../server/cluster/slot-table.ts';
import { bitmapOf, rangesOf, slotsIn } from '../../../../server/cluster/slots.ts';
import { newState } from '../../../../server/cluster/state.ts';

const slotCount = 16_384;
const values = ['a', 'b', 'c', undefined] as const;

/** Ranges as they come, single slots and whole shards, most of them near the ends of pages. */
const change = fc.record({
  start: fc.oneof(fc.nat(slotCount - 1), fc.constantFrom(0, 127, 128, 255, 8191, 8192, 16_255, 16_383)),
  length: fc.oneof(fc.constantFrom(1, 2, 127, 128, 129), fc.nat(6000)),
  value: fc.constantFrom(...values),
});

describe('a table of slots', () => {
  it('holds what an array would; the tables before it stay as they were', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
        let table: SlotTable<string> = SlotTable.empty;
        const array = new Array<string | undefined>(slotCount).fill(undefined);
        for (const { start, length, value } of changes) {
          const before = [table, table.runs, SlotTable.from(array)] as const;
          const slots = Array.from({ length: Math.min(length, slotCount - start) }, (_, at) => start + at);
          const changed = slots.some((slot) => array[slot] !== value);
          table = table.with(slots, value);
          assert.equal(table !== before[0], changed, 'a new table only for a change');
          assert.deepEqual(before[0], before[2]);
          assert.equal(before[0].runs, before[1]);
          for (const slot of slots) array[slot] = value;
          for (const id of ['a', 'b', 'c']) {
            const runs = table.runs.filter((run) => run.value === id).map(({ start, end }) => [start, end]);
            assert.deepEqual(table.rangesOf(id), runs, 'also what was handed on from the table before');
          }
        }
        for (let slot = 0; slot < slotCount; slot++) if (table.get(slot) !== array[slot]) assert.fail(`slot ${slot}`);
        assert.equal(table.size, array.filter((value) => value !== undefined).length);
        assert.equal(table.firstDifference(SlotTable.from(array)), -1);
        const held = array.flatMap((value, slot) => (value === undefined ? [] : [[slot, value]]));
        assert.deepEqual([...table.entries()], held);
        for (const [at, { start, end, value }] of table.runs.entries()) {
          const next = table.runs[at + 1];
          assert.ok(start <= end && (next === undefined || next.start > end));
          assert.ok(next === undefined || next.start > end + 1 || next.value !== value, 'maximal');
        }
        for (const id of ['a', 'b', 'c']) {
          const mine = array.flatMap((value, slot) => (value === id ? [slot] : []));
          assert.deepEqual(table.slotsOf(id), mine);
          assert.equal(table.counts.get(id) ?? 0, mine.length);
          const state = { ...newState(id, { host: '', port: 1, cport: 2 }), owners: table };
          assert.deepEqual([...slotsIn(bitmapOf(state, id))], mine);
          assert.equal(
            rangesOf(state, id).reduce((sum, [start, end]) => sum + end - start + 1, 0),
            mine.length,
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it('knows nothing beyond the slots, and finds where two tables differ first', () => {
    const table = SlotTable.of([
      [5, 'a'],
      [16_383, 'b'],
    ]);
    assert.deepEqual([table.get(-1), table.get(slotCount), table.get(5)], [undefined, undefined, 'a']);
    assert.equal(table.firstDifference(table.with([9000, 16_383], undefined)), 16_383);
    assert.equal(table.with([5], undefined).size, 1);
    const ranges = table.rangesOf('b');
    assert.equal(table.with([5], undefined).rangesOf('b'), ranges, 'not touched, not made again');
  });

  it('what is in one bitmap and not in another', () => {
    const state = {
      ...newState('a', { host: '', port: 1, cport: 2 }),
      owners: SlotTable.of([
        [3, 'a'],
        [9, 'a'],
        [10, 'b'],
      ]),
    };
    assert.deepEqual([...slotsIn(bitmapOf(state, 'a'), bitmapOf(state, 'b'))], [3, 9]);
    const more = bitmapOf({ ...state, owners: state.owners.with([11], 'a') }, 'a');
    assert.deepEqual([...slotsIn(more, bitmapOf(state, 'a'))], [11]);
  });
});
