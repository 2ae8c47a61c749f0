import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { Throttle } from '../../../../server/membership/rate-limit.ts';

describe('a pace', () => {
  it('does it at once, then once for everything that was asked for within the interval', () => {
    const world = new ManualWorld();
    let done = 0;
    const pace = new Throttle(
      world,
      () => 10,
      () => done++,
    );
    pace.trigger();
    assert.equal(done, 1);
    for (let at = 0; at < 5; at++) pace.trigger();
    assert.equal(done, 1);
    world.forward(10);
    assert.equal(done, 2);
    world.forward(5);
    pace.trigger();
    assert.equal(done, 2);
    world.forward(5);
    assert.equal(done, 3);
    world.forward(1000);
    assert.equal(done, 3);
    pace.trigger();
    assert.equal(done, 4);
  });

  it('closed, it does nothing any more of what was asked for', () => {
    const world = new ManualWorld();
    let done = 0;
    const pace = new Throttle(
      world,
      () => 10,
      () => done++,
    );
    pace.trigger();
    pace.trigger();
    pace.close();
    world.forward(100);
    assert.equal(done, 1);
  });
});
