import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { AbortGroup } from '../../../lib/base/abort-group.ts';

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('base/abort-group', () => {
  it('has one listener on a signal, and none once nothing is left to cancel', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const group = AbortGroup.of(signal);
    assert.equal(AbortGroup.of(signal), group);
    const members = Array.from({ length: 1000 }, () => ({ cancel: () => assert.fail('cancelled') }));
    for (const member of members) {
      group.add(member);
      assert.equal(listeners(signal), 1);
    }
    for (const member of members) group.delete(member);
    assert.equal(listeners(signal), 0);
    group.delete(members[0]!);
    controller.abort();
  });

  it('cancels each once, what is added meanwhile apart', () => {
    const controller = new AbortController();
    const group = AbortGroup.of(controller.signal);
    const cancelled: number[] = [];
    for (let at = 0; at < 5; at++) group.add({ cancel: () => cancelled.push(at) });
    controller.abort();
    controller.abort();
    assert.deepEqual(cancelled, [0, 1, 2, 3, 4]);
    assert.equal(group.size, 0);
    assert.equal(listeners(controller.signal), 0);
  });
});
