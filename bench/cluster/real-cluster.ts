// redis-server masters of our own on free loopback ports, in a directory that goes away with them, and replicas
// of the first master when asked for. Every process is stopped by its pid, also when the start fails half-way.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type BenchCluster, type BenchNode, shareOf } from './cluster.ts';

const host = '127.0.0.1';
const startDeadline = 20_000;

export interface RealOptions {
  readonly masters: number;
  /** Replicas of the first master; default 0. */
  readonly replicas?: number;
  /** cluster-node-timeout in milliseconds; default 15000. */
  readonly nodeTimeout?: number;
}

export interface RealCluster extends BenchCluster {
  readonly replicas: readonly { readonly host: string; readonly port: number }[];
  /** Kills a master at once. */
  kill(index: number): Promise<void>;
}

interface Ports {
  readonly clients: readonly number[];
  readonly bus: readonly number[];
}

export async function startRealCluster(prefix: readonly string[], options: RealOptions): Promise<RealCluster> {
  const shown = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  if (shown.status !== 0) throw new Error('redis-server is not installed; try --server bundled');
  const dir = mkdtempSync(join(tmpdir(), 'lingcache-bench-'));
  const servers: ChildProcess[] = [];
  const killAll = (): void => {
    for (const server of servers) server.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', killAll);
  const stop = async (): Promise<void> => {
    process.off('exit', killAll);
    await Promise.all(servers.map(stopServer));
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const { masters } = options;
    const count = masters + (options.replicas ?? 0);
    const free = await freePorts(count * 2);
    const ports = { clients: free.slice(0, count), bus: free.slice(count) };
    for (let index = 0; index < count; index++) servers.push(startServer(prefix, dir, ports, index, options));
    const nodes = await formCluster(ports, servers, masters);
    return {
      nodes,
      replicas: ports.clients.slice(masters).map((port) => ({ host, port })),
      version: `redis-server ${/v=(\S+)/.exec(shown.stdout)?.[1] ?? '?'}`,
      kill: (index) => stopServer(servers[index]!),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startServer(
  prefix: readonly string[],
  dir: string,
  ports: Ports,
  index: number,
  { nodeTimeout = 15_000 }: RealOptions,
): ChildProcess {
  const port = ports.clients[index]!;
  const words = [
    ...prefix,
    'redis-server',
    ...['--port', port, '--bind', host, '--cluster-enabled', 'yes', '--cluster-port', ports.bus[index]],
    ...['--cluster-config-file', `nodes-${port}.conf`, '--cluster-node-timeout', nodeTimeout],
    // A master whose slots are all moved away for a while stays a master.
    ...['--cluster-allow-replica-migration', 'no'],
    ...['--repl-diskless-sync-delay', 0],
    ...['--save', '', '--appendonly', 'no', '--dir', dir, '--logfile', `${port}.log`, '--daemonize', 'no'],
  ].map(String);
  return spawn(words[0]!, words.slice(1), { stdio: 'ignore' });
}

async function stopServer(server: ChildProcess): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGKILL');
  await gone;
}

// All sockets are held open until every port is known, so that no two are the same.
async function freePorts(count: number): Promise<number[]> {
  const listeners = await Promise.all(
    Array.from({ length: count }, async () => {
      const listener = createServer();
      await new Promise<void>((resolve, reject) => {
        listener.once('error', reject);
        listener.listen(0, host, resolve);
      });
      return listener;
    }),
  );
  const ports = listeners.map((listener) => (listener.address() as { port: number }).port);
  await Promise.all(listeners.map((listener) => new Promise((resolve) => listener.close(resolve))));
  return ports;
}

async function formCluster(
  { clients, bus }: Ports,
  servers: readonly ChildProcess[],
  masterCount: number,
): Promise<BenchNode[]> {
  const admins = clients.map((port) => new Redis({ host, port, retryStrategy: () => 50, maxRetriesPerRequest: 200 }));
  for (const admin of admins) admin.on('error', () => undefined);
  const masters = admins.slice(0, masterCount);
  const until = async (ready: () => Promise<boolean>): Promise<void> => {
    const deadline = performance.now() + startDeadline;
    while (!(await ready())) {
      if (servers.some((server) => server.exitCode !== null)) throw new Error('a redis-server left while starting');
      if (performance.now() > deadline) throw new Error(`the cluster was not ready within ${startDeadline} ms`);
      await pause(50);
    }
  };
  try {
    await Promise.all(
      masters.map(async (admin, index) => {
        await admin.call('CLUSTER', 'ADDSLOTSRANGE', ...shareOf(index, masterCount).map(String));
        await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
      }),
    );
    for (let index = 1; index < clients.length; index++) {
      await admins[0]!.call('CLUSTER', 'MEET', host, String(clients[index]), String(bus[index]));
    }
    await until(() => allReady(admins, masterCount));
    const ids = (await Promise.all(masters.map((admin) => admin.call('CLUSTER', 'MYID')))).map(String);
    const replicas = admins.slice(masterCount);
    for (const replica of replicas) await replica.call('CLUSTER', 'REPLICATE', ids[0]!);
    await until(() => allFollow(masters, replicas));
    return ids.map((id, index) => ({ host, port: clients[index]!, id, slots: shareOf(index, masterCount) }));
  } finally {
    for (const admin of admins) admin.disconnect();
  }
}

/** Every node sees all masters with their slots. */
async function allReady(admins: readonly Redis[], masterCount: number): Promise<boolean> {
  const views = await Promise.all(
    admins.map(async (admin) => [String(await admin.call('CLUSTER', 'INFO')), await admin.call('CLUSTER', 'SLOTS')]),
  );
  return views.every(
    ([info, slots]) => String(info).includes('cluster_state:ok') && (slots as unknown[]).length === masterCount,
  );
}

/** Every replica has its master's data, and every master knows of it. */
async function allFollow(masters: readonly Redis[], replicas: readonly Redis[]): Promise<boolean> {
  const links = await Promise.all(replicas.map((replica) => replica.call('INFO', 'replication')));
  if (!links.every((text) => String(text).includes('master_link_status:up'))) return false;
  const views = await Promise.all(masters.map((master) => master.call('CLUSTER', 'SLOTS')));
  const known = (view: unknown): number =>
    (view as readonly (readonly unknown[])[]).reduce((sum, range) => sum + range.length - 3, 0);
  return views.every((view) => known(view) === replicas.length);
}
