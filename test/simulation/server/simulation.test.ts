import assert from 'node:assert/strict';
import { BrokenPromise, type Life, live } from './run.ts';

// A few of the lives that `node build/test/simulation/server/simulation.js` plays by the thousand.

function playAll(lives: readonly Life[]): { elections: number; moves: number } {
  const sums = { elections: 0, moves: 0 };
  for (const life of lives) {
    const report = live(life);
    sums.elections += report.elections;
    sums.moves += report.moves;
  }
  return sums;
}

function lives(count: number, nodes: (at: number) => number, kind: Life['kind']): Life[] {
  return Array.from({ length: count }, (_, at) => ({ seed: at + 1, nodes: nodes(at), kind }));
}

describe('simulated clusters', function () {
  this.timeout(60_000);

  it('partitions, deaths, freezes, delays: one owner a slot and epoch, one vote a master and epoch, one view after', () => {
    const { elections } = playAll(lives(12, (at) => 5 + at, 'faults'));
    assert.ok(elections >= 12, `only ${elections} elections`);
  });

  it('slots moved by several at once end where they were moved to', () => {
    const { moves } = playAll(lives(4, (at) => 5 + at, 'moves'));
    assert.ok(moves >= 200, `only ${moves} moves`);
  });

  it('slots moved in the midst of faults have one owner in all eyes after, no two masters one epoch', () => {
    const { moves, elections } = playAll(lives(5, (at) => 5 + at, 'mixed'));
    assert.ok(moves >= 50, `only ${moves} moves`);
    assert.ok(elections >= 5, `only ${elections} elections`);
  });

  it('a seed always plays the same life', () => {
    const life: Life = { seed: 77, nodes: 7, kind: 'faults' };
    assert.deepEqual(live(life), live(life));
  });

  it('a broken promise says how to see it again', () => {
    const error = new BrokenPromise({ seed: 5, nodes: 9, kind: 'moves' }, 1234, 'two owners');
    assert.match(error.message, /seed 5, 9 nodes, moves, at 1234 ms: two owners/);
  });
});
