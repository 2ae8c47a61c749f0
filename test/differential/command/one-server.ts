// One redis-server on a unix socket in a temporary folder, stopped by its process handle.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface OneServer {
  /** The unix socket's path. */
  readonly path: string;
  stop(): Promise<void>;
}

export async function startOneServer(): Promise<OneServer> {
  const folder = mkdtempSync(join(tmpdir(), 'lingcache-one-'));
  const path = join(folder, 's');
  const options = ['--port', '0', '--unixsocket', path, '--save', '', '--dir', folder];
  const server: ChildProcess = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    let log = '';
    server.once('error', reject);
    server.once('exit', () => reject(new Error(`redis-server left: ${log}`)));
    server.stdout?.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      if (log.includes('ready to accept connections')) resolve();
    });
  });
  return {
    path,
    async stop() {
      const gone = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
