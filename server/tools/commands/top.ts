// `lingcache top`: nodes and commands by rate. On a terminal the picture is drawn over; in a pipe one follows the other.

import { type SampleJson, sampleJson } from '../../operator/monitor/json.ts';
import { ClusterSampler } from '../../operator/monitor/sampler.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import type { Output } from '../cli/output.ts';
import { intervalOption } from '../common-options.ts';
import { table } from '../report.ts';
import { bytesText, countText, shareText, timeText } from './shown.ts';
import { nodeHeadings, nodeRow } from './stat.ts';

const sorts = ['ops', 'memory', 'keys', 'clients', 'cpu'] as const;

export const top: Command = defineCommand({
  name: 'top',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    interval: intervalOption(2000, '2s', 'samples'),
    count: { kind: 'integer', value: 'N', least: 1, help: 'end after so many pictures' },
    nodes: { kind: 'integer', value: 'N', least: 1, most: 10_000, default: 20, help: 'nodes shown; default 20' },
    commands: { kind: 'integer', value: 'N', least: 0, most: 500, default: 15, help: 'commands shown; default 15' },
    sort: { kind: 'choice', choices: sorts, default: 'ops', help: 'what nodes are sorted by; default ops' },
  },
  details: 'Rates are of the interval, so the first picture comes after it. With --json one document a line.',
  connects: true,
  run: async ({ args, options, out, signal, link }) => {
    const sampler = new ClusterSampler(await link(args[0]!));
    let shown = 0;
    for await (const outcome of sampler.every(options.interval, signal)) {
      if (outcome instanceof Error) {
        out.record({ error: outcome.message });
        out.note(outcome.message);
        continue;
      }
      if (outcome.rates.size === 0) continue;
      const data = sampleJson(outcome.sample, outcome.rates);
      out.record(data);
      if (!out.json) out.raw(picture(out, data, outcome.sample.at, options, shown > 0));
      if (++shown === options.count) break;
    }
    return exitCodes.ok;
  },
});

interface View {
  readonly nodes: number;
  readonly commands: number;
  readonly sort: (typeof sorts)[number];
}

function picture(out: Output, data: SampleJson, at: number, view: View, again: boolean): string {
  const { totals } = data;
  const paint = data.health === 'ok' ? 'green' : data.health === 'migrating' ? 'yellow' : 'red';
  const figure = {
    ops: 'opsPerSecond',
    memory: 'memoryUsed',
    keys: 'keys',
    clients: 'connections',
    cpu: 'cpu',
  } as const;
  const sorted = data.nodes.toSorted((one, other) => (other[figure[view.sort]] ?? -1) - (one[figure[view.sort]] ?? -1));
  const lines = [
    `${timeText(at)}  ${out.paint(paint, data.health)}  ${countText(totals.opsPerSecond)} ops/s  ${bytesText(totals.memoryUsed)}  ${countText(totals.keys)} keys  ${countText(totals.connections)} clients`,
    ...data.problems.slice(0, 5).map((problem) => `  ${out.paint('red', problem)}`),
    '',
    table(nodeHeadings, sorted.slice(0, view.nodes).map(nodeRow)),
    ...(sorted.length > view.nodes ? [`  ... ${sorted.length - view.nodes} more`] : []),
    '',
  ];
  const commands = data.commands
    .slice(0, view.commands)
    .map(({ name, perSecond, usecPerCall, busy }) => [
      name.replace('|', ' '),
      countText(perSecond),
      usecPerCall.toFixed(1),
      shareText(busy),
    ]);
  if (commands.length > 0) lines.push(table(['command', 'calls/s', 'µs/call', 'busy'], commands), '');
  const text = `${lines.join('\n')}\n`;
  if (!out.isTerminal) return again ? `\n${text}` : text;
  // Home, each line to its end, then what is left of the screen: nothing flickers.
  return `${again ? '\u001b[H' : '\u001b[H\u001b[2J'}${text.replaceAll('\n', '\u001b[K\n')}\u001b[J`;
}
