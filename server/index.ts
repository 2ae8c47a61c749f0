// lingcache/server: nodes and clusters for development and tests, in this process or as processes of their own.
// Owns: what is public of the server.
// Does not know: how a node works.
// Invariant: a start either resolves with everything serving, or rejects with nothing left behind.

import { RealWorld } from '../lib/base/world.ts';
import { adoptKeys, firstState } from './cluster/bootstrap.ts';
import { randomId } from './cluster/ids.ts';
import type { BundledCluster } from './embedded/cluster.ts';
import { openInside } from './embedded/inside.ts';
import { BundledNode } from './embedded/node.ts';
import { ProcessCluster } from './embedded/process-cluster.ts';
import {
  type ClusterOptions,
  checkCounts,
  checkPort,
  commonSettings,
  insideSettings,
  type NodeOptions,
} from './embedded/settings.ts';

export { ManualWorld, RealWorld, type World } from '../lib/base/world.ts';
export { BundledCluster, type NodeReference, type Seed } from './embedded/cluster.ts';
export { BundledNode } from './embedded/node.ts';
export { ProcessCluster } from './embedded/process-cluster.ts';
export { ProcessNode } from './embedded/process-node.ts';
export type { ClusterOptions, NodeOptions } from './embedded/settings.ts';
export { serverVersion } from './engine/version.ts';
export type { NodeAddress } from './operator/link/cluster-link.ts';
export type { ClusterHealth, HealthWord } from './operator/monitor/health.ts';
export type { ClusterMetrics, NodeMetrics, NodeStatus, OpenSlot, SlotMark } from './operator/monitor/metrics.ts';
export type { ClusterMonitor, SlotMetrics } from './operator/monitor/monitor.ts';
export { ClusterOperator, type OperatorOptions } from './operator/operator.ts';
export type { BalanceMove, BalancePlan } from './operator/rebalance/plan.ts';
export type { AutoBalance, BalanceRequest, BalanceResult, Balancer } from './operator/rebalance/rebalance.ts';
export type { BalanceCheck, BalanceStrategy } from './operator/rebalance/shares.ts';
export type { MoveOrder } from './operator/reshard/orders.ts';
export type { MoveEnd, MovePhase, MoveRecord, MoveStatus } from './operator/reshard/record.ts';
export type { MoveEngine, MoveEngineOptions } from './operator/reshard/reshard.ts';
export type { MoveOptions, SlotMove } from './operator/reshard/slot-move.ts';

/**
 * Starts one node. Resolves when it serves; rejects when the address cannot be bound or an option is wrong
 * (a RangeError that names it). Close it with `kill()`.
 */
export async function startNode(options: NodeOptions = {}): Promise<BundledNode> {
  const { world = new RealWorld(), cluster = false } = options;
  const nodeOptions = { ...commonSettings(options, world), port: checkPort(options.port ?? 0, 1), cluster };
  const node = await BundledNode.open(nodeOptions);
  const { server } = node;
  try {
    const address = { host: '', ...server.ports };
    if (!cluster) server.start(undefined);
    else {
      const first = firstState(server.savedState, randomId(world), address);
      server.start(adoptKeys(first, (slot) => server.store.countInSlot(slot)).state);
    }
  } catch (error) {
    await node.kill();
    throw error;
  }
  return node;
}

/**
 * Starts a cluster as without `processes`, with a process for each node, so that `node.kill('SIGKILL')` is a real one; data is kept in a temporary
 * folder, or in `config.dir`, and is there again after `node.restart()`. The nodes talk over TCP, as with redis-server.
 */
export function startCluster(options: ClusterOptions & { readonly processes: true }): Promise<ProcessCluster>;
/**
 * Starts a whole cluster: `masters` with equal shares of the 16384 slots, `replicas` for each, all of one mind.
 * Resolves when every node serves and every replica has its copy. Rejects, with nothing left behind, when a port is
 * taken or an option is wrong (a RangeError that names it).
 *
 * @example
 * const cluster = await startCluster({ masters: 3, replicas: 1 });
 * const client = new Cluster(cluster.seeds);
 * await cluster.moveSlot(42, 1);
 * await cluster.close();
 */
export function startCluster(options?: ClusterOptions & { readonly processes?: false }): Promise<BundledCluster>;
export async function startCluster(
  options: ClusterOptions & { readonly processes?: boolean } = {},
): Promise<BundledCluster | ProcessCluster> {
  return options.processes === true ? startProcesses(options) : openInside(insideSettings(options));
}

async function startProcesses(options: ClusterOptions): Promise<ProcessCluster> {
  const { masters, replicas } = checkCounts(options);
  if (options.world !== undefined) throw new RangeError('world: other processes have their own');
  if (options.bus === 'loopback') throw new RangeError('bus: processes talk over tcp');
  const { host = '127.0.0.1', password = '' } = options;
  const { dir, ...config } = options.config ?? {};
  const port = checkPort(options.port ?? 0, masters * (1 + replicas));
  const place = dir === undefined || dir === '' ? {} : { dir };
  const cluster = await ProcessCluster.start({ masters, replicas, host, port, password, config, ...place });
  try {
    await cluster.settled();
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}
