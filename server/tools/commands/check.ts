// `lingcache check`: is a cluster whole, and what is wrong with it.

import { checkCluster, type Finding, type Severity } from '../../operator/index.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import type { Output, Paint } from '../cli/output.ts';

const paints: Readonly<Record<Severity, Paint>> = { critical: 'red', warning: 'yellow', note: 'cyan' };

export const check: Command = defineCommand({
  name: 'check',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {},
  connects: true,
  details:
    'Asks every node, and says of each finding how bad it is, what it is, where, and what to do. Changes nothing.\n' +
    'Exits with 0 when there are notes at most, with 1 for warnings and critical findings, with 2 when no node answers.',
  examples: ['lingcache check 127.0.0.1:7000', 'lingcache check 127.0.0.1:7000 --json'],
  run: async ({ args, link, out }) => {
    const report = await checkCluster(await link(args[0]!));
    out.answer(report);
    const masters = report.nodes.filter(({ role }) => role === 'master');
    const keys = masters.reduce((sum, node) => sum + node.keys, 0);
    out.line(`${masters.length} masters, ${report.nodes.length - masters.length} replicas, ${keys} keys`);
    for (const finding of report.findings) printFinding(out, finding);
    out.line(report.healthy ? out.paint('green', 'healthy') : out.paint('red', 'not healthy'));
    return report.healthy ? exitCodes.ok : exitCodes.failed;
  },
});

const mostPlaces = 8;

export function printFinding(out: Output, { severity, kind, what, where, todo }: Finding): void {
  const more = where.length > mostPlaces ? ` and ${where.length - mostPlaces} more` : '';
  out.line(`${out.paint(paints[severity], severity)} ${kind}: ${what}`);
  out.line(`  where: ${where.slice(0, mostPlaces).join(', ')}${more}`);
  out.line(`  ${out.paint('dim', `to do: ${todo}`)}`);
}
