import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Heap } from '../../../lib/base/heap.ts';

describe('base/heap', () => {
  it('gives the least first, whatever was put in and taken out in between', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer())), (steps) => {
        const heap = new Heap<number>((one, other) => one < other);
        let model: number[] = [];
        for (const step of steps) {
          if (step !== null) {
            heap.push(step);
            model.push(step);
          } else {
            model.sort((one, other) => one - other);
            assert.equal(heap.pop(), model.shift());
          }
          assert.equal(heap.size, model.length);
          assert.equal(heap.peek(), model.length === 0 ? undefined : Math.min(...model));
        }
        assert.deepEqual(
          heap.drain().sort((one, other) => one - other),
          model.sort((one, other) => one - other),
        );
        model = [];
        assert.equal(heap.pop(), undefined);
      }),
    );
  });

  it('compares no more than the logarithm of its size allows', () => {
    for (const size of [1000, 10_000, 100_000]) {
      let comparisons = 0;
      const heap = new Heap<number>((one, other) => {
        comparisons++;
        return one < other;
      });
      for (let at = 0; at < size; at++) heap.push((at * 7919) % size);
      while (heap.size > 0) heap.pop();
      assert.ok(comparisons <= 3 * size * Math.log2(size), `${size}: ${comparisons}`);
    }
  });
});
