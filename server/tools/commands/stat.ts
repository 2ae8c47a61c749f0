// `lingcache stat`: figures of every node; once with --json, else again and again until Ctrl-C.

import { type NodeJson, type SampleJson, sampleJson } from '../../operator/monitor/json.ts';
import { ClusterSampler } from '../../operator/monitor/sampler.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import type { Output } from '../cli/output.ts';
import { intervalOption } from '../common-options.ts';
import { bytesText, countText, msText, shareText } from './shown.ts';

export const stat: Command = defineCommand({
  name: 'stat',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    interval: intervalOption(1000, '1s', 'samples'),
    count: {
      kind: 'integer',
      value: 'N',
      least: 1,
      help: 'end after so many samples; default: 1 with --json, else none',
    },
  },
  details: `With --json one sample, or --count of them, one a line. By-second figures of the first sample are the server's
own; from the second on they are of the interval.`,
  connects: true,
  run: async ({ args, options, out, signal, link }) => {
    const sampler = new ClusterSampler(await link(args[0]!));
    const count = options.count ?? (out.json ? 1 : Number.POSITIVE_INFINITY);
    let taken = 0;
    let failed = false;
    for await (const outcome of sampler.every(options.interval, signal)) {
      failed = outcome instanceof Error;
      if (outcome instanceof Error) {
        if (count === 1) throw outcome;
        out.record({ error: outcome.message });
        out.note(outcome.message);
      } else {
        const data = sampleJson(outcome.sample, outcome.rates);
        if (count === 1) out.answer(data);
        else out.record(data);
        show(out, data, taken > 0);
      }
      if (++taken >= count) break;
    }
    return failed ? exitCodes.failed : exitCodes.ok;
  },
});

function show(out: Output, data: SampleJson, again: boolean): void {
  if (out.json) return;
  if (again) out.line();
  const { totals } = data;
  const paint = data.health === 'ok' ? 'green' : data.health === 'migrating' ? 'yellow' : 'red';
  const { masters, replicas, keys, opsPerSecond, memoryUsed } = totals;
  out.line(
    `${data.at}  ${out.paint(paint, data.health)}  ${masters} masters, ${replicas} replicas, ${countText(keys)} keys, ${countText(opsPerSecond)} ops/s, ${bytesText(memoryUsed)}`,
  );
  for (const problem of data.problems) out.line(`  ${out.paint('red', problem)}`);
  out.table(nodeHeadings, data.nodes.map(nodeRow));
}

export const nodeHeadings: readonly string[] = [
  'node',
  'role',
  'status',
  'slots',
  'keys',
  'memory',
  'ops/s',
  'in/s',
  'out/s',
  'cpu',
  'hits',
  'moved/s',
  'clients',
  'ping ms',
  'lag',
];

export function nodeRow(node: NodeJson): string[] {
  return [
    node.address,
    node.role,
    node.status,
    countText(node.slots),
    countText(node.keys),
    bytesText(node.memoryUsed),
    countText(node.opsPerSecond),
    bytesText(node.bytesInPerSecond),
    bytesText(node.bytesOutPerSecond),
    shareText(node.cpu),
    shareText(node.hitShare),
    countText(node.redirectsPerSecond),
    countText(node.connections),
    msText(node.latencyMs),
    node.role === 'master' ? '' : node.linkUp === false ? 'no link' : bytesText(node.lagBytes),
  ];
}
