// Votes for a replica that wants its master's place: who may ask, who may be given a vote, when it is won.

import { quorum } from './failure.ts';
import { slotsIn, slotsOwned } from './slots.ts';
import { type ClusterState, me, replicasOf } from './state.ts';

export interface VoteRequest {
  readonly candidate: string;
  readonly currentEpoch: number;
  /** Of the candidate's master, as the candidate knows it. */
  readonly configEpoch: number;
  readonly bitmap: Uint8Array;
  /** The master agreed to step down (manual failover): it need not have failed. */
  readonly force: boolean;
}

/** The state with my vote given, or undefined when I do not give it. `votedLately`: for a replica of that master. */
export function vote(state: ClusterState, request: VoteRequest, votedLately: boolean): ClusterState | undefined {
  const mine = me(state);
  if (mine.role !== 'master' || slotsOwned(state, state.myself) === 0) return undefined;
  if (request.currentEpoch < state.currentEpoch || state.lastVoteEpoch === state.currentEpoch) return undefined;
  const candidate = state.nodes.get(request.candidate);
  if (candidate === undefined || candidate.role === 'master' || candidate.master === null) return undefined;
  const master = state.nodes.get(candidate.master);
  if (master === undefined || (!master.failed && !request.force) || votedLately) return undefined;
  for (const slot of slotsIn(request.bitmap)) {
    const owner = state.owners.get(slot);
    if (owner !== undefined && state.nodes.get(owner)!.configEpoch > request.configEpoch) return undefined;
  }
  return { ...state, lastVoteEpoch: state.currentEpoch };
}

/** Whether an acknowledgement from `voter` counts for an election held under `epoch`. */
export function voteCounts(state: ClusterState, voter: string, voterEpoch: number, epoch: number): boolean {
  const node = state.nodes.get(voter);
  return node?.role === 'master' && slotsOwned(state, voter) > 0 && voterEpoch >= epoch;
}

export function isElected(state: ClusterState, votes: number): boolean {
  return votes >= quorum(state);
}

/** How many of my sister replicas have more of the stream than I: 0 is the best placed. */
export function rank(state: ClusterState, offset: number): number {
  const { master } = me(state);
  if (master === null) return 0;
  return replicasOf(state, master).filter(
    (node) => node.id !== state.myself && !node.noFailover && node.offset > offset,
  ).length;
}
