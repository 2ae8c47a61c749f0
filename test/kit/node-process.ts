// Single nodes as processes, ours or redis-server, with the same options: what one leaves on the disk, the other can be
// started on. Whatever happens, a process started here does not outlive the test run.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { RespClient } from './resp-client.ts';

const main = new URL('../../server/tools/main.js', import.meta.url).pathname;
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface NodeProcessOptions {
  /** Default ours. */
  readonly program?: 'lingcache' | 'redis-server';
  readonly dir: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** It ends when `child.disconnect()` is called. Default false. */
  readonly tied?: boolean;
}

export interface Ended {
  /** Null after a kill. */
  readonly code: number | null;
  /** stdout and stderr. */
  readonly text: string;
}

export class NodeProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #text = '';
  #client: RespClient | undefined;

  constructor({ program = 'lingcache', dir, args, env, stdin, tied = false }: NodeProcessOptions) {
    const [command, first] = program === 'lingcache' ? [process.execPath, [main, 'server']] : [program, []];
    this.child = spawn(command, [...first, ...args], {
      cwd: dir,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe', ...(tied ? (['ipc'] as const) : [])],
    });
    running.add(this.child);
    const take = (chunk: Buffer): void => {
      this.#text += chunk.toString('latin1');
    };
    this.child.stdout!.on('data', take);
    this.child.stderr!.on('data', take);
    // One that refuses its arguments may be gone before it has read anything.
    this.child.stdin!.on('error', () => undefined);
    this.child.stdin!.end(stdin ?? '');
    // There is no 'close' once the line between the two was cut.
    this.ended = once(this.child, tied ? 'exit' : 'close').then(([code]) => {
      running.delete(this.child);
      this.#client?.close();
      return { code: code as number | null, text: this.#text };
    });
  }

  /** What it has said so far. */
  get text(): string {
    return this.#text;
  }

  /** A reply that is an error rejects. */
  async ask(...argv: readonly (string | number)[]): Promise<unknown> {
    if (this.#client === undefined || this.#client.closed) throw new Error('not connected');
    const reply = await this.#client.call(...argv);
    if (reply instanceof Error) throw reply;
    return reply instanceof Buffer ? reply.toString('latin1') : reply;
  }

  /** Waits until it serves at `port`. Throws with what it said when it ends before that. */
  async ready(port: number): Promise<void> {
    for (let tries = 0; tries < 400; tries++) {
      if (this.child.exitCode !== null) throw new Error(`it ended with ${this.child.exitCode}: ${this.#text}`);
      try {
        this.#client = await RespClient.connect(port);
        if (!String(await this.#client.call('PING')).includes('LOADING')) return;
        this.#client.close();
      } catch {
        // Not listening yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`no answer at port ${port}: ${this.#text}`);
  }

  async end(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** Starts a node at `port` and waits until it serves. */
export async function startNodeProcess(port: number, options: NodeProcessOptions): Promise<NodeProcess> {
  const node = new NodeProcess({ ...options, args: [...options.args, '--port', String(port)] });
  try {
    await node.ready(port);
    return node;
  } catch (error) {
    await node.end('SIGKILL');
    throw error;
  }
}
