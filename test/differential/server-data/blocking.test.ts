// Two connections to each server: one waits, the other gives it something. The transcripts must be equal.
import assert from 'node:assert/strict';
import { type Standalone, startStandalone } from '../../../server/embedded/standalone.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { until } from '../../kit/until.ts';
import { show, words } from './compare.ts';
import { type Tagged, WirePeer } from './peers.ts';

/** Lines `a> ...` wait on connection a, `b> ...` on b; other lines run on a third and are answered at once. */
const scripts: Record<string, string> = {
  'pops of lists': `
    a> BLPOP l1 l2 0
    b> BRPOP l2 0
    RPUSH l2 x y z
    LRANGE l2 0 -1
    a> BLMPOP 0 2 l1 l2 RIGHT COUNT 5
    DEL l2
    RPUSH l1 1 2 3
    EXISTS l1
  `,
  'moves of lists': `
    a> BLMOVE src dst LEFT RIGHT 0
    b> BLPOP dst 0
    RPUSH src v
    EXISTS src dst
    a> BRPOPLPUSH src dst 0
    SET dst string
    RPUSH src w
    LRANGE src 0 -1
  `,
  'a key of another type leaves the waiter waiting': `
    a> BLPOP l 0
    SADD l member
    DEL l
    RPUSH l item
  `,
  'pops of sorted sets': `
    a> BZPOPMIN z1 z2 0
    b> BZPOPMAX z2 0
    ZADD z2 1 one 2 two 3 three
    ZRANGE z2 0 -1 WITHSCORES
    a> BZMPOP 0 2 z1 z3 MAX COUNT 2
    ZADD z3 1.5 one 2.5 two 3 three
    ZRANGE z3 0 -1
  `,
  streams: `
    a> XREAD BLOCK 0 STREAMS s t $ $
    b> XREAD BLOCK 0 COUNT 1 STREAMS t 0
    XADD t 5-1 k v
    XADD s 6-1 k v
    XGROUP CREATE t g $
    a> XREADGROUP GROUP g alice BLOCK 0 STREAMS t >
    XADD t 7-1 k v
    XPENDING t g
    b> XREADGROUP GROUP g bob BLOCK 0 STREAMS t >
    XGROUP DESTROY t g
  `,
  'a stream that goes away under the readers of its group': `
    XGROUP CREATE s g $ MKSTREAM
    XGROUP CREATE t g $ MKSTREAM
    a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s t > >
    b> XREADGROUP GROUP g bob BLOCK 0 STREAMS t >
    DEL t
    XGROUP CREATE t g $ MKSTREAM
    a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
    SET s string
    DEL s
    XGROUP CREATE s g $ MKSTREAM
    a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
    b> XREADGROUP GROUP g bob BLOCK 0 STREAMS t >
    RENAME t s
    XGROUP CREATE t g $ MKSTREAM
    b> XREAD BLOCK 0 STREAMS s $
    FLUSHALL
    XADD s 99-1 k v
  `,
  'databases that change places under the readers of a group': `
    XGROUP CREATE s g $ MKSTREAM
    a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
    b> BLPOP s 0
    SWAPDB 0 1
    RPUSH s item
    FLUSHALL
    XGROUP CREATE s g $ MKSTREAM
    a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
    PEXPIRE s 1
  `,
  'time running out': `
    a> BLPOP none 0.02
    a> BRPOPLPUSH none other 0.02
    a> BLMOVE none other LEFT LEFT 0.02
    a> BLMPOP 0.02 1 none LEFT
    a> BZPOPMIN none 0.02
    a> BZMPOP 0.02 1 none MIN
    a> XREAD BLOCK 20 STREAMS none $
  `,
  'inside a transaction nobody waits': `
    MULTI
    BLPOP none 0
    BLMOVE none other LEFT LEFT 0
    BRPOPLPUSH none other 0
    BLMPOP 0 1 none LEFT
    BZPOPMIN none 0
    BZMPOP 0 1 none MIN
    XREAD BLOCK 0 STREAMS none $
    EXEC
  `,
};

async function blockedClients(peer: WirePeer): Promise<number> {
  const info = await peer.run(['INFO', 'clients']);
  const text = typeof info === 'string' ? info : String((info as { of: string }).of);
  return Number(/blocked_clients:(\d+)/.exec(text)?.[1]);
}

async function transcript(port: number, script: string, protocol: string): Promise<string[]> {
  const [main, a, b] = await Promise.all([WirePeer.open(port), WirePeer.open(port), WirePeer.open(port)]);
  const lines: string[] = [];
  const waiting = new Map<WirePeer, Promise<void>>();
  const note = (text: string, reply: Tagged): void => void lines.push(`${text} => ${show(reply)}`);
  try {
    await main.run(['FLUSHALL']);
    for (const peer of [main, a, b]) await peer.run(['HELLO', protocol]);
    for (const line of script.split('\n').map((text) => text.trim())) {
      if (line === '') continue;
      const waiter = line.startsWith('a> ') ? a : line.startsWith('b> ') ? b : undefined;
      if (waiter === undefined) {
        note(line, await main.run(words(line)));
        continue;
      }
      await waiting.get(waiter);
      let answered = false;
      const done = waiter.run(words(line.slice(3))).then((reply) => {
        answered = true;
        waiting.delete(waiter);
        note(line, reply);
      });
      waiting.set(waiter, done);
      // Either it waits now or it was answered already; the server reports both.
      await until(`"${line}" waits`, async () => answered || (await blockedClients(main)) === waiting.size);
    }
    await Promise.all(waiting.values());
    return lines.sort();
  } finally {
    for (const peer of [main, a, b]) peer.close();
  }
}

describe('blocking commands equal redis-server', function () {
  this.timeout(30_000);
  let real: RealNode | undefined;
  let ours: Standalone | undefined;
  before(async function () {
    needRedisServer(this);
    [real, ours] = await Promise.all([startRealNode(), startStandalone()]);
  });
  after(async () => {
    await real?.stop();
    await ours?.close();
  });
  for (const [name, script] of Object.entries(scripts)) {
    for (const protocol of ['2', '3']) {
      it(`${name} (RESP${protocol})`, async () => {
        const expected = await transcript(real!.port, script, protocol);
        assert.deepEqual(await transcript(ours!.port, script, protocol), expected);
      });
    }
  }
});
