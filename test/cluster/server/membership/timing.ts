// How long a failover takes, ours and redis-server's, in turn on the same machine:
//   node build/test/cluster/server/membership/timing.js [--runs 5] [--timeout 2000] [--how kill|freeze]
// From the death of a master until its replica calls itself master. Ends with 1 when the medians differ by more than
// a tenth.

import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCluster } from '../../../../server/index.ts';
import { startRealCluster } from '../../../kit/real-cluster.ts';
import { RespClient } from '../../../kit/resp-client.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    timeout: { type: 'string', default: '2000' },
    how: { type: 'string', default: 'kill' },
  },
});
const config = { 'cluster-node-timeout': values.timeout };
const giveUpMs = 60_000;

/** Waits until the node at `port` is a master; ms since `start`. */
async function untilMaster(port: number, start: number): Promise<number> {
  const client = await RespClient.connect(port);
  try {
    while (performance.now() - start < giveUpMs) {
      const role = (await client.call('ROLE')) as unknown[];
      if (String(role[0]) === 'master') return performance.now() - start;
      await pause(5);
    }
  } finally {
    client.close();
  }
  throw new Error(`no failover within ${giveUpMs} ms`);
}

async function ours(): Promise<number> {
  await using cluster = await startCluster({ bus: 'tcp', config });
  const [lost] = cluster.nodes;
  const newPrimary = cluster.nodes.find(({ masterId }) => masterId === lost!.id)!;
  await pause(3000 + Math.random() * 1000);
  const start = performance.now();
  if (values.how === 'freeze') lost!.pause();
  else await lost!.kill();
  return await untilMaster(newPrimary.port, start);
}

async function theirs(): Promise<number> {
  const cluster = await startRealCluster({ masters: 3, replicas: 1, config });
  try {
    const [lost] = cluster.masters;
    const views = String(await lost!.ask('cluster', 'replicas', lost!.id));
    const newPrimary = cluster.replicas.find(({ id }) => views.includes(id))!;
    await pause(3000 + Math.random() * 1000);
    const start = performance.now();
    if (values.how === 'freeze') lost!.freeze();
    else await lost!.kill();
    const took = await untilMaster(newPrimary.port, start);
    if (values.how === 'freeze') lost!.thaw();
    return took;
  } finally {
    await cluster.stop();
  }
}

function median(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

// The nodes' own timers keep no process alive.
const awake = setInterval(() => undefined, 1000);
const times = { ours: [] as number[], theirs: [] as number[] };
for (let run = 0; run < Number(values.runs); run++) {
  times.ours.push(await ours());
  times.theirs.push(await theirs());
}
for (const [who, all] of Object.entries(times)) {
  console.log(`${who}: median ${median(all).toFixed(0)} ms of ${all.map((ms) => ms.toFixed(0)).join(' ')}`);
}
const ratio = median(times.ours) / median(times.theirs);
console.log(`ratio ${ratio.toFixed(3)}`);
clearInterval(awake);
process.exit(Math.abs(ratio - 1) <= 0.1 ? 0 : 1);
