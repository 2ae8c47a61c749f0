// What one node believes about its cluster: the nodes, who owns each slot, the epochs, the slots on the move.
// Owns: nothing; a state is immutable, and every rule of this room takes one and returns a Step: the next state, and
// what is to be done about it as data.
// Does not know: sockets, clock and keys; facts from outside (key counts, time) are arguments.
// Invariant: `nodes` always holds `myself`; an owner is always the id of a known node.

import { ReplyError } from '../../lib/wire/reply.ts';
import { SlotTable } from './slot-table.ts';

export interface ClusterNode {
  /** 40 hex digits; random while in handshake. */
  readonly id: string;
  /** `''`: not known yet; of another node: lost, as whoever answered there was somebody else. */
  readonly host: string;
  readonly port: number;
  readonly cport: number;
  /** Where clients are served without TLS, in a cluster whose nodes talk TLS; else 0. */
  readonly plainPort: number;
  /** `''`: none announced. */
  readonly hostname: string;
  readonly role: 'master' | 'replica';
  /** Whom a replica follows; null for a master and for a replica whose master is not known. */
  readonly master: string | null;
  readonly configEpoch: number;
  /** Bytes of the replication stream it has, as last heard. */
  readonly offset: number;
  /** No answer for longer than the node timeout, in this node's own opinion. */
  readonly suspect: boolean;
  /** Down, as a majority agreed. */
  readonly failed: boolean;
  /** Met, but has not answered with its id yet. */
  readonly handshake: boolean;
  readonly noFailover: boolean;
  /** A master that has or had replicas, and may be given one when it has none left. */
  readonly migrateTo: boolean;
  /** Shared by a master and its replicas, and kept when one of them takes the master's place; 40 hex digits. */
  readonly shard: string;
}

export interface ClusterState {
  readonly myself: string;
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  /** Slot -> id of its owner. */
  readonly owners: SlotTable<string>;
  /** Slots whose owner, as I know it, no longer claims them: kept until another node does, and never announced. */
  readonly unclaimed: ReadonlySet<number>;
  readonly currentEpoch: number;
  readonly lastVoteEpoch: number;
  /** Open slots: slot -> the node it goes to, the node it comes from. */
  readonly migrating: ReadonlyMap<number, string>;
  readonly importing: ReadonlyMap<number, string>;
  /** Slots of mine whose import I closed. */
  readonly importedSlots: SlotTable<Taken>;
  /** Forgotten ids -> ms until which gossip may not bring them back. */
  readonly forgotten: ReadonlyMap<string, number>;
}

/** Where an imported slot came from. What its source claimed before it let go is old, under whatever epoch. */
interface Taken {
  readonly source: string;
  /** Epoch of the source when it was first heard not to claim the slot; undefined: it still does. */
  readonly releasedAt: number | undefined;
}

/** What a rule wants done; performed by the node in order, after the state is in place. */
export type Effect =
  /** The configuration changed and must survive a restart. */
  | { readonly kind: 'save' }
  /** Announce to every peer at once what this node is and owns. */
  | { readonly kind: 'announce' }
  /** The same, a moment later. */
  | { readonly kind: 'announceLater' }
  /** Start a handshake with an address. */
  | { readonly kind: 'meet'; readonly host: string; readonly port: number; readonly cport: number }
  /** Drop the links to a node that is no longer known. */
  | { readonly kind: 'unlink'; readonly id: string }
  /** The node met under a random id has sent its own: its link and times stay. */
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  /** Replicate from this node; whatever was replicated before ends. */
  | { readonly kind: 'follow'; readonly master: string }
  /** Stop replicating and serve as master. */
  | { readonly kind: 'promote' }
  /** Delete every key. */
  | { readonly kind: 'flush' }
  /** Delete the keys of slots that were lost to another node. */
  | { readonly kind: 'dropKeys'; readonly slots: readonly number[] }
  /** Send `to` an update of who owns what it claims wrongly. */
  | { readonly kind: 'correct'; readonly to: string; readonly about: string };

export interface Step {
  readonly state: ClusterState;
  readonly effects: readonly Effect[];
}

/** What a rule that users ask for by command returns: a step, or the error they get. */
export type Outcome = Step | ReplyError;

export function refuse(text: string): ReplyError {
  return new ReplyError(`ERR ${text}`);
}

export function unchanged(state: ClusterState): Step {
  return { state, effects: [] };
}

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
  readonly cport: number;
  readonly plainPort?: number;
  readonly hostname?: string;
}

