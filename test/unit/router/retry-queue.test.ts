import assert from 'node:assert/strict';
import { Backlog } from '../../../lib/base/backlog.ts';
import { ManualWorld } from '../../../lib/base/world.ts';
import { RetryQueue } from '../../../lib/router/retry-queue.ts';

describe('router/retry-queue', () => {
  interface Item {
    readonly name: string;
    readonly bytes: number;
  }
  const item = (name: string): Item => ({ name, bytes: name.length });

  function scene(backlog?: Backlog): { world: ManualWorld; queue: RetryQueue<Item>; out: string[] } {
    const world = new ManualWorld();
    const out: string[] = [];
    return {
      world,
      out,
      queue: new RetryQueue<Item>(
        world,
        ({ name }) => out.push(name),
        ({ bytes }) => bytes,
        backlog,
      ),
    };
  }

  it('releases each when its time comes, with one timer', () => {
    const { world, queue, out } = scene();
    queue.add(item('slow'), 100);
    queue.add(item('quick'), 10);
    queue.add(item('quick too'), 10);
    assert.equal(world.pending, 1);
    world.forward(10);
    assert.deepEqual(out, ['quick', 'quick too']);
    world.forward(90);
    assert.deepEqual(out, ['quick', 'quick too', 'slow']);
    assert.equal(world.pending, 0);
  });

  it('keeps a firm one until its time, and what was added behind it in its slot', () => {
    const { world, queue, out } = scene();
    queue.add(item('before'), 1000);
    queue.add(item('firm'), 100, true);
    queue.add(item('same'), 1000);
    queue.add(item('other slot'), 1000);
    queue.add(item('next'), 10);
    queue.releaseAll();
    assert.deepEqual(out, ['before', 'other slot']);
    world.forward(50);
    assert.deepEqual(out, ['before', 'other slot'], 'due, but behind');
    assert.equal(world.pending, 1);
    world.forward(50);
    assert.deepEqual(out, ['before', 'other slot', 'firm', 'same', 'next']);
    assert.equal(world.pending, 0);
    queue.add(item('free'), 1000);
    queue.releaseAll();
    assert.equal(out.at(-1), 'free', 'the slot is free again');
  });

  it('releases all at once, in the order they were added', () => {
    const { world, queue, out } = scene();
    for (const name of ['a', 'b', 'c']) queue.add(item(name), 1000);
    queue.releaseAll();
    assert.deepEqual(out, ['a', 'b', 'c']);
    assert.equal(queue.size, 0);
    assert.equal(world.pending, 0);
  });

  it('takes what is released back when it comes again', () => {
    const world = new ManualWorld();
    let rounds = 0;
    const queue: RetryQueue<Item> = new RetryQueue<Item>(
      world,
      (item) => {
        rounds++;
        if (rounds < 5) queue.add(item, 10);
      },
      ({ bytes }) => bytes,
    );
    queue.add(item('stubborn'), 10);
    world.forward(100);
    assert.equal(rounds, 5);
    queue.add(item('once more'), 10);
    queue.releaseAll();
    assert.equal(rounds, 6);
  });

  it('gives everything back on clear()', () => {
    const { world, queue, out } = scene();
    queue.add(item('a'), 10);
    assert.deepEqual(queue.clear(), [item('a')]);
    world.forward(100);
    assert.deepEqual(out, []);
  });

  it('looks at what is due and at nothing else', () => {
    const { world, queue, out } = scene();
    const names = Array.from({ length: 20_000 }, (_, at) => `call ${at}`);
    names.forEach((name, at) => {
      queue.add(item(name), 1 + at / 100);
    });
    world.forward(201);
    assert.deepEqual(out, names);
    assert.equal(world.pending, 0);
  });

  it('counts what waits in the backlog, and gives back what it counted', () => {
    const backlog = new Backlog({ maxQueueLength: 2 });
    const { world, queue } = scene(backlog);
    queue.add(item('abc'), 10);
    queue.add(item('de'), 20);
    assert.deepEqual([backlog.calls, backlog.bytes], [2, 5]);
    assert.equal(queue.refusal(item('f'))?.code, 'ERR_QUEUE_FULL');
    world.forward(10);
    assert.deepEqual([backlog.calls, backlog.bytes], [1, 2]);
    assert.equal(queue.refusal(item('f')), undefined);
    queue.clear();
    assert.deepEqual([backlog.calls, backlog.bytes], [0, 0]);
  });
});
