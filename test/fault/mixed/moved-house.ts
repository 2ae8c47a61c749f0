// Nodes of a real cluster that come back elsewhere: the same node (id, data, config epoch), started on other ports.
// Processes started here are stopped by pid, also when a test fails.

import { type ChildProcess, spawn } from 'node:child_process';
import { Redis as Peer } from 'ioredis';
import { freePort } from '../../kit/ports.ts';
import type { RealCluster, RealNode } from '../../kit/real-cluster.ts';
import { programUnderTest } from '../../kit/servers.ts';
import { until } from '../../kit/until.ts';

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export interface MovedNode {
  readonly host: string;
  readonly port: number;
  readonly busPort: number;
  readonly id: string;
  ask(...argv: string[]): Promise<unknown>;
  stop(): Promise<void>;
}

/** Saves and kills nodes, all of them, then starts each on free ports. They know nobody's new address: see introduce(). */
export async function moveHouse(cluster: RealCluster, nodes: readonly RealNode[]): Promise<MovedNode[]> {
  for (const node of nodes) await node.ask('save');
  await Promise.all(nodes.map((node) => node.kill()));
  const moved: MovedNode[] = [];
  for (const node of nodes) moved.push(await startElsewhere(cluster, node));
  return moved;
}

async function startElsewhere(cluster: RealCluster, node: RealNode): Promise<MovedNode> {
  const [port, busPort] = [await freePort(), await freePort()];
  const settings = {
    port: String(port),
    'cluster-port': String(busPort),
    bind: '127.0.0.1',
    'cluster-enabled': 'yes',
    'cluster-config-file': `nodes-${node.port}.conf`,
    dbfilename: `${node.port}.rdb`,
    'cluster-node-timeout': '3000',
    save: '',
    logfile: `${port}.log`,
  };
  const words = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(programUnderTest(), words, { cwd: cluster.dir, stdio: 'ignore' });
  children.add(child);
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const peer = new Peer({
    host: '127.0.0.1',
    port,
    retryStrategy: () => 50,
    maxRetriesPerRequest: 100,
    replyMapping: 'legacy',
  });
  peer.on('error', () => undefined);
  await until(`${port} answers`, () => peer.ping());
  return {
    host: '127.0.0.1',
    port,
    busPort,
    id: node.id,
    ask: (name = 'ping', ...args) => peer.call(name, ...args),
    async stop() {
      peer.disconnect();
      child.kill('SIGKILL');
      await gone;
      children.delete(child);
    },
  };
}

/** Gives `guide` the places of nodes, and waits until it has heard of them by gossip. */
export async function introduce(guide: Pick<RealNode, 'ask'>, moved: readonly MovedNode[]): Promise<void> {
  for (const node of moved) await guide.ask('cluster', 'meet', node.host, String(node.port), String(node.busPort));
  await until('the moved nodes are known', async () => {
    const view = String(await guide.ask('cluster', 'nodes'));
    return moved.every(({ id, port }) => new RegExp(`^${id} 127\\.0\\.0\\.1:${port}@`, 'm').test(view));
  });
}
