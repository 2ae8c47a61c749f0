// Is memory flat? A mixed load on a cluster whose slots move and whose masters hand over, for as long as asked; prints
// resident set and heap every 10 s and a verdict on the second half. Exits with 1 when memory grows or a reply is wrong.
// Under 3 minutes there is no verdict on memory.
//
//   node build/test/fault/soak.js [--minutes 10] [--cluster real|bundled] [--seed n]
//
// The bundled cluster lives in a child process, so that only the client's memory is measured.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Cluster, slotOf } from '../../lib/index.ts';
import { startCluster } from '../../server/index.ts';
import { missingRedisServer, moveSlotBetween, startRealCluster } from '../kit/real-cluster.ts';
import { agreement } from './agreement.ts';
import { MixedLoad } from './mixed/load.ts';
import { type Sample, verdictOf } from './trend.ts';

const sampleMs = 10_000;

interface Stage {
  readonly seeds: { host: string; port: number }[];
  /** Moves one slot with its keys to another master. */
  move(slot: number): Promise<void>;
  /** Lets a replica take over, with no write lost. */
  failover(turn: number): Promise<void>;
  stop(): Promise<void>;
}

async function realStage(): Promise<Stage> {
  const cluster = await startRealCluster();
  const roleOf = async (node: (typeof cluster.nodes)[number]): Promise<string> =>
    /role:(\w+)/.exec(String(await node.ask('info', 'replication')))?.[1] ?? '';
  return {
    seeds: cluster.seeds,
    async move(slot) {
      const owner = await cluster.ownerOf(slot);
      for (const node of cluster.nodes) {
        if (node.id !== owner.id && (await roleOf(node)) === 'master') {
          await moveSlotBetween(slot, owner, node);
          await agreement(cluster.nodes);
          return;
        }
      }
    },
    async failover(turn) {
      for (let step = 0; step < cluster.nodes.length; step++) {
        const node = cluster.nodes[(turn + step) % cluster.nodes.length]!;
        if ((await roleOf(node)) !== 'slave') continue;
        await node.ask('cluster', 'failover');
        for (let tries = 0; tries < 100 && (await roleOf(node)) !== 'master'; tries++) await pause(50);
        await agreement(cluster.nodes);
        return;
      }
    },
    stop: () => cluster.stop(),
  };
}

/** The child's half of the bundled stage: does what the parent asks, in order. */
async function serveBundled(): Promise<void> {
  const cluster = await startCluster();
  process.on('disconnect', () => process.exit());
  process.on('message', (message: { id: number; move?: number; failover?: number }) => {
    const work = async (): Promise<void> => {
      const masters = cluster.nodes.filter((node) => node.role === 'master');
      if (message.move !== undefined) {
        const owner = cluster.ownerOf(message.move);
        await cluster.moveSlot(message.move, masters.find((node) => node !== owner)!);
      } else await cluster.failover(masters[(message.failover ?? 0) % masters.length]!);
    };
    work().then(
      () => process.send?.({ id: message.id }),
      (error: Error) => process.send?.({ id: message.id, error: error.message }),
    );
  });
  process.send?.({ id: 0, seeds: cluster.seeds });
}

async function bundledStage(): Promise<Stage> {
  const child = fork(fileURLToPath(import.meta.url), ['--serve']);
  const [hello] = (await once(child, 'message')) as [{ seeds: { host: string; port: number }[] }];
  let asked = 0;
  const ask = async (order: { move?: number; failover?: number }): Promise<void> => {
    child.send({ id: ++asked, ...order });
    const [answer] = (await once(child, 'message')) as [{ error?: string }];
    if (answer.error !== undefined) throw new Error(answer.error);
  };
  return {
    seeds: hello.seeds,
    move: (slot) => ask({ move: slot }),
    failover: (turn) => ask({ failover: turn }),
    async stop() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

/** Runs without --expose-gc: what is measured is what lives, not what waits to be collected. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

/** Changes the cluster until stopped. */
async function change(stage: Stage, going: () => boolean, print: (line: string) => void): Promise<number[]> {
  const slots = ['w0:0', '{w1}:0', 'count:2', '{w3}:0', 'w4:1', 'w5:2', '{w6}:1'].map((key) => slotOf(key));
  const counts = [0, 0];
  for (let turn = 0; going(); turn++) {
    try {
      if (turn % 60 === 59) {
        await stage.failover(Math.floor(turn / 60));
        counts[1]!++;
      } else {
        await stage.move(slots[turn % slots.length]!);
        counts[0]!++;
      }
    } catch (error) {
      print(`change ${turn}: ${(error as Error).message}`);
    }
    await pause(200);
  }
  return counts;
}

async function soak(stage: Stage, minutes: number, seed: number): Promise<boolean> {
  const collect = collector();
  const client = new Cluster(stage.seeds.slice(0, 2));
  const load = new MixedLoad(client, { seed, pause: 5 });
  let unsettled = 0;
  const end = performance.now() + minutes * 60_000;
  const samples: Sample[] = [];
  load.start();
  const changes = change(
    stage,
    () => performance.now() < end,
    (line) => console.log(line),
  );
  while (performance.now() < end) {
    await pause(Math.min(sampleMs, Math.max(1, end - performance.now())));
    // Between two calls nothing of the load lives, so a sample shows what stays.
    unsettled += await load.stop(30_000);
    collect();
    await pause(50);
    collect();
    const { rss, heapUsed, external } = process.memoryUsage();
    const sample = { at: performance.now() / 1000, rss: rss / 2 ** 20, heap: (heapUsed + external) / 2 ** 20 };
    samples.push(sample);
    load.start();
    console.log(
      `${Math.round(sample.at)} s  rss ${sample.rss.toFixed(1)} MiB  heap ${sample.heap.toFixed(2)} MiB  ${load.total} steps  ${JSON.stringify(client.stats().redirects)}`,
    );
  }
  const [moved, failovers] = await changes;
  unsettled += await load.stop(30_000);
  await load.verify();
  client.disconnect();
  const trend = verdictOf(samples);
  console.log(`${load.total} steps, ${moved} slots moved, ${failovers} failovers, seed ${seed}`);
  console.log(
    `errors ${JSON.stringify([...load.errors])}, wrong ${JSON.stringify(load.wrong)}, unsettled ${unsettled}`,
  );
  console.log(trend.text);
  return trend.flat !== false && load.wrong.length === 0 && load.refused.length === 0 && unsettled === 0;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      cluster: { type: 'string', default: 'real' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      serve: { type: 'boolean', default: false },
    },
  });
  if (values.serve) {
    await serveBundled();
    return;
  }
  const minutes = Number(values.minutes);
  if (!(minutes > 0) || !['real', 'bundled'].includes(values.cluster)) {
    console.error('usage: soak [--minutes 10] [--cluster real|bundled] [--seed n]');
    process.exitCode = 2;
    return;
  }
  const reason = values.cluster === 'real' ? missingRedisServer() : undefined;
  if (reason !== undefined) console.log(`the bundled cluster instead of a real one: ${reason}`);
  // Nodes are stopped when the process exits, which a signal alone would not make it do properly.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  // Sockets that set things up do not keep a process alive.
  const awake = setInterval(() => undefined, 1000);
  const stage = values.cluster === 'real' && reason === undefined ? await realStage() : await bundledStage();
  try {
    if (!(await soak(stage, minutes, Number(values.seed)))) process.exitCode = 1;
  } finally {
    await stage.stop();
    clearInterval(awake);
  }
}

await main();
