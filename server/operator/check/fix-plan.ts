// What has to be done so that a slot has one owner, no marks, and its keys in one place. Pure: facts in, steps out.
// The states that it handles are those that redis-cli's fix handles, and their mixtures: a move broken off with one
// end open, with both, with several ends importing; keys at a node that is not the owner; several owners; no owner,
// with keys at none, one or several nodes; nodes that have another owner in mind.
// Invariant: no step makes a node drop a key; a slot is given to nobody while another node has keys of it.

import type { MovingNode } from '../link/cluster-link.ts';
import type { SlotAtNode, SlotFacts } from './slot-facts.ts';

export type FixStep =
  /** `node` becomes the owner of a slot that nobody has, or keeps it. */
  | { readonly kind: 'assign'; readonly slot: number; readonly node: SlotAtNode }
  /** `node` gives up its claim and keeps the keys, importing. */
  | { readonly kind: 'unclaim'; readonly slot: number; readonly node: SlotAtNode; readonly owner: SlotAtNode }
  /** The keys of `from` go to `to`; `from` is no owner. */
  | { readonly kind: 'gather'; readonly slot: number; readonly from: SlotAtNode; readonly to: SlotAtNode }
  /** The marks of the slot are taken away. */
  | { readonly kind: 'close'; readonly slot: number; readonly node: SlotAtNode }
  /** The move that was begun goes on to its end. */
  | { readonly kind: 'finish'; readonly slot: number; readonly from: SlotAtNode; readonly to: SlotAtNode }
  /** CLUSTER SETSLOT NODE at every master. */
  | { readonly kind: 'tell'; readonly slot: number; readonly owner: SlotAtNode }
  /** The node announces its slots anew, under an epoch of its own. */
  | { readonly kind: 'bump'; readonly node: MovingNode };

/** The steps for all slots, in an order that may be stopped after any of them. */
export function planSlots(all: readonly SlotFacts[]): FixStep[] {
  const given = new Map<string, number>();
  return all.flatMap((facts) => planSlot(facts, given));
}

/** `given`: how many slots each node gets by this plan so far; slots without keys go to whoever has the fewest. */
export function planSlot({ slot, nodes }: SlotFacts, given: Map<string, number> = new Map()): FixStep[] {
  if (nodes.length === 0) return [];
  const steps: FixStep[] = [];
  const owner = chooseOwner(nodes, given);
  const claimants = nodes.filter(({ claims }) => claims);
  if (claimants.length === 0) {
    steps.push({ kind: 'assign', slot, node: owner });
    given.set(owner.id, (given.get(owner.id) ?? 0) + 1);
  }
  for (const node of claimants) {
    if (node.id !== owner.id) steps.push({ kind: 'unclaim', slot, node, owner });
  }
  const others = nodes.filter(({ id }) => id !== owner.id);
  const target = claimants.length === 1 ? targetOf(owner, others) : undefined;
  // Who does not have a key of an open slot is asked at the target: that is where stray keys are looked for.
  const place = target ?? owner;
  if (target === undefined && (owner.migrating ?? owner.importing) !== undefined) {
    steps.push({ kind: 'close', slot, node: owner });
  }
  for (const node of others) {
    if (node.id === place.id) continue;
    if (node.keys > 0) steps.push({ kind: 'gather', slot, from: node, to: place });
    const marked = (node.migrating ?? node.importing) !== undefined || node.keys > 0 || node.claims;
    if (marked) steps.push({ kind: 'close', slot, node });
  }
  if (target !== undefined) steps.push({ kind: 'finish', slot, from: owner, to: target });
  else if (claimants.length !== 1) steps.push({ kind: 'tell', slot, owner });
  return steps;
}

/** Where the owner's move goes to, if that goes on: the other end has to be importing, or to have keys already. */
function targetOf(owner: SlotAtNode, others: readonly SlotAtNode[]): SlotAtNode | undefined {
  const target = others.find(({ id }) => id === owner.migrating);
  return target !== undefined && (target.importing === owner.id || target.keys > 0) ? target : undefined;
}

/** The only claimant; else who has the most keys, then the newest claim, then the fewest slots. */
function chooseOwner(nodes: readonly SlotAtNode[], given: ReadonlyMap<string, number>): SlotAtNode {
  const claimants = nodes.filter(({ claims }) => claims);
  const among = claimants.length > 0 ? claimants : nodes;
  const slotsOf = ({ id, slots }: SlotAtNode): number => slots + (given.get(id) ?? 0);
  const rank = (a: SlotAtNode, b: SlotAtNode): number =>
    b.keys - a.keys || (claimants.length > 0 ? b.configEpoch - a.configEpoch : slotsOf(a) - slotsOf(b));
  return among.toSorted(rank)[0]!;
}

export function stepText(step: FixStep): string {
  switch (step.kind) {
    case 'assign':
      return `slot ${step.slot}: give it to ${step.node.address}, which has ${step.node.keys} keys of it`;
    case 'unclaim':
      return `slot ${step.slot}: ${step.node.address} gives up its claim; ${step.owner.address} keeps the slot`;
    case 'gather':
      return `slot ${step.slot}: bring ${step.from.keys} keys from ${step.from.address} to ${step.to.address}`;
    case 'close':
      return `slot ${step.slot}: close it at ${step.node.address}`;
    case 'finish':
      return `slot ${step.slot}: finish its move from ${step.from.address} to ${step.to.address}`;
    case 'tell':
      return `slot ${step.slot}: tell all masters that ${step.owner.address} owns it`;
    case 'bump':
      return `${step.node.host}:${step.node.port} announces its slots anew`;
  }
}
