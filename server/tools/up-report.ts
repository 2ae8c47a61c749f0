// What `lingcache up` says once the cluster is there: who serves what, and how to connect.

export interface UpNode {
  readonly id: string;
  readonly role: 'master' | 'replica';
  readonly masterId: string | null;
  readonly slots: readonly (readonly [start: number, end: number])[];
  readonly host: string;
  readonly port: number;
  /** Of a node that is a process. */
  readonly pid?: number;
}

/** `fate`: what becomes of the data. */
export function upReport(nodes: readonly UpNode[], withPassword: boolean, fate: string): string {
  const masters = nodes.filter((node) => node.role === 'master');
  const rows = masters.map((master) => {
    const replicas = nodes.filter((node) => node.masterId === master.id);
    return `  ${address(master)}  ${slotsText(master).padEnd(13)}${replicasText(replicas)}`;
  });
  const first = nodes[0]!;
  const seeds = masters.map((node) => `{ host: '${node.host}', port: ${node.port} }`).join(', ');
  const options = withPassword ? ", { redisOptions: { password: '...' } }" : '';
  return [
    `cluster ready: ${count(masters.length, 'master')}, ${count(nodes.length - masters.length, 'replica')}`,
    ...rows,
    '',
    `  redis-cli -c -h ${first.host} -p ${first.port}${withPassword ? ' -a ...' : ''}`,
    `  new Cluster([${seeds}]${options})`,
    '',
    `Ctrl-C stops it; ${fate}`,
    '',
  ].join('\n');
}

function address(node: UpNode): string {
  return `${node.host}:${node.port}${node.pid === undefined ? '' : ` (pid ${node.pid})`}`;
}

function slotsText(node: UpNode): string {
  return node.slots.map(([start, end]) => `${start}-${end}`).join(' ');
}

function replicasText(replicas: readonly UpNode[]): string {
  return replicas.length === 0 ? '' : `replicas: ${replicas.map(address).join(' ')}`;
}

function count(value: number, what: string): string {
  return `${value} ${what}${value === 1 ? '' : 's'}`;
}
