// The ledger of a BullMQ queue: each job writes itself down when it is processed, while the server pauses and the
// queue's slot moves. Used by ledger-bullmq.ts (long) and ledger-bullmq.test.ts (short).
//
// The slot moves in one step: a script on its owner takes the keys away and gives the slot up. Moved key by key, a
// script of BullMQ may meet half of its keys and stop in the middle, whatever the client does.

import { setTimeout as pause } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import { Cluster, Redis, slotOf } from '../../../lib/index.ts';
import { startRealCluster } from '../../kit/real-cluster.ts';
import { startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';
import { agreement } from '../agreement.ts';

export interface BullPlan {
  readonly kind: 'Cluster' | 'Redis';
  readonly jobs: number;
  /** Pauses and slot moves, in turn, are done until all jobs are processed, and at least so many of each. */
  readonly faults: number;
  readonly print?: (line: string) => void;
}

export interface BullReport {
  readonly added: number;
  readonly processed: number;
  readonly twice: readonly string[];
  readonly missing: readonly string[];
  readonly stalled: readonly string[];
  readonly errors: readonly string[];
  readonly pauses: number;
  readonly moves: number;
}

const tag = 'bull';
const slot = slotOf(tag);
const ledger = `{${tag}}:ledger`;
const pauseMs = 1500;

const giveAway = `local keys = redis.call('CLUSTER', 'GETKEYSINSLOT', ARGV[1], '7000')
if #keys > 0 then redis.call('MIGRATE', ARGV[2], ARGV[3], '', '0', '10000', 'KEYS', unpack(keys)) end
return redis.call('CLUSTER', 'SETSLOT', ARGV[1], 'NODE', ARGV[4])`;

interface House {
  readonly client: Cluster | Redis;
  pause(): Promise<void>;
  /** Gives the queue to another node; false where there is none. */
  move(): Promise<boolean>;
  read(): Promise<string[]>;
  stop(): Promise<void>;
}

async function clusterHouse(): Promise<House> {
  const cluster = await startRealCluster({ replicas: 0, config: { 'cluster-node-timeout': '30000' } });
  const client = new Cluster(cluster.seeds, { redisOptions: { maxRetriesPerRequest: null } });
  return {
    client,
    async pause() {
      const owner = await cluster.ownerOf(slot);
      await owner.ask('client', 'pause', String(pauseMs), 'ALL');
      await owner.ask('ping');
    },
    async move() {
      const owner = await cluster.ownerOf(slot);
      const to = cluster.masters.find((node) => node.id !== owner.id)!;
      await to.ask('cluster', 'setslot', String(slot), 'importing', owner.id);
      await owner.ask('eval', giveAway, '0', String(slot), to.host, String(to.port), to.id);
      await to.ask('cluster', 'setslot', String(slot), 'node', to.id);
      await agreement(cluster.nodes);
      return true;
    },
    async read() {
      return ((await (await cluster.ownerOf(slot)).ask('lrange', ledger, '0', '-1')) as unknown[]).map(String);
    },
    stop: () => cluster.stop(),
  };
}

async function loneHouse(): Promise<House> {
  const node = await startRealNode();
  const side = await RespClient.connect(node.port);
  const client = new Redis({ port: node.port, maxRetriesPerRequest: null });
  return {
    client,
    async pause() {
      await side.call('CLIENT', 'PAUSE', String(pauseMs), 'ALL');
      await side.call('PING');
    },
    move: () => Promise.resolve(false),
    async read() {
      return ((await side.call('LRANGE', ledger, '0', '-1')) as unknown[]).map(String);
    },
    async stop() {
      side.close();
      await node.stop();
    },
  };
}

export async function playBull({ kind, jobs, faults, print }: BullPlan): Promise<BullReport> {
  const house = await (kind === 'Cluster' ? clusterHouse() : loneHouse());
  const { client } = house;
  const errors: string[] = [];
  const stalled: string[] = [];
  const note = (error: Error): void => void errors.push(error.message);
  client.on('error', note);
  const where = { connection: client, prefix: `{${tag}}` };
  const queue = new Queue('ledger', where);
  queue.on('error', note);
  // A lock lives longer than any pause: a job that stalls does so by a fault.
  const options = { ...where, concurrency: 8, lockDuration: 60_000, stalledInterval: 5000, drainDelay: 1 };
  const workers = Array.from({ length: 3 }, () =>
    new Worker('ledger', async (job) => void (await client.rpush(ledger, job.id!)), options)
      .on('error', note)
      .on('failed', (_job, error) => note(error))
      .on('stalled', (id) => void stalled.push(id)),
  );
  const ids = new Set<string>();
  let done = false;
  let pauses = 0;
  let moves = 0;
  const disturb = (async () => {
    for (let round = 0; !done || round < 2 * faults; round++) {
      if (round % 2 === 0) {
        await house.pause();
        pauses++;
      } else if (await house.move()) moves++;
      await pause(400);
    }
  })();
  try {
    // Jobs come all the time that the faults take.
    const most = Math.min(100, Math.ceil(jobs / 60));
    for (let at = 0; at < jobs; at += most) {
      const size = Math.min(most, jobs - at);
      const batch = Array.from({ length: size }, (_, n) => ({
        name: 'job',
        data: { n: at + n },
        opts: { removeOnComplete: true },
      }));
      for (const job of await queue.addBulk(batch)) ids.add(job.id!);
      await until('the queue is short', async () => (await queue.getWaitingCount()) < 1000, 120_000);
      await pause(150);
      if (at % 2000 === 0) print?.(`${kind}: ${at} jobs added, ${pauses} pauses, ${moves} moves`);
    }
    await until('all jobs are done', async () => new Set(await house.read()).size >= ids.size, 60_000).catch(note);
    done = true;
    await disturb;
    // Whoever comes a second time comes now.
    await pause(1000);
    const entries = await house.read();
    const times = new Map<string, number>();
    for (const id of entries) times.set(id, (times.get(id) ?? 0) + 1);
    return {
      added: ids.size,
      processed: times.size,
      twice: [...times].filter(([, count]) => count > 1).map(([id]) => id),
      missing: [...ids].filter((id) => !times.has(id)),
      stalled,
      errors,
      pauses,
      moves,
    };
  } finally {
    done = true;
    await Promise.all(workers.map((worker) => worker.close(true)));
    await queue.close();
    client.disconnect();
    await house.stop();
  }
}

/** What is wrong with a report; empty: nothing. */
export function complaintsAbout(report: BullReport, plan: BullPlan): string[] {
  const complaints: string[] = [];
  const some = (list: readonly string[]): string => `${list.length} (${list.slice(0, 10).join(', ')})`;
  if (report.added !== plan.jobs) complaints.push(`${report.added} of ${plan.jobs} jobs were added`);
  if (report.twice.length > 0) complaints.push(`processed more than once: ${some(report.twice)}`);
  if (report.processed > report.added)
    complaints.push(`${report.processed - report.added} jobs were processed that were never reported`);
  if (report.missing.length > 0) complaints.push(`never processed: ${some(report.missing)}`);
  if (report.stalled.length > 0) complaints.push(`stalled: ${some(report.stalled)}`);
  if (report.errors.length > 0) complaints.push(`errors: ${some(report.errors)}`);
  if (report.pauses < plan.faults) complaints.push(`only ${report.pauses} pauses`);
  if (plan.kind === 'Cluster' && report.moves < plan.faults) complaints.push(`only ${report.moves} moves`);
  return complaints;
}
