// The client's cluster, fault and differential tests on each of the servers that users have, and a table of what passed.
//
//   node build/scripts/check-servers.js [--servers redis-7,redis-8,valkey-8,valkey-9] [--build build] [cluster] [fault] [differential]
//
// Servers are what scripts/servers.sh gives; one that cannot be fetched is NOT RUN, and said so at the end: the exit code
// is 3 then, 1 when a test fails, and 0 when all ran and pass. Compile first.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

/** By kind, the client's; of these, what names its servers itself is left out: `npm test` runs it. */
const kinds: Readonly<Record<string, { readonly folder: string; readonly names: RegExp }>> = {
  cluster: { folder: 'cluster', names: /^(?!server\/).*\.test\.js$/ },
  fault: { folder: 'fault', names: /^client-.*\.test\.js$/ },
  differential: { folder: 'differential/client', names: /\.test\.js$/ },
};

const servers = ['redis-7', 'redis-8', 'valkey-8', 'valkey-9'];

/** Thirty minutes: a run that hangs is killed, and failed. */
const limitMs = 1_800_000;
/** Characters of a line of a report that are shown: a test may compare megabytes. */
const longestLine = 400;

interface Outcome {
  readonly server: string;
  readonly kind: string;
  /** Why it was not run; undefined where it was. */
  readonly missing?: string | undefined;
  readonly passing: number;
  readonly failing: number;
  readonly pending: number;
  readonly seconds: number;
  readonly ok: boolean;
  readonly output: string;
}

/** What `--version` says, or why there is no such server. */
function fetchServer(name: string): { version: string } | { missing: string } {
  const script = join('scripts', 'servers.sh');
  const { status, stdout, stderr } = spawnSync(script, [name], { encoding: 'utf8', timeout: limitMs });
  const program = join(process.env['LINGCACHE_SERVERS'] ?? '.servers', name, 'server');
  const version = /\bv=(\S+)/.exec(stdout ?? '')?.[1];
  if (status === 0 && existsSync(program) && version !== undefined) return { version };
  return { missing: (stderr ?? '').trim().split('\n').at(-1) || `scripts/servers.sh ended with ${status}` };
}

function filesOf(kind: string, build: string): string[] {
  const { folder, names } = kinds[kind]!;
  return readdirSync(join(build, 'test', folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => names.test(name))
    .map((name) => join(build, 'test', folder, name))
    .filter((path) => !readFileSync(path, 'utf8').includes('needServer('));
}

function run(server: string, kind: string, build: string): Outcome {
  const mocha = join(dirname(createRequire(import.meta.url).resolve('mocha/package.json')), 'bin', 'mocha.js');
  // As .mocharc.json has it, but for the files.
  const settings = ['--no-config', '--timeout', '60000', '--exit', '--forbid-only', '--parallel', '--jobs', '4'];
  const files = filesOf(kind, build);
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, [mocha, ...settings, ...files], {
    encoding: 'utf8',
    env: { ...process.env, LINGCACHE_TEST_SERVER: server },
    timeout: limitMs,
    killSignal: 'SIGKILL',
    maxBuffer: 64 << 20,
  });
  const output = `${stdout}${stderr}`;
  const count = (word: string): number => Number(new RegExp(`^ +(\\d+) ${word}`, 'm').exec(output)?.[1] ?? 0);
  const passing = count('passing');
  const seconds = (performance.now() - started) / 1000;
  // A run that found no test proves nothing.
  const ok = status === 0 && passing > 0;
  return { server, kind, passing, failing: count('failing'), pending: count('pending'), seconds, ok, output };
}

function printed({ server, kind, passing, failing, pending, seconds, ok }: Outcome): string {
  const counts = `${passing} passing, ${failing} failing, ${pending} skipped, ${seconds.toFixed(0)} s`;
  return `${ok ? 'ok  ' : 'FAIL'}  ${server.padEnd(9)} ${kind.padEnd(13)} ${counts}`;
}

/** The tail of mocha's report that names the failures. */
function failuresOf(output: string): string {
  const at = output.search(/^ +\d+ failing/m);
  const report = (at < 0 ? output.slice(-4000) : output.slice(at)).split('\n');
  return report
    .map((line) => line.slice(0, longestLine))
    .join('\n')
    .slice(0, 20_000);
}

/** For docs/proofs.md. */
function table(outcomes: readonly Outcome[], versions: ReadonlyMap<string, string>, wanted: readonly string[]): string {
  const cell = (server: string, kind: string): string => {
    const outcome = outcomes.find((one) => one.server === server && one.kind === kind);
    if (outcome === undefined || outcome.missing !== undefined) return 'not run';
    const extra = [
      ...(outcome.failing > 0 ? [`${outcome.failing} failing`] : []),
      ...(outcome.pending > 0 ? [`${outcome.pending} skipped`] : []),
    ];
    return [String(outcome.passing), ...extra].join(', ');
  };
  const names = [...new Set(outcomes.map(({ server }) => server))];
  const rows = names.map(
    (name) =>
      `| ${name} (${versions.get(name) ?? 'not run'}) | ${wanted.map((kind) => cell(name, kind)).join(' | ')} |`,
  );
  return [`| | ${wanted.join(' | ')} |`, `| --- |${wanted.map(() => ' --- |').join('')}`, ...rows].join('\n');
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { servers: { type: 'string', default: servers.join() }, build: { type: 'string', default: 'build' } },
  });
  const wanted = positionals.length > 0 ? positionals : Object.keys(kinds);
  const unknown = [
    ...wanted.filter((kind) => kinds[kind] === undefined),
    ...values.servers.split(',').filter((name) => !servers.includes(name)),
  ];
  if (unknown.length > 0) throw new Error(`no such kind of test, or server: ${unknown.join(', ')}`);
  const outcomes: Outcome[] = [];
  const versions = new Map<string, string>();
  for (const server of values.servers.split(',')) {
    const found = fetchServer(server);
    if ('version' in found) versions.set(server, found.version);
    for (const kind of wanted) {
      const outcome = 'version' in found ? run(server, kind, values.build) : notRun(server, kind, found.missing);
      outcomes.push(outcome);
      console.log(outcome.missing === undefined ? printed(outcome) : `NOT RUN  ${server} ${kind}: ${outcome.missing}`);
      if (outcome.missing === undefined && !outcome.ok) console.log(failuresOf(outcome.output));
    }
  }
  console.log(table(outcomes, versions, wanted));
  const missing = outcomes.filter((one) => one.missing !== undefined).length;
  const failed = outcomes.filter(({ ok }) => !ok).length - missing;
  const notes = [...(failed > 0 ? [`${failed} failed`] : []), ...(missing > 0 ? [`${missing} NOT RUN`] : [])];
  console.log(notes.length === 0 ? 'every server passes' : `of ${outcomes.length} runs ${notes.join(', ')}`);
  process.exitCode = failed > 0 ? 1 : missing > 0 ? 3 : 0;
}

function notRun(server: string, kind: string, missing: string): Outcome {
  return { server, kind, missing, passing: 0, failing: 0, pending: 0, seconds: 0, ok: false, output: '' };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main();
