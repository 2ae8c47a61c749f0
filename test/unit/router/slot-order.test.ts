import assert from 'node:assert/strict';
import type { CachedTime } from '../../../lib/base/ticker.ts';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Call, CallFlag, directSink } from '../../../lib/connection/call.ts';
import { SlotOrder } from '../../../lib/router/slot-order.ts';

describe('router/slot-order', () => {
  const turn: CachedTime = { at: 1 };

  function callOf(slot = 1, moment = turn, flags = 0): Call {
    const call = new Call(['get', 'k'], slot, flags, 'utf8', undefined, directSink);
    call.moment = moment;
    return call;
  }

  it('lets a call go only where the one before it is in flight, or when that has settled', () => {
    const order = new SlotOrder(new ManualWorld());
    const [set, get] = [callOf(), callOf()];
    order.enter(set);
    order.enter(get);
    assert.equal(order.mayGo(set, 'a:1'), true);
    assert.equal(order.mayGo(get, 'a:1'), false, 'the first still waits');
    order.went(set, 'a:1');
    assert.equal(order.mayGo(get, 'a:1'), true);
    assert.equal(order.mayGo(get, 'b:1'), false);
    order.enter(set);
    assert.equal(order.mayGo(get, 'a:1'), false, 'the first was lost again');
    set.settle('OK');
    assert.equal(order.mayGo(get, 'b:1'), true);
  });

  it('lets one that has had no trouble come behind those of its turn that have', () => {
    const order = new SlotOrder(new ManualWorld());
    const [refused, fresh] = [callOf(), callOf()];
    order.enter(refused);
    assert.equal(order.mayGo(fresh, 'a:1'), false);
    assert.equal(order.mayGo(callOf(1, { at: 1 }), 'a:1'), true, 'of another turn');
    order.went(refused, 'a:1');
    assert.equal(order.mayGo(fresh, 'a:1'), true);
  });

  it('looks past those that have settled to one that has not', () => {
    const order = new SlotOrder(new ManualWorld());
    const calls = Array.from({ length: 5 }, () => callOf());
    for (const call of calls) order.enter(call);
    for (const call of calls.slice(1, 4)) call.settle('OK');
    assert.equal(order.mayGo(calls[4]!, 'a:1'), false);
    order.went(calls[0]!, 'a:1');
    assert.equal(order.mayGo(calls[4]!, 'a:1'), true);
  });

  it('knows no order between slots, turns, calls without keys and calls with a connection of their own', () => {
    const order = new SlotOrder(new ManualWorld());
    order.enter(callOf());
    for (const other of [callOf(2), callOf(1, { at: 1 }), callOf(-1), callOf(1, turn, CallFlag.blocking)]) {
      order.enter(other);
      assert.equal(order.mayGo(other, 'a:1'), true);
    }
    const inOrder = callOf(1, turn, CallFlag.blocking | CallFlag.inOrder);
    order.enter(inOrder);
    assert.equal(order.mayGo(inOrder, 'a:1'), false);
  });

  it('does not wait for a call that waits for a migration', () => {
    const order = new SlotOrder(new ManualWorld());
    const [several, one] = [callOf(), callOf()];
    order.enter(several);
    order.enter(one);
    order.stepAside(several);
    assert.equal(order.mayGo(one, 'a:1'), true);
    // It has met other trouble since: those behind it have passed it already.
    order.enter(several);
    assert.equal(order.mayGo(several, 'a:1'), true);
  });

  it('forgets what has settled within a second, keeps what has not, and leaves no timer', () => {
    const world = new ManualWorld();
    const order = new SlotOrder(world);
    const [first, second] = [callOf(7), callOf(7)];
    order.enter(first);
    for (let at = 0; at < 5000; at++) {
      const call = callOf(at % 100);
      order.enter(call);
      call.settle('OK');
    }
    order.enter(second);
    world.forward(1000);
    assert.equal(order.size, 2);
    assert.equal(order.mayGo(second, 'a:1'), false);
    order.went(first, 'a:1');
    assert.equal(order.mayGo(second, 'a:1'), true);
    first.settle('OK');
    second.settle('OK');
    world.forward(1000);
    assert.equal(order.size, 0);
    assert.equal(world.pending, 0);
  });

  it('costs the same for each of 100,000 calls of one slot', () => {
    const order = new SlotOrder(new ManualWorld());
    const calls = Array.from({ length: 100_000 }, () => callOf());
    let went = 0;
    for (const call of calls) {
      order.enter(call);
      if (order.mayGo(call, 'a:1')) went++;
      order.went(call, 'a:1');
    }
    for (const call of calls) call.settle('OK');
    assert.equal(order.mayGo(calls.at(-1)!, 'b:1'), true);
    assert.equal(went, 100_000);
  });
});
