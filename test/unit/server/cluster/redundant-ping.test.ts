import assert from 'node:assert/strict';
import { learnNews } from '../../../../server/cluster/gossip.ts';
import { gossipEntry, headerOf, type Message } from '../../../../server/cluster/message.ts';
import { isRedundantPing } from '../../../../server/cluster/redundant-ping.ts';
import { bitmapOf } from '../../../../server/cluster/slots.ts';
import { type ClusterNode, type ClusterState, newNode, newState, withOwner } from '../../../../server/cluster/state.ts';
import { chanceFrom } from '../bus/packet-kit.ts';

const id = (digit: string): string => digit.repeat(40);
const ids = ['a', 'b', 'c', 'd'].map(id);

type Chance = (below: number) => number;

function pick<T>(chance: Chance, values: readonly T[]): T {
  return values[chance(values.length)]!;
}

/** What is rare in a cluster at rest: one time in twelve. */
function rarely<T>(chance: Chance, usual: T, ...others: readonly T[]): T {
  return chance(12) === 0 ? pick(chance, others) : usual;
}

function someNode(chance: Chance, at: number): ClusterNode {
  const known = newNode(ids[at]!, { host: '127.0.0.1', port: 7000 + at, cport: 17_000 + at });
  const replica = at === 3 || chance(6) === 0;
  return {
    ...known,
    host: rarely(chance, known.host, ''),
    role: replica ? 'replica' : 'master',
    master: replica ? rarely(chance, ids[(at + 1) % 3]!, null, ids[3]!) : null,
    configEpoch: rarely(chance, replica ? 0 : at + 1, 1, 2),
    offset: 10,
    suspect: rarely(chance, false, true),
    failed: rarely(chance, false, true),
    handshake: rarely(chance, false, true),
  };
}

function someState(chance: Chance): ClusterState {
  const nodes = new Map(ids.map((each, at) => [each, someNode(chance, at)]));
  let state: ClusterState = { ...newState(ids[0]!, nodes.get(ids[0]!)!), nodes, currentEpoch: 3 };
  for (const [at, each] of ids.slice(0, 3).entries()) state = withOwner(state, [at, at + 100, at + 200], each);
  return { ...state, unclaimed: rarely(chance, state.unclaimed, new Set([1])) };
}

/** What a node of `state` would say that sees it as this one does, but for a little. */
function someMessage(chance: Chance, state: ClusterState): Message {
  const sender = rarely(chance, pick(chance, ids.slice(1)), id('f'));
  const node = state.nodes.get(sender) ?? newNode(sender, { host: '127.0.0.1', port: 1, cport: 2 });
  const seen = { ...state, myself: node.id, nodes: new Map(state.nodes).set(node.id, node) };
  const current = headerOf(seen, { offset: rarely(chance, 10, 11), paused: false, force: false });
  const header = {
    ...current,
    host: rarely(chance, '', '10.0.0.9'),
    port: rarely(chance, current.port, 1),
    plainPort: rarely(chance, 0, 7),
    role: rarely(chance, current.role, 'master' as const, 'replica' as const),
    currentEpoch: rarely(chance, current.currentEpoch, 2, 4),
    configEpoch: rarely(chance, current.configEpoch, 1, 9),
    hostname: rarely(chance, current.hostname, 'a.test'),
    shard: rarely(chance, current.shard, '', id('9')),
    noFailover: rarely(chance, current.noFailover, true),
    bitmap: rarely(chance, current.bitmap, bitmapOf(state, ids[0]!), bitmapOf(state, ids[2]!)),
  };
  const master = header.role === 'master' ? null : rarely(chance, current.master ?? ids[0]!, ids[1]!, id('f'));
  const others = ids.filter((each) => each !== sender).map((each) => gossipEntry(state.nodes.get(each)!, noTimes));
  const gossip = others.map((entry) => rarely(chance, entry, { ...entry, id: id('e') }, { ...entry, suspect: true }));
  const kind = pick(chance, ['ping', 'pong', 'meet'] as const);
  return { header: { ...header, master }, body: { kind, gossip } };
}

const noTimes = { pingSent: 0, pongReceived: 0 };

describe('pings that carry nothing new', () => {
  it('are those from which no rule learns', () => {
    const chance = chanceFrom(11);
    let old = 0;
    let news = 0;
    for (let round = 0; round < 20_000; round++) {
      const state = someState(chance);
      const message = someMessage(chance, state);
      const facts = {
        now: 1000,
        link: pick(chance, [undefined, message.header.sender, rarely(chance, message.header.sender, ids[1]!)]),
        remoteHost: '127.0.0.1',
        localHost: '127.0.0.1',
        randomId: () => id('d'),
        keysInSlot: () => 1,
        allowReplicaMigration: true,
      };
      if (isRedundantPing(state, message, facts)) {
        old++;
        const step = learnNews(state, message, facts);
        assert.deepEqual(step.effects, [], `round ${round}`);
        assert.equal(step.state, state, `round ${round}`);
      } else news++;
    }
    assert.ok(old > 500 && news > 500, `${old} old, ${news} new`);
  });
});
