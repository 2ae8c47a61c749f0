// Is the cluster able to serve, and is a node down? Counting only: who counts as what, and how many are enough.

import { slotCount } from '../../lib/wire/slot.ts';
import { slotsAssigned, slotsOwned } from './slots.ts';
import { type ClusterNode, type ClusterState, type Effect, me, type Step, unchanged, withNode } from './state.ts';

/** The masters that have slots: those whose word counts. */
export function votingMasters(state: ClusterState): ClusterNode[] {
  return [...state.nodes.values()].filter((node) => node.role === 'master' && slotsOwned(state, node.id) > 0);
}

export function quorum(state: ClusterState): number {
  return Math.floor(votingMasters(state).length / 2) + 1;
}

export interface Coverage {
  /** Every slot has an owner that is not down. */
  readonly covered: boolean;
  /** A majority of the masters that have slots answers. */
  readonly majority: boolean;
}

export function coverage(state: ClusterState): Coverage {
  const voters = votingMasters(state);
  const reachable = voters.filter((node) => !node.failed && !node.suspect).length;
  const covered = slotsAssigned(state) === slotCount && !voters.some((node) => node.failed);
  return { covered, majority: reachable >= Math.floor(voters.length / 2) + 1 };
}

/** My own opinion of a node; a failure needs the majority. */
export function suspect(state: ClusterState, id: string, suspected: boolean): Step {
  const node = state.nodes.get(id);
  if (node === undefined || node.suspect === suspected || id === state.myself) return unchanged(state);
  // The word of the majority stands above mine.
  if (suspected && node.failed) return unchanged(state);
  return { state: withNode(state, id, { suspect: suspected }), effects: [] };
}

/** `reporters`: ids of masters that lately said that `id` does not answer. */
export function judge(state: ClusterState, id: string, reporters: ReadonlySet<string>): Step {
  const node = state.nodes.get(id);
  if (node === undefined || !node.suspect || node.failed) return unchanged(state);
  const mine = me(state).role === 'master' ? 1 : 0;
  const others = [...reporters].filter((reporter) => state.nodes.get(reporter)?.role === 'master').length;
  return others + mine >= quorum(state) ? markFailed(state, id) : unchanged(state);
}

export function markFailed(state: ClusterState, id: string): Step {
  const node = state.nodes.get(id);
  if (node === undefined || node.failed || id === state.myself) return unchanged(state);
  const effects: Effect[] = [{ kind: 'save' }];
  return { state: withNode(state, id, { failed: true, suspect: false }), effects };
}

/**
 * A failed node answers again. A replica or a master without slots is well at once; a master with slots only after
 * `grace` ms, when nobody took its place.
 */
export function recover(state: ClusterState, id: string, failedForMs: number, graceMs: number): Step {
  const node = state.nodes.get(id);
  if (node === undefined || !node.failed) return unchanged(state);
  if (node.role === 'master' && slotsOwned(state, id) > 0 && failedForMs <= graceMs) return unchanged(state);
  return { state: withNode(state, id, { failed: false, suspect: false }), effects: [{ kind: 'save' }] };
}
