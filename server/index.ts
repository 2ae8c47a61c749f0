// lingcache/server: nodes and clusters for development and tests, in this process or as processes of their own.
// Owns: the options of startNode() and startCluster(), their checks and defaults.
// Does not know: how a node works.
// Invariant: a start either resolves with everything serving, or rejects with nothing left behind.

import { RealWorld, type World } from '../lib/base/world.ts';
import { adoptKeys, firstState, firstStates } from './cluster/bootstrap.ts';
import { randomId } from './cluster/ids.ts';
import { BundledCluster } from './embedded/cluster.ts';
import { embeddedDefaults } from './embedded/defaults.ts';
import { BundledNode } from './embedded/node.ts';
import { ProcessCluster } from './embedded/process-cluster.ts';
import { busPortOffset } from './node/listeners.ts';
import { openNode, type ServerNode, type ServerNodeOptions } from './node/node.ts';

export { ManualWorld, RealWorld, type World } from '../lib/base/world.ts';
export { BundledCluster, type NodeReference, type Seed } from './embedded/cluster.ts';
export { BundledNode } from './embedded/node.ts';
export { ProcessCluster } from './embedded/process-cluster.ts';
export { ProcessNode } from './embedded/process-node.ts';
export { serverVersion } from './engine/version.ts';
export type { NodeAddress } from './operator/link/cluster-link.ts';
export type { ClusterHealth, HealthWord } from './operator/monitor/health.ts';
export type { ClusterMetrics, NodeMetrics, NodeStatus, OpenSlot, SlotMark } from './operator/monitor/metrics.ts';
export type { ClusterMonitor, SlotMetrics } from './operator/monitor/monitor.ts';
export { ClusterOperator, type OperatorOptions } from './operator/operator.ts';
export type { BalanceMove, BalancePlan } from './operator/rebalance/plan.ts';
export type { AutoBalance, BalanceRequest, BalanceResult, Balancer } from './operator/rebalance/rebalance.ts';
export type { BalanceCheck, BalanceStrategy } from './operator/rebalance/shares.ts';
export type { MoveEnd, MovePhase, MoveRecord, MoveStatus } from './operator/reshard/record.ts';
export type { MoveEngine, MoveEngineOptions, MoveOrder } from './operator/reshard/reshard.ts';
export type { MoveOptions, SlotMove } from './operator/reshard/slot-move.ts';

export interface NodeOptions {
  /** Address to listen on. Default `127.0.0.1`. */
  readonly host?: string;
  /** 0, the default: any free port. */
  readonly port?: number;
  /** Cluster mode: starts as a cluster of one, without slots; join it by CLUSTER MEET. Default false. */
  readonly cluster?: boolean;
  /** Clients must AUTH with it. Default none. */
  readonly password?: string;
  /**
   * How it talks to other nodes: `loopback`, with nodes of this process alone, or `tcp`, with any, redis-server 7.0
   * among them, on `port` + 10000. Replicas follow their masters over TCP either way. Default `loopback`.
   */
  readonly bus?: 'loopback' | 'tcp';
  /**
   * Parameters by their redis.conf names, over the defaults of redis 7.0, with a `repl-diskless-sync-delay` of 0 and
   * DEBUG for clients of this machine; `replicaof` makes it a replica, `user` defines ACL users, one a line.
   */
  readonly config?: Readonly<Record<string, string>>;
  /** Clock, chance and log. Default the real ones. */
  readonly world?: World;
}

export interface ClusterOptions {
  /** 1 or more; clients expect at least 3. Default 3. */
  readonly masters?: number;
  /** Replicas of each master. Default 1. */
  readonly replicas?: number;
  readonly host?: string;
  /** The first node's port, the others follow one by one; 0, the default: any free ports. */
  readonly port?: number;
  readonly password?: string;
  /** As of a single node. Default `loopback`. */
  readonly bus?: 'loopback' | 'tcp';
  /** Default: those of redis 7.0, with a `cluster-node-timeout` of 2000 ms and a `repl-diskless-sync-delay` of 0. */
  readonly config?: Readonly<Record<string, string>>;
  readonly world?: World;
}

const maxNodes = 1000;
const highestPort = 65_535;
const readyMs = 10_000;

/**
 * Starts one node. Resolves when it serves; rejects when the address cannot be bound or an option is wrong
 * (a RangeError that names it). Close it with `kill()`.
 */
