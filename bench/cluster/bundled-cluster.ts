// The bundled cluster in a child process on the servers' cores.

import { readOwners } from './admin.ts';
import type { BundledNode } from './bundled-host.ts';
import { Child } from './child.ts';
import type { BenchCluster } from './cluster.ts';

export async function startBundledCluster(prefix: readonly string[], masters: number): Promise<BenchCluster> {
  const child = new Child(new URL('./bundled-host.js', import.meta.url).href, prefix, 'bundled server');
  try {
    const started = await child.ask<BundledNode[]>('start', masters);
    const owners = await readOwners(started[0]!);
    const nodes = started.map((node) => ({ ...node, slots: owners.get(node.port) ?? ([0, -1] as const) }));
    if (nodes.length !== masters || owners.size !== masters) {
      throw new Error(`the bundled cluster has ${nodes.length} nodes and ${owners.size} owners, not ${masters}`);
    }
    const stop = async (): Promise<void> => {
      await child.ask('stop').catch(() => undefined);
      await child.close();
    };
    return { nodes, version: 'bundled server', stop };
  } catch (error) {
    await child.close();
    throw error;
  }
}
