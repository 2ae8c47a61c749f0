// The client while a real cluster changes under it: slots move, masters hand over. No call may fail, no value be wrong.

import { equal, fail, ok } from 'node:assert/strict';
import { Cluster, slotOf } from '../../../lib/index.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../kit/real-cluster.ts';
import { type Repeated, repeat } from '../../kit/repeat.ts';
import { until } from '../../kit/until.ts';

const total = 100_000;
const batch = 500;

const keyOf = (at: number): string => `reshard:${at}`;
const contentOf = (at: number): string => `value ${at} ${'x'.repeat(at % 40)}`;

/** Writes keys [from, from + batch) and reads them back, one pipeline each. */
async function writeAndRead(client: Cluster, from: number): Promise<void> {
  const writes = client.pipeline();
  for (let at = from; at < from + batch; at++) writes.set(keyOf(at), contentOf(at));
  for (const [error, reply] of (await writes.exec()) as [Error | null, unknown][]) {
    if (error !== null) throw error;
    equal(reply, 'OK');
  }
  await readBack(client, from);
}

async function readBack(client: Cluster, from: number): Promise<void> {
  const reads = client.pipeline();
  for (let at = from; at < from + batch; at++) reads.get(keyOf(at));
  const replies = (await reads.exec()) as [Error | null, unknown][];
  replies.forEach(([error, reply], at) => {
    if (error !== null) throw error;
    if (reply !== contentOf(from + at)) fail(`${keyOf(from + at)} reads ${JSON.stringify(reply)}`);
  });
}

/** Single calls, one after another, until stopped. */
function steadyLoad(client: Cluster, name: string): Repeated {
  return repeat(async (count) => {
    const key = `${name}:${count % 997}`;
    equal(await client.set(key, String(count)), 'OK');
    equal(await client.get(key), String(count));
  });
}

describe('client on a real cluster that changes', function () {
  this.timeout(90_000);
  let cluster: RealCluster;
  let client: Cluster;

  before(async function () {
    needRedisServer(this, 'client on a real cluster that changes');
    cluster = await startRealCluster();
    client = new Cluster(cluster.seeds.slice(0, 2));
  });
  after(async () => {
    client?.disconnect();
    await cluster?.stop();
  });

  it('writes and reads 100,000 keys while redis-cli reshards 2,000 slots', async () => {
    const [from, to] = cluster.masters;
    // Some keys are there before, so that slots move with keys in them: ASK and MOVED both happen.
    const early = total / 5;
    for (let at = 0; at < early; at += batch) await writeAndRead(client, at);

    let done = false;
    const resharding = cluster
      .cli(
        ...['--cluster', 'reshard', from!.address, '--cluster-from', from!.id, '--cluster-to', to!.id],
        ...['--cluster-slots', '2000', '--cluster-yes', '--cluster-pipeline', '50'],
      )
      .finally(() => {
        done = true;
      });
    resharding.catch(() => undefined);
    const load = steadyLoad(client, 'steady');
    for (let at = early; at < total; at += batch) await writeAndRead(client, at);
    // Whatever is faster, the two must overlap to the end of the move.
    let at = 0;
    while (!done) {
      await readBack(client, at);
      at = (at + batch) % total;
    }
    await resharding;
    const steady = await load.stop();
    ok(steady > 0);

    equal(await ownedBy(cluster, to!.port), 5461 + 2000);
    for (let from = 0; from < total; from += batch) await readBack(client, from);
    const kept = await Promise.all(cluster.masters.map((node) => node.ask('dbsize')));
    equal(
      kept.map(Number).reduce((sum, size) => sum + size),
      total + Math.min(steady, 997),
    );
  });

  it('follows slots that are given away by SETSLOT without their keys', async () => {
    const tag = await emptyTag(cluster);
    const slot = slotOf(tag);
    const before = await cluster.ownerOf(slot);
    const target = cluster.masters.find((node) => node.id !== before.id)!;
    equal(await client.get(`${tag}a`), null);
    for (const node of [target, before, ...cluster.masters]) {
      await node.ask('cluster', 'setslot', String(slot), 'node', target.id);
    }
    equal(await client.set(`${tag}a`, 'after'), 'OK');
    equal(await target.ask('get', `${tag}a`), 'after');
    const results = (await client.multi().set(`${tag}b`, 1).get(`${tag}a`).exec()) as [Error | null, unknown][];
    equal(results[1]?.[1], 'after');
  });

  it('goes on through a manual CLUSTER FAILOVER', async () => {
    const replica = cluster.replicas[0]!;
    const load = steadyLoad(client, 'failover');
    await until('the load runs', () => client.exists('failover:5'));
    equal(await replica.ask('cluster', 'failover'), 'OK');
    await until('the replica is master', async () =>
      /role:master/.test(String(await replica.ask('info', 'replication'))),
    );
    await until('the client knows', () => client.nodes('master').some((node) => node.options.port === replica.port));
    ok((await load.stop()) > 0);
    const all = client.pipeline();
    for (let at = 0; at < 997; at++) all.set(`failover:${at}`, at);
    equal(((await all.exec()) as [Error | null, unknown][]).filter(([error]) => error !== null).length, 0);
  });
});

/** A hash tag whose slot holds no key. */
async function emptyTag(cluster: RealCluster): Promise<string> {
  for (let at = 0; ; at++) {
    const tag = `{given${at}}`;
    const owner = await cluster.ownerOf(slotOf(tag));
    if ((await owner.ask('cluster', 'countkeysinslot', String(slotOf(tag)))) === 0) return tag;
  }
}

async function ownedBy(cluster: RealCluster, port: number): Promise<number> {
  const rows = (await cluster.masters[0]!.ask('cluster', 'slots')) as [number, number, [string, number]][];
  return rows.filter((row) => row[2][1] === port).reduce((sum, [first, last]) => sum + last - first + 1, 0);
}
