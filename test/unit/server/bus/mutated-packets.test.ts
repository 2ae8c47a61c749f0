import assert from 'node:assert/strict';
import { decodePacket } from '../../../../server/bus/codec.ts';
import { messageFrom } from '../../../../server/bus/codec-message.ts';
import { BadPacket } from '../../../../server/bus/codec-packet.ts';
import { learn } from '../../../../server/cluster/gossip.ts';
import { type ClusterState, newNode, newState, withOwner } from '../../../../server/cluster/state.ts';
import { chanceFrom, mutated, vectors } from './packet-kit.ts';

const myself = 'e'.repeat(40);
const facts = {
  now: 1000,
  link: undefined,
  remoteHost: '127.0.0.1',
  localHost: '127.0.0.1',
  randomId: () => 'd'.repeat(40),
  keysInSlot: () => 1,
  allowReplicaMigration: true,
};

/** A view in which every sender of the vectors is a master, and I own what one of them claims. */
function view(): ClusterState {
  const state = newState(myself, { host: '127.0.0.1', port: 7000, cport: 17_000 });
  const nodes = new Map(state.nodes);
  for (const { decoded } of vectors) {
    const { sender, port, cport } = decoded;
    nodes.set(sender, newNode(sender, { host: '127.0.0.1', port, cport }));
  }
  return withOwner({ ...state, nodes }, [0, 1, 2], myself);
}

describe('what mutated packets teach', () => {
  it('20,000 of them: nothing is thrown, and the view keeps its invariants', function () {
    this.timeout(60_000);
    const chance = chanceFrom(7);
    const originals = vectors.map(({ hex }) => Buffer.from(hex, 'hex'));
    const first = view();
    let state = first;
    let learned = 0;
    for (let round = 0; round < 20_000; round++) {
      // Back to the start now and then, or one packet that makes all others stale would end the test early.
      if (round % 200 === 0) state = first;
      const packet = decodePacket(mutated(originals[chance(originals.length)]!, chance));
      if (packet instanceof BadPacket) continue;
      const message = messageFrom(packet);
      if (message === undefined) continue;
      const before = state;
      state = learn(state, message, facts).state;
      if (state === before) continue;
      learned++;
      assert.ok(state.nodes.has(myself), `round ${round}`);
      if (state.owners !== before.owners) {
        for (const owner of state.owners.counts.keys()) {
          assert.ok(state.nodes.has(owner), `round ${round}: an owner that nobody knows`);
        }
      }
    }
    assert.ok(learned > 1000, `learned ${learned} times`);
  });
});
