// The redirect suite's tables and chart.

import type { CallResult, RedirectResult, ShiftResult } from '../redirect/redirect.ts';
import { type Machine, machineLines } from './machine.ts';
import { chart, type Panel } from './svg.ts';
import { duration, short, table } from './text.ts';

export function redirectTables(results: readonly RedirectResult[]): string[] {
  return [
    'One command in flight: direct, over a MOVED, over an ASK',
    '(arrivals: what reached a server a call, refreshes of the map left out; bytes: both ways, refreshes included;',
    ' maps: CLUSTER SLOTS, SHARDS or NODES asked for a call. Between two moved reads the slot is moved, which gives',
    ' all caches time to go cold: "alone" are direct reads after such a pause. x: moved against alone, ask against direct)',
    ...callTable(results),
    '',
    'From nothing to the first answer (code loaded, map cold)',
    ...table(
      ['client', 'median', 'worst'],
      results.map((one) => [one.client, duration(one.cold.p50), duration(one.cold.max)]),
    ),
    '',
    'Batch of 1,000 keys in as many slots, a share of which moved just before (0%: slots of other keys did)',
    '(burst: that client cannot batch over slots, so single commands in one tick; errors had to be asked again by hand)',
    ...batchTable(results),
    '',
    'All 16,384 slots swapped under 64 loops',
    '(took: the servers are busy for so long with the swap itself, which is most of the fall in throughput)',
    ...shiftTable(results, (one) => one.swap),
    '',
    'Live reshard under 64 loops, slot by slot with MIGRATE',
    ...shiftTable(results, (one) => one.reshard),
    '',
    'A master killed under 64 loops that read its keys',
    '(first answer: from the moment its replica called itself master; errors: rejected reads)',
    ...failoverTable(results),
  ];
}

const ratioOf = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : '-');

function callTable(results: readonly RedirectResult[]): string[] {
  const header = ['client', 'call', 'p50', 'p99', 'x', 'extra arrivals', 'extra bytes', 'maps', 'redirects', 'errors'];
  const rows = results.flatMap((one) =>
    (['direct', 'ask', 'alone', 'moved'] as const).map((kind) => {
      const call: CallResult = one[kind];
      const base = kind === 'direct' || kind === 'ask' ? one.direct : one.alone;
      return [
        one.client,
        kind,
        duration(call.latency.p50),
        duration(call.latency.p99),
        (call.latency.p50 / base.latency.p50).toFixed(2),
        (call.arrivals - base.arrivals).toFixed(2),
        short(Math.round(call.bytes - base.bytes)),
        call.maps.toFixed(2),
        call.redirects.toFixed(2),
        String(call.errors),
      ];
    }),
  );
  return table(header, rows);
}

function batchTable(results: readonly RedirectResult[]): string[] {
  const header = ['client', 'as', 'moved', 'p50', 'p99', 'x clean', 'redirects', 'errors'];
  const rows = results.flatMap((one) =>
    one.batches.map((batch) => [
      one.client,
      one.batchIs,
      `${batch.share * 100}%`,
      duration(batch.latency.p50),
      duration(batch.latency.p99),
      (batch.latency.p50 / one.batches[0]!.latency.p50).toFixed(2),
      short(batch.redirects),
      String(batch.errors),
    ]),
  );
  return table(header, rows);
}

function shiftTable(results: readonly RedirectResult[], pick: (one: RedirectResult) => ShiftResult): string[] {
  const header = ['client', 'steady', 'during', 'ratio', 'p99', '(steady)', 'p99.9', 'worst', 'MOVED', 'ASK', 'maps'];
  header.push('took', 'then until none', 'errors', 'server core busy', '(steady)');
  const rows = results.map((one) => {
    const shift = pick(one);
    return [
      one.client,
      short(shift.steadyOps),
      short(shift.duringOps),
      ratioOf(shift.ratio),
      duration(shift.p99),
      duration(shift.steadyP99),
      duration(shift.p999),
      duration(shift.worst),
      short(shift.moved),
      short(shift.ask),
      short(shift.maps),
      duration(shift.shiftMs),
      duration(shift.convergeMs),
      String(shift.errors),
      `${(shift.duringCores * 100).toFixed(0)}%`,
      `${(shift.steadyCores * 100).toFixed(0)}%`,
    ];
  });
  const failures = results.flatMap((one) => {
    const { firstError } = pick(one);
    return firstError === undefined ? [] : [`${one.client}'s first error: ${firstError}`];
  });
  return [...table(header, rows), ...failures];
}

function failoverTable(results: readonly RedirectResult[]): string[] {
  const header = ['client', 'promotion after', 'first answer', 'no answer for', 'errors', 'recovered'];
  const rows = results.map(({ client, failover }) => [
    client,
    duration(failover.promotionMs),
    duration(failover.firstAnswerMs),
    duration(failover.gapMs),
    String(failover.errors),
    `${failover.recovered} of ${failover.rounds}`,
  ]);
  const failures = results.flatMap(({ client, failover }) =>
    failover.firstError === undefined ? [] : [`${client}'s first error: ${failover.firstError}`],
  );
  return [...table(header, rows), ...failures];
}

export function redirectChart(machine: Machine, results: readonly RedirectResult[]): string {
  const panel = (title: string, value: (one: RedirectResult) => number, text: (value: number) => string): Panel => ({
    title,
    bars: results.map((one) => ({ label: one.client, value: value(one), text: text(value(one)) })),
  });
  const panels = [
    panel('direct call, p50', (one) => one.direct.latency.p50, duration),
    panel('call over a MOVED, p50', (one) => one.moved.latency.p50, duration),
    panel('call over an ASK, p50', (one) => one.ask.latency.p50, duration),
    panel('call over a MOVED, x the direct', (one) => one.moved.latency.p50 / one.alone.latency.p50, short),
    panel('call over a MOVED, p99', (one) => one.moved.latency.p99, duration),
    panel('call over an ASK, p99', (one) => one.ask.latency.p99, duration),
    panel('slot maps asked for, a MOVED', (one) => one.moved.maps, short),
    panel('extra bytes of a MOVED', (one) => one.moved.bytes - one.alone.bytes, short),
    panel('nothing to first answer, p50', (one) => one.cold.p50, duration),
    ...results[0]!.batches.map((batch, index) =>
      panel(`batch of 1,000, ${batch.share * 100}% moved, p50`, (one) => one.batches[index]!.latency.p50, duration),
    ),
    panel('all slots swapped: MOVED until none', (one) => one.swap.moved, short),
    panel('all slots swapped: slot maps asked for', (one) => one.swap.maps, short),
    panel('all slots swapped: p99.9', (one) => one.swap.p999, duration),
    panel(
      'live reshard: throughput to steady',
      (one) => one.reshard.ratio,
      (value) => value.toFixed(2),
    ),
    panel('live reshard: p99.9', (one) => one.reshard.p999, duration),
    panel('failover: promotion to first answer', (one) => one.failover.firstAnswerMs, duration),
  ];
  return chart('What redirections cost', machineLines(machine), panels);
}
