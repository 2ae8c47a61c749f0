// A failover drill as a test: the app goes on while each master in turn is replaced, then while one is killed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Cluster } from 'lingcache';
import { type BundledCluster, startCluster } from 'lingcache/server';

let bundled: BundledCluster;
let cluster: Cluster;

before(async () => {
  bundled = await startCluster({ masters: 3, replicas: 1, config: { 'cluster-node-timeout': '500' } });
  cluster = new Cluster(bundled.seeds);
});
after(async () => {
  await cluster.quit();
  await bundled.close();
});

// The part of your app that is put to the test.
const placeOrder = (id: number) => cluster.incr(`orders:${id % 50}`);

async function whileOrdering(fault: () => Promise<unknown>): Promise<number> {
  let going = true;
  let placed = 0;
  const load = (async () => {
    for (let id = 0; going; id++) {
      await placeOrder(id); // rejects when an error reaches the app
      placed++;
    }
  })();
  await fault();
  const until = placed + 50;
  while (placed < until) await new Promise((resolve) => setTimeout(resolve, 5));
  going = false;
  await load;
  return placed;
}

test('no order fails while every master hands over', async () => {
  const placed = await whileOrdering(async () => {
    for (const at of [0, 1, 2]) await bundled.failover(at);
  });
  assert.ok(placed > 50);
});

test('no order fails when a master is killed', async () => {
  const victim = bundled.nodes.find((node) => node.role === 'master')!;
  const placed = await whileOrdering(() => victim.kill());
  assert.ok(placed > 50);
  await victim.restart();
  await bundled.settled();
  assert.equal(victim.role, 'replica');
});
