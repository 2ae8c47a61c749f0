// Child process: the bundled cluster, its masters in one process, so that it has a core of its own.

import { serve } from './child.ts';

/** As much of the server's public face as is needed here. */
interface ServerModule {
  startCluster(options: { masters: number; replicas: number }): Promise<ClusterHandle>;
}

interface ClusterHandle {
  readonly nodes: readonly { readonly id: string; readonly host: string; readonly port: number }[];
  close(): Promise<void>;
}

export interface BundledNode {
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

let cluster: ClusterHandle | undefined;

serve({
  async start(masters: number): Promise<BundledNode[]> {
    const module = (await import(new URL('../../server/index.js', import.meta.url).href)) as ServerModule;
    cluster = await module.startCluster({ masters, replicas: 0 });
    return cluster.nodes.map(({ id, host, port }) => ({ id, host, port }));
  },
  async stop(): Promise<void> {
    await cluster?.close();
  },
});
