// A cluster whose nodes are processes of their own, begun with the configuration of a cluster that has met: each finds
// its nodes.conf in its folder. Owns the processes and, when it made it, the folder they live in.
// Invariant: no node outlives close(), nor the process that started it: each ends when its line to that one is cut.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { RealWorld, type World } from '../lib/base/world.ts';
import { randomId } from './bundled-node.ts';
import { firstStates } from './cluster-start.ts';
import { printNodesFile } from './config/nodes-text.ts';
import { busPortOffset } from './doors.ts';
import { freePorts } from './free-ports.ts';
import { writeWhole } from './persistence/snapshot-file.ts';

export interface ProcessClusterOptions {
  readonly masters: number;
  /** Replicas of each master. */
  readonly replicas: number;
  readonly host: string;
  /** The first node's port, the others follow one by one; 0: any free ports. */
  readonly port: number;
  /** `''`: none. */
  readonly password: string;
  /** Where the nodes keep their data, one folder each. Default: a temporary folder that goes with the cluster. */
  readonly dir?: string;
  /** Told when a node ends that nobody stopped. */
  readonly onEnded?: (node: ProcessNode, how: string) => void;
}

export interface ProcessNode {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly folder: string;
}

const stopMs = 10_000;
const startMs = 20_000;

export class ProcessCluster {
  readonly dir: string;
  readonly nodes: ProcessNode[] = [];
  readonly #temporary: boolean;
  readonly #children: ChildProcess[] = [];
  readonly #world: World = new RealWorld();
  #closing = false;

  private constructor(dir: string | undefined) {
    this.#temporary = dir === undefined;
    this.dir = dir === undefined ? mkdtempSync(join(tmpdir(), 'lingcache-up-')) : resolve(dir);
    mkdirSync(this.dir, { recursive: true });
  }

  /** Resolves when every node listens. A folder with nodes of before goes on with them, at their ports. */
  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    const cluster = new ProcessCluster(options.dir);
    try {
      const ports = portsOfBefore(cluster.dir) ?? (await cluster.#prepare(options));
      await Promise.all(ports.map((port) => cluster.#launch(port, options)));
      cluster.nodes.sort((a, b) => ports.indexOf(a.port) - ports.indexOf(b.port));
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** Stops every node in order, then by force; takes the folder away when it was a temporary one. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#children.map((child) => stop(child, this.#world)));
    if (this.#temporary) rmSync(this.dir, { recursive: true, force: true });
  }

  async #prepare({ masters, replicas, port, host }: ProcessClusterOptions): Promise<number[]> {
    const count = masters * (1 + replicas);
    const ports = port === 0 ? await freePorts(count, host) : Array.from({ length: count }, (_, at) => port + at);
    const places = ports.map((each) => ({ port: each, cport: each + busPortOffset }));
    const states = firstStates(places, masters, host, () => randomId(this.#world));
    for (const [at, each] of ports.entries()) {
      mkdirSync(join(this.dir, String(each)));
      writeWhole(join(this.dir, String(each), 'nodes.conf'), [Buffer.from(printNodesFile(states[at]!), 'latin1')]);
    }
    return ports;
  }

  async #launch(port: number, { host, password, onEnded }: ProcessClusterOptions): Promise<void> {
    const folder = join(this.dir, String(port));
    const settings: Record<string, string> = {
      port: String(port),
      bind: host,
      dir: folder,
      'cluster-enabled': 'yes',
      'cluster-node-timeout': '2000',
      'repl-diskless-sync-delay': '0',
      appendonly: 'yes',
      save: '',
      ...(password === '' ? {} : { requirepass: password, masterauth: password }),
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const main = new URL('./tools/main.js', import.meta.url).pathname;
    const log = openSync(join(folder, 'log'), 'a');
    const child = spawn(process.execPath, [main, 'server', ...args], { stdio: ['ignore', log, log, 'ipc'] });
    closeSync(log);
    this.#children.push(child);
    await untilUp(child, () => `the node at port ${port}: ${lastWords(join(folder, 'log'))}`, this.#world);
    const node = { host, port, pid: child.pid!, folder };
    this.nodes.push(node);
    child.once('exit', (code, signal) => {
      if (!this.#closing) onEnded?.(node, signal === null ? `ended with code ${code}` : `was ended by ${signal}`);
    });
  }
}

/** The last line of a log, as far as it can be had. */
function lastWords(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').at(-1)!;
  } catch {
    return 'it said nothing';
  }
}

/** The ports of the nodes that lie in a folder; undefined: there are none. */
function portsOfBefore(dir: string): number[] | undefined {
  const folders = readdirSync(dir).filter(
    (name) => /^\d{1,5}$/.test(name) && existsSync(join(dir, name, 'nodes.conf')),
  );
  return folders.length === 0 ? undefined : folders.map(Number).sort((a, b) => a - b);
}

function untilUp(child: ChildProcess, what: () => string, world: World): Promise<void> {
  return new Promise((done, fail) => {
    const late = (): void => fail(new Error(`${what()} (not up within ${startMs} ms)`));
    const timer = world.after(startMs, late, true);
    const end = (error: Error): void => {
      timer.cancel();
      fail(error);
    };
    child.once('error', end);
    child.once('exit', (code) => end(new Error(`${what()} (exit code ${code})`)));
    child.once('message', () => {
      timer.cancel();
      done();
    });
  });
}

function stop(child: ChildProcess, world: World): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => {
    const timer = world.after(stopMs, () => child.kill('SIGKILL'), true);
    child.once('exit', () => {
      timer.cancel();
      done();
    });
    child.kill('SIGTERM');
  });
}
