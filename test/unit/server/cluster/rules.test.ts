import assert from 'node:assert/strict';
import { bumpEpoch } from '../../../../server/cluster/epochs.ts';
import { markFailed, suspect } from '../../../../server/cluster/failure.ts';
import { type GossipFacts, learn, loseAddress, updateAbout } from '../../../../server/cluster/gossip.ts';
import { gossipSection } from '../../../../server/cluster/gossip-section.ts';
import { Health } from '../../../../server/cluster/health.ts';
import { type Body, gossipEntry, type Header, type Message } from '../../../../server/cluster/message.ts';
import { setSlotImporting, setSlotMigrating, setSlotNode } from '../../../../server/cluster/ownership.ts';
import { markTargets, orphans, ReplicaMigration } from '../../../../server/cluster/replica-migration.ts';
import { applyClaim } from '../../../../server/cluster/slot-claims.ts';
import { SlotTable } from '../../../../server/cluster/slot-table.ts';
import { bitmapOf } from '../../../../server/cluster/slots.ts';
import {
  type ClusterNode,
  type ClusterState,
  newNode,
  newState,
  type Outcome,
  withNode,
  withOwner,
} from '../../../../server/cluster/state.ts';
import { nodesText } from '../../../../server/cluster/text.ts';

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(40)) as [string, string, string, string];
const facts = { keysInSlot: () => 0, allowReplicaMigration: true };
const times = { pingSent: 0, pongReceived: 0 };

/** My view as `a` of masters a, b, c with epochs 1, 2, 3 and a third of the slots each. */
function threeMasters(): ClusterState {
  const nodes = [a, b, c].map((id, at) => {
    const node = newNode(id, { host: '10.0.0.1', port: 7000 + at, cport: 17_000 + at });
    return { ...node, configEpoch: at + 1 };
  });
  const state = { ...newState(a, nodes[0]!), nodes: new Map(nodes.map((node) => [node.id, node])), currentEpoch: 3 };
  const owners = Array.from({ length: 16_384 }, (_, slot) => [a, b, c][Math.floor((slot * 3) / 16_384)]);
  return { ...state, owners: SlotTable.from(owners) };
}

function with4(state: ClusterState, node: Partial<ClusterNode>): ClusterState {
  const fourth = { ...newNode(d, { host: '10.0.0.1', port: 7003, cport: 17_003 }), ...node };
  return { ...state, nodes: new Map(state.nodes).set(d, fourth) };
}

function stateOf(outcome: Outcome): ClusterState {
  if (outcome instanceof Error) throw outcome;
  return outcome.state;
}

function claim(state: ClusterState, id: string, epoch: number, slots: Uint8Array): ReturnType<typeof applyClaim> {
  return applyClaim(withNode(state, id, { configEpoch: epoch }), id, epoch, slots, facts);
}

function changed(bitmap: Uint8Array, slot: number, set: boolean): Uint8Array {
  const copy = bitmap.slice();
  if (set) copy[slot >> 3]! |= 1 << (slot & 7);
  else copy[slot >> 3]! &= ~(1 << (slot & 7));
  return copy;
}

const heard: GossipFacts = {
  ...facts,
  now: 1000,
  link: undefined,
  remoteHost: '10.0.0.9',
  localHost: '10.0.0.1',
  randomId: () => 'f'.repeat(40),
};

function message(state: ClusterState, from: string, body: Body, header: Partial<Header> = {}): Message {
  const node = state.nodes.get(from)!;
  return {
    header: {
      sender: from,
      host: '',
      port: node.port,
      cport: node.cport,
      plainPort: node.plainPort,
      shard: node.shard,
      hostname: '',
      role: node.role,
      master: node.master,
      currentEpoch: state.currentEpoch,
      configEpoch: node.configEpoch,
      bitmap: bitmapOf(state, from),
      offset: 0,
      noFailover: false,
      migrateTo: false,
      paused: false,
      force: false,
      ...header,
    },
    body,
  };
}

