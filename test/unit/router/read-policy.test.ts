import { deepEqual, equal } from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { ReadPolicy, type ReadScaling } from '../../../lib/router/read-policy.ts';

const shard = { master: 'm', replicas: ['r1', 'r2', 'r3'], epoch: 1 };

function setUp(
  scaling: ReadScaling,
  zone?: string,
): { policy: ReadPolicy; world: ManualWorld; down: Set<string>; picks: () => string[] } {
  const world = new ManualWorld({ seed: 7 });
  const down = new Set<string>();
  const policy = new ReadPolicy({ scaling, zone, usable: (key) => !down.has(key) }, world);
  const picks = (): string[] => [...new Set(Array.from({ length: 200 }, () => policy.pick(shard)))].sort();
  return { policy, world, down, picks };
}

describe('router: who answers a read', () => {
  it('knows master, slave and all', () => {
    deepEqual(setUp('master').picks(), ['m']);
    deepEqual(setUp('slave').picks(), ['r1', 'r2', 'r3']);
    deepEqual(setUp('all').picks(), ['m', 'r1', 'r2', 'r3']);
    equal(setUp('slave').policy.pick({ master: 'm', replicas: [], epoch: 1 }), 'm');
  });

  it('spreads reads evenly', () => {
    const { policy } = setUp('all');
    const counts = new Map<string, number>();
    for (let at = 0; at < 4000; at++) {
      const key = policy.pick(shard);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    for (const count of counts.values()) equal(count > 850 && count < 1150, true, String(count));
  });

  it('leaves out what is down, behind, or has refused a read within the last second', () => {
    const { policy, world, down, picks } = setUp('slave');
    down.add('r1');
    deepEqual(picks(), ['r2', 'r3']);
    policy.reported('r2', { behind: true });
    deepEqual(picks(), ['r3']);
    policy.avoid('r3');
    deepEqual(picks(), ['m']);
    world.forward(1001);
    deepEqual(picks(), ['r3']);
    policy.reported('r2', { behind: false });
    down.clear();
    deepEqual(picks(), ['r1', 'r2', 'r3']);
  });

  it('takes the nearest by smoothed round trip, and shares reads among the close ones', () => {
    const { policy, picks } = setUp('nearest');
    deepEqual(picks(), ['m', 'r1', 'r2', 'r3']);
    policy.measured('m', 9);
    deepEqual(picks(), ['m']);
    policy.measured('r1', 1);
    policy.measured('r2', 1.3);
    policy.measured('r3', 4);
    deepEqual(picks(), ['r1', 'r2']);
    // One slow answer does not move a node out, many do.
    policy.measured('r1', 1.8);
    deepEqual(picks(), ['r1', 'r2']);
    for (let at = 0; at < 20; at++) policy.measured('r1', 8);
    deepEqual(picks(), ['r2']);
    policy.forget('r2');
    deepEqual(picks(), ['r3']);
  });

  it('prefers nodes of its zone, and takes others when there are none', () => {
    const { policy, down, picks } = setUp('slave', 'a');
    policy.reported('r1', { zone: 'a' });
    policy.reported('r2', { zone: 'b' });
    policy.reported('m', { zone: 'a' });
    deepEqual(picks(), ['r1']);
    down.add('r1');
    deepEqual(picks(), ['r2', 'r3']);
  });

  it('looks for the nearest within its zone first', () => {
    const { policy, down, picks } = setUp('nearest', 'a');
    for (const [key, zone, ms] of [
      ['m', 'b', 1],
      ['r1', 'a', 5],
      ['r2', 'a', 9],
      ['r3', 'b', 2],
    ] as const) {
      policy.reported(key, { zone });
      policy.measured(key, ms);
    }
    deepEqual(picks(), ['r1']);
    down.add('r1').add('r2');
    deepEqual(picks(), ['m']);
  });
});
