import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Call, directSink, ownCall } from '../../../lib/connection/call.ts';
import { Deadlines } from '../../../lib/router/deadlines.ts';

function callAt(at: number, flags = 0): Call & { error?: Error } {
  const call = new Call(['get', 'k'], 0, flags, 'utf8', undefined, directSink) as Call & { error?: Error };
  call.moment = { at };
  call.reject = (error) => {
    call.error = error;
  };
  return call;
}

describe('router: deadlines', () => {
  it('times out what is old, and goes on as long as something is younger', () => {
    const world = new ManualWorld();
    const calls = [callAt(world.now()), callAt(world.now() + 300)];
    const deadlines = new Deadlines(400, world, (visit) => {
      for (const call of calls) visit(call);
    });
    deadlines.start();
    world.forward(500);
    assert.equal(calls[0]!.error?.message, 'Command timed out');
    assert.equal(calls[1]!.settled, false);
    assert.equal(world.pending, 1);
    world.forward(300);
    assert.equal(calls[1]!.error?.message, 'Command timed out');
    assert.equal(world.pending, 0);
  });

  it("leaves the client's own calls alone", async () => {
    const world = new ManualWorld();
    const { call, answer } = ownCall(['ping']);
    const deadlines = new Deadlines(100, world, (visit) => visit(call));
    deadlines.start();
    world.forward(1000);
    assert.equal(call.settled, false);
    assert.equal(world.pending, 0);
    call.settle('PONG');
    assert.equal(await answer, 'PONG');
  });

  it('hands what ran out to its owner after the visit, and says when a sweep found any', () => {
    const world = new ManualWorld();
    const calls = [callAt(world.now()), callAt(world.now())];
    const seen: string[] = [];
    const deadlines = new Deadlines(
      1000,
      world,
      (visit) => {
        for (const call of calls) visit(call);
        seen.push('visited');
      },
      {
        expire: (request) => {
          seen.push('expired');
          request.fail(new Error('late'));
        },
        swept: () => seen.push('swept'),
        maxPeriod: 2000,
      },
    );
    deadlines.start();
    world.forward(1000);
    assert.deepEqual(seen.slice(-4), ['visited', 'expired', 'expired', 'swept']);
    assert.equal(seen.filter((word) => word === 'swept').length, 1);
  });
});
