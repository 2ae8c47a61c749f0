// What `lingcache up` says once the cluster is there: who serves what, and how to connect.

import type { BundledCluster, BundledNode } from '../index.ts';

export function upReport(cluster: BundledCluster, withPassword: boolean): string {
  const masters = cluster.nodes.filter((node) => node.role === 'master');
  const rows = masters.map((master) => {
    const replicas = cluster.nodes.filter((node) => node.masterId === master.id);
    return `  ${address(master)}  ${slotsText(master).padEnd(13)}${replicasText(replicas)}`;
  });
  const first = cluster.nodes[0]!;
  const seeds = masters.map((node) => `{ host: '${node.host}', port: ${node.port} }`).join(', ');
  const options = withPassword ? ", { redisOptions: { password: '...' } }" : '';
  return [
    `cluster ready: ${count(masters.length, 'master')}, ${count(cluster.nodes.length - masters.length, 'replica')}`,
    ...rows,
    '',
    `  redis-cli -c -h ${first.host} -p ${first.port}${withPassword ? ' -a ...' : ''}`,
    `  new Cluster([${seeds}]${options})`,
    '',
    'Ctrl-C stops it; the data is in memory only.',
    '',
  ].join('\n');
}

function address(node: BundledNode): string {
  return `${node.host}:${node.port}`;
}

function slotsText(node: BundledNode): string {
  return node.slots.map(([start, end]) => `${start}-${end}`).join(' ');
}

function replicasText(replicas: readonly BundledNode[]): string {
  return replicas.length === 0 ? '' : `replicas: ${replicas.map(address).join(' ')}`;
}

function count(value: number, what: string): string {
  return `${value} ${what}${value === 1 ? '' : 's'}`;
}
