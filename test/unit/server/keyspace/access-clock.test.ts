import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { AccessClock } from '../../../../server/keyspace/access-clock.ts';

describe('what keys remember of their use', () => {
  it('LRU: the time of the last touch, in small integers', () => {
    const world = new ManualWorld({ now: 1_700_000_000_000 });
    const clock = new AccessClock(world);
    const stamp = clock.fresh();
    world.forward(90_000);
    clock.tick();
    assert.equal(clock.idleMs(stamp), 90_000);
    assert.equal(clock.idleMs(clock.touched(stamp)), 0);
    assert.equal(clock.idleMs(clock.idleSince(5000)), 5000);
    assert.equal(clock.idleMs(clock.idleSince(1e9)), 1e9, 'longer than the server is up');
    world.forward(1000 * 86_400_000);
    clock.tick();
    assert.ok(Number.isInteger(clock.fresh()) && clock.fresh() < 2 ** 30);
  });

  it('LFU: a counter that grows ever slower and decays with time', () => {
    const world = new ManualWorld({ seed: 5 });
    const clock = new AccessClock(world);
    clock.counting = true;
    let stamp = clock.fresh();
    assert.equal(clock.uses(stamp), 5);
    const after: number[] = [];
    for (const touches of [10, 100, 1000, 10_000]) {
      for (let at = 0; at < touches; at++) stamp = clock.touched(stamp);
      after.push(clock.uses(stamp));
    }
    assert.ok(after[0]! > 5 && after[3]! < 255, after.join());
    assert.deepEqual(
      after,
      [...after].sort((a, b) => a - b),
    );
    const before = after[3]!;
    world.forward(7 * 60_000);
    assert.equal(clock.uses(stamp), before - 7);
    clock.decayMinutes = 0;
    assert.equal(clock.uses(stamp), before);
    clock.decayMinutes = 1;
    world.forward(60_000 * 1000);
    assert.equal(clock.uses(stamp), 0);
    assert.equal(clock.uses(clock.used(300)), 255);
  });

  it('LFU: no more than 255, and every touch counts with a factor of 0', () => {
    const clock = new AccessClock(new ManualWorld());
    clock.counting = true;
    clock.logFactor = 0;
    let stamp = clock.fresh();
    for (let at = 0; at < 300; at++) stamp = clock.touched(stamp);
    assert.equal(clock.uses(stamp), 255);
  });
});
