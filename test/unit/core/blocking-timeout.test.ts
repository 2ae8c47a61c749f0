// blockingTimeout: by when a call that blocks is given up, on injected time.
import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Call, CallFlag, directSink } from '../../../lib/connection/call.ts';
import { type BlockingLimits, limitBlocking } from '../../../lib/core/blocking-timeout.ts';

describe('core/blocking-timeout', () => {
  /** Milliseconds until the call is given up; undefined: it never is. */
  function limitOf(
    argv: string,
    limits: BlockingLimits,
    { ready = true, flags = CallFlag.blocking as number } = {},
  ): number | undefined {
    const world = new ManualWorld({ now: 0 });
    const call = new Call(argv.split(' '), -1, flags, 'utf8', undefined, directSink);
    let value: unknown = 'pending';
    let released = 0;
    call.resolve = (reply) => {
      value = reply;
    };
    limitBlocking(call, limits, world, ready, () => void released++);
    const { next } = world;
    if (next === undefined) return undefined;
    world.forward(next - 1);
    assert.equal(value, 'pending');
    world.forward(1);
    assert.deepEqual([value, released], [null, 1], 'null, as when the server gives up');
    return next;
  }

  const limits = { blockingTimeout: 5000, blockingTimeoutGrace: 50 };

  it('a timeout of its own, and the grace', () => {
    assert.equal(limitOf('blpop k 2', limits), 2050);
    assert.equal(limitOf('BLPOP a b 0.5', limits), 550);
    assert.equal(limitOf('blmpop 3 1 k LEFT', limits), 3050);
    assert.equal(limitOf('xread COUNT 1 BLOCK 700 STREAMS s $', limits), 750);
    assert.equal(limitOf('blpop k 2', { blockingTimeout: 5000 }), 2100);
  });

  it('none of its own: the option; and before the client is ready always the option', () => {
    assert.equal(limitOf('blpop k 0', limits), 5000);
    assert.equal(limitOf('xread block 0 streams s $', limits), 5000);
    assert.equal(limitOf('blpop k 2', limits, { ready: false }), 5000);
  });

  it('no limit without the option, for what does not block, and for a timeout that the server will refuse', () => {
    assert.equal(limitOf('blpop k 2', {}), undefined);
    assert.equal(limitOf('blpop k 2', { blockingTimeout: 0 }), undefined);
    assert.equal(limitOf('blpop k 2', limits, { flags: 0 }), undefined);
    assert.equal(limitOf('blpop k x', limits), undefined);
    assert.equal(limitOf('blpop k -1', limits), undefined);
    assert.equal(limitOf('xread streams block $', limits), undefined, 'a stream of that name');
  });

  it('a call that was answered in time is left alone', () => {
    const world = new ManualWorld({ now: 0 });
    const call = new Call(['blpop', 'k', '1'], -1, CallFlag.blocking, 'utf8', undefined, directSink);
    limitBlocking(call, limits, world, true, () => assert.fail('released'));
    call.settle(['k', 'v']);
    world.forward(10_000);
    assert.equal(world.pending, 0);
  });
});
