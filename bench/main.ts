// `npm run bench`: reads the options, brings a cluster up, runs one suite and writes its report. Whatever happens,
// every process that was started is stopped.

import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startBundledCluster } from './cluster/bundled-cluster.ts';
import type { BenchCluster } from './cluster/cluster.ts';
import { type Cores, planCores } from './cluster/cores.ts';
import { startRealCluster } from './cluster/real-cluster.ts';
import { behaviourLines, runBehaviour } from './compare/behaviour.ts';
import { runServers } from './compare/servers.ts';
import { runFootprint } from './footprint/footprint.ts';
import { growthTables, runGrowth } from './growth/growth.ts';
import { runMacro } from './macro/macro.ts';
import { runMicro } from './micro/micro.ts';
import { type BenchOptions, parseOptions, UsageError, usage } from './options.ts';
import { noteOf } from './peers/names.ts';
import { runRedirect } from './redirect/redirect.ts';
import { save } from './report/files.ts';
import { describeMachine, machineLines } from './report/machine.ts';
import { macroChart, macroTables } from './report/macro-report.ts';
import { redirectChart, redirectTables } from './report/redirect-report.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const progress = (line: string): void => console.error(`· ${line}`);

async function main(argv: readonly string[]): Promise<void> {
  if (argv.includes('--help') || argv.includes('-h')) {
    console.log(usage);
    return;
  }
  const options = parseOptions(argv);
  const cores = planCores();
  if (options.suite.kind === 'micro') {
    const { lines, data } = runMicro(options.suite.rooms, options);
    report(options, 'micro', data, undefined, lines);
    return;
  }
  if (options.suite.kind === 'footprint') {
    const { lines, data } = runFootprint(root, options.rounds);
    report(options, 'footprint', data, undefined, lines);
    return;
  }
  if (options.suite.kind === 'servers') {
    const { lines, data } = runServers(root, resolve(options.packages), options.rounds);
    report(options, 'servers', data, undefined, lines);
    return;
  }
  if (options.suite.kind === 'behaviour') {
    const data = await runBehaviour(progress);
    report(options, 'behaviour', data, undefined, behaviourLines(data));
    return;
  }
  if (options.suite.kind === 'redirect') checkRedirect(options);
  const { masters } = options;
  const cluster =
    options.server === 'real'
      ? await startRealCluster(cores.servers, { masters })
      : await startBundledCluster(cores.servers, masters);
  try {
    await measure(options, cluster, cores);
  } finally {
    await cluster.stop();
  }
}

function checkRedirect({ server, clients }: BenchOptions): void {
  if (server !== 'real') throw new UsageError('redirect counts with INFO errorstats, which needs --server real');
  if (clients.every((client) => client === 'floor')) throw new UsageError('redirect: the floor cannot be redirected');
}

async function measure(options: BenchOptions, cluster: BenchCluster, cores: Cores): Promise<void> {
  const machine = describeMachine(root, cluster.version, cores.text, options.clients);
  const notes = options.clients.map((client) => `${client}: ${noteOf[client]}`);
  const { rounds, seconds, quick, masters } = options;
  const settings = { rounds, seconds, quick, masters };
  if (options.suite.kind === 'redirect') {
    const results = await runRedirect(cluster, cores, options, progress);
    const lines = [...machineLines(machine), '', ...redirectTables(results)];
    report(options, 'redirect', { machine, settings, results }, redirectChart(machine, results), lines);
    return;
  }
  if (options.suite.kind === 'growth') {
    const results = await runGrowth(cluster, options, progress);
    const lines = [
      ...machineLines(machine),
      `${options.rounds} rounds; times are the best, CPU the median`,
      '',
      ...growthTables(results),
    ];
    report(options, 'growth', { machine, settings, results }, undefined, lines);
    if (results.some(({ missed }) => missed.length > 0)) process.exitCode = 1;
    return;
  }
  const results = await runMacro(cluster, cores, options, progress);
  const lines = [...machineLines(machine), `${options.rounds} rounds of ${options.seconds} s, medians`, ''];
  lines.push(...macroTables(results), ...notes);
  report(
    options,
    `macro-${options.server}${masters === 3 ? '' : `-${masters}`}`,
    { machine, settings, notes, results },
    macroChart(machine, masters, results),
    lines,
  );
}

function report(
  options: BenchOptions,
  name: string,
  data: unknown,
  svg: string | undefined,
  lines: readonly string[],
): void {
  console.log(lines.join('\n'));
  if (options.quick) console.log('(--quick: these figures show that all works, not how fast)');
  console.log(`written: ${save(root, `${options.label}-${name}`, data, svg, lines).join(', ')}`);
}

// Leaving runs the handlers that kill every server by its pid, also one that is only starting.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

main(process.argv.slice(2)).catch((error: unknown) => {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${usage}`);
  else console.error(error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
