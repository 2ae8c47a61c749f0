// Who owns a slot, by command: ADDSLOTS, DELSLOTS, FLUSHSLOTS and the four forms of SETSLOT.
// Each rule checks in the order of redis-server 7.0 and answers with its words.

import { slotCount } from '../../lib/wire/slot.ts';
import { bumpEpoch } from './epochs.ts';
import { slotsOwned } from './slots.ts';
import {
  type ClusterState,
  me,
  type Outcome,
  refuse,
  type Step,
  stepDown,
  withNode,
  withOpenSlot,
  withOwner,
  withoutKeys,
} from './state.ts';

/** The slot that an argument means, or undefined. */
export function parseSlot(argument: string): number | undefined {
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(argument)) return undefined;
  const slot = Number(argument);
  return slot >= 0 && slot < slotCount ? slot : undefined;
}

export const badSlot = 'Invalid or out of range slot';

/** Ranges are inclusive; all or nothing. */
export function addSlots(state: ClusterState, ranges: readonly (readonly [number, number])[]): Outcome {
  const slots = distinctSlots(ranges, (slot) =>
    state.owners.get(slot) === undefined ? undefined : `Slot ${slot} is already busy`,
  );
  if (!Array.isArray(slots)) return slots;
  const next = withOwner(state, slots, state.myself);
  return changed({ ...next, importing: withoutKeys(next.importing, slots) });
}

export function delSlots(state: ClusterState, ranges: readonly (readonly [number, number])[]): Outcome {
  const slots = distinctSlots(ranges, (slot) =>
    state.owners.get(slot) === undefined ? `Slot ${slot} is already unassigned` : undefined,
  );
  if (!Array.isArray(slots)) return slots;
  return changed(withOwner(state, slots, undefined));
}

export function flushSlots(state: ClusterState, keys: number): Outcome {
  if (keys > 0) return refuse('DB must be empty to perform CLUSTER FLUSHSLOTS.');
  return changed(withOwner(state, state.owners.slotsOf(state.myself), undefined));
}

function distinctSlots(
  ranges: readonly (readonly [number, number])[],
  complaint: (slot: number) => string | undefined,
): number[] | ReturnType<typeof refuse> {
  const seen = new Set<number>();
  for (const [start, end] of ranges) {
    if (start > end) return refuse(`start slot number ${start} is greater than end slot number ${end}`);
    for (let slot = start; slot <= end; slot++) {
      const text = complaint(slot);
      if (text !== undefined) return refuse(text);
      if (seen.has(slot)) return refuse(`Slot ${slot} specified multiple times`);
      seen.add(slot);
    }
  }
  return [...seen];
}

function changed(state: ClusterState): Step {
  return { state, effects: [{ kind: 'save' }, { kind: 'announce' }] };
}

export const onlyMasters = 'Please use SETSLOT only with masters.';

export function setSlotMigrating(state: ClusterState, slot: number, target: string): Outcome {
  if (state.owners.get(slot) !== state.myself) return refuse(`I'm not the owner of hash slot ${slot}`);
  return openSlot({ ...state, importedSlots: state.importedSlots.with([slot], undefined) }, 'migrating', slot, target);
}

export function setSlotImporting(state: ClusterState, slot: number, source: string): Outcome {
  if (state.owners.get(slot) === state.myself) return refuse(`I'm already the owner of hash slot ${slot}`);
  return openSlot(state, 'importing', slot, source);
}

function openSlot(state: ClusterState, field: 'migrating' | 'importing', slot: number, id: string): Outcome {
  const node = state.nodes.get(id);
  if (node === undefined) return refuse(`I don't know about node ${id}`);
  if (node.role === 'replica') return refuse('Target node is not a master');
  return { state: withOpenSlot(state, field, slot, id), effects: [{ kind: 'save' }] };
}

export function setSlotStable(state: ClusterState, slot: number): Step {
  const migrating = withoutKeys(state.migrating, [slot]);
  const importing = withoutKeys(state.importing, [slot]);
  return { state: { ...state, migrating, importing }, effects: [{ kind: 'save' }] };
}

export interface SetSlotFacts {
  /** Keys that this node holds in the slot. */
  readonly keysHere: number;
  readonly allowReplicaMigration: boolean;
}

/** SETSLOT NODE: the owner is decided. Closing an import takes a new epoch, so that the claim wins everywhere. */
export function setSlotNode(state: ClusterState, slot: number, id: string, facts: SetSlotFacts): Outcome {
  const node = state.nodes.get(id);
  if (node === undefined) return refuse(`Unknown node ${id}`);
  if (node.role === 'replica') return refuse('Target node is not a master');
  const wasMine = state.owners.get(slot) === state.myself;
  if (wasMine && id !== state.myself && facts.keysHere > 0) {
    return refuse(`Can't assign hashslot ${slot} to a different node while I still hold keys for this hash slot.`);
  }
  let next = withOwner(state, [slot], id);
  if (facts.keysHere === 0) next = { ...next, migrating: withoutKeys(next.migrating, [slot]) };
  const source = next.importing.get(slot);
  if (id === state.myself && source !== undefined) {
    const taken = next.importedSlots.with([slot], { source, releasedAt: undefined });
    const { step } = bumpEpoch({ ...next, importedSlots: taken, importing: withoutKeys(next.importing, [slot]) });
    return { state: step.state, effects: [{ kind: 'save' }, { kind: 'announce' }] };
  }
  const emptied = wasMine && id !== state.myself && slotsOwned(next, state.myself) === 0;
  if (emptied && facts.allowReplicaMigration) return stepDown(next, id);
  return { state: next, effects: [{ kind: 'save' }] };
}

/** Becomes master of everything its master owned, under an epoch that was won or taken. */
export function takeOver(state: ClusterState, epoch: number): Step {
  const { master } = me(state);
  let next = withNode(state, state.myself, { role: 'master', master: null, configEpoch: epoch });
  if (master !== null) {
    next = withOwner(next, state.owners.slotsOf(master), state.myself);
  }
  next = { ...next, currentEpoch: Math.max(next.currentEpoch, epoch) };
  return { state: next, effects: [{ kind: 'promote' }, { kind: 'save' }, { kind: 'announce' }] };
}
