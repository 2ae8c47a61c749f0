// Runs the built command line as users do, in a process of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

const main = new URL('../../../../server/tools/main.js', import.meta.url).pathname;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function lingcache(...args: string[]): Promise<Ended> {
  return lingcacheIn({}, ...args);
}

/** The same with variables in its environment. */
export async function lingcacheIn(env: Readonly<Record<string, string>>, ...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}
