// Runs the compiled tests under several versions of Node.js, each fetched as the npm package `node`, and prints a table
// of what passed. Exits with 1 when a version fails.
//
//   node build/scripts/check-nodes.js [--versions 20,22,24] [--build build] [kind ...]
//
// A kind is a folder of test/ (unit, link, differential/client, ...); default: all folders of test/. Compile first.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

interface Outcome {
  readonly version: string;
  /** What `process.version` said; '' when this Node could not be started. */
  readonly exact: string;
  readonly kind: string;
  readonly passing: number;
  readonly failing: number;
  readonly pending: number;
  readonly ok: boolean;
  readonly output: string;
  readonly seconds: number;
}

/** Fifteen minutes: a kind that hangs is killed, and failed. */
const limitMs = 900_000;

/** The path of a version's binary, from npm's cache of the package `node`; undefined when it cannot be had. */
function binaryOf(version: string): string | undefined {
  const words = ['-y', '-p', `node@${version}`, 'node', '-p', 'process.execPath'];
  const { status, stdout } = spawnSync('npx', words, { encoding: 'utf8', timeout: limitMs });
  const path = stdout?.trim().split('\n').at(-1);
  return status === 0 && path !== undefined && existsSync(path) ? path : undefined;
}

function run(version: string, binary: string, kind: string, build: string): Outcome {
  const mocha = join(dirname(createRequire(import.meta.url).resolve('mocha/package.json')), 'bin', 'mocha.js');
  const exact = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.trim();
  // Tests that start `node` themselves must get this one.
  const env = { ...process.env, PATH: `${dirname(binary)}:${process.env['PATH'] ?? ''}` };
  // As .mocharc.json has it, but for the files: peers keep sockets open, so a run ends when its tests do.
  const settings = ['--no-config', '--timeout', '30000', '--exit', '--forbid-only', '--parallel', '--jobs', '4'];
  const words = [mocha, ...settings, `${build}/test/${kind}/**/*.test.js`];
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(binary, words, {
    encoding: 'utf8',
    env,
    timeout: limitMs,
    killSignal: 'SIGKILL',
    maxBuffer: 64 << 20,
  });
  const output = `${stdout}${stderr}`;
  const count = (word: string): number => Number(new RegExp(`^ +(\\d+) ${word}`, 'm').exec(output)?.[1] ?? 0);
  const passing = count('passing');
  // A run that found no test proves nothing.
  return {
    ...{ version, exact, kind, passing, output, seconds: (performance.now() - started) / 1000 },
    ...{ failing: count('failing'), pending: count('pending'), ok: status === 0 && passing > 0 },
  };
}

function kindsOf(build: string): string[] {
  return readdirSync(join(build, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && hasTests(join(build, 'test', entry.name)))
    .map(({ name }) => name);
}

function hasTests(folder: string): boolean {
  return readdirSync(folder, { recursive: true }).some((name) => String(name).endsWith('.test.js'));
}

function printed({ version, exact, kind, passing, failing, pending, ok, seconds }: Outcome): string {
  const counts = `${passing} passing, ${failing} failing, ${pending} skipped, ${seconds.toFixed(0)} s`;
  return `${ok ? 'ok  ' : 'FAIL'}  node ${version} (${exact || 'not started'})  ${kind.padEnd(14)} ${counts}`;
}

/** The tail of mocha's report that names the failures. */
function failuresOf(output: string): string {
  const at = output.search(/^ +\d+ failing/m);
  return at < 0 ? output.slice(-4000) : output.slice(at, at + 20_000);
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { versions: { type: 'string', default: '20,22,24' }, build: { type: 'string', default: 'build' } },
  });
  const kinds = positionals.length > 0 ? positionals : kindsOf(values.build);
  const outcomes: Outcome[] = [];
  for (const version of values.versions.split(',')) {
    const binary = binaryOf(version);
    for (const kind of kinds) {
      const outcome =
        binary === undefined
          ? {
              version,
              exact: '',
              kind,
              passing: 0,
              failing: 0,
              pending: 0,
              ok: false,
              output: 'not to be had from npm\n',
              seconds: 0,
            }
          : run(version, binary, kind, values.build);
      outcomes.push(outcome);
      console.log(printed(outcome));
      if (!outcome.ok) console.log(failuresOf(outcome.output));
    }
  }
  const failed = outcomes.filter(({ ok }) => !ok).length;
  console.log(failed === 0 ? 'every version passes' : `${failed} of ${outcomes.length} runs failed`);
  if (failed > 0) process.exitCode = 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main();
