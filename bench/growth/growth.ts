// The growth suite: what it costs to do the same to 10 and 100 times as many channels, calls, ranges, entries. The best
// of the rounds counts, sizes and clients take turns. Bars: the time of one item at most doubles; never slower than
// ioredis where it has the thing.

import type { BenchCluster } from '../cluster/cluster.ts';
import type { BenchOptions } from '../options.ts';
import { short, table } from '../report/text.ts';
import { type Figure, type GrowthCase, growthOf, misses, type Run } from './case.ts';
import { networkCases } from './network.ts';
import { roomCases } from './rooms.ts';

export interface GrowthResult {
  readonly name: string;
  readonly figures: readonly Figure[];
  /** Times as much work for one item at the largest size as at the best of the others. */
  readonly growth: number;
  readonly missed: readonly string[];
}

export async function runGrowth(
  cluster: BenchCluster,
  { rounds, quick }: BenchOptions,
  progress: (line: string) => void,
): Promise<GrowthResult[]> {
  const results: GrowthResult[] = [];
  for (const one of [...roomCases(), ...networkCases(cluster)]) {
    progress(one.name);
    const sizes = quick ? one.sizes.slice(0, 2) : one.sizes;
    const figures = await measure({ ...one, sizes }, rounds);
    const missed = quick ? [] : misses(one, figures);
    results.push({ name: one.name, figures, growth: growthOf(figures), missed });
  }
  return results;
}

async function measure(one: GrowthCase, rounds: number): Promise<Figure[]> {
  const own = new Map<number, Run[]>(one.sizes.map((size) => [size, []]));
  const peers = new Map<number, Run[]>(one.sizes.map((size) => [size, []]));
  // The first of all is the warm-up.
  await one.run(one.sizes[0]!);
  await one.peer?.(one.sizes[0]!);
  for (let round = 0; round < rounds; round++) {
    for (const size of one.sizes) {
      globalThis.gc?.();
      own.get(size)!.push(await one.run(size));
      if (one.peer === undefined) continue;
      globalThis.gc?.();
      peers.get(size)!.push(await one.peer(size));
    }
  }
  return one.sizes.map((size) => {
    const runs = own.get(size)!;
    const peer = peers.get(size)!;
    const stalls = runs.map((run) => run.stall).filter((stall) => stall !== undefined);
    return {
      size,
      ms: leastOf(runs, 'ms'),
      cpu: leastOf(runs, 'cpu'),
      stall: stalls.length === 0 ? undefined : Math.min(...stalls),
      peerMs: peer.length === 0 ? undefined : leastOf(peer, 'ms'),
    };
  });
}

function leastOf(runs: readonly Run[], key: 'ms' | 'cpu'): number {
  return Math.min(...runs.map((run) => run[key]));
}

export function growthTables(results: readonly GrowthResult[]): string[] {
  const rows = results.flatMap(({ name, figures, growth }) =>
    figures.map(({ size, ms, cpu, stall, peerMs }, at) => [
      at === 0 ? name : '',
      String(size),
      short(ms),
      short((cpu * 1e6) / size),
      peerMs === undefined ? '' : short(peerMs),
      stall === undefined ? '' : short(stall),
      at === figures.length - 1 ? short(growth) : '',
    ]),
  );
  const missed = results.flatMap((one) => one.missed);
  return [
    ...table(['growth', 'items', 'ms', 'CPU ns/item', 'ioredis ms', 'stall ms', 'growth'], rows),
    '',
    missed.length === 0 ? 'every bar is met' : `missed: ${missed.join('; ')}`,
  ];
}
