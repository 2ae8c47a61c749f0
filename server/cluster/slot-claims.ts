// What to believe of a master's claim to slots: the newer epoch wins, slot by slot.
// Invariant: a slot whose import was closed here is not given back to its source, which may have taken a newer epoch
// for another slot before it learned of it.

import { bumpEpoch } from './epochs.ts';
import { bitmapOf, sameSlots, slotsIn, slotsOwned } from './slots.ts';
import {
  type ClusterState,
  type Effect,
  followStep,
  me,
  myMaster,
  type Step,
  stepDown,
  unchanged,
  withOwner,
} from './state.ts';

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
  // Two links keep no order between them: what it claimed before its newest epoch is old news.
  if (claimant === state.myself || epoch < (state.nodes.get(claimant)?.configEpoch ?? 0)) return unchanged(state);
  if (sameSlots(bitmap, bitmapOf(state, claimant))) {
    const marked = state.unclaimed.size === 0 ? state : withClaims(state, claimant, bitmap);
    return unchanged(withReleases(marked, claimant, epoch, bitmap));
  }
  let contested = false;
  const won: number[] = [];
  const dirty: number[] = [];
  for (const slot of slotsIn(bitmap, bitmapOf(state, claimant))) {
    const owner = state.owners.get(slot);
    // An import is closed by SETSLOT alone: until then the claim of the source must not undo it.
    if (state.importing.has(slot)) continue;
    if (!isFree(state, slot) && state.nodes.get(owner!)!.configEpoch >= epoch) continue;
    const taken = owner === state.myself ? state.importedSlots.get(slot) : undefined;
    if (taken?.source === claimant && epoch <= (taken.releasedAt ?? epoch)) {
      contested ||= taken.releasedAt === undefined;
      continue;
    }
    if (owner === state.myself && facts.keysInSlot(slot) > 0) dirty.push(slot);
    won.push(slot);
  }
  const marked = withReleases(withClaims(state, claimant, bitmap), claimant, epoch, bitmap);
  const step = won.length === 0 ? unchanged(marked) : lose(marked, claimant, won, dirty, facts);
  if (!contested) return step;
  // Under an epoch newer than the source's the others believe me too.
  const bump = bumpEpoch(step.state).step;
  return { state: bump.state, effects: [...step.effects, ...bump.effects, { kind: 'announce' }] };
}

/** Gives what was won to the claimant; a master left with nothing, or its replica, follows the winner. */
function lose(
  state: ClusterState,
  claimant: string,
  won: readonly number[],
  dirty: readonly number[],
  facts: ClaimFacts,
): Step {
  const mine = myMaster(state).id;
  const hadSlots = slotsOwned(state, mine) > 0;
  const next = withOwner(state, won, claimant);
  const lostAll = hadSlots && slotsOwned(next, mine) === 0;
  const allFromUs = won.length === slotsOwned(next, claimant);
  if (lostAll && (facts.allowReplicaMigration || allFromUs)) return stepDown(next, claimant);
  const effects: Effect[] = [{ kind: 'save' }];
  if (dirty.length > 0) effects.push({ kind: 'dropKeys', slots: dirty });
  return { state: next, effects };
}

function isFree(state: ClusterState, slot: number): boolean {
  return state.owners.get(slot) === undefined || state.unclaimed.has(slot);
}

/** Notes which of the slots I give to `claimant` it claims itself. */
function withClaims(state: ClusterState, claimant: string, bitmap: Uint8Array): ClusterState {
  const released = [...slotsIn(bitmapOf(state, claimant), bitmap)].filter((slot) => !state.unclaimed.has(slot));
  const claimed = [...state.unclaimed].filter((slot) => hasBit(bitmap, slot) && state.owners.get(slot) === claimant);
  if (released.length === 0 && claimed.length === 0) return state;
  const unclaimed = new Set(state.unclaimed);
  for (const slot of released) unclaimed.add(slot);
  for (const slot of claimed) unclaimed.delete(slot);
  return { ...state, unclaimed };
}

/** Notes which of the slots that were taken from `source` it has let go. */
function withReleases(state: ClusterState, source: string, epoch: number, bitmap: Uint8Array): ClusterState {
  if (state.importedSlots.size === 0) return state;
  const released: number[] = [];
  for (const [slot, was] of state.importedSlots.entries()) {
    if (was.source === source && was.releasedAt === undefined && !hasBit(bitmap, slot)) released.push(slot);
  }
  if (released.length === 0) return state;
  return { ...state, importedSlots: state.importedSlots.with(released, { source, releasedAt: epoch }) };
}

function hasBit(bitmap: Uint8Array, slot: number): boolean {
  return ((bitmap[slot >> 3]! >> (slot & 7)) & 1) === 1;
}

/** The owner of the first slot that `bitmap` claims under an epoch older than that of the owner I know. */
export function contradiction(
  state: ClusterState,
  claimant: string,
  epoch: number,
  bitmap: Uint8Array,
): string | undefined {
  for (const slot of slotsIn(bitmap, bitmapOf(state, claimant))) {
    const owner = state.owners.get(slot);
    if (owner !== undefined && !state.unclaimed.has(slot) && state.nodes.get(owner)!.configEpoch > epoch) return owner;
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
