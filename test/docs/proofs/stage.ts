// Where the commands of the pages run: a folder, and the servers whose ports they name. 7000 to 7005 is the bundled
// cluster, 7100 to 7105 redis-server, 7220 and 7230 Valkey 9, 73xx are nodes that a scene starts for itself.
// Owns: these servers and the folder; they end with close().
// Does not know: pages, and what a command should print.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from '../../../lib/index.ts';
import { root } from '../../../scripts/docs/pages.ts';
import { ProcessCluster as Processes } from '../../../server/embedded/process-cluster.ts';
import { type BundledCluster, type ProcessCluster, startCluster } from '../../../server/index.ts';
import { programOf } from '../../../server/testing/programs.ts';
import { type NodeProcess, startNodeProcess } from '../../kit/node-process.ts';
import { freePort } from '../../kit/ports.ts';
import { programUnderTest } from '../../kit/servers.ts';
import { until } from '../../kit/until.ts';

export type Nodes = BundledCluster | ProcessCluster;

export interface ClusterShape {
  readonly config?: Readonly<Record<string, string>>;
  /** Of the bundled cluster: a process for each node. redis-server always has them. */
  readonly processes?: boolean;
  /** Of the bundled cluster in this process: other processes may join it. */
  readonly open?: boolean;
}

export interface StageOptions {
  readonly bundled?: ClusterShape;
  readonly real?: ClusterShape;
  readonly valkey?: ClusterShape;
}

/** Places of the nodes in `nodes`, in the order of the pages' ports. redis-cli chose the replicas of 7100 to 7102. */
const places = {
  bundled: [0, 1, 2, 3, 4, 5],
  real: [0, 1, 2, 4, 5, 3],
  valkey: [1, 0],
} as const;
const pagePorts = {
  bundled: [7000, 7001, 7002, 7003, 7004, 7005],
  real: [7100, 7101, 7102, 7103, 7104, 7105],
  valkey: [7220, 7230],
} as const;
const shape = { host: '127.0.0.1', port: 0, password: '' };
/** Nodes that nothing is to happen to must not fail over on a busy machine. */
const steady = { 'cluster-node-timeout': '15000' };
const limitMs = 60_000;

/** On a terminal redis-cli formats replies; in a pipe it does not. */
const terminal = `
redis-cli() { if [ -p /dev/stdout ]; then command redis-cli "$@"; else FAKETTY=1 command redis-cli "$@"; fi; }
npx() { shift; "$NODE" "$MAIN" "$@"; }
`;

