// A long proof of replication: our nodes and redis-server in one tree, whose links are cut, whose nodes are stopped for
// a while and whose masters change, under seeded writes; in the end all hold the same data.
// node build/test/fault/replication.js [rounds] [seed]

import assert from 'node:assert/strict';
import { ManualWorld } from '../../lib/base/world.ts';
import { type BundledNode, startNode } from '../../server/index.ts';
import { untilEqual, untilLinked, write } from '../cluster/server/replication/kit.ts';
import { ask, info } from '../kit/ask.ts';
import { type RealNode, startRealNode } from '../kit/redis-server.ts';

const rounds = Number(process.argv[2] ?? 20);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
const chance = new ManualWorld({ seed });
const below = (limit: number): number => Math.floor(chance.random() * limit);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
console.log(`seed ${seed}, ${rounds} rounds`);

type Node = BundledNode | RealNode;
const ours: BundledNode[] = [];
const reals: RealNode[] = [];
const config = { 'repl-ping-replica-period': '1', 'repl-diskless-sync-delay': '0' };
for (let at = 0; at < 2; at++) {
  ours.push(await startNode({ config }));
  reals.push(await startRealNode(Object.entries(config).flatMap(([name, value]) => [`--${name}`, value])));
}
const nodes: Node[] = [ours[0]!, reals[0]!, ours[1]!, reals[1]!];
const isOurs = (node: Node): node is BundledNode => ours.includes(node as BundledNode);

/** Everyone below `top`, each under someone who is already in the tree. */
async function plant(top: Node): Promise<void> {
  const tree = [top];
  for (const node of nodes) {
    if (node === top) continue;
    await ask(node, 'REPLICAOF', '127.0.0.1', tree[below(tree.length)]!.port);
    tree.push(node);
  }
}

/** Stops a node for a moment, as SIGSTOP does. */
async function stopFor(node: Node, ms: number): Promise<void> {
  if (isOurs(node)) node.pause();
  else process.kill(node.pid, 'SIGSTOP');
  await sleep(ms);
  if (isOurs(node)) node.resume();
  else process.kill(node.pid, 'SIGCONT');
}

async function disturb(): Promise<void> {
  const node = nodes[below(nodes.length)]!;
  switch (below(5)) {
    case 0:
      await ask(node, 'CLIENT', 'KILL', 'TYPE', 'replica');
      break;
    case 1:
      await ask(node, 'CLIENT', 'KILL', 'TYPE', 'master');
      break;
    case 2:
      await stopFor(node, below(80));
      break;
    case 3:
      await ask(node, 'CONFIG', 'SET', 'repl-diskless-sync', below(2) === 0 ? 'yes' : 'no');
      break;
    default:
      await ask(node, 'CONFIG', 'SET', 'repl-backlog-size', below(2) === 0 ? '16384' : '1048576');
  }
}

const totals = { full: 0, partial: 0 };
let top: Node = nodes[below(nodes.length)]!;
try {
  await plant(top);
  for (let round = 1; round <= rounds; round++) {
    const writing = write(top, chance, 1000 + below(2000));
    for (let times = below(8); times > 0; times--) {
      await sleep(below(40));
      await disturb();
    }
    await writing;
    for (const node of nodes) if (node !== top) await untilLinked(node);
    await untilEqual(...nodes);
    const change = below(9);
    if (change < 3) {
      top = nodes[below(nodes.length)]!;
      await ask(top, 'REPLICAOF', 'NO', 'ONE');
    }
    if (change < 5) await plant(top);
  }
  for (const node of ours) {
    const stats = await info(node, 'stats');
    totals.full += Number(stats['sync_full']);
    totals.partial += Number(stats['sync_partial_ok']);
  }
  assert.ok(totals.full + totals.partial > 0);
  console.log(`equal after each round; our nodes gave ${totals.full} copies and went on ${totals.partial} times`);
} finally {
  await Promise.all(ours.map((node) => node.kill()));
  await Promise.all(reals.map((node) => node.kill()));
}
