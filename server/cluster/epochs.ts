// Epochs: the counter that makes one configuration newer than another.
// Invariant: currentEpoch never falls, and no two masters keep one configEpoch for long.

import { type ClusterState, me, type Outcome, refuse, type Step, unchanged, withNode } from './state.ts';

function highestEpoch(state: ClusterState): number {
  let highest = state.currentEpoch;
  for (const node of state.nodes.values()) highest = Math.max(highest, node.configEpoch);
  return highest;
}

/**
 * Takes a new epoch without asking anyone, unless mine is the newest already. An epoch that another master has too is
 * not the newest: that happens when two slots are moved at once, and a claim under it would convince nobody.
 */
export function bumpEpoch(state: ClusterState): { readonly step: Step; readonly bumped: boolean } {
  const mine = me(state).configEpoch;
  const highest = highestEpoch(state);
  if (mine !== 0 && mine === highest && !isShared(state, mine)) return { step: unchanged(state), bumped: false };
  const epoch = highest + 1;
  const next = withNode({ ...state, currentEpoch: epoch }, state.myself, { configEpoch: epoch });
  return { step: { state: next, effects: [{ kind: 'save' }] }, bumped: true };
}

function isShared(state: ClusterState, epoch: number): boolean {
  for (const node of state.nodes.values()) {
    if (node.id !== state.myself && node.role === 'master' && node.configEpoch === epoch) return true;
  }
  return false;
}

/** CLUSTER SET-CONFIG-EPOCH: gives the nodes of a new cluster different epochs before they meet. */
export function setConfigEpoch(state: ClusterState, epoch: number): Outcome {
  if (epoch < 0) return refuse(`Invalid config epoch specified: ${epoch}`);
  if (state.nodes.size > 1) {
    return refuse('The user can assign a config epoch only when the node does not know any other node.');
  }
  if (me(state).configEpoch !== 0) return refuse('Node config epoch is already non-zero');
  const currentEpoch = Math.max(state.currentEpoch, epoch);
  const next = withNode({ ...state, currentEpoch }, state.myself, { configEpoch: epoch });
  return { state: next, effects: [{ kind: 'save' }] };
}

/** Another master uses my epoch: the one with the smaller id moves on, the other keeps it. */
export function resolveCollision(state: ClusterState, sender: string): Step {
  const mine = me(state);
  const other = state.nodes.get(sender);
  if (other === undefined || mine.role !== 'master' || other.role !== 'master') return unchanged(state);
  if (other.configEpoch !== mine.configEpoch || sender <= state.myself) return unchanged(state);
  const epoch = state.currentEpoch + 1;
  const next = withNode({ ...state, currentEpoch: epoch }, state.myself, { configEpoch: epoch });
  return { state: next, effects: [{ kind: 'save' }] };
}
