// The redirect suite: every round each client gets a fresh process and goes through all measures; the samples of all
// rounds are put together. Only the client at work is connected, so the servers' counters are its own.

import { Admin } from '../cluster/admin.ts';
import { Child, clientFlags } from '../cluster/child.ts';
import type { BenchCluster } from '../cluster/cluster.ts';
import type { Cores } from '../cluster/cores.ts';
import { median, type Percentiles, percentilesOf } from '../measure/times.ts';
import type { BenchOptions } from '../options.ts';
import type { ClientName } from '../peers/names.ts';
import { crossesSlots, type OpenRequest } from './contract.ts';
import { Counters } from './counters.ts';
import { type FailoverFigures, failover } from './failover.ts';
import { planKeys } from './keys.ts';
import {
  ask,
  type BatchFigures,
  type Bench,
  batches,
  type CallFigures,
  direct,
  fullEffort,
  moved,
  quickEffort,
  reshard,
  type ShiftFigures,
  swap,
} from './measures.ts';
import { Mover } from './mover.ts';

const shares = [0, 0.01, 0.1, 1] as const;

interface Visit {
  readonly cold: readonly number[];
  readonly direct: CallFigures;
  readonly alone: CallFigures;
  readonly moved: CallFigures;
  readonly ask: CallFigures;
  readonly batches: readonly BatchFigures[];
  readonly swap: ShiftFigures;
  readonly reshard: ShiftFigures;
  readonly failover: FailoverFigures;
}

export interface CallResult {
  /** Milliseconds. */
  readonly latency: Percentiles;
  readonly arrivals: number;
  readonly bytes: number;
  readonly maps: number;
  readonly redirects: number;
  readonly errors: number;
}

interface BatchResult {
  readonly share: number;
  readonly latency: Percentiles;
  readonly redirects: number;
  readonly errors: number;
}

/** Medians over the rounds. */
export interface ShiftResult {
  readonly steadyOps: number;
  readonly duringOps: number;
  readonly ratio: number;
  readonly steadyP99: number;
  readonly p99: number;
  readonly p999: number;
  readonly worst: number;
  /** Cores that the servers kept busy. */
  readonly steadyCores: number;
  readonly duringCores: number;
  readonly moved: number;
  readonly ask: number;
  readonly maps: number;
  readonly shiftMs: number;
  readonly convergeMs: number;
  readonly errors: number;
  readonly firstError: string | undefined;
}

export interface RedirectResult {
  readonly client: ClientName;
  /** Whether a batch is one call, or a burst of singles because the client's batches may not cross slots. */
  readonly batchIs: 'batch' | 'burst';
  /** Milliseconds from nothing to the first answer. */
  readonly cold: Percentiles;
  /** Reads one after the other. */
  readonly direct: CallResult;
  /** Direct reads, each after a pause as long as that before a moved one. */
  readonly alone: CallResult;
  readonly moved: CallResult;
  readonly ask: CallResult;
  readonly batches: readonly BatchResult[];
  readonly swap: ShiftResult;
  readonly reshard: ShiftResult;
  readonly failover: FailoverResult;
}

/** Medians over the rounds, in milliseconds; NaN where a client never answered again. */
interface FailoverResult {
  readonly promotionMs: number;
  readonly firstAnswerMs: number;
  readonly gapMs: number;
  readonly errors: number;
  readonly firstError: string | undefined;
  /** Rounds after which the client had answers again. */
  readonly recovered: number;
  readonly rounds: number;
}

