// `lingcache up --processes`: the same cluster with every node as a process, so that kill -9 is real.

import { Redis } from '../../lib/index.ts';
import { type NodeLine, parseNodes } from '../../lib/wire/cluster-nodes.ts';
import { ProcessCluster } from '../embedded/process-cluster.ts';
import { type UpNode, upReport } from './up-report.ts';

const readyMs = 20_000;
const pollMs = 50;

export interface UpProcessesOptions {
  readonly masters: number;
  readonly replicas: number;
  readonly port: number;
  readonly host: string;
  readonly password: string;
  /** `''`: a temporary folder. */
  readonly dir: string;
}

export interface UpProcesses {
  readonly nodes: readonly UpNode[];
  readonly report: string;
  close(): Promise<void>;
}

/** Resolves when every node says that the cluster is ok. */
export async function upProcesses(options: UpProcessesOptions): Promise<UpProcesses> {
  const onEnded = (node: { port: number; pid: number }, how: string): void => {
    process.stdout.write(`the node at port ${node.port} (pid ${node.pid}) ${how}\n`);
  };
  const { masters, replicas, port, host, password, dir } = options;
  const place = dir === '' ? {} : { dir };
  const cluster = await ProcessCluster.start({ masters, replicas, port, host, password, ...place, onEnded });
  try {
    const lines = await untilOk(cluster, password);
    const nodes = cluster.nodes.map(({ host, port, pid }) => {
      const line = lines.find((each) => each.port === port);
      return {
        id: line?.id ?? '',
        role: line?.master === null ? ('master' as const) : ('replica' as const),
        masterId: line?.master ?? null,
        slots: [...(line?.ranges ?? [])],
        host,
        port,
        pid,
      };
    });
    const kept = dir === '' ? `${cluster.dir}, which goes with the cluster` : cluster.dir;
    return {
      nodes,
      report: upReport(nodes, password !== '', `the data is in ${kept}.`),
      close: () => cluster.close(),
    };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

async function untilOk(cluster: ProcessCluster, password: string): Promise<NodeLine[]> {
  const auth = password === '' ? {} : { password };
  const clients = cluster.nodes.map(({ host, port }) => new Redis({ host, port, ...auth }));
  try {
    const end = performance.now() + readyMs;
    for (;;) {
      const states = await Promise.all(clients.map((client) => client.call('CLUSTER', 'INFO').catch(String)));
      if (states.every((text) => String(text).includes('cluster_state:ok'))) break;
      if (performance.now() > end) throw new Error(`the cluster was not ready within ${readyMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    return parseNodes(await clients[0]!.call('CLUSTER', 'NODES'));
  } finally {
    for (const client of clients) client.disconnect();
  }
}
