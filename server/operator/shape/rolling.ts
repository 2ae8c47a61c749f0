// Every node is restarted, one after the other, and the cluster serves all the time: replicas first, then each master
// after one of its replicas has taken its place. How a node is restarted is the caller's.
// Invariant: the next node's turn comes only when the last one is back, in step, and known to be so.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { type ClusterLink, isMaster, isReachable } from '../link/cluster-link.ts';
import { failOver } from './failover.ts';
import { addressOf, infoOf, type WaitOptions, waitFor } from './waiting.ts';

export interface RollingStep {
  readonly kind: 'restart' | 'failover' | 'failback';
  readonly node: NodeLine;
}

export interface RollingOptions extends WaitOptions {
  /** Restarts the node; resolves when it was asked to. Default: nobody restarts, it is a drill of the failovers. */
  readonly restart?: ((node: NodeLine) => Promise<void>) | undefined;
  /** Masters take their places again. Default: those that took over keep them. */
  readonly failBack?: boolean | undefined;
  readonly onStep?: ((done: number, total: number, text: string) => void) | undefined;
}

/** Rejects when a master with slots has no replica: it could not be restarted without a gap. */
export function planRolling(view: readonly NodeLine[], restarts: boolean, failBack: boolean): RollingStep[] {
  const steps: RollingStep[] = [];
  const down = view.filter((line) => !isReachable(line));
  if (down.length > 0) throw new Error(`${down.map(addressOf).join(', ')} cannot be reached: all nodes have to be up`);
  const masters = view.filter((line) => isMaster(line));
  const bare = masters.filter(({ id, ranges }) => ranges.length > 0 && !view.some(({ master }) => master === id));
  if (bare.length > 0) throw new Error(`${bare.map(addressOf).join(', ')} has no replica to take its place`);
  if (restarts) for (const node of view) if (!isMaster(node)) steps.push({ kind: 'restart', node });
  for (const node of masters) {
    if (node.ranges.length > 0) steps.push({ kind: 'failover', node });
    if (restarts) steps.push({ kind: 'restart', node });
    if (failBack && node.ranges.length > 0) steps.push({ kind: 'failback', node });
  }
  return steps;
}

export function rollingText({ kind, node }: RollingStep): string {
  if (kind === 'restart') return `restart ${addressOf(node)}`;
  return kind === 'failover'
    ? `a replica takes the place of ${addressOf(node)}`
    : `${addressOf(node)} takes its place again`;
}

/** Resolves to the number of steps done; fewer than there are when the signal came. Rejects at the first that fails. */
export async function runRolling(
  link: ClusterLink,
  steps: readonly RollingStep[],
  options: RollingOptions = {},
): Promise<number> {
  for (const [at, step] of steps.entries()) {
    if (options.signal?.aborted === true) return at;
    options.onStep?.(at, steps.length, rollingText(step));
    // A step that was begun is seen through.
    const { limitMs } = options;
    if (step.kind === 'restart') await restartNode(link, step.node, options);
    else await failOver(link, step.node.id, { limitMs });
    if (step.kind !== 'restart') await inStep(link, step.node, limitMs);
  }
  return steps.length;
}

async function restartNode(link: ClusterLink, node: NodeLine, { restart, limitMs }: RollingOptions): Promise<void> {
  const runId = async (): Promise<string | undefined> => (await infoOf(link, node, 'server')).get('run_id');
  const before = await runId();
  await restart?.(node);
  await waitFor(link, `${addressOf(node)} was restarted`, async () => (await runId()) !== before, { limitMs });
  await inStep(link, node, limitMs);
}

/** Back, and everybody's view of it is well. */
async function inStep(link: ClusterLink, { id, ...address }: NodeLine, limitMs: number | undefined): Promise<void> {
  const well = async (): Promise<boolean> => {
    const info = await infoOf(link, address, 'all');
    if (info.get('loading') === '1') return false;
    if (info.get('role') === 'slave' && info.get('master_link_status') !== 'up') return false;
    const view = await link.view();
    const line = view.find((one) => one.id === id);
    const state = String(await link.ask(address, ['CLUSTER', 'INFO']));
    return (
      line !== undefined && isReachable(line) && !line.flags.includes('fail?') && state.includes('cluster_state:ok')
    );
  };
  await waitFor(link, `${addressOf(address)} is in step`, well, { limitMs });
}
