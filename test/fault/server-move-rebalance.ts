// How long it takes to give an empty master its 4,096 slots, on our nodes and on redis-server, one after the other,
// nodes as processes: `node build/test/fault/server-move-rebalance.js [rounds] [keys] [cli|operator]`. `cli`, the
// default, is `redis-cli --cluster rebalance`: the exit code is 1 when our nodes need more than 1.5 times as long.
// `operator` is our own balancer.

import { spawnSync } from 'node:child_process';
import { ClusterOperator } from '../../server/index.ts';
import { type ConfiguredNode, type Kind, startProcess } from '../kit/configured-node.ts';
import { RespClient } from '../kit/resp-client.ts';
import { until } from '../kit/until.ts';

const rounds = Number(process.argv[2] ?? 2);
const keys = Number(process.argv[3] ?? 20_000);
const tool = process.argv[4] ?? 'cli';
const allowed = 1.5;

function cli(...words: string[]): void {
  const { status, stdout, stderr } = spawnSync('redis-cli', ['--cluster', ...words], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`redis-cli ${words.join(' ')}: ${stdout}${stderr}`);
}

async function fill(nodes: readonly ConfiguredNode[]): Promise<void> {
  for (const { port } of nodes) {
    const client = await RespClient.connect(port);
    const replies: Promise<unknown>[] = [];
    for (let at = 0; at < keys; at++) replies.push(client.call('SET', `key:${at}`, `value ${at}`));
    await Promise.all(replies);
    client.close();
  }
}

async function balance(nodes: readonly ConfiguredNode[]): Promise<void> {
  await using operator = new ClusterOperator({ seeds: nodes.map(({ host, port }) => ({ host, port })) });
  const { moves } = await operator.balancer.balance({ threshold: 1 });
  const failed = moves.find(({ phase }) => phase !== 'done');
  if (failed !== undefined) throw new Error(`slot ${failed.slot}: ${failed.error}`);
}

async function sum(nodes: readonly ConfiguredNode[]): Promise<number> {
  const sizes = await Promise.all(nodes.map((node) => node.say('DBSIZE')));
  return sizes.reduce<number>((total, size) => total + Number(size), 0);
}

/** Seconds for one rebalance. */
async function measure(kind: Kind): Promise<number> {
  const settings = { 'cluster-enabled': 'yes', 'cluster-node-timeout': '5000' };
  const nodes = await Promise.all(Array.from({ length: 4 }, () => startProcess(kind, settings)));
  try {
    const address = (at: number): string => `127.0.0.1:${nodes[at]!.port}`;
    const ok = (count: number): Promise<unknown> =>
      until('the cluster is ok', async () => {
        const infos = await Promise.all(nodes.slice(0, count).map((node) => node.say('CLUSTER', 'INFO')));
        return infos.every((info) => /cluster_state:ok/.test(String(info)));
      });
    cli('create', address(0), address(1), address(2), '--cluster-yes');
    await ok(3);
    await fill(nodes.slice(0, 3));
    cli('add-node', address(3), address(0));
    await ok(4);
    const cpu = (): number => nodes.reduce((total, node) => total + (node.cpuSeconds() ?? 0), 0);
    const spent = cpu();
    const started = performance.now();
    if (tool === 'cli') cli('rebalance', address(0), '--cluster-use-empty-masters');
    else await balance(nodes);
    const seconds = (performance.now() - started) / 1000;
    console.log(`${kind}: ${(cpu() - spent).toFixed(2)} s of processor time in the four nodes`);
    const found = await sum(nodes);
    if (found !== keys) throw new Error(`${kind}: ${found} of ${keys} keys are left`);
    return seconds;
  } finally {
    await Promise.all(nodes.map((node) => node.end()));
  }
}

const times: Record<Kind, number[]> = { ours: [], real: [] };
for (let round = 0; round < rounds; round++) {
  // Other work on the machine comes and goes: each kind goes first as often as the other.
  for (const kind of round % 2 === 0 ? (['real', 'ours'] as const) : (['ours', 'real'] as const)) {
    const seconds = await measure(kind);
    times[kind].push(seconds);
    console.log(`${kind}: 4,096 slots with ${keys} keys in the cluster rebalanced in ${seconds.toFixed(2)} s`);
  }
}
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const ratio = median(times.ours) / median(times.real);
console.log(`ours / real: ${ratio.toFixed(2)} (at most ${allowed})`);
process.exitCode = tool !== 'cli' || ratio <= allowed ? 0 : 1;
