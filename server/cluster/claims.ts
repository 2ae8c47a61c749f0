// What to believe of a master's claim to slots: the newer epoch wins, slot by slot.

import { bitmapOf, sameSlots, slotsIn, slotsOwned } from './slots.ts';
import { type ClusterState, type Effect, followStep, me, myMaster, type Step, unchanged, withOwner } from './state.ts';

export interface ClaimFacts {
  readonly keysInSlot: (slot: number) => number;
  readonly allowReplicaMigration: boolean;
}

/** `claimant` is a known master that claims `bitmap` under `epoch`. */
export function applyClaim(
  state: ClusterState,
  claimant: string,
  epoch: number,
  bitmap: Uint8Array,
  facts: ClaimFacts,
): Step {
  if (claimant === state.myself) return unchanged(state);
  if (sameSlots(bitmap, bitmapOf(state, claimant))) {
    return unchanged(state.unclaimed.size === 0 ? state : withClaims(state, claimant, bitmap));
  }
  const mine = myMaster(state).id;
  const won: number[] = [];
  const dirty: number[] = [];
  for (const slot of slotsIn(bitmap)) {
    const owner = state.owners[slot];
    // An import is closed by SETSLOT alone: until then the claim of the source must not undo it.
    if (owner === claimant || state.importing.has(slot)) continue;
    if (!isFree(state, slot) && state.nodes.get(owner!)!.configEpoch >= epoch) continue;
    if (owner === state.myself && facts.keysInSlot(slot) > 0) dirty.push(slot);
    won.push(slot);
  }
  const marked = withClaims(state, claimant, bitmap);
  if (won.length === 0) return unchanged(marked);
  const hadSlots = slotsOwned(state, mine) > 0;
  const next = withOwner(marked, won, claimant);
  const lostAll = hadSlots && slotsOwned(next, mine) === 0;
  const allFromUs = won.length === slotsOwned(next, claimant);
  if (lostAll && (facts.allowReplicaMigration || allFromUs)) return followStep(next, claimant);
  const effects: Effect[] = [{ kind: 'save' }];
  if (dirty.length > 0) effects.push({ kind: 'dropKeys', slots: dirty });
  return { state: next, effects };
}

function isFree(state: ClusterState, slot: number): boolean {
  return state.owners[slot] === undefined || state.unclaimed.has(slot);
}

/** Notes which of the slots I give to `claimant` it claims itself. */
function withClaims(state: ClusterState, claimant: string, bitmap: Uint8Array): ClusterState {
  const unclaimed = new Set(state.unclaimed);
  let changed = false;
  for (const slot of slotsIn(bitmapOf(state, claimant))) {
    const claimed = (bitmap[slot >> 3]! >> (slot & 7)) & 1;
    if (claimed === (unclaimed.has(slot) ? 0 : 1)) continue;
    changed = true;
    if (claimed) unclaimed.delete(slot);
    else unclaimed.add(slot);
  }
  return changed ? { ...state, unclaimed } : state;
}

/** The owner of the first slot that `bitmap` claims under an epoch older than that of the owner I know. */
export function contradiction(
  state: ClusterState,
  claimant: string,
  epoch: number,
  bitmap: Uint8Array,
): string | undefined {
  if (sameSlots(bitmap, bitmapOf(state, claimant))) return undefined;
  for (const slot of slotsIn(bitmap)) {
    const owner = state.owners[slot];
    if (
      owner !== undefined &&
      owner !== claimant &&
      !state.unclaimed.has(slot) &&
      state.nodes.get(owner)!.configEpoch > epoch
    )
      return owner;
  }
  return undefined;
}

/** My master turned out to be a replica itself: follow the one it follows. */
export function followGrandMaster(state: ClusterState): Step {
  const mine = me(state);
  const master = mine.master === null ? undefined : state.nodes.get(mine.master);
  if (mine.role !== 'replica' || master === undefined || master.role !== 'replica') return unchanged(state);
  if (master.master === null || master.master === state.myself || !state.nodes.has(master.master)) {
    return unchanged(state);
  }
  return followStep(state, master.master);
}
