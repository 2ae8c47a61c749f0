// A few hundred lives of clients; npm run simulate:client plays thousands. A broken promise names its seed:
// npm run simulate:client -- --lives 1 --seed N --story

import assert from 'node:assert/strict';
import { live } from './life.ts';

const lives = 250;
const seed = Number(process.env['SIMULATION_SEED'] ?? Math.floor(Date.now() / 1000) % 1_000_000);

describe('simulation: clients on a clock and a network of their own', function () {
  this.timeout(120_000);

  it('keep every promise through cuts, stalls, crashes, failovers, moves and spoiled replies', async () => {
    const troubles = new Map<string, number>();
    const broken: string[] = [];
    let [calls, repeated] = [0, 0];
    for (let at = 0; at < lives; at++) {
      const report = await live({ seed: seed + at });
      calls += report.calls;
      repeated += report.repeated;
      broken.push(...report.broken);
      for (const [name, times] of report.troubles) troubles.set(name, (troubles.get(name) ?? 0) + times);
    }
    console.log(
      `        seeds ${seed} to ${seed + lives - 1}: ${calls} calls, ${repeated} repeated, ${JSON.stringify([...troubles])}`,
    );
    assert.deepEqual(broken, []);
    // The weather was real.
    for (const name of ['cut', 'stall', 'spoil', 'freeze', 'move', 'failover', 'crash', 'clusterdown', 'restart'])
      assert.ok((troubles.get(name) ?? 0) > 0, `${name} never happened`);
    assert.ok(calls > 100 * lives && repeated > 0);
  });

  it('a life is the same whenever it is played', async () => {
    const [one, again] = [await live({ seed: 7, story: true }), await live({ seed: 7, story: true })];
    assert.ok(one.story.length > 100);
    assert.deepEqual(again.story, one.story);
  });
});
