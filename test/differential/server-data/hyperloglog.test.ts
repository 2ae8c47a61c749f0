import assert from 'node:assert/strict';
import { type BundledNode, startNode } from '../../../server/index.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { chanceFrom } from '../../unit/server/bus/packet-kit.ts';

// What PFADD and PFMERGE leave in a key is, byte for byte, what redis-server leaves there: sparse, at the bound of the
// sparse layout, and dense.

describe('HyperLogLogs have the bytes of redis-server', function () {
  this.timeout(30_000);
  let real: RealNode;
  let ours: BundledNode;
  let clients: RespClient[];

  before(async function () {
    needRedisServer(this);
    [real, ours] = await Promise.all([startRealNode(), startNode()]);
    clients = await Promise.all([real, ours].map(({ port }) => RespClient.connect(port)));
  });

  after(async () => {
    for (const client of clients ?? []) client.close();
    await ours?.kill();
    await real?.kill();
  });

  async function same(what: string, ...argv: (string | number)[]): Promise<unknown> {
    const [theirs, mine] = await Promise.all(clients.map((client) => client.call(...argv)));
    assert.deepEqual(mine, theirs, `${what}: ${argv.slice(0, 3).join(' ')}`);
    return mine;
  }

  it('after any sequence of PFADD and PFMERGE', async () => {
    const chance = chanceFrom(23);
    const keys = ['a', 'b', 'c', 'd'];
    const layouts = new Set<number>();
    for (let round = 0; round < 1200; round++) {
      const key = keys[chance(keys.length)]!;
      const dice = chance(40);
      if (dice === 0) await same(`round ${round}`, 'DEL', key);
      else if (dice < 5) {
        const sources = Array.from({ length: 1 + chance(2) }, () => keys[chance(keys.length)]!);
        await same(`round ${round}`, 'PFMERGE', key, ...sources);
      } else {
        const most = dice < 8 ? 400 : 12;
        const words = Array.from({ length: chance(most) }, () => `e${chance(1 + 1000 * chance(60))}`);
        await same(`round ${round}`, 'PFADD', key, ...words);
      }
      const text = String(await same(`round ${round}`, 'GET', key));
      if (text.length > 4) layouts.add(text.charCodeAt(4));
    }
    assert.deepEqual(layouts, new Set([0, 1]));
    await same('the end', 'PFCOUNT', ...keys);
  });

  it('and the same DEBUG DIGEST, grown little by little past the bound', async () => {
    await same('all', 'FLUSHALL');
    for (let at = 0; at < 1500; at += 3) {
      await same(`element ${at}`, 'PFADD', 'k', `x${at}`, `x${at + 1}`, `x${at + 2}`);
      if (at % 60 === 0) await same(`element ${at}`, 'DEBUG', 'DIGEST');
    }
    await same('the end', 'DEBUG', 'DIGEST');
  });
});
