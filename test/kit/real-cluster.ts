// Real redis-server clusters for tests: free loopback ports, a temp dir each, stopped by pid even when a test fails.
// Knows nothing of lib: it talks to its nodes through ioredis, so that a bug of ours cannot hide in the set-up.

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { openSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis as Peer, type RedisOptions } from 'ioredis';
import { freePort } from './ports.ts';
import { programUnderTest } from './servers.ts';
import { until } from './until.ts';

const run = promisify(execFile);

/** Why tests on real servers cannot run here; undefined when they can. In CI a missing server is an error. */
export function missingRedisServer(): string | undefined {
  if (spawnSync(programUnderTest(), ['--version']).status === 0) return undefined;
  if (process.env['CI'] === 'true') throw new Error('redis-server is missing, and CI may skip nothing');
  return 'redis-server is not installed';
}

/** The bundled server as a program. */
export const bundledServer: readonly string[] = [
  process.execPath,
  new URL('../../server/tools/main.js', import.meta.url).pathname,
  'server',
];

/** For `before`: skips the suite, in one line that says why, where redis-server is missing. */
export function needRedisServer(context: Mocha.Context, what: string): void {
  const reason = missingRedisServer();
  if (reason === undefined) return;
  console.log(`      skipped: ${what} (${reason})`);
  context.skip();
}

export interface RealClusterOptions {
  /** Default 3. */
  readonly masters?: number;
  /** Replicas of each master; default 1. */
  readonly replicas?: number;
  /** Further redis.conf settings for every node, as `--name value`. */
  readonly config?: Readonly<Record<string, string>>;
  /** How set-up connections log in. */
  readonly admin?: RedisOptions;
  /** Prepares the temp dir (certificates, ACL files) before any node starts; may give further settings. */
  readonly prepare?: (dir: string) => Promise<Readonly<Record<string, string>>>;
  /**
   * Path of the server program, or it and its first arguments; default that of servers.ts, which knows others;
   * `bundledServer` is ours.
   */
  readonly server?: string | readonly string[];
  /** Programs for the nodes in turn, instead of `server`: several versions in one cluster. */
  readonly servers?: readonly string[];
  /** `tls`: nodes listen on their port with TLS only. Default false. */
  readonly tls?: boolean;
}

export interface RealNode {
  readonly host: string;
  readonly port: number;
  readonly busPort: number;
  readonly address: string;
  readonly id: string;
  readonly pid: number;
  /** SIGSTOP: sockets stay open, nothing answers. */
  freeze(): void;
  thaw(): void;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port and files. */
  restart(): Promise<void>;
  /** One command, arguments as text. */
  ask(...argv: string[]): Promise<unknown>;
}

export interface RealCluster {
  readonly dir: string;
  readonly nodes: readonly RealNode[];
  /** As created; a failover changes roles, not this list. */
  readonly masters: readonly RealNode[];
  readonly replicas: readonly RealNode[];
  readonly seeds: { host: string; port: number }[];
  /** The node that now owns a slot. */
  ownerOf(slot: number): Promise<RealNode>;
  /** Moves a slot with its keys by SETSLOT and MIGRATE. */
  moveSlot(slot: number, to: RealNode): Promise<void>;
  /** Runs redis-cli against the first node; gives stdout, throws on failure. */
  cli(...args: string[]): Promise<string>;
  /** FLUSHALL and SCRIPT FLUSH on every master. */
  flush(): Promise<void>;
  /** Kills every node and removes the directory. */
  stop(): Promise<void>;
}

const alive = new Set<number>();
const directories = new Set<string>();
process.once('exit', () => {
  for (const pid of alive) signal(pid, 'SIGKILL');
  for (const dir of directories) rmSync(dir, { recursive: true, force: true });
});

