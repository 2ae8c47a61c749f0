import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { redialDelay, refreshPeriodOf } from '../../../lib/options/derive.ts';

describe('settings made of options', () => {
  it('refresh by themselves where stale knowledge would not be noticed, unless set otherwise', () => {
    assert.equal(refreshPeriodOf({}), 0);
    assert.equal(refreshPeriodOf({ scaleReads: 'master' }), 0);
    assert.equal(refreshPeriodOf({ scaleReads: 'slave' }), 5000);
    assert.equal(refreshPeriodOf({ scaleReads: () => [] }), 5000);
    assert.equal(refreshPeriodOf({ clientSideCache: {} }), 5000);
    assert.equal(refreshPeriodOf({ scaleReads: 'all', slotsRefreshInterval: 0 }), 0);
    assert.equal(refreshPeriodOf({ slotsRefreshInterval: 700 }), 700);
  });

  it('dial again at once, then more and more slowly, or as clusterNodeRetryStrategy has it', () => {
    const world = new ManualWorld();
    assert.equal(redialDelay(null, 1, world), 0);
    for (const [times, least] of [
      [2, 37],
      [4, 150],
      [40, 1500],
    ] as const) {
      const delay = redialDelay(undefined, times, world)!;
      assert.ok(delay >= least && delay <= (least / 0.75) * 1.26, `${delay} after ${times}`);
    }
    assert.equal(
      redialDelay((times) => times * 7, 3, world),
      21,
    );
    assert.equal(
      redialDelay(() => undefined, 1, world),
      null,
    );
  });
});