describe('rules of the cluster', () => {
  it('a node that failed is not suspected again', () => {
    const failed = markFailed(suspect(threeMasters(), b, true).state, b).state;
    assert.equal(suspect(failed, b, true).state, failed);
    assert.match(
      nodesText(failed, () => undefined),
      new RegExp(`^${b} \\S+ master,fail - `, 'm'),
    );
  });

  it('a slot that its owner no longer claims stays its own until another claims it, and is not announced', () => {
    const state = threeMasters();
    const without = changed(bitmapOf(state, c), 16_000, false);
    const doubtful = claim(state, c, 9, without).state;
    assert.equal(doubtful.owners.get(16_000), c);
    const update = updateAbout(doubtful, c)!;
    assert.deepEqual(update.kind === 'update' && update.bitmap, without);
    // An older epoch is enough for a slot that nobody claims.
    const settled = claim(doubtful, b, 2, changed(bitmapOf(doubtful, b), 16_000, true)).state;
    assert.equal(settled.owners.get(16_000), b);
    assert.equal(settled.unclaimed.size, 0);
    assert.equal(claim(doubtful, c, 9, bitmapOf(state, c)).state.unclaimed.size, 0, 'claimed again');
  });

  it('a slot that was imported is not given back to a source that took a newer epoch before it was notified', () => {
    let state = stateOf(setSlotImporting(threeMasters(), 16_000, c));
    const stale = bitmapOf(state, c);
    state = stateOf(setSlotNode(state, 16_000, a, { keysHere: 0, allowReplicaMigration: true }));
    const contested = claim(state, c, 9, stale);
    assert.equal(contested.state.owners.get(16_000), a);
    assert.equal(contested.state.nodes.get(a)!.configEpoch, 10, 'so that the others believe it too');
    // Notified at last; what it said before arrives late, by another link.
    const released = claim(contested.state, c, 12, changed(stale, 16_000, false)).state;
    assert.equal(claim(released, c, 12, stale).state, released);
    assert.equal(claim(released, c, 12, stale).state.owners.get(16_000), a);
    assert.equal(claim(released, c, 13, stale).state.owners.get(16_000), c, 'under a newer epoch it is a new claim');
    const going = stateOf(setSlotMigrating(released, 16_000, c));
    assert.equal(claim(going, c, 12, stale).state.owners.get(16_000), c, 'it is on its way there by command');
  });

  it('an epoch that another master has too is not the newest', () => {
    const shared = withNode(threeMasters(), a, { configEpoch: 3 });
    assert.deepEqual(bumpEpoch(withNode(shared, c, { configEpoch: 2 })).bumped, false);
    assert.equal(bumpEpoch(shared).step.state.nodes.get(a)!.configEpoch, 4);
  });

  it('the epoch of a master is believed only with the slots that come with it', () => {
    const state = threeMasters();
    const fail = message(state, b, { kind: 'fail', id: c }, { configEpoch: 8, currentEpoch: 8 });
    const after = learn(state, fail, heard).state;
    assert.deepEqual([after.nodes.get(b)!.configEpoch, after.currentEpoch], [2, 8]);
    const ping = message(state, b, { kind: 'ping', gossip: [] }, { configEpoch: 8 });
    assert.equal(learn(state, ping, heard).state.nodes.get(b)!.configEpoch, 8);
  });
});

describe('addresses of peers', () => {
  it('are where their pings come from, unless they announce another', () => {
    const state = threeMasters();
    const moved = learn(state, message(state, b, { kind: 'ping', gossip: [] }), heard);
    assert.equal(moved.state.nodes.get(b)!.host, '10.0.0.9');
    assert.deepEqual(moved.effects[0], { kind: 'unlink', id: b });
    const announced = learn(state, message(state, b, { kind: 'ping', gossip: [] }, { host: '10.0.0.7' }), heard);
    assert.equal(announced.state.nodes.get(b)!.host, '10.0.0.7');
    const pong = learn(state, message(state, b, { kind: 'pong', gossip: [] }), { ...heard, link: b });
    assert.equal(pong.state.nodes.get(b)!.host, '10.0.0.1', 'a pong says nothing of the kind');
  });

  it('are lost when another node answers there, and found again', () => {
    const lost = loseAddress(threeMasters(), b).state;
    assert.match(
      nodesText(lost, () => undefined),
      new RegExp(`^${b} :0@0 master,noaddr - `, 'm'),
    );
    assert.equal(
      gossipSection(lost, () => ({ ...times, linked: true }), Math.random).filter(({ id }) => id === b).length,
      0,
    );
    const found = learn(lost, message(threeMasters(), b, { kind: 'ping', gossip: [] }), heard).state;
    assert.deepEqual([found.nodes.get(b)!.host, found.nodes.get(b)!.port], ['10.0.0.9', 7001]);
  });

  it('of a node that I cannot reach are taken from one that does', () => {
    const state = suspect(threeMasters(), c, true).state;
    const elsewhere = { ...gossipEntry(state.nodes.get(c)!, times), suspect: false, host: '10.0.0.5' };
    const update = learn(state, message(state, b, { kind: 'pong', gossip: [elsewhere] }), { ...heard, link: b }).state;
    assert.equal(update.nodes.get(c)!.host, '10.0.0.5');
    const well = threeMasters();
    const kept = learn(well, message(well, b, { kind: 'pong', gossip: [elsewhere] }), { ...heard, link: b }).state;
    assert.equal(kept.nodes.get(c)!.host, '10.0.0.1');
  });
});

describe('gossip', () => {
  it('are a few by lot and every suspect, never of the teller', () => {
    let state = threeMasters();
    for (let at = 0; at < 60; at++) {
      const id = at.toString(16).padStart(40, '0');
      const node = newNode(id, { host: '10.0.0.1', port: 8000 + at, cport: 18_000 + at });
      state = { ...state, nodes: new Map(state.nodes).set(id, node) };
    }
    for (const id of [b, c]) state = suspect(state, id, true).state;
    let chance = 0;
    const entries = gossipSection(
      state,
      () => ({ pingSent: 7999, pongReceived: 5001, linked: true }),
      () => {
        chance = (chance + 0.137) % 1;
        return chance;
      },
    );
    assert.equal(entries.length, 8);
    assert.equal(new Set(entries.map(({ id }) => id)).size, 8);
    assert.ok(entries.every(({ id }) => id !== a));
    assert.deepEqual(
      entries.filter((entry) => entry.suspect).map(({ id }) => id),
      [b, c],
    );
    assert.ok(entries.every((entry) => entry.pingSent === 7000 && entry.pongReceived === 5000));
  });
});

