// Builds a cluster out of empty nodes: who is master, who follows whom, who gets which slots, and all of them meet.
// The plan is pure; replicas lie on other hosts than their masters where there are enough.

import { slotCount } from '../../../lib/wire/slot.ts';
import type { ClusterLink, NodeAddress } from '../link/cluster-link.ts';
import { parseInfo } from '../link/info-text.ts';
import { type FreshNode, follow, meetArgv, readFresh } from './members.ts';
import { addressOf, type WaitOptions, waitFor } from './waiting.ts';

export interface PlannedMaster<N extends NodeAddress = NodeAddress> {
  readonly node: N;
  readonly slots: readonly [start: number, end: number];
  readonly replicas: readonly N[];
}

/** Throws a RangeError when there are too few nodes: three masters, each with its replicas. */
export function planCluster<N extends NodeAddress>(nodes: readonly N[], replicas: number): PlannedMaster<N>[] {
  if (new Set(nodes.map(addressOf)).size < nodes.length) throw new RangeError('a node is named twice');
  const count = Math.floor(nodes.length / (replicas + 1));
  if (count < 3) {
    throw new RangeError(
      `${nodes.length} nodes with ${replicas} replicas each make ${count} masters: three are needed`,
    );
  }
  const mixed = byTurns(nodes);
  const masters = mixed.slice(0, count);
  const rest = mixed.slice(count);
  const following = new Map<N, N[]>(masters.map((node) => [node, []]));
  while (rest.length > 0) {
    // The one with the fewest replicas is served next, from another host where one is left.
    const master = masters.toSorted((a, b) => following.get(a)!.length - following.get(b)!.length)[0]!;
    const used = new Set([master, ...following.get(master)!].map(({ host }) => host));
    const elsewhere = rest.findIndex(({ host }) => !used.has(host));
    following.get(master)!.push(...rest.splice(Math.max(0, elsewhere), 1));
  }
  const share = slotCount / count;
  return masters.map((node, at) => ({
    node,
    slots: [Math.round(at * share), Math.round((at + 1) * share) - 1],
    replicas: following.get(node)!,
  }));
}

/** One of each host, then the next of each host. */
function byTurns<N extends NodeAddress>(nodes: readonly N[]): N[] {
  const hosts = new Map<string, N[]>();
  for (const node of nodes) hosts.set(node.host, [...(hosts.get(node.host) ?? []), node]);
  const lists = [...hosts.values()];
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, at) => lists.flatMap((list) => list.slice(at, at + 1))).flat();
}

/** Asks every node whether it is empty and alone. Rejects with the reasons of those that are not. */
export async function readNodes(link: ClusterLink, nodes: readonly NodeAddress[]): Promise<FreshNode[]> {
  const outcomes = await Promise.allSettled(nodes.map((node) => readFresh(link, node)));
  const failures = outcomes.flatMap((one) => (one.status === 'rejected' ? [(one.reason as Error).message] : []));
  if (failures.length > 0) throw new Error(failures.join('; '));
  return outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

/** Carries the plan out; resolves once every node says that the cluster is ok and every replica is in step. */
export async function createCluster(
  link: ClusterLink,
  plan: readonly PlannedMaster<FreshNode>[],
  options: WaitOptions = {},
): Promise<void> {
  const all = plan.flatMap(({ node, replicas }) => [node, ...replicas]);
  for (const [at, node] of all.entries()) await link.ask(node, ['CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1)]);
  await Promise.all(
    plan.map(({ node, slots: [start, end] }) => {
      const slots = Array.from({ length: end - start + 1 }, (_, at) => String(start + at));
      return link.ask(node, ['CLUSTER', 'ADDSLOTS', ...slots]);
    }),
  );
  const first = all[0]!;
  for (const node of all.slice(1)) await link.ask(first, await meetArgv(node));
  await waitFor(
    link,
    'all nodes know each other',
    async () => {
      const views = await Promise.all(all.map((node) => link.viewOf(node)));
      return views.every((view) =>
        all.every(({ id }) => view.some((line) => line.id === id && !line.flags.includes('handshake'))),
      );
    },
    options,
  );
  const view = await link.viewOf(first);
  await Promise.all(
    plan.flatMap(({ node, replicas }) => {
      const master = view.find(({ id }) => id === node.id)!;
      return replicas.map((replica) => follow(link, replica, master, options));
    }),
  );
  await waitFor(
    link,
    'every node says that the cluster is ok',
    async () => {
      const infos = await Promise.all(all.map((node) => link.ask(node, ['CLUSTER', 'INFO'])));
      return infos.every((info) => parseInfo(String(info)).get('cluster_state') === 'ok');
    },
    options,
  );
}
