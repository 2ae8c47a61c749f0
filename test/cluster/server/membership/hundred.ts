// A hundred nodes join one by one over the TCP bus, in two processes (a process has too few descriptors for all the
// links), and what their gossip costs once all is quiet:
//   node build/test/cluster/server/membership/hundred.js [--nodes 100] [--timeout 15000] [--seconds 15]
// Ends with 1 when they do not all come to one view in which the cluster is ok.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { slotCount } from '../../../../lib/wire/slot.ts';
import { type BundledNode, startNode } from '../../../../server/index.ts';
import { ask } from '../../../kit/ask.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '100' },
    timeout: { type: 'string', default: '15000' },
    seconds: { type: 'string', default: '15' },
  },
});
const count = Number(values.nodes);
const half = count / 2;
const giveUpMs = 240_000;

interface Census {
  readonly ok: number;
  readonly linked: number;
  readonly suspects: number;
  readonly messages: number;
  /** Of the process, ms. */
  readonly cpu: number;
  /** The owners that all nodes of the process agree on; '' when they do not. */
  readonly owners: string;
}

/** Nodes number `first` and up, each with its share of the slots, as redis-cli sets them up before they meet. */
async function bear(first: number): Promise<BundledNode[]> {
  const nodes: BundledNode[] = [];
  for (let at = first; at < first + half; at++) {
    const config = { 'cluster-node-timeout': values.timeout };
    const node = await startNode({ cluster: true, bus: 'tcp', config });
    const bounds = [at, at + 1].map((share) => Math.round((share * slotCount) / count));
    await ask(node, 'CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1));
    await ask(node, 'CLUSTER', 'ADDSLOTSRANGE', String(bounds[0]), String(bounds[1]! - 1));
    nodes.push(node);
  }
  return nodes;
}

async function meet(nodes: readonly BundledNode[], port: number): Promise<void> {
  for (const node of nodes) if (node.port !== port) await ask(node, 'CLUSTER', 'MEET', '127.0.0.1', String(port));
}

function census(nodes: readonly BundledNode[]): Census {
  const { user, system } = process.cpuUsage();
  const sums = { ok: 0, linked: 0, suspects: 0, messages: 0 };
  const first = nodes[0]!.state!.owners;
  let agreed = true;
  for (const { server, state, id } of nodes) {
    const { member } = server;
    const known = [...state!.nodes.values()];
    if (member.up) sums.ok++;
    if (known.length === count && known.every((node) => node.id === id || member.links.view(node.id)?.connected))
      sums.linked++;
    sums.suspects += known.filter((node) => node.suspect || node.failed).length;
    for (const sent of member.links.stats.sent.values()) sums.messages += sent;
    agreed &&= state!.owners.size === slotCount && state!.owners.firstDifference(first) === -1;
  }
  return {
    ...sums,
    cpu: (user + system) / 1000,
    owners: agreed ? first.runs.map(({ start, value }) => `${start} ${value}`).join() : '',
  };
}

async function child(): Promise<void> {
  const nodes = await bear(half);
  process.on('message', (port: number) => {
    if (port === 0) process.send!(census(nodes));
    else void meet(nodes, port);
  });
  process.on('disconnect', () => process.exit(0));
  process.send!('born');
}

async function both(nodes: readonly BundledNode[], other: ChildProcess): Promise<Census> {
  const answer = once(other, 'message');
  other.send(0);
  const [theirs] = (await answer) as [Census];
  const mine = census(nodes);
  return {
    ok: mine.ok + theirs.ok,
    linked: mine.linked + theirs.linked,
    suspects: mine.suspects + theirs.suspects,
    messages: mine.messages + theirs.messages,
    cpu: mine.cpu + theirs.cpu,
    owners: mine.owners === theirs.owners ? mine.owners : '',
  };
}

async function parent(): Promise<boolean> {
  const other = fork(fileURLToPath(import.meta.url), process.argv.slice(2), { env: { ...process.env, HALF: '1' } });
  const born = once(other, 'message');
  const nodes = await bear(0);
  await born;
  const start = performance.now();
  other.send(nodes[0]!.port);
  await meet(nodes, nodes[0]!.port);
  for (;;) {
    await pause(500);
    const now = await both(nodes, other);
    if (now.ok === count && now.linked === count && now.owners !== '') break;
    if (performance.now() - start < giveUpMs) continue;
    console.log(`no agreement: ${now.ok} ok, ${now.linked} with all their links, ${now.suspects} suspicions`);
    return false;
  }
  console.log(
    `${count} nodes: one view, all ok, ${((performance.now() - start) / 1000).toFixed(1)} s after the first MEET`,
  );
  const before = await both(nodes, other);
  const quiet = performance.now();
  await pause(Number(values.seconds) * 1000);
  const after = await both(nodes, other);
  const seconds = (performance.now() - quiet) / 1000;
  const messages = (after.messages - before.messages) / seconds / count;
  const bytes = messages * (2256 + 104 * Math.max(3, Math.floor(count / 10)));
  const cpu = (after.cpu - before.cpu) / 10 / seconds / count;
  console.log(
    `at rest, a node: ${messages.toFixed(1)} messages/s and about ${(bytes / 1024).toFixed(0)} KiB/s sent, ` +
      `${cpu.toFixed(2)} % of a core; ${after.ok} ok, ${after.suspects} suspicions`,
  );
  return after.ok === count && after.suspects === 0;
}

if (process.env['HALF'] === '1') await child();
else process.exit((await parent()) ? 0 : 1);
