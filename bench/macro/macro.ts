// The macro suite: for each workload one process a client, all on the same cluster, measured in turns. One client
// works at a time; the order turns from round to round, so that no one always follows the same neighbour.

import { Admin } from '../cluster/admin.ts';
import { Child, clientFlags } from '../cluster/child.ts';
import type { BenchCluster } from '../cluster/cluster.ts';
import type { Cores } from '../cluster/cores.ts';
import { median } from '../measure/times.ts';
import type { BenchOptions } from '../options.ts';
import type { ClientName } from '../peers/names.ts';
import type { Measured, Setting } from './client.ts';
import { countFor, readKey, valuesOf } from './dataset.ts';
import type { Workload } from './workloads.ts';

/** Medians over the rounds. */
export interface Figures {
  readonly client: ClientName;
  readonly opsPerSecond: number;
  readonly cpuMicrosPerOp: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly peakRssBytes: number;
  readonly gcBytesPerOp: number;
  readonly gcMicrosPerOp: number;
  /** Commands per second of every round, for the spread. */
  readonly rounds: readonly number[];
}

export interface WorkloadResult {
  readonly workload: Workload;
  readonly figures: readonly Figures[];
}

export async function runMacro(
  cluster: BenchCluster,
  cores: Cores,
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<WorkloadResult[]> {
  await load(cluster, new Set(options.workloads.map((one) => one.size)));
  const results: WorkloadResult[] = [];
  for (const workload of options.workloads) {
    progress(workload.name);
    results.push({ workload, figures: await measure(cluster, cores, options, workload) });
  }
  return results;
}

async function load(cluster: BenchCluster, sizes: ReadonlySet<number>): Promise<void> {
  const admin = new Admin(cluster.nodes);
  try {
    for (const size of sizes) {
      const keys = Array.from({ length: countFor(size) }, (_, index) => readKey(size, index));
      await admin.load(keys, valuesOf(size, 0));
    }
  } finally {
    admin.close();
  }
}

async function measure(
  cluster: BenchCluster,
  cores: Cores,
  options: BenchOptions,
  workload: Workload,
): Promise<Figures[]> {
  const module = new URL('./client.js', import.meta.url).href;
  const children: { client: ClientName; child: Child; rounds: Measured[] }[] = [];
  try {
    for (const client of options.clients) {
      const child = new Child(module, cores.client, `${client} ${workload.name}`, clientFlags());
      children.push({ client, child, rounds: [] });
      await child.ask('open', { client, workload, nodes: cluster.nodes } satisfies Setting);
      await child.ask('run', Math.max(options.seconds * 2, 0.3));
    }
    for (let round = 0; round < options.rounds; round++) {
      for (let turn = 0; turn < children.length; turn++) {
        const { child, rounds } = children[(turn + round) % children.length]!;
        rounds.push(await child.ask<Measured>('run', options.seconds));
      }
    }
    await Promise.all(children.map(({ child }) => child.ask('close')));
    return children.map(({ client, rounds }) => figuresOf(client, rounds));
  } finally {
    await Promise.all(children.map(({ child }) => child.close()));
  }
}

function figuresOf(client: ClientName, rounds: readonly Measured[]): Figures {
  const middle = (pick: (one: Measured) => number): number => median(rounds.map(pick));
  const speeds = rounds.map((one) => one.operations / one.cost.seconds);
  return {
    client,
    opsPerSecond: median(speeds),
    cpuMicrosPerOp: middle((one) => one.cost.cpuMicros / one.operations),
    p50: middle((one) => one.latency.p50),
    p99: middle((one) => one.latency.p99),
    p999: middle((one) => one.latency.p999),
    peakRssBytes: Math.max(...rounds.map((one) => one.cost.peakRss)),
    gcBytesPerOp: middle((one) => one.cost.gcBytes / one.operations),
    gcMicrosPerOp: middle((one) => one.cost.gcMicros / one.operations),
    rounds: speeds,
  };
}
