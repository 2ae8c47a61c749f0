import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Fifo } from '../../../lib/base/fifo.ts';

describe('base/fifo', () => {
  it('behaves as an array under any series of operations', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), count: fc.nat(40) }),
      fc.record({ kind: fc.constant('shift' as const), count: fc.nat(40) }),
      fc.record({ kind: fc.constant('drain' as const), count: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const fifo = new Fifo<number>();
        let model: number[] = [];
        let next = 0;
        for (const { kind, count } of steps) {
          if (kind === 'drain') {
            assert.deepEqual(fifo.drain(), model);
            model = [];
          }
          for (let at = 0; at < count; at++) {
            if (kind === 'push') {
              fifo.push(next);
              model.push(next++);
            } else assert.equal(fifo.shift(), model.shift());
          }
          assert.equal(fifo.size, model.length);
          assert.equal(fifo.peek(), model[0]);
          const seen: number[] = [];
          fifo.forEach((item) => {
            seen.push(item);
          });
          assert.deepEqual(seen, model);
        }
      }),
    );
  });
});