export async function startNode(options: NodeOptions = {}): Promise<BundledNode> {
  const { world = new RealWorld(), cluster = false } = options;
  const nodeOptions = { ...commonOptions(options, world), port: checkPort(options.port ?? 0, 1), cluster };
  const node = await openNode(nodeOptions);
  try {
    const address = { host: '', ...node.ports };
    if (!cluster) node.start(undefined);
    else {
      const first = firstState(node.savedState(), randomId(world), address);
      node.start(adoptKeys(first, (slot) => node.store.countInSlot(slot)).state);
    }
  } catch (error) {
    await node.close();
    throw error;
  }
  return new BundledNode(nodeOptions, node);
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
  return options.processes === true ? startProcesses(options) : startInside(options);
}

async function startProcesses(options: ClusterOptions): Promise<ProcessCluster> {
  const masters = checkCount('masters', options.masters ?? 3, 1);
  const replicas = checkCount('replicas', options.replicas ?? 1, 0);
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

async function startInside(options: ClusterOptions): Promise<BundledCluster> {
  const { world = new RealWorld() } = options;
  const masters = checkCount('masters', options.masters ?? 3, 1);
  const replicas = checkCount('replicas', options.replicas ?? 1, 0);
  const count = masters * (1 + replicas);
  if ((options.config?.['dir'] ?? '') !== '') {
    throw new RangeError('config.dir: the nodes of a cluster cannot share it; give each startNode() its own');
  }
  if (count > maxNodes) throw new RangeError(`masters, replicas: ${count} nodes are more than ${maxNodes}`);
  const port = checkPort(options.port ?? 0, count);
  const config = { 'cluster-node-timeout': '2000', ...options.config };
  const common = { ...commonOptions({ ...options, config }, world), cluster: true };
  const settings = Array.from({ length: count }, (_, at) => ({ ...common, port: port === 0 ? 0 : port + at }));
  const servers = await openAll(settings);
  const states = firstStates(servers, masters, common.host, () => randomId(world));
  for (const [at, server] of servers.entries()) server.start(states[at]!, true);
  const nodes = servers.map((server, at) => new BundledNode(settings[at]!, server));
  const cluster = new BundledCluster(nodes, world, options.password ?? '');
  try {
    await untilReady(nodes, count - masters, world);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

function commonOptions(options: NodeOptions, world: World): Omit<ServerNodeOptions, 'port' | 'cluster'> {
  const password = options.password ?? '';
  const auth = password === '' ? {} : { requirepass: password, masterauth: password };
  const { bus = 'loopback', host = '127.0.0.1' } = options;
  return {
    world,
    host,
    bus,
    config: { 'repl-diskless-sync-delay': '0', ...embeddedDefaults, ...auth, ...options.config },
  };
}

function checkCount(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least && value <= maxNodes) return value;
  throw new RangeError(`${name}: ${value} is not an integer within ${least}..${maxNodes}`);
}

function checkPort(port: number, count: number): number {
  if (Number.isInteger(port) && port >= 0 && port + count - 1 <= highestPort - busPortOffset) return port;
  throw new RangeError(`port: ${port} is not an integer within 0..${highestPort - busPortOffset - count + 1}`);
}

/** Opens all or none. */
async function openAll(settings: readonly ServerNodeOptions[]): Promise<ServerNode[]> {
  const opened = await Promise.allSettled(settings.map(openNode));
  const servers = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = opened.find((result) => result.status === 'rejected');
  if (failed === undefined) return servers;
  await Promise.all(servers.map((server) => server.close()));
  throw failed.reason;
}

/** Every replica has its copy, and every node knows that it has. */
async function untilReady(nodes: readonly BundledNode[], replicas: number, world: World): Promise<void> {
  const end = world.now() + readyMs;
  const ready = (): boolean =>
    nodes.every(({ server, state }) => {
      const known = [...state!.nodes.values()].filter((node) => node.role === 'replica' && node.offset > 0);
      const linked = [...state!.nodes.keys()].every(
        (id) => id === state!.myself || server.member.links.view(id)?.connected,
      );
      return known.length === replicas && linked && (server.synced || !server.isReplica);
    });
  while (!ready()) {
    if (world.now() > end) throw new Error(`the cluster was not ready within ${readyMs} ms`);
    await new Promise<void>((resolve) => void world.after(1, resolve));
  }
}