describe('the health of a cluster', () => {
  const settings = { nodeTimeout: 1000, requireFullCoverage: true };

  it('of a master that starts is unknown for two seconds, of a replica known at once', () => {
    const master = new Health(false);
    assert.equal(master.review(threeMasters(), { ...settings, now: 100 }), false);
    assert.equal(master.review(threeMasters(), { ...settings, now: 2099 }), false);
    assert.equal(master.review(threeMasters(), { ...settings, now: 2100 }), true);
    const replica = withNode(with4(threeMasters(), { role: 'replica', master: b }), a, { role: 'replica', master: b });
    const owned = withOwner(replica, replica.owners.slotsOf(a), b);
    assert.equal(new Health(false).review(owned, { ...settings, now: 100 }), true);
  });

  it('is bad at once without a majority, and good again only a while after', () => {
    const health = new Health(true);
    const alone = suspect(suspect(threeMasters(), b, true).state, c, true).state;
    assert.equal(health.review(threeMasters(), { ...settings, now: 0 }), false);
    assert.equal(health.review(alone, { ...settings, now: 5000 }), true);
    assert.equal(health.up, false);
    assert.equal(health.review(threeMasters(), { ...settings, now: 5999 }), false);
    assert.equal(health.review(threeMasters(), { ...settings, now: 6000 }), true);
    assert.equal(health.up, true);
  });

  it('after a failed master was replaced is good at once', () => {
    const health = new Health(true);
    health.review(threeMasters(), { ...settings, now: 0 });
    const failed = markFailed(threeMasters(), b).state;
    assert.equal(health.review(failed, { ...settings, now: 5000 }), true);
    const slots = failed.owners.slotsOf(b);
    assert.equal(health.review(withOwner(failed, slots, c), { ...settings, now: 5001 }), true);
  });

  it('without slots anywhere is bad, whatever coverage is asked for', () => {
    const fresh = newState(a, { host: '', port: 1, cport: 2 });
    const health = new Health(false);
    assert.equal(health.review(fresh, { ...settings, requireFullCoverage: false, now: 10_000 }), false);
    assert.equal(health.up, false);
  });
});

describe('replicas that move to masters without any', () => {
  /** a and d are replicas of b; c had one and lost it. */
  function orphaned(): ClusterState {
    const before = with4(threeMasters(), { role: 'replica', master: c });
    const marked = markTargets(threeMasters(), before);
    assert.deepEqual(
      [...marked.nodes.values()].map((node) => node.migrateTo),
      [false, false, true, false],
    );
    const lost = withNode(withNode(marked, d, { role: 'replica', master: b }), a, { role: 'replica', master: b });
    const slots = lost.owners.slotsOf(a);
    // That the last one left c is its own choice; that it failed is not.
    return withNode(markTargets(marked, withOwner(lost, slots, b)), c, { migrateTo: true });
  }

  it('the one with the smallest id goes, after five seconds', () => {
    const state = orphaned();
    assert.deepEqual(orphans(state, 1), { ids: [c], chosen: true });
    const migration = new ReplicaMigration();
    assert.equal(migration.step(state, 0, 1).effects.length, 0);
    assert.equal(migration.step(state, 5000, 1).effects.length, 0);
    assert.deepEqual(migration.step(state, 5001, 1).effects[0], { kind: 'follow', master: c });
    assert.equal(orphans({ ...state, myself: d }, 1).chosen, false);
  });

  it('nobody goes when too few would stay, or when the master never had a replica', () => {
    const state = orphaned();
    assert.equal(orphans(state, 2).chosen, false);
    assert.equal(orphans(withNode(state, d, { failed: true }), 1).chosen, false);
    assert.deepEqual(orphans(withNode(state, c, { migrateTo: false }), 1).ids, []);
    assert.equal(orphans(withNode(state, a, { noFailover: true }), 1).chosen, false);
  });

  it('a master whose last replica left is no target any more; one that lost its replica by failure still is', () => {
    const before = markTargets(threeMasters(), with4(threeMasters(), { role: 'replica', master: c }));
    assert.equal(before.nodes.get(c)!.migrateTo, true);
    const left = markTargets(before, withNode(before, d, { master: b }));
    assert.deepEqual([left.nodes.get(b)!.migrateTo, left.nodes.get(c)!.migrateTo], [true, false]);
    const failed = markTargets(before, withNode(before, d, { failed: true }));
    assert.equal(failed.nodes.get(c)!.migrateTo, true);
  });
});
