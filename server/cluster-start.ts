// Where a node of a cluster begins: a new one alone, one of before with its last view, at the address it has now.
// Rules over the state and key counts; knows no files and no sockets.

import { slotCount } from '../lib/wire/slot.ts';
import { slotsOwned } from './cluster/slots.ts';
import {
  type ClusterState,
  me,
  type NodeAddress,
  newState,
  withNode,
  withOpenSlot,
  withOwner,
} from './cluster/state.ts';

/** `saved` is the view that was kept; `id` is for a node that has none. Host `''`: learned from the first peer. */
export function firstState(saved: ClusterState | undefined, id: string, address: NodeAddress): ClusterState {
  if (saved === undefined) return newState(id, address);
  const host = me(saved).host;
  return withNode(saved, saved.myself, { ...address, host, failed: false, suspect: false });
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
    const owner = state.owners[slot];
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
