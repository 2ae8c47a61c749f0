import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MoveQueue } from '../../../../../server/operator/reshard/queue.ts';

describe('moves that wait', () => {
  it('are given out once each: the urgent first, equals as they came', () => {
    const act = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.constant('take' as const));
    fc.assert(
      fc.property(fc.array(act, { maxLength: 200 }), (acts) => {
        const queue = new MoveQueue<{ readonly at: number; readonly priority: number }>();
        const model: { readonly at: number; readonly priority: number }[] = [];
        const take = (): void => {
          const first = model.toSorted((a, b) => b.priority - a.priority || a.at - b.at)[0];
          assert.equal(queue.take(), first);
          if (first !== undefined) model.splice(model.indexOf(first), 1);
        };
        for (const [at, act] of acts.entries()) {
          if (act === 'take') take();
          else {
            const entry = { at, priority: act };
            model.push(entry);
            queue.add(entry, act);
          }
        }
        while (model.length > 0) take();
        assert.equal(queue.take(), undefined);
      }),
    );
  });
});
