// Real redis-server processes for tests: started on free loopback ports in a directory of their own, stopped by pid.
// Whatever happens, a process started here does not outlive the test run. Clusters are real-cluster.ts's.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { RespClient } from './resp-client.ts';
import { programUnderTest } from './servers.ts';

export interface RealNode {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Kills at once, as a crash does. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

let found: boolean | undefined;

/** Whether redis-server can be run here. In CI its absence is an error, never a reason to skip. */
function haveRedisServer(): boolean {
  found ??= spawnSync(programUnderTest(), ['--version']).status === 0;
  if (!found && process.env['CI'] === 'true')
    throw new Error('redis-server is missing, and CI must not skip its tests');
  return found;
}

/** Skips the suite or test it is called in (`this` of mocha) with one line that says why. */
export function needRedisServer(context: Mocha.Context): void {
  if (haveRedisServer()) return;
  console.log(`      skipped: redis-server is not installed (${context.test?.parent?.title ?? 'tests against it'})`);
  context.skip();
}

const running = new Set<ChildProcess>();
const folders = new Set<string>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/**
 * Starts one redis-server; `args` are its command line options (`--appendonly`, `yes`, ...), `server` another program,
 * as servers.ts finds it.
 */
export async function startRealNode(args: readonly string[] = [], server = programUnderTest()): Promise<RealNode> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'lingcache-redis-'));
  folders.add(folder);
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  const child = spawn(server, [...fixed, '--enable-debug-command', 'yes', ...args], { stdio: 'ignore' });
  running.add(child);
  const gone = once(child, 'exit').then(() => {
    running.delete(child);
    rmSync(folder, { recursive: true, force: true });
    folders.delete(folder);
  });
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    child.kill(signal);
    const last = setTimeout(() => child.kill('SIGKILL'), 3000);
    await gone;
    clearTimeout(last);
  };
  try {
    await untilAnswers(port, child);
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
  return { host: '127.0.0.1', port, pid: child.pid!, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
}

async function untilAnswers(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    try {
      const client = await RespClient.connect(port);
      const answer = await client.call('PING');
      client.close();
      // Anything but LOADING will do: with a password the answer is NOAUTH.
      if (!String(answer).includes('LOADING')) return;
    } catch {
      // Not listening yet.
    }
    await sleep(25);
  }
  throw new Error('redis-server did not answer');
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
