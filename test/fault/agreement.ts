// Real nodes of one mind. A slot moved before everybody has heard of the last move may get an epoch that is taken
// already, and two nodes then send callers to each other: the server's business, and not what these tests ask about.

import type { RealNode } from '../kit/real-cluster.ts';
import { until } from '../kit/until.ts';

type Asked = Pick<RealNode, 'ask'>;

/** Waits until all nodes serve, name the same owner for every slot, and know the same newest epoch. */
export async function agreement(nodes: readonly Asked[]): Promise<void> {
  await until('all nodes agree', async () => {
    const views = await Promise.all(nodes.map(viewOf));
    return views.every((view) => view === views[0] && view.startsWith('ok'));
  });
}

async function viewOf(node: Asked): Promise<string> {
  const info = String(await node.ask('cluster', 'info'));
  const rows = (await node.ask('cluster', 'slots')) as [number, number, [string, number]][];
  const owners = rows.map(([start, end, [, port]]) => `${start}-${end}:${port}`).sort();
  const [state, epoch] = [/cluster_state:(\w+)/, /cluster_current_epoch:(\d+)/].map((part) => part.exec(info)?.[1]);
  return [state, epoch, ...owners].join(' ');
}