export async function runRedirect(
  cluster: BenchCluster,
  cores: Cores,
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<RedirectResult[]> {
  const clients = options.clients.filter((client) => client !== 'floor');
  const visits = new Map<ClientName, Visit[]>(clients.map((client) => [client, []]));
  const admin = new Admin(cluster.nodes);
  try {
    const plan = planKeys();
    await admin.load(plan.keys, plan.values);
    const counters = new Counters(admin);
    await counters.calibrate();
    const mover = new Mover(admin, cluster.nodes, plan);
    for (let round = 0; round < options.rounds; round++) {
      for (let turn = 0; turn < clients.length; turn++) {
        const client = clients[(turn + round) % clients.length]!;
        progress(`round ${round + 1} of ${options.rounds}: ${client}`);
        const tools = { mover, counters, plan, effort: options.quick ? quickEffort : fullEffort };
        visits.get(client)!.push(await visit(tools, client, cluster, cores));
      }
    }
  } finally {
    admin.close();
  }
  return clients.map((client) => resultOf(client, visits.get(client)!));
}

// What shifts slots under load gets a client of its own: some clients are not the same afterwards.
async function visit(
  tools: Omit<Bench, 'child'>,
  client: ClientName,
  cluster: BenchCluster,
  cores: Cores,
): Promise<Visit> {
  const fresh = async <T>(work: (bench: Bench) => Promise<T>): Promise<T> => {
    const child = new Child(new URL('./client.js', import.meta.url).href, cores.client, client, clientFlags());
    try {
      await child.ask('open', { client, nodes: cluster.nodes } satisfies OpenRequest);
      const value = await work({ ...tools, child });
      await child.ask('close');
      return value;
    } finally {
      await child.close();
    }
  };
  const still = await fresh(async (bench) => {
    const cold: number[] = [];
    for (let sample = 0; sample < bench.effort.cold; sample++) cold.push(await bench.child.ask<number>('cold'));
    const directly = await direct(bench);
    const single = await moved(bench);
    const afterAsk = await ask(bench);
    const moving: BatchFigures[] = [];
    for (const share of shares) moving.push(await batches(bench, share));
    return { cold, direct: directly, ...single, ask: afterAsk, batches: moving };
  });
  return {
    ...still,
    swap: await fresh(swap),
    reshard: await fresh(reshard),
    failover: await failover(client, cores, tools.plan),
  };
}

function resultOf(client: ClientName, visits: readonly Visit[]): RedirectResult {
  return {
    client,
    batchIs: crossesSlots.has(client) ? 'batch' : 'burst',
    cold: percentilesOf(visits.flatMap((one) => one.cold)),
    direct: callResult(visits.map((one) => one.direct)),
    alone: callResult(visits.map((one) => one.alone)),
    moved: callResult(visits.map((one) => one.moved)),
    ask: callResult(visits.map((one) => one.ask)),
    batches: shares.map((share, index) => {
      const all = visits.map((one) => one.batches[index]!);
      return {
        share,
        latency: percentilesOf(all.flatMap((one) => one.ms)),
        redirects: median(all.map((one) => one.redirects)),
        errors: all.reduce((sum, one) => sum + one.errors, 0),
      };
    }),
    swap: shiftResult(visits.map((one) => one.swap)),
    reshard: shiftResult(visits.map((one) => one.reshard)),
    failover: failoverResult(visits.map((one) => one.failover)),
  };
}

function failoverResult(all: readonly FailoverFigures[]): FailoverResult {
  const again = all.filter((one) => one.recovered);
  return {
    promotionMs: median(all.map((one) => one.promotionMs)),
    firstAnswerMs: median(again.map((one) => one.firstAnswerMs)),
    gapMs: median(again.map((one) => one.gapMs)),
    errors: all.reduce((sum, one) => sum + one.errors, 0),
    firstError: all.find((one) => one.firstError !== undefined)?.firstError,
    recovered: again.length,
    rounds: all.length,
  };
}

function callResult(all: readonly CallFigures[]): CallResult {
  const middle = (pick: (one: CallFigures) => number): number => median(all.map(pick));
  return {
    latency: percentilesOf(all.flatMap((one) => one.ms)),
    arrivals: middle((one) => one.arrivalsPerCall),
    bytes: middle((one) => one.bytesPerCall),
    maps: middle((one) => one.mapsPerCall),
    redirects: middle((one) => one.redirectsPerCall),
    errors: all.reduce((sum, one) => sum + one.errors, 0),
  };
}

function shiftResult(all: readonly ShiftFigures[]): ShiftResult {
  const middle = (pick: (one: ShiftFigures) => number): number => median(all.map(pick));
  const steady = (one: ShiftFigures): number => one.steady.operations / one.steady.seconds;
  const during = (one: ShiftFigures): number => one.during.operations / one.during.seconds;
  return {
    steadyOps: middle(steady),
    duringOps: middle(during),
    // NaN when nothing was answered before: no ratio.
    ratio: middle((one) => (steady(one) > 0 ? during(one) / steady(one) : Number.NaN)),
    steadyP99: middle((one) => one.steady.latency.p99),
    p99: middle((one) => one.during.latency.p99),
    p999: middle((one) => one.during.latency.p999),
    worst: Math.max(...all.map((one) => one.during.latency.max)),
    steadyCores: middle((one) => one.steadyCores),
    duringCores: middle((one) => one.duringCores),
    moved: middle((one) => one.moved),
    ask: middle((one) => one.ask),
    maps: middle((one) => one.maps),
    shiftMs: middle((one) => one.shiftMs),
    convergeMs: middle((one) => one.convergeMs),
    errors: all.reduce((sum, one) => sum + one.during.errors + one.steady.errors, 0),
    firstError: all.map((one) => one.during.firstError ?? one.steady.firstError).find((text) => text !== undefined),
  };
}
