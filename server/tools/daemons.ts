// Which clusters `up --daemon` has started and `down` may stop: one small file each, in a folder of this user's own.
// Invariant: a process is never signalled on the word of a file alone; it must still be the program that was started.

import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Daemon {
  readonly pid: number;
  /** Of its first node. */
  readonly port: number;
  readonly host: string;
  /** The file that Node runs. */
  readonly program: string;
  readonly log: string;
}

const run = promisify(execFile);

function folder(): string {
  const { uid } = userInfo();
  const path = join(tmpdir(), `lingcache-up-${uid}`);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const { uid: owner } = statSync(path);
  if (uid >= 0 && owner !== uid) throw new Error(`${path} belongs to another user`);
  return path;
}

export function logOf(port: number): string {
  return join(folder(), `${port === 0 ? `any-${process.pid}` : port}.log`);
}

export function keepDaemon(entry: Daemon): void {
  writeFileSync(join(folder(), `${entry.port}.json`), `${JSON.stringify(entry)}\n`, { mode: 0o600 });
}

export function forgetDaemon({ port, log }: Daemon): void {
  rmSync(join(folder(), `${port}.json`), { force: true });
  rmSync(log, { force: true });
}

/** Those that still run; files of others are taken away. */
export async function runningDaemons(): Promise<Daemon[]> {
  const found: Daemon[] = [];
  for (const name of readdirSync(folder()).filter((one) => one.endsWith('.json'))) {
    const entry = readEntry(join(folder(), name));
    if (entry !== undefined && (await isRunning(entry))) found.push(entry);
    else rmSync(join(folder(), name), { force: true });
  }
  return found;
}

function readEntry(path: string): Daemon | undefined {
  try {
    const entry = JSON.parse(readFileSync(path, 'utf8')) as Daemon;
    return Number.isInteger(entry.pid) && entry.pid > 1 && typeof entry.program === 'string' ? entry : undefined;
  } catch {
    return undefined;
  }
}

/** Ids of processes are used again: the command line has to be the one that was started. */
export async function isRunning({ pid, program }: Daemon): Promise<boolean> {
  const { stdout } = await run('ps', ['-ww', '-o', 'args=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.includes(program) && / up(\s|$)/.test(stdout);
}
