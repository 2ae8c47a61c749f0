import assert from 'node:assert/strict';
import { parseNodesFile } from '../../../../server/cluster/nodes-conf.ts';
import { applyClaim } from '../../../../server/cluster/slot-claims.ts';
import { bitmapOf } from '../../../../server/cluster/slots.ts';
import { type ClusterState, withNode } from '../../../../server/cluster/state.ts';

const [a, b] = ['a'.repeat(40), 'b'.repeat(40)] as const;
const facts = { keysInSlot: () => 0, allowReplicaMigration: true };

function stateOf(slots: string): ClusterState {
  return parseNodesFile(
    `${a} 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-99\n` +
      `${b} 10.0.0.2:7002@17002 master - 0 0 5 connected ${slots}\nvars currentEpoch 7 lastVoteEpoch 0\n`,
  );
}

// Of two links between the same nodes each keeps its own order only.
describe('what a master claimed before its newest epoch', () => {
  const before = stateOf('100-200');
  const all = bitmapOf(before, b);
  const fewer = bitmapOf(stateOf('100-150'), b);

  it('does not make a slot its own again that it has let go', () => {
    const newer = withNode(before, b, { configEpoch: 7 });
    const released = applyClaim(newer, b, 7, fewer, facts).state;
    assert.ok(released.unclaimed.has(151));
    const late = applyClaim(released, b, 6, all, facts);
    assert.equal(late.state, released);
    assert.deepEqual(late.effects, []);
    assert.equal(applyClaim(released, b, 7, all, facts).state.unclaimed.size, 0, 'under the same epoch it may');
  });

  it('takes no slot', () => {
    const newer = withNode(before, b, { configEpoch: 7 });
    const more = bitmapOf(stateOf('100-300'), b);
    assert.equal(applyClaim(newer, b, 6, more, facts).state.owners.get(250), undefined);
    assert.equal(applyClaim(newer, b, 7, more, facts).state.owners.get(250), b);
  });
});
