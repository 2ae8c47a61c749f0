import assert from 'node:assert/strict';
import { setConfigEpoch } from '../../../../server/cluster/epochs.ts';
import { meet, replicate } from '../../../../server/cluster/members.ts';
import { addSlots } from '../../../../server/cluster/ownership.ts';
import { me } from '../../../../server/cluster/state.ts';
import { apply, type Played, PlayedCluster } from './members-kit.ts';

/** Masters a, b, c, and d, e as replicas of a; d has more of the stream unless said otherwise. */
async function fiveNodes(cluster: PlayedCluster): Promise<[Played, Played, Played, Played, Played]> {
  const nodes = [...'abcde'].map((id) => cluster.add(id)) as [Played, Played, Played, Played, Played];
  const bounds: [number, number][] = [
    [0, 5460],
    [5461, 10922],
    [10923, 16383],
  ];
  for (const [at, node] of nodes.entries()) {
    apply(node.member, (state) => setConfigEpoch(state, at + 1));
    if (at < 3) apply(node.member, (state) => addSlots(state, [bounds[at]!]));
    if (at > 0) apply(node.member, (state) => meet(state, '127.0.0.1', String(nodes[0].port)));
  }
  await cluster.pass(1500);
  for (const node of nodes.slice(3)) {
    apply(node.member, (state) => replicate(state, nodes[0].member.state.myself, 0));
  }
  await cluster.pass(1500);
  return nodes;
}

function epochs(nodes: readonly Played[]): number[] {
  return nodes.map(({ member }) => member.state.currentEpoch);
}

describe('elections', () => {
  let cluster: PlayedCluster;
  beforeEach(() => {
    cluster = new PlayedCluster();
  });
  afterEach(() => cluster.close());

  it('an election that was scheduled is off once a sister has the place', async () => {
    const [a, b, c, d, e] = await fiveNodes(cluster);
    d.offset = 900;
    e.offset = 100;
    const before = Math.max(...epochs([b, c, d, e]));
    a.member.close();
    await cluster.pass(12_000);
    assert.equal(me(d.member.state).role, 'master');
    assert.equal(me(e.member.state).master, d.member.state.myself);
    assert.deepEqual(epochs([b, c, d, e]), [before + 1, before + 1, before + 1, before + 1], 'one election was held');
  });

  it('a replica that was cut off with an election at hand does not take the slots from the better one', async () => {
    const [a, b, c, d, e] = await fiveNodes(cluster);
    d.offset = 900;
    e.offset = 100;
    a.member.close();
    for (let waited = 0; me(d.member.state).role !== 'master' && waited < 12_000; waited += 10) await cluster.pass(10);
    assert.equal(me(d.member.state).role, 'master');
    // It learns of the new master late, when its own election is due.
    e.freezer.freeze();
    await cluster.pass(1500);
    e.freezer.thaw();
    await cluster.pass(8000);
    assert.equal(me(d.member.state).role, 'master');
    for (const { member } of [b, c, e]) assert.equal(member.state.owners.get(0), d.member.state.myself);
  });

  it('CLUSTER FAILOVER that gets no answer does not stand in the way of the automatic one', async () => {
    const [a, b, , d, e] = await fiveNodes(cluster);
    d.offset = 900;
    e.offset = 100;
    a.freezer.freeze();
    apply(d.member, () => d.member.failover.start('agreed'));
    const start = cluster.world.now();
    const failed = (): boolean => d.member.state.nodes.get(a.member.state.myself)!.failed;
    for (let waited = 0; !failed() && waited < 4900; waited += 10) await cluster.pass(10);
    assert.equal(failed(), true, 'the master failed while the command was pending');
    await cluster.pass(150);
    assert.equal(me(d.member.state).role, 'master', 'who was to take the place does so at once');
    assert.ok(cluster.world.now() - start < 5000);
    assert.equal(b.member.state.owners.get(0), d.member.state.myself);
  });
});
