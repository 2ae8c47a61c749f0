import assert from 'node:assert/strict';
import { fuzz } from './fuzz.ts';

describe('unknown nodes at the bus port', function () {
  this.timeout(60_000);

  it('5,000 mutated packets and noise: some links are closed, and the cluster is what it was', async () => {
    const report = await fuzz(5000, 3);
    assert.ok(report.heard > 500, `only ${report.heard} made sense`);
    assert.ok(report.closed > 0, 'garbage was sent, too');
    assert.deepEqual(report.after, report.before);
    assert.ok(report.handshakes > 0 && report.handshakes <= 64, `${report.handshakes} handshakes at once`);
  });
});
