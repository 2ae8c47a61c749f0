import assert from 'node:assert/strict';
import { setConfigEpoch } from '../../../../server/cluster/epochs.ts';
import { forget, meet, replicate } from '../../../../server/cluster/members.ts';
import {
  addSlots,
  delSlots,
  setSlotImporting,
  setSlotMigrating,
  setSlotNode,
} from '../../../../server/cluster/ownership.ts';
import { rangesOf } from '../../../../server/cluster/slots.ts';
import { me, newState } from '../../../../server/cluster/state.ts';
import { slotRanges } from '../../../../server/cluster/text.ts';
import { Config } from '../../../../server/config/config.ts';
import { watchAnnounced } from '../../../../server/membership/settings.ts';
import { apply, type Played, PlayedCluster } from './members-kit.ts';

const facts = { keysHere: 0, allowReplicaMigration: true };

/** Three masters (a, b, c) with a replica each (d, e, f), joined by MEET alone. */
async function shards(cluster: PlayedCluster, replicas = true): Promise<Played[]> {
  const nodes = [...(replicas ? 'abcdef' : 'abc')].map((id) => cluster.add(id));
  const [a] = nodes as [Played, ...Played[]];
  const bounds: [number, number][] = [
    [0, 5460],
    [5461, 10922],
    [10923, 16383],
  ];
  for (const [at, node] of nodes.entries()) {
    apply(node.member, (state) => setConfigEpoch(state, at + 1));
    if (at < 3) apply(node.member, (state) => addSlots(state, [bounds[at]!]));
    if (at > 0) apply(node.member, (state) => meet(state, '127.0.0.1', String(a.port)));
  }
  await cluster.pass(1500);
  for (const [at, node] of nodes.slice(3).entries()) {
    apply(node.member, (state) => replicate(state, nodes[at]!.member.state.myself, 0));
  }
  await cluster.pass(1500);
  return nodes;
}

function agreed(nodes: readonly Played[]): void {
  const views = nodes.map((node) => JSON.stringify(slotRanges(node.member.state, 'ip')));
  for (const view of views) assert.equal(view, views[0]);
}