// A signal ends a process without 'exit': a run that is cut off must not leave servers behind.
for (const [name, code] of [
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)
  process.once(name, () => process.exit(code));

function signal(pid: number, name: NodeJS.Signals): void {
  // A child that could not be started has no pid; to kill(2) -1 is every process of this user, 0 the whole group.
  if (pid <= 0) return;
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}

class ServerProcess implements RealNode {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly busPort: number;
  id = '';
  readonly #dir: string;
  readonly #settings: readonly string[];
  readonly #admin: RedisOptions;
  readonly #program: readonly string[];
  #child: ChildProcess | undefined;
  #peer: Peer | undefined;

  constructor(
    port: number,
    busPort: number,
    dir: string,
    settings: readonly string[],
    { admin = {}, server = programUnderTest() }: RealClusterOptions,
  ) {
    this.#program = typeof server === 'string' ? [server] : server;
    this.port = port;
    this.busPort = busPort;
    this.#dir = dir;
    this.#settings = settings;
    this.#admin = admin;
  }

  get address(): string {
    return `${this.host}:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  async restart(): Promise<void> {
    const log = openSync(join(this.#dir, `${this.port}.log`), 'a');
    const [command = '', ...first] = this.#program;
    const child = spawn(command, [...first, ...this.#settings], { cwd: this.#dir, stdio: ['ignore', log, log] });
    child.unref();
    this.#child = child;
    child.on('error', () => undefined);
    const { pid } = child;
    if (pid === undefined) throw new Error(`${command} cannot be started`);
    alive.add(pid);
    child.once('exit', () => alive.delete(pid));
    await until(`${this.address} answers`, async () => {
      if (child.exitCode !== null) throw new Error(readFileSync(join(this.#dir, `${this.port}.log`), 'utf8'));
      return this.ask('ping');
    });
  }

  ask(...argv: string[]): Promise<unknown> {
    this.#peer ??= this.#connect();
    const [name, ...args] = argv;
    return this.#peer.call(name ?? 'ping', ...args);
  }

  freeze(): void {
    signal(this.pid, 'SIGSTOP');
  }

  thaw(): void {
    signal(this.pid, 'SIGCONT');
  }

  async kill(): Promise<void> {
    this.#hangUp();
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.ref();
    signal(this.pid, 'SIGKILL');
    await gone;
  }

  /** Calls `hear` for what is published in a channel here, until the function given is called. */
  async listen(channel: string, hear: (text: string) => void): Promise<() => Promise<unknown>> {
    const peer = this.#connect();
    peer.on('message', (_channel, text: string) => hear(text));
    await peer.subscribe(channel);
    return () => peer.quit();
  }

  #hangUp(): void {
    this.#peer?.disconnect();
    this.#peer = undefined;
  }

  #connect(): Peer {
    const options = {
      ...this.#admin,
      host: this.host,
      port: this.port,
      retryStrategy: () => null,
      replyMapping: 'legacy' as const,
    };
    const peer = new Peer(options);
    peer.on('error', () => undefined);
    // A shared cluster must not keep the test run from ending.
    peer.on('connect', () => (peer as { stream?: { unref?(): void } }).stream?.unref?.());
    peer.once('end', () => {
      if (this.#peer === peer) this.#peer = undefined;
    });
    return peer;
  }
}

function settingsOf(
  options: RealClusterOptions,
  port: number,
  busPort: number,
  extra: Readonly<Record<string, string>>,
): string[] {
  const settings: Record<string, string> = {
    ...(options.tls
      ? { port: '0', 'tls-port': String(port), 'tls-cluster': 'yes', 'tls-replication': 'yes' }
      : { port: String(port) }),
    'cluster-port': String(busPort),
    bind: '127.0.0.1',
    'cluster-enabled': 'yes',
    'cluster-config-file': `nodes-${port}.conf`,
    dbfilename: `${port}.rdb`,
    appenddirname: `aof-${port}`,
    'cluster-node-timeout': '3000',
    'cluster-allow-replica-migration': 'no',
    'repl-diskless-sync-delay': '0',
    'repl-ping-replica-period': '1',
    save: '',
    appendonly: 'no',
    daemonize: 'no',
    ...extra,
    ...options.config,
  };
  return Object.entries(settings).flatMap(([name, value]) => [
    `--${name}`,
    ...(value.includes('\n') ? value.split('\n') : [value]),
  ]);
}

/** Starts a cluster and waits until every node says ok and every replica is in step. */
export async function startRealCluster(options: RealClusterOptions = {}): Promise<RealCluster> {
  const masterCount = options.masters ?? 3;
  const total = masterCount * (1 + (options.replicas ?? 1));
  const dir = await mkdtemp(join(tmpdir(), 'lingcache-real-'));
  directories.add(dir);
  const extra = (await options.prepare?.(dir)) ?? {};
  const nodes: ServerProcess[] = [];
  for (let at = 0; at < total; at++) {
    const [port, busPort] = [await freePort(), await freePort()];
    const server = options.servers?.[at % options.servers.length] ?? options.server;
    const programs = server === undefined ? options : { ...options, server };
    nodes.push(new ServerProcess(port, busPort, dir, settingsOf(options, port, busPort, extra), programs));
  }
  const cluster = new StartedCluster(dir, nodes, masterCount);
  try {
    await Promise.all(nodes.map((node) => node.restart()));
    await cluster.form();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

class StartedCluster implements RealCluster {
  readonly dir: string;
  readonly nodes: readonly ServerProcess[];
  readonly masters: readonly ServerProcess[];
  readonly replicas: readonly ServerProcess[];

  constructor(dir: string, nodes: readonly ServerProcess[], masterCount: number) {
    this.dir = dir;
    this.nodes = nodes;
    this.masters = nodes.slice(0, masterCount);
    this.replicas = nodes.slice(masterCount);
  }

  get seeds(): { host: string; port: number }[] {
    return this.nodes.map(({ host, port }) => ({ host, port }));
  }

  async form(): Promise<void> {
    const { masters, nodes, replicas } = this;
    await Promise.all(
      nodes.map(async (node, at) => {
        node.id = String(await node.ask('cluster', 'myid'));
        await node.ask('cluster', 'set-config-epoch', String(at + 1));
      }),
    );
    const first = masters[0]!;
    const share = 16384 / masters.length;
    await Promise.all(
      masters.map((node, at) =>
        node.ask('cluster', 'addslotsrange', String(Math.floor(at * share)), String(Math.floor((at + 1) * share) - 1)),
      ),
    );
    for (const node of nodes.slice(1)) {
      await first.ask('cluster', 'meet', node.host, String(node.port), String(node.busPort));
    }
    await until('all nodes know each other', async () => {
      const views = await Promise.all(nodes.map((node) => node.ask('cluster', 'nodes')));
      return views.every(
        (view) => nodes.every(({ id }) => String(view).includes(id)) && !/handshake/.test(String(view)),
      );
    });
    await Promise.all(replicas.map((node, at) => node.ask('cluster', 'replicate', masters[at % masters.length]!.id)));
    await this.#settled();
  }

  async #settled(): Promise<void> {
    await until('the cluster is ok', async () => {
      const infos = await Promise.all(this.nodes.map((node) => node.ask('cluster', 'info')));
      return infos.every((info) => /cluster_state:ok/.test(String(info)));
    });
    await until('replicas are in step', async () => {
      const infos = await Promise.all(this.replicas.map((node) => node.ask('info', 'replication')));
      return infos.every((info) => /master_link_status:up/.test(String(info)));
    });
    await until('every view shows every replica', async () => {
      const views = await Promise.all(this.nodes.map((node) => node.ask('cluster', 'slots')));
      return views.every((view) => {
        const rows = view as unknown[][];
        return (
          rows.length === this.masters.length &&
          rows.every((row) => row.length - 2 === this.nodes.length / this.masters.length)
        );
      });
    });
    await this.#hearEachOther();
  }

  /**
   * Publishes from every node until every node has heard it. Valkey 8 closes a link whose first message it hears is a
   * PUBLISH (its short header names no sender), so that what the first one to publish after the start says can be lost.
   */
  async #hearEachOther(): Promise<void> {
    const channel = 'kit: do you hear me';
    const heard = new Set<string>();
    const stops = await Promise.all(
      this.nodes.map((node) => node.listen(channel, (from) => heard.add(`${from} ${node.id}`))),
    );
    try {
      await until('every node hears every other', async () => {
        await Promise.all(this.nodes.map((node) => node.ask('publish', channel, node.id)));
        return heard.size === this.nodes.length ** 2;
      });
    } finally {
      await Promise.all(stops.map((stop) => stop()));
    }
  }

  async ownerOf(slot: number): Promise<RealNode> {
    return this.#ownerOf(slot);
  }

  async #ownerOf(slot: number): Promise<ServerProcess> {
    for (const row of (await this.#asker().ask('cluster', 'slots')) as [number, number, [string, number]][]) {
      if (row[0] > slot || row[1] < slot) continue;
      const owner = this.nodes.find(({ port }) => port === row[2][1]);
      if (owner !== undefined) return owner;
    }
    throw new Error(`nobody owns slot ${slot}`);
  }

  async moveSlot(slot: number, to: RealNode): Promise<void> {
    const from = await this.#ownerOf(slot);
    if (from.id === to.id) return;
    await moveSlotBetween(slot, from, to);
    for (const node of this.nodes) {
      if (node !== to && node !== from && this.masters.includes(node))
        await node.ask('cluster', 'setslot', String(slot), 'node', to.id);
    }
  }

  async cli(...args: string[]): Promise<string> {
    const { stdout } = await run('redis-cli', args, { maxBuffer: 64 << 20 });
    return stdout;
  }

  async flush(): Promise<void> {
    const scripts = await hasScripts(this);
    await Promise.all(
      this.masters.flatMap((node) => [node.ask('flushall'), ...(scripts ? [node.ask('script', 'flush')] : [])]),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    rmSync(this.dir, { recursive: true, force: true });
    directories.delete(this.dir);
  }

  #asker(): ServerProcess {
    const up = this.nodes.find((node) => alive.has(node.pid));
    if (up === undefined) throw new Error('no node is running');
    return up;
  }
}

/**
 * Moves a slot with its keys from its owner to another master; the two get SETSLOT, the others learn of it by gossip.
 * `again`: an earlier move was broken off, and may have left copies.
 */
export async function moveSlotBetween(slot: number, from: RealNode, to: RealNode, again = false): Promise<void> {
  const text = String(slot);
  const replace = again ? ['replace'] : [];
  // The receiver that serves it already does not import it.
  const importing = to.ask('cluster', 'setslot', text, 'importing', from.id);
  await (again ? importing.catch(() => undefined) : importing);
  await from.ask('cluster', 'setslot', text, 'migrating', to.id);
  for (;;) {
    const keys = (await from.ask('cluster', 'getkeysinslot', text, '100')) as string[];
    if (keys.length === 0) break;
    await from.ask('migrate', to.host, String(to.port), '', '0', '5000', ...replace, 'keys', ...keys);
  }
  // The receiver first: from then on it serves, and the giver's answer is MOVED to a node that agrees.
  await to.ask('cluster', 'setslot', text, 'node', to.id);
  await from.ask('cluster', 'setslot', text, 'node', to.id);
}

/**
 * Ends the moves that were broken off: what is left of an open slot follows its other keys. What both nodes hold is the
 * giver's, which was asked first while the slot was open. Resolves to how many slots were open; throws where keys lie
 * at a node that nobody would ask.
 */
export async function closeOpenSlots(nodes: readonly RealNode[]): Promise<number> {
  let closed = 0;
  for (const from of nodes) {
    for (const [, slot, id] of (await ownLine(from)).matchAll(/\[(\d+)->-(\w+)\]/g)) {
      const to = nodes.find((node) => node.id === id);
      if (to === undefined) throw new Error(`slot ${slot} moves from ${from.address} to ${id}, which is unknown`);
      await moveSlotBetween(Number(slot), from, to, true);
      closed++;
    }
  }
  for (const node of nodes) {
    for (const [, slot] of (await ownLine(node)).matchAll(/\[(\d+)-<-\w+\]/g)) {
      const keys = Number(await node.ask('cluster', 'countkeysinslot', slot!));
      if (keys > 0) throw new Error(`${node.address} holds ${keys} keys of slot ${slot}, and does not serve it`);
      await node.ask('cluster', 'setslot', slot!, 'stable');
      closed++;
    }
  }
  return closed;
}

async function ownLine(node: RealNode): Promise<string> {
  return /^.*\bmyself\b.*$/m.exec(String(await node.ask('cluster', 'nodes')))?.[0] ?? '';
}

let shared: Promise<RealCluster> | undefined;
let sharedBundled: Promise<RealCluster> | undefined;

/**
 * One 3 + 3 cluster for all suites of this process that leave it as they found it. It ends with the process; a suite
 * flushes what it wrote.
 */
export function sharedRealCluster(): Promise<RealCluster> {
  shared ??= startRealCluster();
  return shared;
}

/** Whether the nodes run scripts. */
export async function hasScripts(cluster: RealCluster): Promise<boolean> {
  const [row] = (await cluster.nodes[0]!.ask('command', 'info', 'eval')) as unknown[];
  return row !== null;
}

/** The same of the bundled server, as processes. */
export function sharedBundledCluster(): Promise<RealCluster> {
  sharedBundled ??= startRealCluster({ server: bundledServer });
  return sharedBundled;
}
