// What data commands hand to replication in place of their own words.
import assert from 'node:assert/strict';
import { geoCommands } from '../../../../server/command/geo.ts';
import { hashCommands } from '../../../../server/command/hash.ts';
import { listCommands } from '../../../../server/command/list.ts';
import { listBlockingCommands } from '../../../../server/command/list-blocking.ts';
import { setCommands } from '../../../../server/command/set.ts';
import { streamCommands } from '../../../../server/command/stream.ts';
import { streamClaimCommands } from '../../../../server/command/stream-claim.ts';
import { streamGroupCommands } from '../../../../server/command/stream-group.ts';
import { streamReadCommands } from '../../../../server/command/stream-read.ts';
import { zsetCommands } from '../../../../server/command/zset.ts';
import { zsetPopCommands } from '../../../../server/command/zset-pop.ts';
import { words } from '../../../differential/server-data/compare.ts';
import { DirectPeer } from '../../../differential/server-data/peers.ts';

const groups = [
  listCommands,
  listBlockingCommands,
  hashCommands,
  setCommands,
  zsetCommands,
  zsetPopCommands,
  streamCommands,
  streamReadCommands,
  streamGroupCommands,
  streamClaimCommands,
  geoCommands,
];

/** Runs lines and gives the effects of the last. */
function effectsOf(...lines: string[]): string[] {
  const peer = new DirectPeer(groups);
  for (const line of lines) peer.call(words(line));
  return peer.effects.map((effect) => effect.join(' '));
}

describe('effects of data commands', () => {
  it('pops of several keys become a plain pop of one', () => {
    assert.deepEqual(effectsOf('RPUSH l a b', 'BLPOP none l 0'), ['LPOP l']);
    assert.deepEqual(effectsOf('RPUSH l a b c', 'BLMPOP 0 2 none l RIGHT COUNT 2'), ['RPOP l 2']);
    assert.deepEqual(effectsOf('RPUSH l a b c', 'LMPOP 1 l LEFT COUNT 9'), ['LPOP l 3']);
    assert.deepEqual(effectsOf('RPUSH l a', 'BLMOVE l m LEFT RIGHT 0'), ['LMOVE l m LEFT RIGHT']);
    assert.deepEqual(effectsOf('RPUSH l a', 'BRPOPLPUSH l m 0'), ['RPOPLPUSH l m']);
    assert.deepEqual(effectsOf('ZADD z 1 a', 'BZPOPMIN z 0'), ['ZPOPMIN z']);
    assert.deepEqual(effectsOf('ZADD z 1 a 2 b', 'ZMPOP 1 z MAX COUNT 2'), ['ZPOPMAX z 2']);
  });

  it('chance is replicated as what it chose', () => {
    assert.match(effectsOf('SADD s a b c', 'SPOP s')[0]!, /^SREM s [abc]$/);
    assert.match(effectsOf('SADD s a b c', 'SPOP s 2')[0]!, /^SREM s [abc] [abc]$/);
    assert.deepEqual(effectsOf('SADD s a b c', 'SPOP s 3'), ['DEL s']);
  });

  it('floats are replicated as their result, places as scores', () => {
    assert.deepEqual(effectsOf('HSET h f 10.5', 'HINCRBYFLOAT h f 0.1'), ['HSET h f 10.6']);
    assert.deepEqual(effectsOf('GEOADD g 13.361389 38.115556 p'), ['ZADD g 3479099956230698 p']);
  });

  it('a chosen stream ID and an approximate trim are reported exactly', () => {
    assert.deepEqual(effectsOf('XADD s * f v'), ['XADD s 1700000000000-0 f v']);
    assert.deepEqual(effectsOf('XADD s 1-1 f v', 'XADD s MAXLEN ~ 1 5-* f v'), ['XADD s MAXLEN = 2 5-0 f v']);
  });

  it('deliveries of a group are replicated as claims', () => {
    const lines = ['XADD s 1-1 f v', 'XADD s 2-1 f v', 'XGROUP CREATE s g 0'];
    const claim = (id: string): string =>
      `XCLAIM s g alice 0 ${id} TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID ${id}`;
    assert.deepEqual(effectsOf(...lines, 'XREADGROUP GROUP g alice STREAMS s >'), [claim('1-1'), claim('2-1')]);
    assert.deepEqual(effectsOf(...lines, 'XREADGROUP GROUP g alice NOACK STREAMS s >'), [
      'XGROUP CREATECONSUMER s g alice',
      'XGROUP SETID s g 2-1 ENTRIESREAD 2',
    ]);
  });
});
