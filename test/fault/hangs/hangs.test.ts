// The hang proof in short: every public promise under some of the faults. All of them: hangs.ts.

import assert from 'node:assert/strict';
import { describeCell, inChild } from './run.ts';

const some = [
  'one node frozen',
  'all nodes frozen',
  'accepts and says nothing',
  'drops at each command',
  'ping-pong',
  'cluster down, from the start',
];

describe('fault: no promise stays open', function () {
  this.timeout(60_000);
  for (const kind of ['Cluster', 'Redis'] as const) {
    for (const name of some) {
      it(`${kind}: ${name}`, async () => {
        const { cells, unhandled, trouble } = await inChild(kind, name);
        assert.equal(trouble, undefined);
        assert.deepEqual(unhandled, []);
        assert.ok(cells.length > 20);
        assert.deepEqual(cells.filter(({ inTime }) => !inTime).map(describeCell), []);
      });
    }
  }
});
