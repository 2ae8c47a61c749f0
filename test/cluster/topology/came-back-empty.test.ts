// A node that lost its disk and came back at its old address as somebody else: the others list the one they knew with
// an empty address and port 0, in CLUSTER SLOTS too. The rest of the cluster must not suffer from it.

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster, slotOf } from '../../../lib/index.ts';
import {
  moveSlotBetween,
  needRedisServer,
  type RealCluster,
  type RealNode,
  startRealCluster,
} from '../../kit/real-cluster.ts';
import { until } from '../../kit/until.ts';

describe('a node that came back empty', function () {
  this.timeout(60_000);
  let real: RealCluster;
  const clients: Cluster[] = [];

  beforeEach(async function () {
    needRedisServer(this, 'a node that came back empty');
    // Nobody takes the place of a master: its slots stay with the node without an address.
    real = await startRealCluster({
      config: { 'cluster-require-full-coverage': 'no', 'cluster-replica-no-failover': 'yes' },
    });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await real?.stop();
  });

  const connect = async (): Promise<Cluster> => {
    const cluster = new Cluster(real.seeds, { lazyConnect: true, slotsRefreshInterval: 100 });
    cluster.on('error', () => undefined);
    clients.push(cluster);
    await cluster.connect();
    return cluster;
  };

  async function wipe(node: RealNode): Promise<void> {
    await node.kill();
    rmSync(join(real.dir, `nodes-${node.port}.conf`));
    await node.restart();
  }

  /** Whether a node lists somebody in CLUSTER SLOTS without an address. */
  async function listsNobody(node: RealNode): Promise<boolean> {
    const rows = (await node.ask('cluster', 'slots')) as [number, number, ...[string | null, number][]][];
    return rows.some(([, , ...nodes]) => nodes.some(([host, port]) => !host && port === 0));
  }

  it('clients start, and those that run see what changes', async () => {
    const victim = real.masters[2]!;
    const others = real.masters.filter((node) => node !== victim);
    const running = await connect();
    await wipe(victim);
    for (const node of others) await until(`${node.address} lists it without address`, () => listsNobody(node));
    const before = running.stats().refreshes;
    const started = await connect();
    const keys = Array.from({ length: 200 }, (_, at) => `key:${at}`);
    const owned = await Promise.all(
      keys.map(async (key) => (await real.ownerOf(slotOf(key)).catch(() => undefined))?.port),
    );
    const safe = keys.filter((_, at) => owned[at] !== undefined && owned[at] !== victim.port);
    assert.ok(safe.length > 100, `${safe.length} keys elsewhere`);
    for (const client of [started, running]) {
      await Promise.all(safe.map((key) => client.set(key, 'v')));
    }
    await until('the running client goes on refreshing', () => {
      const now = running.stats().refreshes;
      return JSON.stringify(now) !== JSON.stringify(before);
    });
    // What changes elsewhere is seen by both, though the victim is still listed.
    const key = safe[0]!;
    const from = await real.ownerOf(slotOf(key));
    const to = others.find((node) => node.port !== from.port)!;
    await moveSlotBetween(slotOf(key), from, to);
    for (const client of [started, running]) {
      await until('the move is in the map', () => client.slots[slotOf(key)]?.[0] === to.address);
      assert.equal(await client.get(key), 'v');
    }
    assert.ok(await listsNobody(others[0]!), 'the fault is still there');
  });
});
