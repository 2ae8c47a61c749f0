// Which core does what: the measured client alone on one, the servers on the others, by taskset where it exists.

import { spawnSync } from 'node:child_process';

export interface Cores {
  /** Words to put before a command line; empty when nothing can be pinned. */
  readonly client: readonly string[];
  readonly servers: readonly string[];
  /** For people. */
  readonly text: string;
}

export function planCores(): Cores {
  const shown = spawnSync('taskset', ['-pc', String(process.pid)], { encoding: 'utf8' });
  if (shown.status !== 0) return { client: [], servers: [], text: 'not pinned (no taskset)' };
  const cores = parseCoreList(shown.stdout.slice(shown.stdout.lastIndexOf(':') + 1));
  if (cores.length < 2) return { client: [], servers: [], text: 'not pinned (one core)' };
  const [client, ...servers] = cores;
  return {
    client: ['taskset', '-c', String(client)],
    servers: ['taskset', '-c', servers.join(',')],
    text: `client on core ${client}, servers on ${servers.join(',')}`,
  };
}

/** `0,2-4` -> 0 2 3 4. */
export function parseCoreList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .flatMap((part) => {
      const [from, to = from] = part.split('-').map(Number);
      if (!Number.isInteger(from) || !Number.isInteger(to)) return [];
      return Array.from({ length: Math.max(0, to! - from! + 1) }, (_, index) => from! + index);
    });
}
