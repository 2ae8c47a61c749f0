// The macro suite's table and chart.

import type { Figures, WorkloadResult } from '../macro/macro.ts';
import { type Machine, machineLines } from './machine.ts';
import { chart } from './svg.ts';
import { duration, short, table } from './text.ts';

const meanings: Record<string, string> = {
  burst: 'latency: from the first command of a burst to its last answer',
  loops: 'latency: of one command',
  batch: 'latency: of one batch',
};

const header = ['client', 'ops/s', 'x floor', 'spread', 'CPU µs/op', 'p50', 'p99', 'p99.9', 'peak RSS', 'GC B/op'];

export function macroTables(results: readonly WorkloadResult[]): string[] {
  return results.flatMap(({ workload, figures }) => {
    const floor = figures.find((one) => one.client === 'floor');
    const rows = figures.map((one) => row(one, floor));
    const title = `${workload.name}  (values of ${workload.size} bytes; ${meanings[workload.shape]})`;
    return [title, ...table(header, rows), ''];
  });
}

function row(one: Figures, floor: Figures | undefined): string[] {
  const spread = (Math.max(...one.rounds) - Math.min(...one.rounds)) / one.opsPerSecond;
  return [
    one.client,
    short(one.opsPerSecond),
    floor === undefined ? '-' : (one.opsPerSecond / floor.opsPerSecond).toFixed(2),
    `${(spread * 100).toFixed(0)}%`,
    one.cpuMicrosPerOp.toFixed(2),
    duration(one.p50),
    duration(one.p99),
    duration(one.p999),
    `${(one.peakRssBytes / 2 ** 20).toFixed(0)} MiB`,
    short(one.gcBytesPerOp),
  ];
}

export function macroChart(machine: Machine, masters: number, results: readonly WorkloadResult[]): string {
  const panels = results.map(({ workload, figures }) => ({
    title: `${workload.name}, ops/s`,
    bars: figures.map((one) => ({
      label: one.client,
      value: one.opsPerSecond,
      text: `${short(one.opsPerSecond)} · ${one.cpuMicrosPerOp.toFixed(1)} µs`,
    })),
  }));
  const notes = [...machineLines(machine), 'at each bar: commands a second (median of the rounds), CPU µs a command'];
  return chart(`Clients side by side on a cluster of ${masters} masters`, notes, panels);
}
