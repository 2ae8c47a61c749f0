import assert from 'node:assert/strict';
import type { Reply } from '../../../../lib/wire/reply.ts';
import { ReplyError } from '../../../../lib/wire/reply.ts';
import { hashCommands } from '../../../../server/command/hash.ts';
import { setCommands } from '../../../../server/command/set.ts';
import { setAlgebraCommands } from '../../../../server/command/set-algebra.ts';
import { zsetCommands } from '../../../../server/command/zset.ts';
import { DirectPeer } from '../../../differential/server-data/peers.ts';

const members = Array.from({ length: 40 }, (_, at) => `member${at}`);

function peerWithMembers(seed: number): DirectPeer {
  const peer = new DirectPeer([hashCommands, setCommands, setAlgebraCommands, zsetCommands], seed);
  peer.call(['SADD', 's', ...members]);
  peer.call(['HSET', 'h', ...members.flatMap((member) => [member, `value of ${member}`])]);
  peer.call(['ZADD', 'z', ...members.flatMap((member, at) => [String(at), member])]);
  return peer;
}

const list = (reply: unknown): string[] => [...(reply as Iterable<string>)];

describe('random picks', () => {
  for (const [name, key] of [
    ['SRANDMEMBER', 's'],
    ['HRANDFIELD', 'h'],
    ['ZRANDMEMBER', 'z'],
  ] as const) {
    it(`${name}: distinct for a positive count, with repeats for a negative one, each member within reach`, () => {
      const peer = peerWithMembers(7);
      const seen = new Set<string>();
      for (let round = 0; round < 60; round += 1) {
        const distinct = list(peer.call([name, key, '15']));
        assert.equal(distinct.length, 15);
        assert.equal(new Set(distinct).size, 15);
        const repeated = list(peer.call([name, key, '-100']));
        assert.equal(repeated.length, 100);
        const one = peer.call([name, key]) as string;
        for (const member of [...distinct, ...repeated, one]) {
          assert.ok(members.includes(member));
          seen.add(member);
        }
      }
      assert.equal(seen.size, members.length);
      assert.deepEqual(list(peer.call([name, key, '100'])).sort(), [...members].sort());
    });

    it(`${name}: a count that only eats memory is refused`, () => {
      const reply = peerWithMembers(1).call([name, key, '-9000000000']);
      assert.ok(reply instanceof ReplyError);
      assert.equal(reply.message, 'ERR value is out of range');
    });
  }

  it('HRANDFIELD WITHVALUES gives each field with its own value', () => {
    const flat = list(peerWithMembers(3).call(['HRANDFIELD', 'h', '10', 'WITHVALUES']));
    for (let at = 0; at < flat.length; at += 2) assert.equal(flat[at + 1], `value of ${flat[at]}`);
    assert.equal(flat.length, 20);
  });

  it('SPOP takes out what it answers, until nothing is left', () => {
    const peer = peerWithMembers(11);
    const taken: string[] = [peer.call(['SPOP', 's']) as string];
    for (let rest = 39; rest > 0; rest -= 13) {
      taken.push(...list(peer.call(['SPOP', 's', '13'])));
      const left: Reply = peer.call(['SCARD', 's']) as Reply;
      assert.equal(left, rest - 13);
    }
    assert.deepEqual(taken.sort(), [...members].sort());
    assert.equal(peer.call(['EXISTS', 's']), 0);
  });

  it('the same seed picks the same', () => {
    const [one, two] = [peerWithMembers(5), peerWithMembers(5)];
    assert.deepEqual(one.call(['SPOP', 's', '9']), two.call(['SPOP', 's', '9']));
  });
});