describe('members on the loopback bus', () => {
  let cluster: PlayedCluster;
  beforeEach(() => {
    cluster = new PlayedCluster();
  });
  afterEach(() => cluster.close());

  it('MEET makes everyone know everyone, with one view of the slots', async () => {
    const nodes = await shards(cluster);
    for (const { member } of nodes) {
      assert.equal(member.state.nodes.size, 6);
      assert.equal(member.up, true);
      assert.ok([...member.state.nodes.values()].every((node) => node.host === '127.0.0.1' && !node.handshake));
    }
    agreed(nodes);
    const first = slotRanges(nodes[4]!.member.state, 'ip')[0]!;
    assert.deepEqual(
      first.nodes.map((node) => node.port),
      [nodes[0]!.port, nodes[3]!.port],
    );
    assert.deepEqual(nodes[3]!.calls, ['follow a']);
  });

  it('a slot moves by SETSLOT and every node learns it from the new epoch', async () => {
    const nodes = await shards(cluster);
    const [a, b] = nodes.map((node) => node.member) as [Played['member'], Played['member']];
    apply(b, (state) => setSlotImporting(state, 100, a.state.myself));
    apply(a, (state) => setSlotMigrating(state, 100, b.state.myself));
    await cluster.pass(1200);
    assert.equal(a.state.migrating.size + b.state.importing.size, 2);
    apply(b, (state) => setSlotNode(state, 100, b.state.myself, facts));
    apply(a, (state) => setSlotNode(state, 100, b.state.myself, facts));
    await cluster.pass(50);
    agreed(nodes);
    assert.equal(a.state.migrating.size + b.state.importing.size, 0);
    assert.deepEqual(rangesOf(nodes[5]!.member.state, b.state.myself), [
      [100, 100],
      [5461, 10922],
    ]);
  });

  it('two masters with one epoch come apart', async () => {
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    apply(b.member, (state) => meet(state, '127.0.0.1', String(a.port)));
    await cluster.pass(2500);
    const epochs = [a, b].map(({ member }) => me(member.state).configEpoch);
    assert.notEqual(epochs[0], epochs[1]);
    assert.ok(epochs[0]! > epochs[1]!, 'the smaller id moves on');
  });

  it('a master that comes with an old claim is corrected and drops the keys that it lost', async () => {
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    apply(a.member, (state) => setConfigEpoch(state, 1));
    apply(b.member, (state) => setConfigEpoch(state, 2));
    for (const { member } of [a, b]) apply(member, (state) => addSlots(state, [[0, 9]]));
    apply(a.member, (state) => addSlots(state, [[20, 29]]));
    a.keys.set(5, 3);
    apply(b.member, (state) => meet(state, '127.0.0.1', String(a.port)));
    await cluster.pass(500);
    assert.deepEqual(rangesOf(a.member.state, b.member.state.myself), [[0, 9]]);
    assert.deepEqual(a.calls, ['drop 5']);
  });

  it('a master that loses its last slot follows the winner', async () => {
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    apply(a.member, (state) => setConfigEpoch(state, 1));
    apply(b.member, (state) => setConfigEpoch(state, 2));
    for (const { member } of [a, b]) apply(member, (state) => addSlots(state, [[0, 9]]));
    apply(b.member, (state) => meet(state, '127.0.0.1', String(a.port)));
    await cluster.pass(500);
    assert.deepEqual(a.calls, ['follow b']);
    assert.equal(me(a.member.state).role, 'replica');
  });

  it('an agreed failover swaps the roles and loses no slot', async () => {
    const nodes = await shards(cluster);
    const [a, , , d] = nodes as [Played, Played, Played, Played];
    a.offset = 500;
    apply(d.member, () => d.member.failover.start('agreed'));
    await cluster.pass(100);
    assert.equal(a.paused, true, 'writes wait while the replica catches up');
    assert.equal(me(d.member.state).role, 'replica');
    d.offset = 500;
    await cluster.pass(300);
    assert.equal(me(d.member.state).role, 'master');
    assert.equal(me(a.member.state).role, 'replica');
    assert.equal(a.paused, false);
    assert.deepEqual(rangesOf(nodes[1]!.member.state, d.member.state.myself), [[0, 5460]]);
    agreed(nodes);
  });

  it('FAILOVER is refused on a master, TAKEOVER asks nobody', async () => {
    const nodes = await shards(cluster);
    assert.throws(() => apply(nodes[0]!.member, () => nodes[0]!.member.failover.start('force')), /to a replica/);
    for (const other of nodes.slice(1, 3)) other.freezer.freeze();
    apply(nodes[3]!.member, () => nodes[3]!.member.failover.start('takeover'));
    assert.equal(me(nodes[3]!.member.state).role, 'master');
    for (const other of nodes.slice(1, 3)) other.freezer.thaw();
    await cluster.pass(300);
    agreed(nodes);
  });

  it('a dead master is found out by the majority and replaced by its replica', async () => {
    const nodes = await shards(cluster);
    const [a, b, , d] = nodes as [Played, Played, Played, Played];
    a.member.close();
    await cluster.pass(1000);
    assert.equal(b.member.state.nodes.get(a.member.state.myself)!.failed, false);
    await cluster.pass(6000);
    assert.equal(b.member.state.nodes.get(a.member.state.myself)!.failed, true);
    assert.equal(me(d.member.state).role, 'master');
    assert.equal(b.member.up, true);
    agreed(nodes.slice(1));
  });

  it('without a majority nobody is declared dead and the cluster is down', async () => {
    const nodes = await shards(cluster, false);
    nodes[1]!.member.close();
    nodes[2]!.member.close();
    await cluster.pass(5000);
    const { state, up } = nodes[0]!.member;
    assert.deepEqual(
      [...state.nodes.values()].map((node) => [node.suspect, node.failed]),
      [
        [false, false],
        [true, false],
        [true, false],
      ],
    );
    assert.equal(up, false);
  });

  it('a node that was forgotten everywhere stays away, and PUBLISH reaches the others', async () => {
    const nodes = await shards(cluster, false);
    const [a, b, c] = nodes as [Played, Played, Played];
    for (const { member } of [a, b])
      apply(member, (state) => forget(state, c.member.state.myself, cluster.world.now()));
    await cluster.pass(3000);
    assert.equal(a.member.state.nodes.size, 2);
    assert.equal(a.member.up, false, "the slots of c are nobody's");
    b.member.publish('publish', 'news', 'hi');
    await cluster.pass(10);
    assert.ok(a.calls.includes('publish news hi'));
  });

  it('SPUBLISH reaches the shard alone', async () => {
    const nodes = await shards(cluster);
    const heard = (): number[] => nodes.flatMap(({ calls }, at) => (calls.includes('publishshard ch hi') ? [at] : []));
    nodes[0]!.member.publish('publishshard', 'ch', 'hi');
    await cluster.pass(10);
    assert.deepEqual(heard(), [3]);
    nodes[4]!.member.publish('publishshard', 'ch', 'hi');
    await cluster.pass(10);
    assert.deepEqual(heard(), [1, 3]);
  });

  it('MEET goes on until somebody is there to hear it', async () => {
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    const { port } = b;
    b.member.close();
    apply(a.member, (state) => meet(state, '127.0.0.1', String(port)));
    await cluster.pass(500);
    const again = cluster.add('c', port);
    await cluster.pass(500);
    assert.ok(a.member.state.nodes.has(again.member.state.myself));
    assert.ok(again.member.state.nodes.has(a.member.state.myself));
  });

  it('a node whose address was taken by another has none', async () => {
    const nodes = await shards(cluster, false);
    const [a, b] = nodes as [Played, Played];
    b.member.close();
    await cluster.pass(100);
    cluster.add('e', b.port);
    await cluster.pass(1500);
    assert.equal(a.member.state.nodes.get(b.member.state.myself)!.host, '');
    assert.equal(a.member.state.nodes.has('e'.repeat(40)), false, 'nor did the other join by that');
  });

  it('a frozen node says nothing and judges nobody', async () => {
    const nodes = await shards(cluster);
    const [a, b] = nodes as [Played, Played];
    a.freezer.freeze();
    await cluster.pass(6000);
    assert.equal(b.member.state.nodes.get(a.member.state.myself)!.failed, true);
    assert.ok([...a.member.state.nodes.values()].every((node) => !node.failed && !node.suspect));
    a.freezer.thaw();
    await cluster.pass(2000);
    agreed(nodes);
    assert.equal(me(a.member.state).role, 'replica');
  });

  it('MEET with nobody there is given up', async () => {
    const a = cluster.add('a');
    apply(a.member, (state) => meet(state, '127.0.0.1', '9'));
    assert.equal(a.member.state.nodes.size, 2);
    await cluster.pass(2300);
    assert.equal(a.member.state.nodes.size, 1);
  });

  it("DELSLOTS on one node is undone by the owner's next word", async () => {
    const nodes = await shards(cluster, false);
    apply(nodes[1]!.member, (state) => delSlots(state, [[7, 7]]));
    await cluster.pass(0);
    assert.equal(nodes[1]!.member.up, false);
    await cluster.pass(1500);
    agreed(nodes);
  });

  it('a slot that is nobody’s for the length of a transaction does not take the cluster down', async () => {
    const nodes = await shards(cluster, false);
    const { member } = nodes[1]!;
    await cluster.pass(4000);
    apply(member, (state) => delSlots(state, [[6000, 6000]]));
    apply(member, (state) => addSlots(state, [[6000, 6000]]));
    await cluster.pass(0);
    assert.equal(member.up, true);
  });

  it('a new state owns nothing', () => {
    assert.equal(slotRanges(newState('z'.repeat(40), { host: '', port: 1, cport: 2 }), 'ip').length, 0);
  });

  it("an announced address that is taken back is nobody's until a ping has shown the true one", async () => {
    const cluster = new PlayedCluster();
    const [a, b] = [cluster.add('a'), cluster.add('b')];
    const config = new Config();
    watchAnnounced(config, a.member, () => ({ port: a.port, plainPort: 0, cport: a.port + 10_000 }));
    apply(b.member, (state) => meet(state, '127.0.0.1', String(a.port)));
    await cluster.pass(1500);
    const own = (): string => me(a.member.state).host;
    const seen = (): string | undefined => b.member.state.nodes.get(a.member.state.myself)?.host;
    assert.deepEqual([own(), seen()], ['127.0.0.1', '127.0.0.1']);
    config.set([['cluster-announce-ip', '10.1.2.3']]);
    await cluster.pass(2000);
    assert.deepEqual([own(), seen()], ['10.1.2.3', '10.1.2.3']);
    config.set([['cluster-announce-ip', '']]);
    assert.equal(own(), '');
    await cluster.pass(3000);
    assert.deepEqual([own(), seen()], ['127.0.0.1', '127.0.0.1']);
    cluster.close();
  });
});
