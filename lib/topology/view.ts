// What one node answered, CLUSTER SLOTS or CLUSTER NODES, as a view: empty hosts stand for the node that answered,
// unknown ones are left out, and every address passes the NAT map.

import { type NodeLine, parseNodes } from '../wire/cluster-nodes.ts';
import { parseSlots, type SlotNode } from '../wire/cluster-text.ts';
import { slotCount } from '../wire/slot.ts';
import type { AddressGuard } from './allow.ts';
import { type NatMap, parseKey, translate } from './seeds.ts';
import type { View, ViewShard } from './vote.ts';

/** Epochs by node id, out of a CLUSTER NODES reply; empty when the server would not say. */
function epochsOf(nodes: readonly NodeLine[]): Map<string, number> {
  return new Map(nodes.map((node) => [node.id, node.configEpoch]));
}

/** Throws an Error that names the bad field, or says that the view owns no slot at all. */
export function viewOfSlots(
  reply: unknown,
  nodes: readonly NodeLine[],
  from: string,
  natMap: NatMap | undefined,
  guard?: AddressGuard,
): View {
  // More ranges than there are slots overlap: nothing that a cluster would say, and no end to the work of reading it.
  if (Array.isArray(reply) && reply.length > slotCount) {
    throw new Error(`CLUSTER SLOTS has ${reply.length} ranges, more than there are slots`);
  }
  const answerer = parseKey(from).host;
  const epochs = epochsOf(nodes);
  const keyOf = (node: SlotNode): string | undefined => keyFor(node.host, node.port, answerer, natMap, guard);
  const shards = new Map<string, ViewShard & { ranges: [number, number][] }>();
  for (const range of parseSlots(reply)) {
    const [first] = range.nodes;
    const [master, ...replicas] = range.nodes.map(keyOf);
    if (master === undefined) continue;
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
  if (shards.size === 0) {
    const rest = guard === undefined ? '' : ' that redirectAllow allows';
    throw new Error(`CLUSTER SLOTS names no slot with a reachable owner${rest}`);
  }
  return { from, shards: [...shards.values()] };
}

/** A witness's view: CLUSTER NODES alone. */
export function viewOfNodes(reply: unknown, from: string, natMap: NatMap | undefined, guard?: AddressGuard): View {
  const nodes = parseNodes(reply);
  const answerer = parseKey(from).host;
  const keyOf = (node: NodeLine): string | undefined =>
    node.flags.includes('noaddr') || node.port === 0
      ? undefined
      : keyFor(node.host, node.port, answerer, natMap, guard);
  const shards: ViewShard[] = [];
  const replicasOf = replicasByMaster(nodes);
  for (const node of nodes) {
    const master = keyOf(node);
    if (node.master !== null || node.ranges.length === 0 || master === undefined) continue;
    const replicas = (replicasOf.get(node.id) ?? [])
      .filter((other) => !other.flags.includes('fail'))
      .map(keyOf)
      .filter((key): key is string => key !== undefined);
    shards.push({ id: node.id, master, replicas, epoch: node.configEpoch, ranges: node.ranges });
  }
  return { from, shards };
}

function replicasByMaster(nodes: readonly NodeLine[]): Map<string, NodeLine[]> {
  const replicas = new Map<string, NodeLine[]>();
  for (const node of nodes) {
    if (node.master === null) continue;
    const siblings = replicas.get(node.master);
    if (siblings === undefined) replicas.set(node.master, [node]);
    else siblings.push(node);
  }
  return replicas;
}

function keyFor(
  host: string | null,
  port: number,
  answerer: string,
  natMap: NatMap | undefined,
  guard: AddressGuard | undefined,
): string | undefined {
  if (host === '?') return undefined;
  // The answerer was reached by an address that is already mapped.
  if (host === null || host === '') return `${answerer}:${port}`;
  const address = translate(host, port, natMap);
  return guard === undefined || guard(address.host, address.port) ? address.key : undefined;
}
