// Nodes as processes of their own, ours and redis-server's, started the same way from the same configuration file.
// Stopped by pid; whatever happens, a process started here does not outlive the test run.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../kit/ports.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

export type Kind = 'ours' | 'real';

const main = new URL('../../../../server/tools/main.js', import.meta.url).pathname;
const host = '127.0.0.1';
const running = new Set<ChildProcess>();
const folders = new Set<string>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export class NodeProcess {
  readonly kind: Kind;
  readonly host = host;
  readonly port: number;
  readonly folder: string;
  #child: ChildProcess | undefined;

  constructor(kind: Kind, port: number, settings: Readonly<Record<string, string>>) {
    this.kind = kind;
    this.port = port;
    this.folder = mkdtempSync(join(tmpdir(), 'lingcache-node-'));
    folders.add(this.folder);
    const fixed = { port: String(port), bind: host, dir: this.folder, save: '""', appendonly: 'no', logfile: 'log' };
    const lines = Object.entries({ ...fixed, 'repl-diskless-sync-delay': '1', ...settings });
    writeFileSync(join(this.folder, 'node.conf'), lines.map(([name, value]) => `${name} ${value}\n`).join(''));
  }

  /** Starts it, the first time or again, on its port and files. Resolves when it answers. */
  async start(): Promise<void> {
    const conf = join(this.folder, 'node.conf');
    const words = this.kind === 'ours' ? [process.execPath, main, 'server', conf] : ['redis-server', conf];
    const child = spawn(words[0]!, words.slice(1), { stdio: 'ignore' });
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    await until(`the node on port ${this.port} answers`, async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${this.log()}`);
      const answer = await this.say('PING');
      return !/LOADING/.test(String(answer));
    });
  }

  /** SIGKILL: as a crash. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Kills it for good. */
  async end(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
    folders.delete(this.folder);
  }

  /** Seconds of processor time used so far; undefined where the system does not tell. */
  cpuSeconds(): number | undefined {
    const file = `/proc/${this.#child?.pid}/stat`;
    if (!existsSync(file)) return undefined;
    const fields = readFileSync(file, 'utf8').split(') ')[1]!.split(' ');
    // utime and stime, in ticks of 10 ms.
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  async say(...words: readonly string[]): Promise<unknown> {
    const client = await RespClient.connect(this.port);
    try {
      return await client.call(...words);
    } finally {
      client.close();
    }
  }

  log(): string {
    const file = join(this.folder, 'log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }
}

export async function startProcess(kind: Kind, settings: Readonly<Record<string, string>>): Promise<NodeProcess> {
  const node = new NodeProcess(kind, await freePort(), settings);
  await node.start();
  return node;
}
