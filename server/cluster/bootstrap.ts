// Where nodes of a cluster begin: a new one alone, one of before with its last view, many as a cluster at once.
// Rules over the state and key counts; knows no files and no sockets.

import { slotCount } from '../../lib/wire/slot.ts';
import { SlotTable } from './slot-table.ts';
import { slotsOwned } from './slots.ts';
import {
  type ClusterState,
  me,
  type NodeAddress,
  newNode,
  newState,
  withNode,
  withOpenSlot,
  withOwner,
} from './state.ts';

/** `saved` is the view that was kept; `id` is for a node that has none. Host `''`: learned from the first peer. */
export function firstState(saved: ClusterState | undefined, id: string, address: NodeAddress): ClusterState {
  if (saved === undefined) return newState(id, address);
  const host = me(saved).host;
  return withNode(saved, saved.myself, { ...address, host, failed: false, suspect: false });
}

/** Views of a cluster whose nodes have met, shared out the slots and chosen their masters. */
export function firstStates(
  places: readonly { readonly port: number; readonly cport: number }[],
  masters: number,
  host: string,
  newId: () => string,
): ClusterState[] {
  // A node that listens on every address is still met at one.
  const known = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const nodes = places.map(({ port, cport }, at) => {
    const node = newNode(newId(), { host: known, port, cport });
    return at < masters ? { ...node, configEpoch: at + 1 } : node;
  });
  const members = nodes.map((node, at) =>
    at < masters ? node : { ...node, role: 'replica' as const, master: nodes[(at - masters) % masters]!.id },
  );
  const share = slotCount / masters;
  const owners = Array.from({ length: slotCount }, (_, slot) => {
    let master = Math.min(masters - 1, Math.floor(slot / share));
    while (slot < Math.round(master * share)) master--;
    while (master + 1 < masters && slot >= Math.round((master + 1) * share)) master++;
    return members[master]!.id;
  });
  const shared = {
    nodes: new Map(members.map((node) => [node.id, node])),
    owners: SlotTable.from(owners),
    currentEpoch: masters,
  };
  return members.map((node) => ({ ...newState(node.id, node), ...shared }));
}

export interface Adoption {
  readonly state: ClusterState;
  /** What was done, for the log. */
  readonly notes: readonly string[];
}

/**
 * Makes the view of a master agree with the keys it holds: slots of nobody become its own, slots of others are open
 * for import, so that the keys can be moved on. A replica's keys are its master's affair.
 */
export function adoptKeys(state: ClusterState, countInSlot: (slot: number) => number): Adoption {
  const { myself } = state;
  if (me(state).role === 'replica') return { state, notes: [] };
  const before = slotsOwned(state, myself);
  const notes: string[] = [];
  let next = state;
  for (let slot = 0; slot < slotCount; slot++) {
    const owner = state.owners.get(slot);
    if (owner === myself || state.importing.has(slot) || countInSlot(slot) === 0) continue;
    if (owner === undefined) next = withOwner(next, [slot], myself);
    else {
      next = withOpenSlot(next, 'importing', slot, owner);
      notes.push(`there are keys of slot ${slot}, which belongs to ${owner}: set to importing`);
    }
  }
  const claimed = slotsOwned(next, myself) - before;
  if (claimed > 0) notes.unshift(`there are keys of ${claimed} slots that belong to nobody: taken`);
  return { state: next, notes };
}
