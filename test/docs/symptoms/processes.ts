// Programs that are run as users run them, for symptoms that only a whole process has.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { root } from '../../../scripts/docs/pages.ts';

export interface Ran {
  /** Null: it had to be ended. */
  readonly code: number | null;
  /** stdout and stderr. */
  readonly text: string;
}

/** Runs a program until it ends, or has printed `enough`, or `limitMs` are over. */
export async function ran(args: readonly string[], { enough = /(?!)/, limitMs = 20_000 } = {}): Promise<Ran> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk;
      if (enough.test(text)) child.kill('SIGTERM');
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, text };
}

/** `lingcache up` with three masters; `stop`: it is ended once the cluster is ready. */
export const up = (port: number, options: readonly string[] = [], stop = false): Promise<Ran> =>
  ran(
    [
      join(root, 'build/server/tools/main.js'),
      'up',
      '--masters',
      '3',
      '--replicas',
      '0',
      '--port',
      String(port),
      ...options,
    ],
    {
      enough: stop ? /cluster ready[\s\S]*\n.*\n/ : /(?!)/,
    },
  );

/** A program of one's own that uses the package. */
export const program = (code: string, limitMs: number): Promise<Ran> =>
  ran(['--input-type=module', '--eval', code], { limitMs });
