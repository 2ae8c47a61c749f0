// The soak's verdict: growth is distinguished from noise.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../lib/base/world.ts';
import { fewest, heapBound, rssBound, type Sample, verdictOf } from './trend.ts';

/** 10 minutes, a sample every 10 s, with the noise that runs have shown. */
function samples(heapGrowth: number, rssGrowth: number): Sample[] {
  const chance = new ManualWorld({ seed: 3 });
  return Array.from({ length: 60 }, (_, at) => {
    const minutes = at / 6;
    return {
      at: at * 10,
      heap: 20 + heapGrowth * minutes + (chance.random() - 0.5) * 2,
      rss: 115 + rssGrowth * minutes + (chance.random() - 0.5) * 8,
    };
  });
}

describe("fault: the soak's verdict", () => {
  it('calls noise flat, and a falling heap too', () => {
    assert.equal(verdictOf(samples(0, 0)).flat, true);
    assert.equal(verdictOf(samples(-1, -5)).flat, true);
  });

  it('sees growth of the heap and of the resident set', () => {
    assert.equal(verdictOf(samples(heapBound * 2, 0)).flat, false);
    assert.equal(verdictOf(samples(0, rssBound * 2)).flat, false);
  });

  it('forgives what grows in the first half only', () => {
    const warm = samples(0, 0).map((sample, at) => (at < 30 ? { ...sample, heap: sample.heap - 10 + at / 3 } : sample));
    assert.equal(verdictOf(warm).flat, true);
  });

  it('gives no verdict on too few samples', () => {
    assert.equal(verdictOf(samples(0, 0).slice(0, fewest - 1)).flat, undefined);
    assert.equal(verdictOf(samples(0, 0).slice(0, fewest)).flat, true);
  });
});
