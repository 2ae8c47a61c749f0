import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Backlog } from '../../../lib/base/backlog.ts';

describe('base/backlog', () => {
  it('says which bound is in the way, and how far', () => {
    const all = new Backlog({ maxQueueLength: 3, maxQueueBytes: 100 });
    const node = new Backlog({ maxQueueLength: 2 }, all);
    const message = (calls: number, bytes: number): string | undefined => node.refusal(calls, bytes, 'h:1')?.message;
    assert.equal(message(1, 100), undefined);
    assert.equal(message(1, 101), 'A command of 101 bytes may not wait: maxQueueBytes is 100.');
    assert.equal(message(3, 1), 'Command queue takes no 3 calls at once: maxQueueLength is 2.');
    node.add(2, 60);
    assert.equal(message(1, 1), 'Command queue is full: 2 calls wait, maxQueueLength is 2.');
    node.remove(1, 20);
    assert.equal(
      message(1, 61),
      'Command queue is full: 40 bytes wait, with the 61 of this command more than maxQueueBytes, 100.',
    );
    const error = node.refusal(1, 61, 'h:1');
    assert.equal(error?.code, 'ERR_QUEUE_FULL');
    all.add(2, 0);
    assert.equal(message(1, 1), 'Command queue is full: 3 calls wait, maxQueueLength is 3.');
  });

  it('has no bound unless it is given one', () => {
    const backlog = new Backlog();
    backlog.add(1e9, 1e15);
    assert.equal(backlog.refusal(1e9, 1e15), undefined);
  });

  it('is always the sum of what its places hold, never below zero, and nothing in the end', () => {
    const step = fc.record({
      place: fc.nat(3),
      kind: fc.constantFrom('add', 'take', 'set', 'clear'),
      calls: fc.nat(5),
      bytes: fc.nat(1000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const top = new Backlog({ maxQueueLength: 20, maxQueueBytes: 5000 });
        const node = new Backlog({ maxQueueLength: 10 }, top);
        const places = [new Backlog({}, top), new Backlog({}, top), new Backlog({}, node), new Backlog({}, node)];
        const held: { calls: number; bytes: number }[][] = places.map(() => []);
        for (const { place, kind, calls, bytes } of steps) {
          const one = places[place]!;
          if (kind === 'add' && one.refusal(calls, bytes) === undefined) {
            one.add(calls, bytes);
            held[place]!.push({ calls, bytes });
          } else if (kind === 'take') {
            const last = held[place]!.pop();
            if (last !== undefined) one.remove(last.calls, last.bytes);
          } else if (kind === 'set' && top.calls - one.calls + calls <= 10) {
            one.set(calls, bytes);
            held[place] = [{ calls, bytes }];
          } else if (kind === 'clear') {
            one.clear();
            held[place] = [];
          }
          const sum = (key: 'calls' | 'bytes'): number => held.flat().reduce((total, each) => total + each[key], 0);
          assert.deepEqual([top.calls, top.bytes], [sum('calls'), sum('bytes')]);
          for (const each of [top, node, ...places]) assert.ok(each.calls >= 0 && each.bytes >= 0);
        }
        for (const one of places) one.clear();
        assert.deepEqual([top.calls, top.bytes, node.calls, node.bytes], [0, 0, 0, 0]);
      }),
    );
  });
});