export function newNode(id: string, address: NodeAddress): ClusterNode {
  return {
    id,
    host: address.host,
    port: address.port,
    cport: address.cport,
    plainPort: address.plainPort ?? 0,
    hostname: address.hostname ?? '',
    role: 'master',
    master: null,
    configEpoch: 0,
    offset: 0,
    suspect: false,
    failed: false,
    handshake: false,
    noFailover: false,
    migrateTo: false,
    shard: shardOf(id),
  };
}

/** The shard that a node founds: another number than its own, and the same for all who know the node. */
export function shardOf(id: string): string {
  return [...id]
    .map((digit) => (/[0-9a-f]/.test(digit) ? (15 - Number.parseInt(digit, 16)).toString(16) : digit))
    .join('');
}

/** A cluster of one: a master without slots. */
export function newState(id: string, address: NodeAddress): ClusterState {
  return {
    myself: id,
    nodes: new Map([[id, newNode(id, address)]]),
    owners: SlotTable.empty,
    unclaimed: new Set(),
    currentEpoch: 0,
    lastVoteEpoch: 0,
    migrating: new Map(),
    importing: new Map(),
    importedSlots: SlotTable.empty,
    forgotten: new Map(),
  };
}

export function me(state: ClusterState): ClusterNode {
  return state.nodes.get(state.myself)!;
}

/** The node whose slots and epoch I speak for: my master, or myself. */
export function myMaster(state: ClusterState): ClusterNode {
  const node = me(state);
  return (node.master === null ? undefined : state.nodes.get(node.master)) ?? node;
}

export function withNode(state: ClusterState, id: string, change: Partial<ClusterNode>): ClusterState {
  const node = state.nodes.get(id);
  if (node === undefined) return state;
  if (has(node, change)) return state;
  return { ...state, nodes: new Map(state.nodes).set(id, { ...node, ...change }) };
}

function has(node: ClusterNode, change: Partial<ClusterNode>): boolean {
  for (const field in change) {
    if (node[field as keyof ClusterNode] !== change[field as keyof ClusterNode]) return false;
  }
  return true;
}

/** Gives `slots` to `owner` (undefined: to nobody), who is taken to claim them. */
export function withOwner(state: ClusterState, slots: Iterable<number>, owner: string | undefined): ClusterState {
  const list = [...slots];
  const owners = state.owners.with(list, owner);
  let unclaimed: Set<number> | undefined;
  if (state.unclaimed.size > 0) {
    for (const slot of list) {
      if (!state.unclaimed.has(slot)) continue;
      unclaimed ??= new Set(state.unclaimed);
      unclaimed.delete(slot);
    }
  }
  const taken =
    owner === state.myself || state.importedSlots.size === 0
      ? state.importedSlots
      : state.importedSlots.with(list, undefined);
  if (owners === state.owners && unclaimed === undefined && taken === state.importedSlots) return state;
  return { ...state, owners, unclaimed: unclaimed ?? state.unclaimed, importedSlots: taken };
}

export function withoutKeys<V>(map: ReadonlyMap<number, V>, slots: Iterable<number>): ReadonlyMap<number, V> {
  if (map.size === 0) return map;
  let left: Map<number, V> | undefined;
  for (const slot of slots) {
    if (!map.has(slot)) continue;
    left ??= new Map(map);
    left.delete(slot);
  }
  return left ?? map;
}

export function withOpenSlot(
  state: ClusterState,
  field: 'migrating' | 'importing',
  slot: number,
  other: string,
): ClusterState {
  return { ...state, [field]: new Map(state[field]).set(slot, other) };
}

/** The replicas of a master, by id. */
export function replicasOf(state: ClusterState, master: string): ClusterNode[] {
  return [...state.nodes.values()]
    .filter((node) => node.role === 'replica' && node.master === master)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Makes this node a replica of `master`; the caller has checked that it may. */
export function followStep(state: ClusterState, master: string): Step {
  let next = withNode(state, state.myself, { role: 'replica', master });
  next = { ...next, migrating: new Map(), importing: new Map(), importedSlots: SlotTable.empty };
  return { state: next, effects: [{ kind: 'follow', master }, { kind: 'save' }, { kind: 'announce' }] };
}

/**
 * The same for a master whose slots are `master`'s now. It is not announced at once: a node that learns of a master that became a
 * replica before the claim of the new one takes the slots to be nobody's (redis-server does), and refuses callers.
 */
export function stepDown(state: ClusterState, master: string): Step {
  const { state: next, effects } = followStep(state, master);
  return { state: next, effects: effects.map((effect) => (effect.kind === 'announce' ? later : effect)) };
}

const later: Effect = { kind: 'announceLater' };
