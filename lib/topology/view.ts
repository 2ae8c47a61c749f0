// What one node answered, CLUSTER SLOTS, SHARDS or NODES, as a view: empty hosts stand for the node that answered,
// unknown ones are left out, and every address passes the NAT map. One unusable entry voids that entry: the others
// count, and what was left out is noted.

import { type NodeLine, parseNodes } from '../wire/cluster-nodes.ts';
import { parseShards, parseSlots, type ShardNode, type SlotNode } from '../wire/cluster-text.ts';
import { LeftOut } from '../wire/left-out.ts';
import { keyThrough, type NatMap, parseKey } from './seeds.ts';
import type { View, ViewShard } from './vote.ts';

/** Epochs by node id, out of a CLUSTER NODES reply; empty when the server would not say. */
function epochsOf(nodes: readonly NodeLine[]): Map<string, number> {
  return new Map(nodes.map((node) => [node.id, node.configEpoch]));
}

/** Throws an Error when the reply is none, or names no slot with a usable owner; it says what was left out and why. */
export function viewOfSlots(
  reply: unknown,
  nodes: readonly NodeLine[],
  from: string,
  natMap: NatMap | undefined,
  leftOut: LeftOut = new LeftOut(),
): View {
  const answerer = parseKey(from).host;
  const epochs = epochsOf(nodes);
  const keyOf = (node: SlotNode): string | undefined => keyFor(node.host, node.port, answerer, natMap, leftOut);
  const shards = new Map<string, ViewShard & { ranges: [number, number][] }>();
  const unread: [number, number][] = [];
  for (const range of parseSlots(reply, leftOut)) {
    const [first] = range.nodes;
    const [master, ...replicas] = range.nodes.map(keyOf);
    if (master === undefined) {
      unread.push([range.start, range.end]);
      continue;
    }
    const rest = replicas.filter((key): key is string => key !== undefined && key !== master);
    const identity = `${master}|${rest.join('|')}`;
    const known = shards.get(identity);
    if (known !== undefined) known.ranges.push([range.start, range.end]);
    else {
      const { id } = first!;
      shards.set(identity, {
        id,
        master,
        replicas: rest,
        epoch: epochs.get(id) ?? 0,
        ranges: [[range.start, range.end]],
      });
    }
  }
  const view = viewOf('CLUSTER SLOTS', from, [...shards.values()], leftOut);
  return unread.length === 0 ? view : { ...view, unread };
}

/**
 * The view of a server that refuses CLUSTER SLOTS and not CLUSTER SHARDS. `tls`: clients connect with TLS, and a node
 * that has a port for it is named by that port. Throws as viewOfSlots().
 */
export function viewOfShards(
  reply: unknown,
  nodes: readonly NodeLine[],
  from: string,
  natMap: NatMap | undefined,
  tls: boolean,
  leftOut: LeftOut = new LeftOut(),
): View {
  const answerer = parseKey(from).host;
  const epochs = epochsOf(nodes);
  const keyOf = ({ endpoint, port, tlsPort }: ShardNode): string | undefined =>
    keyFor(endpoint, (tls ? (tlsPort ?? port) : (port ?? tlsPort))!, answerer, natMap, leftOut);
  const shards: ViewShard[] = [];
  for (const shard of parseShards(reply, leftOut)) {
    // A dead master may stand beside the replica that took its place.
    const masters = shard.nodes.filter(({ role }) => role === 'master');
    const owner = masters.find(({ health }) => health === 'online') ?? masters[0];
    const master = owner === undefined ? undefined : keyOf(owner);
    if (owner === undefined || master === undefined || shard.slots.length === 0) continue;
    const others = shard.nodes.filter(({ role, health }) => role === 'replica' && health !== 'fail').map(keyOf);
    const replicas = others.filter((key): key is string => key !== undefined && key !== master);
    shards.push({ id: owner.id, master, replicas, epoch: epochs.get(owner.id) ?? 0, ranges: shard.slots });
  }
  return viewOf('CLUSTER SHARDS', from, shards, leftOut);
}

function viewOf(what: string, from: string, shards: ViewShard[], leftOut: LeftOut): View {
  if (shards.length > 0) return { from, shards };
  throw new Error([`${what} names no slot with a reachable owner`, String(leftOut)].filter(Boolean).join('; '));
}

/** A witness's view: CLUSTER NODES alone. */
export function viewOfNodes(
  reply: unknown,
  from: string,
  natMap: NatMap | undefined,
  leftOut: LeftOut = new LeftOut(),
): View {
  return viewOfLines(parseNodes(reply, leftOut), from, natMap, leftOut);
}

/** As viewOfNodes(), of lines read already. */
export function viewOfLines(
  nodes: readonly NodeLine[],
  from: string,
  natMap: NatMap | undefined,
  leftOut: LeftOut = new LeftOut(),
): View {
  const answerer = parseKey(from).host;
  const keyOf = (node: NodeLine): string | undefined =>
    node.flags.includes('noaddr') || node.port === 0
      ? undefined
      : keyFor(node.host, node.port, answerer, natMap, leftOut);
  const shards: ViewShard[] = [];
  for (const node of nodes) {
    const master = keyOf(node);
    if (node.master !== null || node.ranges.length === 0 || master === undefined) continue;
    const replicas = nodes
      .filter((other) => other.master === node.id && !other.flags.includes('fail'))
      .map(keyOf)
      .filter((key): key is string => key !== undefined);
    shards.push({ id: node.id, master, replicas, epoch: node.configEpoch, ranges: node.ranges });
  }
  return { from, shards };
}

function keyFor(
  host: string | null,
  port: number,
  answerer: string,
  natMap: NatMap | undefined,
  leftOut?: LeftOut,
): string | undefined {
  if (host === '?') {
    leftOut?.add(`?:${port}: the node's name is not known`);
    return undefined;
  }
  // The answerer was reached by an address that is already mapped.
  if (host === null || host === '') return `${answerer}:${port}`;
  try {
    return keyThrough(natMap, host, port);
  } catch (error) {
    leftOut?.add(error);
    return undefined;
  }
}
