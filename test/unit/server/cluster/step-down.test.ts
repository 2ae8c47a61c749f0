import assert from 'node:assert/strict';
import { parseNodesFile } from '../../../../server/cluster/nodes-conf.ts';
import { setSlotNode } from '../../../../server/cluster/ownership.ts';
import { applyClaim } from '../../../../server/cluster/slot-claims.ts';
import { bitmapOf } from '../../../../server/cluster/slots.ts';
import { type ClusterState, me, type Step, withNode } from '../../../../server/cluster/state.ts';

const [a, b] = ['a'.repeat(40), 'b'.repeat(40)] as const;

function stateOf(slots: string): ClusterState {
  return parseNodesFile(
    `${a} 10.0.0.1:7001@17001 myself,master - 0 0 1 connected ${slots}\n` +
      `${b} 10.0.0.2:7002@17002 slave ${a} 0 0 1 connected\nvars currentEpoch 1 lastVoteEpoch 0\n`,
  );
}

const kinds = ({ effects }: Step): string[] => effects.map(({ kind }) => kind);

// Others that hear of it before the new master's claim would think the slots nobody's.
describe('a master that becomes a replica of who has its slots now', () => {
  it('announces nothing at once when a claim takes its last slot', () => {
    const before = stateOf('0-100');
    const promoted = withNode(before, b, { role: 'master', master: null, configEpoch: 2 });
    const facts = { keysInSlot: () => 5, allowReplicaMigration: true };
    const step = applyClaim(promoted, b, 2, bitmapOf(before, a), facts);
    assert.deepEqual([me(step.state).role, me(step.state).master], ['replica', b]);
    assert.deepEqual(kinds(step), ['follow', 'save', 'announceLater']);
  });

  it('nor when it gives its last slot away', () => {
    const promoted = withNode(stateOf('7'), b, { role: 'master', master: null, configEpoch: 2 });
    const step = setSlotNode(promoted, 7, b, { keysHere: 0, allowReplicaMigration: true });
    assert.ok(!(step instanceof Error));
    assert.deepEqual(kinds(step), ['follow', 'save', 'announceLater']);
  });
});
