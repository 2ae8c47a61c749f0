// Nodes as processes of their own, ours and redis-server's, started the same way from the same configuration file, each
// in a folder that goes with it. The process is node-process.ts's.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeProcess } from './node-process.ts';
import { freePort } from './ports.ts';
import { RespClient } from './resp-client.ts';

export type Kind = 'ours' | 'real';

const host = '127.0.0.1';
const folders = new Set<string>();
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export class ConfiguredNode {
  readonly kind: Kind;
  readonly host = host;
  readonly port: number;
  readonly folder: string;
  #process: NodeProcess | undefined;

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
    const program = this.kind === 'ours' ? 'lingcache' : 'redis-server';
    this.#process = new NodeProcess({ program, dir: this.folder, args: [join(this.folder, 'node.conf')] });
    try {
      await this.#process.ready(this.port);
    } catch (error) {
      throw new Error(`the node on port ${this.port} does not answer: ${this.log()}`, { cause: error });
    }
  }

  /** SIGKILL: as a crash. */
  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL');
  }

  /** Kills it for good. */
  async end(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
    folders.delete(this.folder);
  }

  /** Seconds of processor time used so far; undefined where the system does not report it. */
  cpuSeconds(): number | undefined {
    const file = `/proc/${this.#process?.child.pid}/stat`;
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

export async function startProcess(kind: Kind, settings: Readonly<Record<string, string>>): Promise<ConfiguredNode> {
  const node = new ConfiguredNode(kind, await freePort(), settings);
  await node.start();
  return node;
}
