// The packed package in other people's tools: test runners, bundlers, compilers and runtimes, each fetched from the npm
// registry into a temporary folder (with a space and letters beyond ASCII in its path). Prints a line for each. What
// cannot be fetched is NOT RUN, and said so at the end. The exit code is 1 when a check fails, 3 when some were not run, 0
// when all ran and pass. Build and compile first.
//
//   node build/scripts/check-matrix.js [--keep] [runners] [bundlers] [compilers] [runtimes] [overrides] [applications] [docs]
//
// Default: all. `overrides` is libraries that get this package in ioredis's place, and needs redis-server; `docs` is the
// code blocks of README and docs/ that need packages which are not installed here. `--keep` leaves the folder, and names it.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type Check, fixtures, type Group, root, type Step } from './matrix/check.ts';
import { groups } from './matrix/groups.ts';

/** Ten minutes: a step that hangs is killed, and failed. */
const limitMs = 600_000;

function run(command: readonly string[], cwd: string): { status: number | null; output: string } {
  const [program, ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(program!, args, {
    cwd,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
    encoding: 'utf8',
    timeout: limitMs,
    killSignal: 'SIGKILL',
    maxBuffer: 64 << 20,
  });
  return { status, output: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` };
}

/** undefined when the step did what it should. */
function complaintOf({ command, expected }: Step, cwd: string): string | undefined {
  const { status, output } = run(command, cwd);
  if (status === 0 && (expected === undefined || expected.test(output))) return undefined;
  return `${command.join(' ')}\nexit code ${status}\n${output.slice(-4000)}`;
}

function perform(check: Check, folder: string): string | undefined {
  mkdirSync(folder);
  for (const [from, to] of Object.entries(check.fixtures)) {
    cpSync(join(fixtures, from), join(folder, to));
    // The kind of module that a file is, where its name shows it.
    if (/\.ts$/.test(to) && from.startsWith('consumers/types/')) {
      cpSync(join(folder, to), join(folder, to.replace(/\.ts$/, '.cts')));
      cpSync(join(folder, to), join(folder, to.replace(/\.ts$/, '.mts')));
    }
  }
  for (const [name, text] of Object.entries(check.files ?? {})) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  for (const step of check.steps) {
    const complaint = complaintOf(step, folder);
    if (complaint !== undefined) return complaint;
  }
  return undefined;
}

function pack(place: string): string {
  const { output } = run(['npm', 'pack', '--ignore-scripts', '--pack-destination', place, '--silent'], root);
  const tarball = readdirSync(place).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error(`npm pack: ${output}`);
  return `file:${join(place, tarball)}`;
}

/** The manifest of ioredis itself. */
function isIoredis(path: string): boolean {
  if (!path.endsWith(join('ioredis', 'package.json'))) return false;
  return (JSON.parse(readFileSync(path, 'utf8')) as { name?: string }).name === 'ioredis';
}

/** What npm says when the registry, or a package of it, cannot be had; anything else is our package's own failure. */
const unreachable =
  /\bcode (?:E40[134]|E429|E5\d\d|EAI_AGAIN|ENOTFOUND|ECONN\w+|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|FETCH_ERROR|ENOTCACHED|ETARGET|CERT_\w+|\w+_CERT_\w+)\b|network/;

/** The registry gave no answer, or has not what was asked for. */
class Unreachable extends Error {}

/** A folder with this package and `packages`; as ioredis, for all of them, with `override`. */
function install(place: string, tarball: string, packages: readonly string[], override: boolean): string {
  mkdirSync(place);
  const instead = { dependencies: { ioredis: tarball }, overrides: { ioredis: '$ioredis' } };
  const manifest = { private: true, ...(override ? instead : { dependencies: { lingcache: tarball } }) };
  writeFileSync(join(place, 'package.json'), JSON.stringify(manifest));
  // Compilers of all ages stand beside each other, whatever their peers say; overrides must do without.
  const words = ['--no-audit', '--no-fund', ...(override ? [] : ['--legacy-peer-deps']), ...packages];
  const { status, output } = run(['npm', 'install', ...words], place);
  if (status !== 0) {
    rmSync(place, { recursive: true, force: true });
    const reason = output.split('\n').find((line) => unreachable.test(line));
    throw reason === undefined ? new Error(`npm install: ${output}`) : new Unreachable(reason.trim());
  }
  const others = readdirSync(place, { recursive: true }).filter((path) => isIoredis(join(place, String(path))));
  if (override && others.length > 0) throw new Error(`another ioredis: ${others.join(', ')}`);
  return place;
}

interface Tally {
  passed: number;
  failed: number;
  /** What was not run, and why. */
  readonly missing: string[];
}

/**
 * `names` by the folder of packages that they share. Apart are those for which this package is ioredis, and those that
 * ask for another version of a package than the ones before: npm would put one of the two where neither looks for it.
 */
function folders(names: readonly string[]): string[][] {
  const packageOf = (wanted: string): string => wanted.replace(/(.)@.*/, '$1');
  const agree = (one: Group, other: Group): boolean =>
    (one.overrides === true) === (other.overrides === true) &&
    one.packages.every((wanted) =>
      other.packages.every((also) => also === wanted || packageOf(also) !== packageOf(wanted)),
    );
  const found: string[][] = [];
  for (const name of names) {
    const fitting = found.find((folder) => folder.every((other) => agree(groups[name]!, groups[other]!)));
    if (fitting === undefined) found.push([name]);
    else fitting.push(name);
  }
  return found;
}

/** Performs the checks of `names`, which share a folder of packages; one by one where not all of them can be had. */
function performGroups(names: readonly string[], place: string, tarball: string, tally: Tally): void {
  const chosen = names.map((name) => groups[name]!);
  const packages = [...new Set(chosen.flatMap((group) => group.packages))];
  const override = chosen[0]!.overrides === true;
  let folder: string;
  try {
    folder = install(join(place, names.join(' ')), tarball, packages, override);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    if (names.length > 1) for (const name of names) performGroups([name], place, tarball, tally);
    else tally.missing.push(`${names[0]}: ${error.message}`);
    return;
  }
  chosen
    .flatMap((group) => group.checks(join(folder, 'node_modules')))
    .forEach((check, at) => {
      if (reported(check, join(folder, `check ${at}`))) tally.passed++;
      else tally.failed++;
    });
}

/** Performs it and prints its line. */
function reported(check: Check, folder: string): boolean {
  const started = performance.now();
  const complaint = perform(check, folder);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `${complaint === undefined ? 'ok  ' : 'FAIL'}  ${check.name.padEnd(36)} ${check.steps.length} steps, ${seconds} s`,
  );
  if (complaint !== undefined) console.log(complaint);
  return complaint === undefined;
}

function main(): void {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { keep: { type: 'boolean' } } });
  const wanted = positionals.length > 0 ? positionals : Object.keys(groups);
  const unknown = wanted.filter((name) => groups[name] === undefined);
  if (unknown.length > 0) throw new Error(`no such group: ${unknown.join(', ')}`);
  const place = join(mkdtempSync(join(tmpdir(), 'lingcache-matrix-')), 'ein Ordner für alles');
  mkdirSync(place);
  const tally: Tally = { passed: 0, failed: 0, missing: [] };
  try {
    const tarball = pack(place);
    for (const names of folders(wanted)) performGroups(names, place, tarball, tally);
  } finally {
    if (values.keep === true) console.log(place);
    else rmSync(dirname(place), { recursive: true, force: true });
  }
  for (const line of tally.missing) console.log(`NOT RUN  ${line}`);
  const notes = [
    `${tally.passed} checks pass`,
    ...(tally.failed > 0 ? [`${tally.failed} FAILED`] : []),
    ...(tally.missing.length > 0 ? [`${tally.missing.length} groups NOT RUN`] : []),
  ];
  console.log(notes.join(', '));
  // A run that did nothing proves nothing.
  const incomplete = tally.missing.length > 0 || tally.passed === 0;
  process.exitCode = tally.failed > 0 ? 1 : incomplete ? 3 : 0;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main();
