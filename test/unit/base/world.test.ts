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

  it('reports real time in milliseconds', () => {
    assert.ok(Math.abs(new RealWorld().now() - Date.now()) < 5000);
    assert.ok(Math.abs(new RealWorld().wallClock() - Date.now()) < 5000);
  });

  it('has a wall clock that goes on while it sleeps, and deadlines that do not', () => {
    const world = new ManualWorld({ now: 1000 });
    let due = false;
    world.after(50, () => {
      due = true;
    });
    world.sleep(60_000);
    assert.equal(world.now(), 1000);
    assert.equal(world.wallClock(), 61_000);
    world.forward(49);
    assert.equal(due, false);
    world.forward(1);
    assert.equal(due, true);
    assert.equal(world.wallClock(), 61_050);
  });

  it('goes by the clocks and timers that were there first, whatever a test puts in their place', async () => {
    const { setTimeout: timer, clearTimeout: clear } = globalThis;
    const { now } = Date;
    const elapsed = performance.now;
    const frozen = new RealWorld();
    globalThis.setTimeout = (() => assert.fail('the fake timer')) as unknown as typeof timer;
    globalThis.clearTimeout = () => assert.fail('the fake timer');
    Date.now = () => 0;
    performance.now = () => 0;
    try {
      frozen.after(1000, () => assert.fail('cancelled')).cancel();
      const before = frozen.now();
      await new Promise<void>((resolve) => frozen.after(5, resolve, true));
      assert.ok(frozen.now() > before);
      assert.ok(frozen.wallClock() > 1e12);
    } finally {
      globalThis.setTimeout = timer;
      globalThis.clearTimeout = clear;
      Date.now = now;
      performance.now = elapsed;
    }
  });

  it('runs many timers without looking at all of them for each', () => {
    const world = new ManualWorld();
    let ran = 0;
    const count = 50_000;
    for (let at = 0; at < count; at++) {
      const timer = world.after((at * 7919) % count, () => ran++);
      if (at % 2 === 0) timer.cancel();
    }
    assert.equal(world.pending, count / 2);
    world.forward(count);
    assert.equal(ran, count / 2);
    assert.equal(world.pending, 0);
  });
});
