// Starts a whole cluster in this process: nodes that have met, shared out the slots and copied their masters' data.
// Owns nothing. Invariant: either every node serves, or none is left.

import type { World } from '../../lib/base/world.ts';
import { firstStates } from '../cluster/bootstrap.ts';
import { randomId } from '../cluster/ids.ts';
import type { ClusterState } from '../cluster/state.ts';
import type { ServerNodeOptions } from '../node/node.ts';
import { BundledCluster } from './cluster.ts';
import { BundledNode } from './node.ts';
import { pumped } from './pump.ts';

export interface NodePlace {
  readonly port: number;
  readonly cport: number;
}

export interface InsideOptions {
  readonly masters: number;
  /** One for each node, masters first. */
  readonly settings: readonly ServerNodeOptions[];
  readonly world: World;
  /** `''`: none. */
  readonly password: string;
  /** Of a node that is added. Default: those of the last one, at any free port. */
  readonly further?: () => Promise<ServerNodeOptions>;
  /** Where the others and clients are to find each node. Default: where it listens. */
  readonly announce?: (nodes: readonly BundledNode[]) => Promise<readonly NodePlace[]>;
}

const readyMs = 10_000;
const announcedMs = 1000;

/** Resolves when every node serves and every replica has its copy. Rejects, with nothing left behind, when one cannot. */
export function openInside(options: InsideOptions): Promise<BundledCluster> {
  return pumped(options.world, () => open(options));
}

async function open({ masters, settings, world, password, announce, further }: InsideOptions): Promise<BundledCluster> {
  const nodes = await openAll(settings);
  let cluster: BundledCluster;
  try {
    const places = (await announce?.(nodes)) ?? nodes.map(({ server }) => server);
    const states = firstStates(places, masters, settings[0]!.host, () => randomId(world));
    startAll(nodes, states);
    const last = { ...settings.at(-1)!, port: 0 };
    cluster = new BundledCluster(nodes, {
      world,
      password,
      first: states,
      settings: further ?? (() => Promise.resolve(last)),
    });
  } catch (error) {
    await Promise.all(nodes.map((node) => node.kill()));
    throw error;
  }
  try {
    await untilReady(nodes, settings.length - masters, world);
    // What nodes announce of themselves, others hear with their first messages; where these cannot pass they never do.
    await cluster.settled(announcedMs).catch(() => undefined);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

/** Opens all or none. */
async function openAll(settings: readonly ServerNodeOptions[]): Promise<BundledNode[]> {
  const opened = await Promise.allSettled(settings.map(BundledNode.open));
  const nodes = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = opened.find((result) => result.status === 'rejected');
  if (failed === undefined) return nodes;
  await Promise.all(nodes.map((node) => node.kill()));
  throw failed.reason;
}

function startAll(nodes: readonly BundledNode[], states: readonly ClusterState[]): void {
  for (const [at, { server }] of nodes.entries()) server.start(states[at]!, true);
}

/** Every replica has its copy, and every node knows that it has. */
async function untilReady(nodes: readonly BundledNode[], replicas: number, world: World): Promise<void> {
  const end = world.now() + readyMs;
  const ready = (): boolean =>
    nodes.every(({ server, state }) => {
      const known = [...state!.nodes.values()].filter((node) => node.role === 'replica' && node.offset > 0);
      const linked = [...state!.nodes.keys()].every(
        (id) => id === state!.myself || server.member.links.view(id)?.connected,
      );
      return known.length === replicas && linked && (server.synced || !server.isReplica);
    });
  while (!ready()) {
    if (world.now() > end) throw new Error(`the cluster was not ready within ${readyMs} ms`);
    await new Promise<void>((resolve) => void world.after(1, resolve));
  }
}
