// Nodes come and go: a new one is joined to the cluster, one is taken out of it, one that is gone is forgotten.
// Owns: nothing; the nodes keep who belongs to them.
// Does not know: how slots move; a master's have to be gone before it is taken out.
// Invariant: a node that has slots or keys is neither joined nor taken out.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, isMaster, isReachable, type NodeAddress } from '../link/cluster-link.ts';
import { addressOf, allViews, findNode, infoOf, type WaitOptions, waitFor } from './waiting.ts';

export interface JoinOptions extends WaitOptions {
  /** Id of the master that the new node follows. Default: it becomes a master without slots. */
  readonly replicaOf?: string | undefined;
}

/** What a node has to be before it may become a member. */
export interface FreshNode extends NodeAddress {
  readonly id: string;
  readonly cport: number;
}

/** Rejects with the reason why the node cannot be a member of another cluster. */
export async function readFresh(link: ClusterLink, node: NodeAddress): Promise<FreshNode> {
  const name = addressOf(node);
  const info = await infoOf(link, node, 'all');
  if (info.get('cluster_enabled') !== '1') throw new Error(`${name} is no cluster node (cluster-enabled no)`);
  const keyspace = [...info.keys()].filter((field) => /^db\d+$/.test(field));
  if (keyspace.length > 0) throw new Error(`${name} has keys (${keyspace.join(', ')}): it has to be empty`);
  const view = await link.viewOf(node);
  const own = view.find(({ flags }) => flags.includes('myself'));
  if (own === undefined || view.length > 1)
    throw new Error(`${name} is member of a cluster already: CLUSTER RESET it first`);
  if (own.ranges.length > 0) throw new Error(`${name} has slots already: CLUSTER RESET it first`);
  return { id: own.id, host: node.host, port: node.port, cport: own.cport };
}

/**
 * Members learn of a new node by gossip, unless they were sent CLUSTER FORGET for it: for a minute they ignore gossip about
 * it. After this time those that do not know it are sent CLUSTER MEET themselves.
 */
const gossipMs = 3000;

/** CLUSTER MEET takes addresses, no names. */
export async function meetArgv({ host, port, cport }: FreshNode | NodeLine): Promise<string[]> {
  const address = isIP(host) === 0 ? (await lookup(host)).address : host;
  return ['CLUSTER', 'MEET', address, String(port), ...(cport > 0 && cport !== port + 10_000 ? [String(cport)] : [])];
}

/** Joins an empty node to the cluster; resolves to its id once every reachable member knows it. */
export async function addNode(link: ClusterLink, node: NodeAddress, options: JoinOptions = {}): Promise<string> {
  const fresh = await readFresh(link, node);
  const view = await link.view();
  const master = options.replicaOf === undefined ? undefined : findNode(view, options.replicaOf);
  if (master !== undefined && !isMaster(master)) throw new Error(`${addressOf(master)} is no master`);
  const first = view.find((line) => isMaster(line) && isReachable(line));
  if (first === undefined) throw new Error('no master can be reached');
  if (master === undefined) await copyFunctions(link, first, node);
  const meet = await meetArgv(fresh);
  await link.ask(first, meet);
  const meetThemselvesAt = link.world.now() + gossipMs;
  const asked = new Set<string>();
  await waitFor(
    link,
    `all members know ${addressOf(node)}`,
    async () => {
      const unaware = (await allViews(link)).filter(
        ({ node: member, view }) =>
          member.id !== fresh.id && !view.some(({ id, flags }) => id === fresh.id && !flags.includes('handshake')),
      );
      if (link.world.now() > meetThemselvesAt) {
        const late = unaware.filter(({ node: member }) => !asked.has(member.id)).map((one) => one.node);
        for (const member of late) asked.add(member.id);
        await Promise.all(late.map((member) => link.exchange(member, [meet])));
      }
      return unaware.length === 0 && (await link.viewOf(node)).length >= view.length;
    },
    options,
  );
  if (master !== undefined) await follow(link, node, master, options);
  return fresh.id;
}

/** Makes `node` a replica of `master`; resolves once it is in step and everybody knows. */
export async function follow(
  link: ClusterLink,
  node: NodeAddress,
  master: NodeLine,
  options: WaitOptions = {},
): Promise<void> {
  await waitFor(
    link,
    `${addressOf(node)} follows ${addressOf(master)}`,
    async () => (await link.ask(node, ['CLUSTER', 'REPLICATE', master.id])) === 'OK',
    options,
  );
  await waitFor(
    link,
    `${addressOf(node)} is in step with ${addressOf(master)}`,
    async () => (await infoOf(link, node, 'replication')).get('master_link_status') === 'up',
    options,
  );
  // Who takes it for an empty master still would plan slots for it. By its id: its address may be written in several ways.
  const id = String(await link.ask(node, ['CLUSTER', 'MYID']));
  await waitFor(
    link,
    `all nodes know that ${addressOf(node)} follows ${addressOf(master)}`,
    async () =>
      (await allViews(link)).every(({ view }) => view.some((line) => line.id === id && line.master === master.id)),
    options,
  );
}

/** A new master has to have the libraries of the others, or FCALL fails for its keys. */
async function copyFunctions(link: ClusterLink, from: NodeAddress, to: NodeAddress): Promise<void> {
  const [dump] = await link.exchange(from, [['FUNCTION', 'DUMP']]);
  // Servers before 7.0 have none.
  if (dump instanceof ReplyError || dump === null) return;
  await link.ask(to, ['FUNCTION', 'RESTORE', String(dump)]);
}

/** Takes a node out: its replicas follow others, all forget it, and it is reset. Rejects while it has slots. */
export async function deleteNode(link: ClusterLink, name: string, options: WaitOptions = {}): Promise<NodeLine> {
  const view = await link.view();
  const node = findNode(view, name);
  if (node.ranges.length > 0) throw new Error(`${addressOf(node)} has slots: move them away first`);
  const masters = view.filter(
    (line) => isMaster(line) && line.id !== node.id && isReachable(line) && line.ranges.length > 0,
  );
  const orphans = view.filter((line) => line.master === node.id && isReachable(line));
  if (orphans.length > 0 && masters.length === 0) throw new Error('there is no other master for its replicas');
  const followers = (id: string): number => view.filter(({ master }) => master === id).length;
  for (const orphan of orphans) {
    const fewest = masters.toSorted((a, b) => followers(a.id) - followers(b.id))[0]!;
    await follow(link, orphan, fewest, options);
  }
  await forgetNode(link, node, view);
  if (isReachable(node)) await link.ask(node, ['CLUSTER', 'RESET', 'SOFT']);
  return node;
}

/** Every reachable member forgets the node at once: one that does not would gossip about it again. */
export async function forgetNode(link: ClusterLink, node: NodeLine, view: readonly NodeLine[]): Promise<void> {
  const others = view.filter((line) => line.id !== node.id && isReachable(line));
  const outcomes = await Promise.allSettled(
    others.map(async (other) => {
      const [reply] = await link.exchange(other, [['CLUSTER', 'FORGET', node.id]]);
      if (reply instanceof ReplyError && !reply.message.includes('Unknown node'))
        throw new Error(`${addressOf(other)}: ${reply.message}`);
    }),
  );
  const failures = outcomes.flatMap((one) => (one.status === 'rejected' ? [(one.reason as Error).message] : []));
  if (failures.length > 0) throw new Error(failures.join('; '));
}
