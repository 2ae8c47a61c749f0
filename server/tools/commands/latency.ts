// `lingcache latency`: how long every node takes to answer PING from here, and what its latency monitor has noted.

import { type LatencyFigures, probeLatency } from '../../operator/monitor/latency-probe.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { countText, msText } from './shown.ts';

export const latency: Command = defineCommand({
  name: 'latency',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    count: {
      kind: 'integer',
      value: 'N',
      least: 1,
      most: 1_000_000,
      default: 100,
      help: 'PINGs for every node; default 100',
    },
    interval: {
      kind: 'duration',
      value: 'TIME',
      least: 0,
      most: 60_000,
      default: 10,
      help: 'time between two; default 10ms',
    },
    histogram: { kind: 'flag', help: 'how many took how long' },
  },
  details: 'All nodes are asked at the same time. Exit code 1 when a node does not answer.',
  connects: true,
  run: async ({ args, options, out, signal, link, progress }) => {
    const connection = await link(args[0]!);
    const bar = progress('ping');
    const nodes = await probeLatency(connection, {
      count: options.count,
      intervalMs: options.interval,
      signal,
      onProgress: (done, total) => bar.update(done, total),
    });
    bar.end();
    out.answer({ nodes });
    const figure = (ping: LatencyFigures | null, name: 'min' | 'mean' | 'p50' | 'p99' | 'max') => msText(ping?.[name]);
    out.table(
      ['node', 'role', 'pings', 'lost', 'min ms', 'mean', 'p50', 'p99', 'max'],
      nodes.map(({ node, role, ping, lost }) => [
        node,
        role,
        countText(ping?.count ?? 0),
        countText(lost),
        ...(['min', 'mean', 'p50', 'p99', 'max'] as const).map((name) => figure(ping, name)),
      ]),
    );
    for (const { node, ping } of options.histogram ? nodes : []) if (ping !== null) drawHistogram(out, node, ping);
    for (const { node, spikes } of nodes)
      for (const { event, latestMs, maxMs } of spikes)
        out.line(`  ${node}: ${event} took ${countText(latestMs)} ms, at most ${countText(maxMs)} ms`);
    return nodes.some(({ ping }) => ping === null) ? exitCodes.failed : exitCodes.ok;
  },
});

const barWidth = 40;

function drawHistogram(out: { line(text?: string): void }, node: string, { histogram, count }: LatencyFigures): void {
  out.line(`\n  ${node}`);
  for (const { below, count: here } of histogram) {
    if (here === 0) continue;
    const label = below === null ? 'more' : `< ${below} ms`;
    const bar = '█'.repeat(Math.max(1, Math.round((here / count) * barWidth)));
    out.line(`  ${label.padStart(9)}  ${bar} ${countText(here)}`);
  }
}
