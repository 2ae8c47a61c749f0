// Starts redis-server processes as one cluster on free loopback ports, for `demo --real`. Everything lives in a
// temporary folder that goes with them.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from '../../lib/index.ts';

export interface RealCluster {
  readonly seeds: readonly { readonly host: string; readonly port: number }[];
  /** SIGKILL. */
  kill(port: number): Promise<void>;
  /** Starts it again at its port, with its nodes.conf. */
  start(port: number): Promise<void>;
  close(): Promise<void>;
}

const host = '127.0.0.1';
const startLimit = 10_000;

/** Rejects with one line that says what to install when there is no redis-server. */
export async function startRealCluster(masters: number, replicas: number): Promise<RealCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'lingcache-real-'));
  const processes = new Map<number, ChildProcess>();
  const close = async (): Promise<void> => {
    await Promise.all([...processes.values()].map((child) => stop(child)));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const ports = await freePorts(masters * (1 + replicas));
    const start = async (port: number): Promise<void> => void processes.set(port, await launch(port, folder));
    for (const port of ports) await start(port);
    await formCluster(ports, masters);
    const kill = (port: number): Promise<void> => stop(processes.get(port)!, 'SIGKILL');
    return { seeds: ports.map((port) => ({ host, port })), kill, start, close };
  } catch (error) {
    await close();
    throw error;
  }
}

// A cluster node also takes port + 10000.
async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count && tries < 1000; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 20_000);
    if (!ports.includes(port) && (await isFree(port)) && (await isFree(port + 10_000))) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

function launch(port: number, folder: string): Promise<ChildProcess> {
  const settings = {
    port: String(port),
    bind: host,
    dir: folder,
    'cluster-enabled': 'yes',
    'cluster-config-file': `nodes-${port}.conf`,
    'cluster-node-timeout': '2000',
    // A replica is listed in CLUSTER SLOTS once it has received something: a ping will do.
    'repl-ping-replica-period': '1',
    'repl-diskless-sync-delay': '0',
    save: '',
    appendonly: 'no',
    daemonize: 'no',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  return new Promise((resolve, reject) => {
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    child.once('error', () =>
      reject(
        new Error('redis-server was not found: install it (Debian: apt-get install redis-server) or leave --real out'),
      ),
    );
    child.once('exit', (code) => reject(new Error(`redis-server on port ${port} ended with code ${code}`)));
    child.stdout.on('data', (text: Buffer) => {
      if (text.includes('Ready to accept connections')) resolve(child);
    });
  });
}

async function formCluster(ports: readonly number[], masters: number): Promise<void> {
  const clients = ports.map((port) => new Redis({ host, port }));
  try {
    const share = 16_384 / masters;
    await Promise.all(clients.map((client, index) => client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)));
    await Promise.all(
      clients.slice(0, masters).map((client, index) => {
        const end = index === masters - 1 ? 16_383 : Math.floor(share * (index + 1)) - 1;
        return client.call('CLUSTER', 'ADDSLOTSRANGE', Math.floor(share * index), end);
      }),
    );
    for (const port of ports.slice(1)) await clients[0]!.call('CLUSTER', 'MEET', host, port);
    const ids = await Promise.all(clients.map((client) => client.call('CLUSTER', 'MYID')));
    for (let index = masters; index < ports.length; index++) {
      const master = String(ids[index % masters]);
      await until(async () => (await client(index).call('CLUSTER', 'REPLICATE', master)) === 'OK');
    }
    await until(async () => (await states()).every((text) => /cluster_state:ok/.test(text)));
    await until(async () => (await views()).every((view) => view.length === ports.length));
  } finally {
    for (const one of clients) one.disconnect();
  }

  function client(index: number): Redis {
    return clients[index]!;
  }
  function states(): Promise<string[]> {
    return Promise.all(clients.map(async (one) => String(await one.call('CLUSTER', 'INFO'))));
  }
  // Addresses in CLUSTER SLOTS: a replica is listed once it has data to offer.
  function views(): Promise<string[][]> {
    return Promise.all(
      clients.map(async (one) => {
        const slots = (await one.call('CLUSTER', 'SLOTS')) as [number, number, ...[string, number][]][];
        return [...new Set(slots.flatMap(([, , ...nodes]) => nodes.map(([, port]) => String(port))))];
      }),
    );
  }
}

async function until(done: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + startLimit;
  for (;;) {
    const ok = await done().catch((error: unknown) => {
      if (performance.now() > limit) throw error;
      return false;
    });
    if (ok) return;
    if (performance.now() > limit) throw new Error(`the redis-server cluster was not ready within ${startLimit} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    child.removeAllListeners('exit');
    child.once('exit', () => resolve());
    child.kill(signal);
    setTimeout(() => child.kill('SIGKILL'), 5000).unref();
  });
}
