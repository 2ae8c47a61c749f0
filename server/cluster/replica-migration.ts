// Replicas go where they are needed: from a master that has several to one that lost all of its own.
// Knows no clock beyond the times it is given. Invariant: of all replicas that could go, one goes: that with the
// smallest id, among the replicas of the masters that have most.

import { slotsOwned } from './slots.ts';
import { type ClusterNode, type ClusterState, followStep, me, type Step, unchanged, withNode } from './state.ts';

/** How long a master must be without replicas. */
const orphanedMs = 5000;

/** Keeps the `migrateTo` marks and the shards in step with who follows whom and has slots, after a rule was applied. */
export function markTargets(before: ClusterState, after: ClusterState): ClusterState {
  if (before.nodes === after.nodes && before.owners === after.owners) return after;
  if (!rolesChanged(before, after) && before.owners === after.owners) return after;
  const counts = replicaCounts(after);
  const had = replicaCounts(before);
  let next = after;
  for (const node of after.nodes.values()) {
    const was = before.nodes.get(node.id);
    let target = node.role === 'master' && node.migrateTo;
    if (node.role === 'master') {
      if (counts.has(node.id)) target = true;
      else if (had.has(node.id)) target = false;
      if (was?.role === 'replica' && node.id !== after.myself) target = true;
      if (counts.size > 0 && slotsOwned(before, node.id) === 0 && slotsOwned(after, node.id) > 0) target = true;
    }
    const shard = (node.master === null ? undefined : after.nodes.get(node.master))?.shard ?? node.shard;
    if (target !== node.migrateTo || shard !== node.shard) next = withNode(next, node.id, { migrateTo: target, shard });
  }
  return next;
}

function rolesChanged(before: ClusterState, after: ClusterState): boolean {
  if (before.nodes.size !== after.nodes.size) return true;
  for (const node of after.nodes.values()) {
    const was = before.nodes.get(node.id);
    if (was?.role !== node.role || was.master !== node.master) return true;
  }
  return false;
}

/** Master id -> its replicas; of the working ones only, when asked for. */
function replicaCounts(state: ClusterState, working = false): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { role, master, failed } of state.nodes.values()) {
    if (role !== 'replica' || master === null || (working && failed)) continue;
    counts.set(master, (counts.get(master) ?? 0) + 1);
  }
  return counts;
}

export interface Orphans {
  /** Working masters with slots that lost all of their replicas. */
  readonly ids: readonly string[];
  /** This replica is the one to go. */
  readonly chosen: boolean;
}

const nobody: Orphans = { ids: [], chosen: false };

/** Who needs a replica, and whether it is me who goes; `barrier`: working replicas that must stay with my master. */
export function orphans(state: ClusterState, barrier: number): Orphans {
  const mine = me(state);
  if (mine.role !== 'replica' || mine.master === null || mine.noFailover) return nobody;
  const counts = replicaCounts(state, true);
  const ids: string[] = [];
  let most = 0;
  for (const node of state.nodes.values()) {
    if (node.role !== 'master' || node.failed || node.handshake) continue;
    const count = counts.get(node.id) ?? 0;
    most = Math.max(most, count);
    if (count === 0 && node.migrateTo && slotsOwned(state, node.id) > 0) ids.push(node.id);
  }
  const atHome = counts.get(mine.master) ?? 0;
  if (ids.length === 0 || most < 2 || atHome !== most || atHome <= barrier) return { ids, chosen: false };
  return { ids, chosen: isFirst(state, mine, counts, most) };
}

function isFirst(state: ClusterState, mine: ClusterNode, counts: ReadonlyMap<string, number>, most: number): boolean {
  for (const node of state.nodes.values()) {
    const rival = node.role === 'replica' && node.master !== null && !node.failed && counts.get(node.master) === most;
    if (rival && node.id < mine.id) return false;
  }
  return true;
}

/** Remembers since when masters have been without replicas, and moves this replica when one waited long enough. */
export class ReplicaMigration {
  readonly #since = new Map<string, number>();

  /** To be called at every tick while the cluster is up. */
  step(state: ClusterState, now: number, barrier: number): Step {
    const { ids, chosen } = orphans(state, barrier);
    for (const id of this.#since.keys()) if (!ids.includes(id)) this.#since.delete(id);
    for (const id of ids) if (!this.#since.has(id)) this.#since.set(id, now);
    const target = ids[0];
    if (!chosen || target === undefined || now - this.#since.get(target)! <= orphanedMs) return unchanged(state);
    this.#since.clear();
    return followStep(state, target);
  }
}
