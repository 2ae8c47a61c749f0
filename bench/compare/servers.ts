// Servers for tests side by side: the bundled one, and those packages that are found in a folder. Each round starts every
// server in turn, in a process of its own; time and CPU until it has answered, what it answers of a cluster, and CPU per
// GET of 50 clients' worth of load on one connection.
// Owns: the processes it starts. Does not know: the servers; see server-child.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from '../measure/times.ts';
import { duration, short, table } from '../report/text.ts';

/** Name in the table, and the package that has to be there. */
const servers = [
  ['lingcache', undefined],
  ['js-redis-server', 'js-redis-server'],
  ['redis-memory-server', 'redis-memory-server'],
  ['ioredis-mock', 'ioredis-mock'],
] as const;

interface ServerSample {
  readonly startMs: number;
  readonly startCpuMs: number;
  readonly nsPerGet: number;
  readonly commands: number;
  readonly facts: Readonly<Record<string, string>>;
}

export interface ServerResult {
  readonly name: string;
  readonly version: string;
  readonly samples: readonly ServerSample[];
}

const child = fileURLToPath(new URL('./server-child.js', import.meta.url));

function versionOf(root: string, folder: string, name: string | undefined): string | undefined {
  const path = name === undefined ? join(root, 'package.json') : join(folder, 'node_modules', name, 'package.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version : undefined;
}

/** `folder` has a node_modules with the other packages; what is not there is left out, and named. */
export function runServers(
  root: string,
  folder: string,
  rounds: number,
): { lines: string[]; data: readonly ServerResult[] } {
  const found = servers.map(([name, needed]) => ({ name, version: versionOf(root, folder, needed) }));
  const present = found.filter(({ version }) => version !== undefined);
  const samples = new Map<string, ServerSample[]>(present.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name } of round % 2 === 0 ? present : present.toReversed()) {
      const printed = execFileSync(process.execPath, [child, name, folder], { cwd: root, encoding: 'utf8' });
      samples.get(name)!.push(JSON.parse(printed.trim().split('\n').at(-1)!) as ServerSample);
    }
  }
  const data = present.map(({ name, version }) => ({ name, version: version!, samples: samples.get(name)! }));
  const missing = found.filter(({ version }) => version === undefined).map(({ name }) => name);
  return { lines: [...linesOf(data), ...notesOf(missing, rounds)], data };
}

function linesOf(data: readonly ServerResult[]): string[] {
  const middle = (result: ServerResult, of: (sample: ServerSample) => number): number => median(result.samples.map(of));
  const facts = Object.keys(data[0]?.samples[0]?.facts ?? {});
  const rows = [
    ['version', ...data.map(({ version }) => version)],
    ['start, median', ...data.map((one) => duration(middle(one, ({ startMs }) => startMs)))],
    ['start, CPU', ...data.map((one) => duration(middle(one, ({ startCpuMs }) => startCpuMs)))],
    ['CPU per GET, µs', ...data.map((one) => short(middle(one, ({ nsPerGet }) => nsPerGet) / 1000))],
    ['COMMAND COUNT', ...data.map((one) => `${one.samples[0]!.commands || '-'}`)],
    ...facts.map((fact) => [fact, ...data.map(({ samples }) => samples[0]!.facts[fact] ?? '-')]),
  ];
  return table(['', ...data.map(({ name }) => name)], rows);
}

function notesOf(missing: readonly string[], rounds: number): string[] {
  return [
    '',
    `node ${process.version}; ${rounds} rounds in turns, a process each. start: import, start, first answer. CPU per GET:`,
    'client and server where they share the process; the client alone for redis-memory-server',
    ...(missing.length > 0 ? [`not installed, left out: ${missing.join(', ')} (--packages FOLDER)`] : []),
  ];
}
