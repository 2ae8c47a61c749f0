// A master dies (SIGKILL) or freezes (SIGSTOP) under load on a real cluster, with full coverage required and not.
// Nothing surfaces while the deadline allows, and calls go through again once the server has promoted a replica.
// The times are printed, never asserted on.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster } from '../../lib/index.ts';
import { slotOf } from '../../lib/wire/slot.ts';
import {
  freeze,
  kill,
  scenario,
  startCluster,
  step,
  type TestCluster,
  type TestNode,
  wait,
} from '../../server/testing/testing.ts';
import { needRedisServer } from '../kit/redis-server.ts';
import { programUnderTest } from '../kit/servers.ts';
import { until } from '../kit/until.ts';

interface Report {
  readonly errors: Error[];
  readonly wrong: string[];
  /** From the fault, in ms. */
  promoted: number;
  firstOk: number;
  /** Longest pause between two answers of a healthy shard. */
  healthyGap: number;
}

const victimKey = 'victim:{bar}';

/** A real cluster that makes up its mind quickly. */
function start(coverage: string): Promise<TestCluster> {
  return startCluster({
    server: programUnderTest() === 'redis-server' ? 'redis-7' : programUnderTest(),
    config: {
      'cluster-node-timeout': '1000',
      'cluster-require-full-coverage': coverage,
      'cluster-allow-replica-migration': 'no',
      appendonly: 'no',
    },
  });
}

async function failOver(cluster: TestCluster, client: Cluster, fault: 'kill' | 'freeze'): Promise<Report> {
  const slot = slotOf(victimKey);
  const victim = await cluster.ownerOf(victimKey);
  const address = `${victim.host}:${victim.port}`;
  const healthyKey = ['foo', 'x', 'y', 'z', 'w'].find((key) => client.slots[slotOf(key)]![0] !== address)!;
  const report: Report = { errors: [], wrong: [], promoted: 0, firstOk: 0, healthyGap: 0 };
  await client.set(victimKey, 'before');
  await client.set(healthyKey, 'fine');

  let hit = 0;
  let answeredAt = performance.now();
  const pending = new Set<Promise<void>>();
  const issue = (promise: Promise<unknown>, settled: (value: unknown) => void): void => {
    const tracked: Promise<void> = promise
      .then(settled, (error: Error) => void report.errors.push(error))
      .finally(() => pending.delete(tracked));
    pending.add(tracked);
  };
  // Calls are issued at their time, whether those before are answered or not.
  const load = async (round: number): Promise<void> => {
    const started = performance.now();
    issue(client.set(victimKey, `round ${round}`), (reply) => {
      if (reply !== 'OK') report.wrong.push(`SET answered ${String(reply)}`);
      if (hit > 0 && started > hit && report.firstOk === 0) report.firstOk = performance.now() - hit;
    });
    issue(client.get(healthyKey), (reply) => {
      if (reply !== 'fine') report.wrong.push(`GET answered ${String(reply)}`);
      const now = performance.now();
      if (hit > 0) report.healthyGap = Math.max(report.healthyGap, now - answeredAt);
      answeredAt = now;
    });
    await pause(20);
  };
  const watcher = cluster.nodes.find((node) => node !== victim)!;
  const promoted = step('a replica is promoted', async () => {
    await until('a replica is promoted', async () => {
      const slots = (await watcher.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
      const owner = slots.find(([from, to]) => from <= slot && slot <= to)?.[2][1];
      return owner !== undefined && owner !== victim.port;
    });
    report.promoted = performance.now() - hit;
  });
  const answers = step('the victim shard answers', () =>
    until('the victim shard answers', () => report.firstOk > 0, 12_000).then(() => undefined),
  );
  const now = (): TestNode => {
    hit = performance.now();
    return victim;
  };
  const harm = fault === 'kill' ? kill(now) : freeze(now);
  await scenario(cluster, [wait(300), harm, promoted, answers, wait(300)], {
    while: ({ round }) => load(round),
    heal: false,
  });
  await Promise.all(pending);
  return report;
}

describe('fault: failover of a real master', function () {
  this.timeout(60_000);
  before(function () {
    needRedisServer(this);
  });

  it('a lone call to a frozen master is answered by its successor, with nothing else going on', async () => {
    const cluster = await start('no');
    const client = new Cluster(cluster.seeds.slice(0, 2), { silenceTimeout: 200 });
    try {
      await client.set(victimKey, 'value');
      await client.wait(1, 1000);
      const victim = await cluster.ownerOf(victimKey);
      const [replica] = await cluster.replicas(victim);
      await until('the replica has the value', async () => Number(await replica!.call('DBSIZE')) > 0);
      victim.freeze();
      assert.equal(await client.get(victimKey), 'value');
    } finally {
      client.disconnect();
      await cluster.close();
    }
  });

  for (const coverage of ['yes', 'no']) {
    for (const fault of ['kill', 'freeze'] as const) {
      it(`${fault === 'kill' ? 'SIGKILL' : 'SIGSTOP'}, full coverage ${coverage}: no error, no wrong reply`, async () => {
        const cluster = await start(coverage);
        const client = new Cluster(cluster.seeds.slice(0, 2));
        try {
          const report = await failOver(cluster, client, fault);
          const after = Math.round(report.firstOk - report.promoted);
          console.log(
            `        promoted after ${Math.round(report.promoted)} ms, first OK ${after} ms later, longest gap on a healthy shard ${Math.round(report.healthyGap)} ms`,
          );
          assert.deepEqual(report.errors, []);
          assert.deepEqual(report.wrong, []);
          assert.notEqual(report.firstOk, 0);
        } finally {
          client.disconnect();
          await cluster.close();
        }
      });
    }
  }
});
