// What one node answered, CLUSTER SLOTS, SHARDS or NODES, as a view: empty hosts stand for the node that answered,
// unknown ones are left out, and every address passes the NAT map. One unusable entry voids that entry: the others
// count, and what was left out is noted.

import { type NodeLine, parseNodes } from '../wire/cluster-nodes.ts';
import { parseShards, parseSlots, type ShardNode, type SlotNode } from '../wire/cluster-text.ts';
import { LeftOut } from '../wire/left-out.ts';
import { slotCount } from '../wire/slot.ts';
import type { AddressGuard } from './allow.ts';
import { keyThrough, type NatMap, parseKey } from './seeds.ts';
import type { View, ViewShard } from './vote.ts';

/** How the addresses that a node names become those that are dialed. */
export interface Addressing {
  readonly natMap?: NatMap | undefined;
  /** Addresses that it refuses are left out. */
  readonly guard?: AddressGuard | undefined;
}

const asNamed: Addressing = {};

/** Epochs by node id, out of a CLUSTER NODES reply; empty when the server would not say. */
function epochsOf(nodes: readonly NodeLine[]): Map<string, number> {
  return new Map(nodes.map((node) => [node.id, node.configEpoch]));
}

/** Turns what one node names into keys. */
class Namer {
  readonly #answerer: string;
  readonly #addressing: Addressing;
  readonly #leftOut: LeftOut;

  constructor(from: string, addressing: Addressing, leftOut: LeftOut) {
    this.#answerer = parseKey(from).host;
    this.#addressing = addressing;
    this.#leftOut = leftOut;
  }

  /** `host:port` to dial, or undefined, which is noted. */
  key(host: string | null, port: number): string | undefined {
    if (host === '?') return this.#leave(host, port, "the node's name is not known");
    // The answerer was reached by an address that is already mapped.
    if (host === null || host === '') return `${this.#answerer}:${port}`;
    const { natMap, guard } = this.#addressing;
    try {
      const key = keyThrough(natMap, host, port);
      if (guard === undefined) return key;
      const address = parseKey(key);
      if (guard(address.host, address.port)) return key;
      return this.#leave(host, port, 'redirectAllow does not allow it');
    } catch (error) {
      this.#leftOut.add(error);
      return undefined;
    }
  }

  /** As key(), of a line of CLUSTER NODES. */
  keyOf({ host, port, flags }: NodeLine): string | undefined {
    return flags.includes('noaddr') || port === 0 ? undefined : this.key(host, port);
  }

  #leave(host: string, port: number, why: string): undefined {
    this.#leftOut.add(`${host}:${port}: ${why}`);
  }
}

type Facts = Required<Pick<View, 'failed' | 'signs'>>;

/** What CLUSTER NODES has beside the owners. */
function factsOf(nodes: readonly NodeLine[], from: string, addressing: Addressing): Facts {
  const namer = new Namer(from, addressing, new LeftOut());
  const failed = nodes.filter(({ flags }) => flags.includes('fail')).map((node) => namer.keyOf(node));
  // A node's own doubts (`fail?`) are not everybody's, and would make each answerer's text another one.
  const signs = nodes.map(({ id, flags, master, configEpoch }) => {
    const role = flags.includes('fail') ? 'failed' : (master ?? 'master');
    return `${id} ${role} ${configEpoch}`;
  });
  return { failed: failed.filter((key): key is string => key !== undefined), signs: signs.sort().join('\n') };
}

/** Throws an Error when the reply is none, or names no slot with a usable owner; it says what was left out and why. */
export function viewOfSlots(
  reply: unknown,
  nodes: readonly NodeLine[],
  from: string,
  addressing: Addressing = asNamed,
  leftOut: LeftOut = new LeftOut(),
): View {
  // More ranges than there are slots overlap: nothing that a cluster would say, and no end to the work of reading it.
  if (Array.isArray(reply) && reply.length > slotCount) {
    throw new Error(`CLUSTER SLOTS has ${reply.length} ranges, more than there are slots`);
  }
  const namer = new Namer(from, addressing, leftOut);
  const epochs = epochsOf(nodes);
  const keyOf = ({ host, port }: SlotNode): string | undefined => namer.key(host, port);
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
      const epoch = epochs.get(id) ?? 0;
      shards.set(identity, { id, master, replicas: rest, epoch, ranges: [[range.start, range.end]] });
    }
  }
  const view = viewOf('CLUSTER SLOTS', from, [...shards.values()], leftOut);
  return { ...view, ...factsOf(nodes, from, addressing), ...(unread.length === 0 ? {} : { unread }) };
}

/**
 * The view of a server that refuses CLUSTER SLOTS and not CLUSTER SHARDS. `tls`: clients connect with TLS, and a node
 * that has a port for it is named by that port. Throws as viewOfSlots().
 */
export function viewOfShards(
  reply: unknown,
  nodes: readonly NodeLine[],
  from: string,
  addressing: Addressing = asNamed,
  tls = false,
  leftOut: LeftOut = new LeftOut(),
): View {
  const namer = new Namer(from, addressing, leftOut);
  const epochs = epochsOf(nodes);
  const keyOf = ({ endpoint, port, tlsPort }: ShardNode): string | undefined =>
    namer.key(endpoint, (tls ? (tlsPort ?? port) : (port ?? tlsPort))!);
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
  return { ...viewOf('CLUSTER SHARDS', from, shards, leftOut), ...factsOf(nodes, from, addressing) };
}

function viewOf(what: string, from: string, shards: ViewShard[], leftOut: LeftOut): View {
  if (shards.length > 0) return { from, shards };
  throw new Error([`${what} names no slot with a reachable owner`, String(leftOut)].filter(Boolean).join('; '));
}

/** A secondary's view: CLUSTER NODES alone. */
export function viewOfNodes(
  reply: unknown,
  from: string,
  addressing: Addressing = asNamed,
  leftOut: LeftOut = new LeftOut(),
): View {
  return viewOfLines(parseNodes(reply, leftOut), from, addressing, leftOut);
}

/** As viewOfNodes(), of lines read already. */
export function viewOfLines(
  nodes: readonly NodeLine[],
  from: string,
  addressing: Addressing = asNamed,
  leftOut: LeftOut = new LeftOut(),
): View {
  const namer = new Namer(from, addressing, leftOut);
  const shards: ViewShard[] = [];
  const replicasOf = replicasByMaster(nodes);
  for (const node of nodes) {
    const master = namer.keyOf(node);
    if (node.master !== null || node.ranges.length === 0 || master === undefined) continue;
    const replicas = (replicasOf.get(node.id) ?? [])
      .filter((other) => !other.flags.includes('fail'))
      .map((other) => namer.keyOf(other))
      .filter((key): key is string => key !== undefined);
    shards.push({ id: node.id, master, replicas, epoch: node.configEpoch, ranges: node.ranges });
  }
  return { from, shards, ...factsOf(nodes, from, addressing) };
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
