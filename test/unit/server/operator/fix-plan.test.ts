import assert from 'node:assert/strict';
import { planSlot, stepText } from '../../../../server/operator/check/fix-plan.ts';
import type { SlotAtNode } from '../../../../server/operator/check/slot-facts.ts';

describe('the plan of a fix', () => {
  const node = (id: string, rest: Partial<SlotAtNode> = {}): SlotAtNode => ({
    id,
    host: id,
    port: 1,
    address: id,
    claims: false,
    migrating: undefined,
    importing: undefined,
    keys: 0,
    configEpoch: 1,
    slots: 100,
    ...rest,
  });
  const plan = (...nodes: SlotAtNode[]): string[] =>
    planSlot({ slot: 5, nodes }).map((step) => `${step.kind} ${stepText(step).replace('slot 5: ', '')}`);

  it('ends a move that both ends know of', () => {
    const steps = plan(
      node('a', { claims: true, migrating: 'b', keys: 3 }),
      node('b', { importing: 'a', keys: 2 }),
      node('c'),
    );
    assert.deepEqual(steps, ['finish finish its move from a to b']);
  });

  it('closes what only one end knows of', () => {
    assert.deepEqual(plan(node('a', { claims: true, migrating: 'b', keys: 3 }), node('b')), ['close close it at a']);
    assert.deepEqual(plan(node('a', { claims: true }), node('b', { importing: 'a' })), ['close close it at b']);
    // The other end is no member any more.
    assert.deepEqual(plan(node('a', { claims: true, migrating: 'x' }), node('b')), ['close close it at a']);
  });

  it('brings stray keys to where clients look for them', () => {
    assert.deepEqual(
      plan(node('a', { claims: true }), node('b', { importing: 'a', keys: 4 }), node('c', { keys: 1 })),
      [
        'gather bring 4 keys from b to a',
        'close close it at b',
        'gather bring 1 keys from c to a',
        'close close it at c',
      ],
    );
    // While the owner gives the slot away, who does not have a key is asked at the other end.
    const moving = plan(
      node('a', { claims: true, migrating: 'b', keys: 9 }),
      node('b', { importing: 'a' }),
      node('c', { importing: 'a', keys: 2 }),
    );
    assert.deepEqual(moving, [
      'gather bring 2 keys from c to b',
      'close close it at c',
      'finish finish its move from a to b',
    ]);
  });

  it('of several owners keeps the one with the most keys, and the keys of the others', () => {
    assert.deepEqual(plan(node('a', { claims: true, keys: 1 }), node('b', { claims: true, keys: 5 })), [
      'unclaim a gives up its claim; b keeps the slot',
      'gather bring 1 keys from a to b',
      'close close it at a',
      'tell tell all masters that b owns it',
    ]);
    // Without keys the newest claim.
    assert.equal(
      plan(node('a', { claims: true }), node('b', { claims: true, configEpoch: 7 }))[0],
      'unclaim a gives up its claim; b keeps the slot',
    );
  });

  it('gives a slot without owner to the one with its keys, or to the smallest', () => {
    assert.deepEqual(
      plan(node('a'), node('b', { keys: 2, slots: 900 }))[0],
      'assign give it to b, which has 2 keys of it',
    );
    const given = new Map<string, number>();
    const owners = [1, 2, 3, 4].map((slot) => {
      const [step] = planSlot({ slot, nodes: [node('a', { slots: 5 }), node('b', { slots: 6 })] }, given);
      return step!.kind === 'assign' ? step!.node.id : '';
    });
    assert.deepEqual(owners, ['a', 'a', 'b', 'a']);
  });
});