export class Stage {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'lingcache-pages-'));
  /** Variables of the shell. */
  readonly env: Record<string, string> = {};
  /** Process ids of the pages, and of the processes here. */
  readonly pids = new Map<string, string>();
  /** What a scene has seen by itself, of a block without a command. */
  shown = '';
  readonly #ports = new Map<number, number>();
  readonly #own = new Map<number, NodeProcess>();
  readonly #ends: (() => unknown)[] = [];
  #bundled: Nodes | undefined;
  #real: ProcessCluster | undefined;
  #valkey: ProcessCluster | undefined;

  static async open({ bundled, real, valkey }: StageOptions): Promise<Stage> {
    const stage = new Stage();
    try {
      if (bundled !== undefined) await stage.#openBundled(bundled);
      if (real !== undefined) {
        const dir = join(stage.folder, 'real');
        const config = { appendonly: 'yes', ...steady, ...real.config };
        stage.#real = await Processes.start({
          ...shape,
          masters: 3,
          replicas: 1,
          dir,
          config,
          program: programUnderTest(),
        });
        stage.#keep('real', stage.#real);
        // Some pages look at the files from within the folder.
        for (const port of stage.#real.ports) symlinkSync(join(dir, String(port)), join(stage.folder, String(port)));
      }
      if (valkey !== undefined) {
        const dir = join(stage.folder, 'valkey');
        const program = programOf('valkey-9');
        stage.#valkey = await Processes.start({ ...shape, masters: 2, replicas: 0, dir, program });
        stage.#keep('valkey', stage.#valkey);
      }
      await Promise.all([stage.#bundled, stage.#real, stage.#valkey].map((nodes) => nodes?.settled()));
      return stage;
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  get bundled(): Nodes {
    return this.#bundled!;
  }

  get real(): ProcessCluster {
    return this.#real!;
  }

  get valkey(): ProcessCluster {
    return this.#valkey!;
  }

  /** The place in `nodes` of the node that the pages have at this port. */
  placeOf(pagePort: number): number {
    const kind = pagePort < 7100 ? 'bundled' : pagePort < 7200 ? 'real' : 'valkey';
    return places[kind][(pagePorts[kind] as readonly number[]).indexOf(pagePort)]!;
  }

  portOf(pagePort: number): number {
    const port = this.#ports.get(pagePort);
    if (port === undefined) throw new Error(`no node stands for port ${pagePort}`);
    return port;
  }

  /** A connection that ends with the stage. */
  connect(pagePort: number): Redis {
    const redis = new Redis({ host: '127.0.0.1', port: this.portOf(pagePort) });
    this.afterwards(() => redis.disconnect());
    return redis;
  }

  /** One command to a node, by the port of the pages. Errors are values. */
  async ask(pagePort: number, ...[name = 'PING', ...args]: string[]): Promise<unknown> {
    const redis = new Redis({ host: '127.0.0.1', port: this.portOf(pagePort) });
    try {
      return await redis.call(name, ...args).catch((error: unknown) => error);
    } finally {
      redis.disconnect();
    }
  }

  /** Waits until what a node answers matches. */
  until(pagePort: number, argv: readonly string[], pattern: RegExp): Promise<unknown> {
    return until(`${pagePort} ${argv.join(' ')} has ${pattern}`, async () =>
      pattern.test(String(await this.ask(pagePort, ...argv))),
    );
  }

  /** Starts a node of one's own in its folder. Empty, of a cluster that is this node alone. */
  async startNode(pagePort: number, args: readonly string[] = ['--cluster-enabled', 'yes']): Promise<void> {
    const port = this.#ports.get(pagePort) ?? (await this.reserve(pagePort));
    const dir = join(this.folder, String(port));
    mkdirSync(dir, { recursive: true });
    this.#own.set(pagePort, await startNodeProcess(port, { dir, args: ['--save', '', ...args] }));
  }

  /** SIGKILL. */
  async killNode(pagePort: number): Promise<void> {
    await this.#own.get(pagePort)?.end('SIGKILL');
    this.#own.delete(pagePort);
  }

  /** A free port for one of the pages that a command will use. */
  async reserve(pagePort: number): Promise<number> {
    const port = await freePort();
    this.#ports.set(pagePort, port);
    return port;
  }

  /** Free ports one after another, for a command that takes the first. */
  async reserveRow(pagePort: number, count: number): Promise<void> {
    for (let tries = 0; tries < 20; tries++) {
      const ports: number[] = [];
      for (let at = 0; at < count; at++) ports.push(await freePort());
      if (ports.some((port, at) => port !== ports[0]! + at)) continue;
      for (const [at, port] of ports.entries()) this.#ports.set(pagePort + at, port);
      return;
    }
    throw new Error(`no ${count} free ports in a row`);
  }

  /** The process id of the node at a port. */
  async pidOf(pagePort: number): Promise<string> {
    return /^process_id:(\d+)/m.exec(String(await this.ask(pagePort, 'INFO', 'server')))![1]!;
  }

  /** Called by close(). */
  afterwards(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** Runs a command as typed at a terminal, with the ports and processes of here; gives what it printed, with those of the pages. */
  async run(command: string): Promise<string> {
    const file = join(this.folder, 'printed');
    const output = openSync(file, 'w');
    const child = spawn('bash', ['-c', terminal + this.#toHere(command)], {
      cwd: this.folder,
      stdio: ['ignore', output, output],
      env: {
        ...process.env,
        ...this.env,
        NODE: process.execPath,
        MAIN: join(root, 'build/server/tools/main.js'),
        NO_COLOR: '1',
        TERM: 'dumb',
      },
    });
    closeSync(output);
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    await once(child, 'exit');
    clearTimeout(timer);
    return this.#toPages(readFileSync(file, 'utf8')).trimEnd();
  }

  async close(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
    for (const node of this.#own.values()) await node.end('SIGKILL');
    await Promise.all([this.#bundled, this.#real, this.#valkey].map((nodes) => nodes?.close()));
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #openBundled({ config: own, processes = false, open = false }: ClusterShape): Promise<void> {
    const config = { ...steady, ...own };
    this.#bundled = processes
      ? await startCluster({ processes: true, config: { dir: join(this.folder, 'bundled'), ...config } })
      : await startCluster({ config, bus: open ? 'tcp' : 'loopback' });
    this.#keep('bundled', this.#bundled);
  }

  #keep(kind: keyof typeof places, nodes: Nodes): void {
    for (const [at, page] of pagePorts[kind].entries()) this.#ports.set(page, nodes.ports[places[kind][at]!]!);
  }

  #toHere(command: string): string {
    const ported = command.replaceAll(/(?<![\w.])7\d\d\d(?!\w)/g, (text) => String(this.portOf(Number(text))));
    // The pages' times are those of a node timeout of 2000 ms; here it is 500, of which the delays of an election are no part.
    const sooner = ported.replaceAll(/\bsleep (\d+)|(?<=writer\.mjs )(\d+)/g, (text, pause?: string) =>
      pause === undefined ? String(Number(text) / 2) : `sleep ${Number(pause) / 2}`,
    );
    return [...this.pids].reduce(
      (text, [page, here]) => text.replaceAll(new RegExp(`\\b${page}\\b`, 'g'), here),
      sooner,
    );
  }

  #toPages(text: string): string {
    const known = new Map(
      [...this.#ports].flatMap(([page, port]) => [
        [port, page],
        [port + 10_000, page + 10_000],
      ]),
    );
    return text.replaceAll(/(?<=[:@/= ]|^|")\d{4,5}(?!\w)/gm, (port) => String(known.get(Number(port)) ?? port));
  }
}
