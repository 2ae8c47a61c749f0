import assert from 'node:assert/strict';
import { ManualWorld, RealWorld } from '../../../lib/base/world.ts';

describe('base/world', () => {
  it('runs timers in order of time, then of setting, at their own time', () => {
    const world = new ManualWorld({ now: 1000 });
    const seen: [string, number][] = [];
    const note = (name: string) => (): void => void seen.push([name, world.now()]);
    world.after(20, note('b'));
    world.after(10, note('a'));
    world.after(20, note('c'));
    world.after(30, note('late'));
    world.forward(25);
    assert.deepEqual(seen, [
      ['a', 1010],
      ['b', 1020],
      ['c', 1020],
    ]);
    assert.equal(world.now(), 1025);
    assert.equal(world.pending, 1);
  });

  it('runs timers that timers set, and forgets cancelled ones', () => {
    const world = new ManualWorld();
    let count = 0;
    const tick = (): void => {
      count++;
      world.after(10, tick);
    };
    world.after(10, tick);
    world.after(5, () => assert.fail('cancelled')).cancel();
    world.forward(100);
    assert.equal(count, 10);
  });

  it('gives the same chance for the same seed, spread over [0, 1)', () => {
    const draw = (seed: number): number[] => {
      const world = new ManualWorld({ seed });
      return Array.from({ length: 1000 }, () => world.random());
    };
    assert.deepEqual(draw(3), draw(3));
    assert.notDeepEqual(draw(3), draw(4));
    const values = draw(5);
    assert.ok(values.every((value) => value >= 0 && value < 1));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    assert.ok(mean > 0.45 && mean < 0.55, `mean ${mean}`);
  });

  it('tells real time in milliseconds', () => {
    assert.ok(Math.abs(new RealWorld().now() - Date.now()) < 5000);
  });
});
