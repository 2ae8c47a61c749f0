import assert from 'node:assert/strict';
import { parseNodes } from '../../../../../lib/wire/cluster-nodes.ts';
import { nextStep, type SlotView, slotView } from '../../../../../server/operator/reshard/next-step.ts';
import type { MoveEnd } from '../../../../../server/operator/reshard/record.ts';

describe('where a move stands', () => {
  const view = (text: string): SlotView => {
    const [owner, mark] = text.split(' ');
    const foreign = mark === 'foreign' ? { foreign: 'x' } : {};
    return { owner: owner as SlotView['owner'], open: mark !== undefined, ...foreign };
  };
  const rows: ['forward' | 'back', string, string, string][] = [
    ['forward', 'source', 'source', 'open'],
    ['forward', 'source open', 'source', 'open'],
    ['forward', 'source open', 'source open', 'open'],
    // The target has claimed it, the source has not heard; then it has, but is still marked; then all is done.
    ['forward', 'source open', 'target', 'decide'],
    ['forward', 'target open', 'target', 'decide'],
    ['forward', 'target', 'target', 'finished'],
    // The target died with its claim, and its heir has not heard of it.
    ['forward', 'target', 'source', 'decide'],
    ['forward', 'source foreign', 'source', 'foreign'],
    ['forward', 'source open', 'source foreign', 'foreign'],
    ['forward', 'other', 'other', 'lost'],
    ['forward', 'nobody', 'nobody', 'lost'],
    ['back', 'source open', 'source open', 'turn'],
    ['back', 'source', 'source open', 'turn'],
    // The source has turned, the target has not; then both have.
    ['back', 'target open', 'source open', 'turn'],
    ['back', 'target open', 'target open', 'turn'],
    ['back', 'source', 'target open', 'close'],
    ['back', 'source', 'source', 'finished'],
    ['back', 'other', 'other', 'lost'],
  ];
  for (const [direction, source, target, step] of rows) {
    it(`${direction}: source says "${source}", target says "${target}": ${step}`, () => {
      assert.equal(nextStep(direction, view(source), view(target)), step);
    });
  }

  it('is read from CLUSTER NODES', () => {
    const a = 'a'.repeat(40);
    const b = 'b'.repeat(40);
    const end = (id: string, ...heirs: string[]): MoveEnd => ({ id, host: 'h', port: 1, heirs });
    const lines = parseNodes(
      [
        `${a} 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5 7 [3->-${b}]`,
        `${b} 127.0.0.1:7001@17001 master - 0 0 2 connected 8-9`,
      ].join('\n'),
    );
    assert.deepEqual(slotView(lines, 3, end(a), end(b)), { owner: 'source', open: true });
    assert.deepEqual(slotView(lines, 7, end(a), end(b)), { owner: 'source', open: false });
    assert.deepEqual(slotView(lines, 9, end(a), end(b)), { owner: 'target', open: false });
    assert.deepEqual(slotView(lines, 9, end(a), end('c')), { owner: 'other', open: false });
    assert.deepEqual(slotView(lines, 9, end(a), end('c', b)), { owner: 'target', open: false });
    assert.deepEqual(slotView(lines, 3, end(a), end('c')), { owner: 'source', open: true, foreign: b });
    assert.deepEqual(slotView(lines, 100, end(a), end(b)), { owner: 'nobody', open: false });
  });
});
