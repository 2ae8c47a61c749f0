// How a node joins a running cluster and leaves it again, by the commands that any operator would use.
// Owns nothing; speaks to nodes of any kind over a link.

import type { NodeLine } from '../../lib/wire/cluster-nodes.ts';
import { type ClusterLink, isMaster, type MovingNode } from '../operator/link/cluster-link.ts';
import type { MoveOrder } from '../operator/reshard/orders.ts';
import { MoveEngine } from '../operator/reshard/reshard.ts';

const joinMs = 20_000;
const pollMs = 10;

export interface Joining {
  /** The nodes of the cluster that run. */
  readonly running: readonly MovingNode[];
  readonly node: MovingNode;
  /** The bus port of the new node. */
  readonly cport: number;
  /** Id of its master; undefined: it stays one itself. */
  readonly master: string | undefined;
}

/** Resolves once every node knows the new one, and whose replica it is. Rejects after 20 s. */
export async function joinNode(link: ClusterLink, { running, node, cport, master }: Joining): Promise<void> {
  const [first] = running;
  if (first === undefined) throw new Error('no node of the cluster runs');
  await link.ask(first, ['CLUSTER', 'MEET', node.host, String(node.port), String(cport)]);
  const all = [...running, node];
  const knows = (lines: readonly NodeLine[], id: string): boolean =>
    lines.some((line) => line.id === id && !line.flags.includes('handshake'));
  await until(link, 'all nodes know the new one', async () => {
    const views = await Promise.all(all.map((each) => link.viewOf(each)));
    return views.every((lines) => all.every(({ id }) => knows(lines, id)));
  });
  if (master === undefined) return;
  await link.ask(node, ['CLUSTER', 'REPLICATE', master]);
  await until(link, 'all nodes know its master', async () => {
    const views = await Promise.all(all.map((each) => link.viewOf(each)));
    return views.every((lines) => lines.some((line) => line.id === node.id && line.master === master));
  });
}

export interface Leaving {
  /** The other nodes of the cluster that run. */
  readonly running: readonly MovingNode[];
  readonly node: MovingNode;
  stop(): Promise<void>;
}

/** Gives its slots to the other masters, stops it, and has all others forget it. Rejects where nobody can take them. */
export async function leaveNode(link: ClusterLink, { running, node, stop }: Leaving): Promise<void> {
  const [first] = running;
  if (first === undefined) throw new Error('it is the last node of the cluster that runs');
  await giveAway(link, await link.viewOf(first), running, node);
  await stop();
  await Promise.all(running.map((other) => link.ask(other, ['CLUSTER', 'FORGET', node.id])));
}

async function giveAway(
  link: ClusterLink,
  lines: readonly NodeLine[],
  running: readonly MovingNode[],
  node: MovingNode,
): Promise<void> {
  const slots = (lines.find(({ id }) => id === node.id)?.ranges ?? []).flatMap(([start, end]) =>
    Array.from({ length: end - start + 1 }, (_, at) => start + at),
  );
  if (slots.length === 0) return;
  const runs = new Set(running.map(({ id }) => id));
  const takers = lines.filter((line) => isMaster(line) && runs.has(line.id));
  if (takers.length === 0) throw new Error('no other master could take its slots');
  const orders = slots.map((slot, at): MoveOrder => ({ slot, target: takers[at % takers.length]!.id }));
  const engine = new MoveEngine(link, { concurrency: 64 });
  try {
    const ends = await engine.moveAll(orders);
    const failed = ends.find(({ phase }) => phase !== 'done');
    if (failed !== undefined)
      throw new Error(`slot ${failed.slot} could not be moved: ${failed.error ?? failed.phase}`);
  } finally {
    await engine.close();
  }
}

async function until(link: ClusterLink, what: string, holds: () => Promise<boolean>): Promise<void> {
  const { world } = link;
  const end = world.now() + joinMs;
  while (!(await holds().catch(() => false))) {
    if (world.now() > end) throw new Error(`${what}: not within ${joinMs} ms`);
    await new Promise<void>((resolve) => void world.after(pollMs, resolve, true));
  }
}
