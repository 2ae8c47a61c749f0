import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Parking } from '../../../lib/router/parking.ts';

describe('router/parking', () => {
  function scene(): { world: ManualWorld; parking: Parking<string>; out: string[] } {
    const world = new ManualWorld();
    const out: string[] = [];
    return {
      world,
      out,
      parking: new Parking<string>(
        world,
        (item) => out.push(item),
        (item) => item.length,
      ),
    };
  }

  it('releases each when its time comes, with one timer', () => {
    const { world, parking, out } = scene();
    parking.park('slow', 100);
    parking.park('quick', 10);
    parking.park('quick too', 10);
    assert.equal(world.pending, 1);
    world.forward(10);
    assert.deepEqual(out, ['quick', 'quick too']);
    world.forward(90);
    assert.deepEqual(out, ['quick', 'quick too', 'slow']);
    assert.equal(world.pending, 0);
  });

  it('keeps a firm one until its time, and whoever was parked behind it in its lane', () => {
    const { world, parking, out } = scene();
    parking.park('before', 1000);
    parking.park('firm', 100, true);
    parking.park('same', 1000);
    parking.park('other lane', 1000);
    parking.park('next', 10);
    parking.releaseAll();
    assert.deepEqual(out, ['before', 'other lane']);
    world.forward(50);
    assert.deepEqual(out, ['before', 'other lane'], 'due, but behind');
    assert.equal(world.pending, 1);
    world.forward(50);
    assert.deepEqual(out, ['before', 'other lane', 'firm', 'next']);
    world.forward(1000);
    assert.deepEqual(out, ['before', 'other lane', 'firm', 'next', 'same']);
    assert.equal(world.pending, 0);
  });

  it('releases all at once, in the order they were parked', () => {
    const { world, parking, out } = scene();
    for (const item of ['a', 'b', 'c']) parking.park(item, 1000);
    parking.releaseAll();
    assert.deepEqual(out, ['a', 'b', 'c']);
    assert.equal(parking.size, 0);
    assert.equal(world.pending, 0);
  });

  it('lets what is released park itself again', () => {
    const world = new ManualWorld();
    let rounds = 0;
    const parking: Parking<string> = new Parking<string>(
      world,
      (item) => {
        rounds++;
        if (rounds < 5) parking.park(item, 10);
      },
      () => 0,
    );
    parking.park('stubborn', 10);
    world.forward(100);
    assert.equal(rounds, 5);
    parking.park('once more', 10);
    parking.releaseAll();
    assert.equal(rounds, 6);
  });

  it('gives everything back on clear()', () => {
    const { world, parking, out } = scene();
    parking.park('a', 10);
    assert.deepEqual(parking.clear(), ['a']);
    world.forward(100);
    assert.deepEqual(out, []);
  });
});
