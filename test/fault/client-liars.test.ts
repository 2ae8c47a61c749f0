// One node of the cluster lies: it serves an old map, sends callers to the wrong place, or claims what is not its own.
// The honest nodes are real; the liar is scripted. Calls must end where they belong, whatever it says.

import assert from 'node:assert/strict';
import { Cluster, slotOf } from '../../lib/index.ts';
import { bulk, clusterOk, FakeNode, type FakeRange, slotsReply } from '../kit/fake-node.ts';
import { needRedisServer, type RealCluster, type RealNode, startRealCluster } from '../kit/real-cluster.ts';
import { until } from '../kit/until.ts';
import { agreement } from './agreement.ts';

type Row = [start: number, end: number, master: [host: string, port: number, id: string]];

async function rangesOf(node: RealNode): Promise<{ range: FakeRange; id: string }[]> {
  const rows = (await node.ask('cluster', 'slots')) as Row[];
  return rows.map(([start, end, [host, port, id]]) => ({ range: { start, end, nodes: [{ host, port }] }, id }));
}

const keys = Array.from({ length: 80 }, (_, at) => `truth:${at}`);

/** Everything can be written and read back, in calls, pipelines and transactions. */
async function allWell(client: Cluster, mark: string): Promise<void> {
  const writes = client.pipeline();
  for (const key of keys) writes.set(key, `${mark} ${key}`);
  for (const [error, reply] of (await writes.exec())!) {
    assert.equal(error, null);
    assert.equal(reply, 'OK');
  }
  for (const key of keys) assert.equal(await client.get(key), `${mark} ${key}`);
  for (const key of keys.slice(0, 10)) {
    assert.deepEqual(await client.multi().get(key).exists(key).exec(), [
      [null, `${mark} ${key}`],
      [null, 1],
    ]);
  }
}

describe('fault: a node that lies', function () {
  this.timeout(60_000);
  let cluster: RealCluster;
  let liar: FakeNode;
  let client: Cluster | undefined;

  before(async function () {
    needRedisServer(this, 'tests with a lying node');
    cluster = await startRealCluster({ replicas: 0 });
  });
  after(() => cluster?.stop());
  afterEach(async () => {
    client?.disconnect();
    client = undefined;
    await liar?.close();
    await cluster?.flush();
  });

  it('serves an old map: what moved since is found by MOVED', async () => {
    const old = slotsReply((await rangesOf(cluster.masters[0]!)).map(({ range }) => range));
    for (const key of keys.slice(0, 4)) {
      const owner = await cluster.ownerOf(slotOf(key));
      const next = cluster.masters[(cluster.masters.indexOf(owner) + 1) % 3]!;
      await cluster.moveSlot(slotOf(key), next);
      await agreement(cluster.nodes);
    }
    liar = await FakeNode.start(([name, sub]) =>
      name === 'cluster' ? (sub!.toLowerCase() === 'slots' ? old : clusterOk) : '-ERR not mine\r\n',
    );
    client = new Cluster([liar.key]);
    await allWell(client, 'old map');
    assert.ok(client.stats().redirects.moved > 0);
    // Asked again and again, it goes on telling the old map; what calls have learned stays.
    for (let round = 0; round < 3; round++) {
      await client.refreshSlotsCache();
      await allWell(client, `round ${round}`);
    }
  });

  it('sends callers to the wrong node, which knows better', async () => {
    const honest = await rangesOf(cluster.masters[0]!);
    // The liar pretends to own everything and passes each caller on to whoever does not own the slot.
    liar = await FakeNode.start((argv) => {
      const [name, sub] = argv;
      if (name === 'cluster') {
        return sub!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [liar] }]) : clusterOk;
      }
      const slot = slotOf(String(argv[name === 'eval' ? 3 : 1] ?? ''));
      const wrong = honest.find(({ range }) => slot < range.start || slot > range.end)!.range.nodes[0] as {
        port: number;
      };
      return `-MOVED ${slot} 127.0.0.1:${wrong.port}\r\n`;
    });
    client = new Cluster([liar.key]);
    await allWell(client, 'wrong place');
    await until('nobody asks the liar any more', async () => {
      const before = liar.commands.length;
      await allWell(client!, 'again');
      return liar.commands.length === before;
    });
  });

  it('sends callers to itself for ever: an error after maxRedirections, and the others are served', async () => {
    const honest = (await rangesOf(cluster.masters[0]!)).map(({ range }) => range);
    const slot = slotOf('trap');
    liar = await FakeNode.start(([name, sub]) => {
      if (name === 'cluster')
        return sub!.toLowerCase() === 'slots' ? slotsReply(withOwner(honest, slot, liar)) : clusterOk;
      return `-MOVED ${slot} ${liar.key}\r\n`;
    });
    client = new Cluster([liar.key], { maxRedirections: 5 });
    await assert.rejects(client.get('trap'), (error: Error & { code?: string }) => {
      assert.match(error.message, /^Too many Cluster redirections\. Last error: .*MOVED/);
      assert.equal(error.code, 'ERR_TOO_MANY_REDIRECTIONS');
      return true;
    });
    assert.ok(liar.commands.filter((text) => text === 'get trap').length <= 6);
    await allWell(client, 'beside the trap');
  });

  for (const epoch of [0, 9_999]) {
    it(`claims every slot at config epoch ${epoch}: calls end at the true owners`, async () => {
      const id = 'f'.repeat(40);
      liar = await FakeNode.start((argv) => {
        const [name, sub] = argv;
        if (name === 'cluster' && sub!.toLowerCase() === 'slots') {
          return slotsReply([{ start: 0, end: 16383, nodes: [liar] }]).replace(String(liar.port).padStart(40, '0'), id);
        }
        if (name === 'cluster' && sub!.toLowerCase() === 'nodes') {
          return bulk(`${id} 127.0.0.1:${liar.port}@1 myself,master - 0 0 ${epoch} connected 0-16383\n`);
        }
        if (name === 'cluster') return clusterOk;
        // It does know who serves a slot, as every node does that once was a member.
        const slot = slotOf(String(argv[1] ?? ''));
        const owner = honest.find(({ range }) => slot >= range.start && slot <= range.end)!.range.nodes[0] as {
          port: number;
        };
        return `-MOVED ${slot} 127.0.0.1:${owner.port}\r\n`;
      });
      const honest = await rangesOf(cluster.masters[0]!);
      client = new Cluster([liar.key, ...cluster.seeds]);
      for (let round = 0; round < 3; round++) {
        await allWell(client, `round ${round}`);
        await client.refreshSlotsCache();
      }
      // Without the liar the truth is found again, and is all there is.
      await liar.close();
      await allWell(client, 'liar gone');
      await until('the map is the true one', async () => {
        await client!.refreshSlotsCache();
        const masters = client!.nodes('master').map(({ options }) => options.port!);
        return (
          masters.sort().join() ===
          cluster.masters
            .map(({ port }) => port)
            .sort()
            .join()
        );
      });
    });
  }
});

/** `ranges` with one slot given to `owner`. */
function withOwner(ranges: readonly FakeRange[], slot: number, owner: FakeNode): FakeRange[] {
  return ranges.flatMap((range) => {
    if (slot < range.start || slot > range.end) return [range];
    const parts: FakeRange[] = [{ start: slot, end: slot, nodes: [owner] }];
    if (range.start < slot) parts.push({ ...range, end: slot - 1 });
    if (range.end > slot) parts.push({ ...range, start: slot + 1 });
    return parts;
  });
}
