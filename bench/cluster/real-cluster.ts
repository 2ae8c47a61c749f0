// Three redis-server masters of our own on free loopback ports, in a directory that goes away with them. Every
// process is stopped by its pid, also when the start fails half-way.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type BenchCluster, type BenchNode, masterCount, shareOf } from './cluster.ts';

const host = '127.0.0.1';
const startDeadline = 20_000;

export async function startRealCluster(prefix: readonly string[]): Promise<BenchCluster> {
  const shown = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  if (shown.status !== 0) throw new Error('redis-server is not installed; try --server bundled');
  const dir = mkdtempSync(join(tmpdir(), 'lingcache-bench-'));
  const servers: ChildProcess[] = [];
  const kill = (): void => {
    for (const server of servers) server.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    process.off('exit', kill);
    await Promise.all(servers.map(stopServer));
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const ports = await freePorts(masterCount * 2);
    for (let index = 0; index < masterCount; index++) {
      servers.push(startServer(prefix, dir, ports[index]!, ports[index + masterCount]!));
    }
    const nodes = await formCluster(ports.slice(0, masterCount), ports.slice(masterCount), servers);
    return { nodes, version: `redis-server ${/v=(\S+)/.exec(shown.stdout)?.[1] ?? '?'}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startServer(prefix: readonly string[], dir: string, port: number, busPort: number): ChildProcess {
  const words = [
    ...prefix,
    'redis-server',
    ...['--port', port, '--bind', host, '--cluster-enabled', 'yes', '--cluster-port', busPort],
    ...['--cluster-config-file', `nodes-${port}.conf`, '--cluster-node-timeout', 15000],
    // A master whose slots are all moved away for a while stays a master.
    ...['--cluster-allow-replica-migration', 'no'],
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
  ports: readonly number[],
  busPorts: readonly number[],
  servers: readonly ChildProcess[],
): Promise<BenchNode[]> {
  const admins = ports.map((port) => new Redis({ host, port, retryStrategy: () => 50, maxRetriesPerRequest: 200 }));
  for (const admin of admins) admin.on('error', () => undefined);
  try {
    const deadline = performance.now() + startDeadline;
    await Promise.all(
      admins.map(async (admin, index) => {
        await admin.call('CLUSTER', 'ADDSLOTSRANGE', ...shareOf(index).map(String));
        await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
      }),
    );
    for (let index = 1; index < ports.length; index++) {
      await admins[0]!.call('CLUSTER', 'MEET', host, String(ports[index]), String(busPorts[index]));
    }
    while (!(await allReady(admins))) {
      if (servers.some((server) => server.exitCode !== null)) throw new Error('a redis-server left while starting');
      if (performance.now() > deadline) throw new Error(`the cluster was not ready within ${startDeadline} ms`);
      await pause(50);
    }
    const ids = await Promise.all(admins.map((admin) => admin.call('CLUSTER', 'MYID')));
    return ports.map((port, index) => ({ host, port, id: String(ids[index]), slots: shareOf(index) }));
  } finally {
    for (const admin of admins) admin.disconnect();
  }
}

async function allReady(admins: readonly Redis[]): Promise<boolean> {
  const views = await Promise.all(
    admins.map(async (admin) => [String(await admin.call('CLUSTER', 'INFO')), await admin.call('CLUSTER', 'SLOTS')]),
  );
  return views.every(
    ([info, slots]) => String(info).includes('cluster_state:ok') && (slots as unknown[]).length === masterCount,
  );
}
