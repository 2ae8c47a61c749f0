// The options of nodes and clusters that a program starts: their checks, their defaults, and what each node is given.

import { RealWorld, type World } from '../../lib/base/world.ts';
import { busPortOffset } from '../node/listeners.ts';
import type { ServerNodeOptions } from '../node/node.ts';
import { embeddedDefaults } from './defaults.ts';

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

export interface InsideSettings {
  readonly masters: number;
  /** One for each node, masters first. */
  readonly settings: readonly ServerNodeOptions[];
  readonly world: World;
  readonly password: string;
}

/** What the nodes of a cluster in this process are given. Throws a RangeError that names the option that is wrong. */
export function insideSettings(options: ClusterOptions): InsideSettings {
  const { world = new RealWorld(), password = '' } = options;
  const { masters, replicas } = checkCounts(options);
  const count = masters * (1 + replicas);
  if ((options.config?.['dir'] ?? '') !== '') {
    throw new RangeError('config.dir: the nodes of a cluster cannot share it; give each startNode() its own');
  }
  if (count > maxNodes) throw new RangeError(`masters, replicas: ${count} nodes are more than ${maxNodes}`);
  const port = checkPort(options.port ?? 0, count);
  const config = { 'cluster-node-timeout': '2000', ...options.config };
  const common = { ...commonSettings({ ...options, config }, world), cluster: true };
  const settings = Array.from({ length: count }, (_, at) => ({ ...common, port: port === 0 ? 0 : port + at }));
  return { masters, settings, world, password };
}

/** What every node in this process is given. */
export function commonSettings(options: NodeOptions, world: World): Omit<ServerNodeOptions, 'port' | 'cluster'> {
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

/** Throws a RangeError that names the option that is wrong. */
export function checkCounts(options: ClusterOptions): { readonly masters: number; readonly replicas: number } {
  return {
    masters: checkCount('masters', options.masters ?? 3, 1),
    replicas: checkCount('replicas', options.replicas ?? 1, 0),
  };
}

function checkCount(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least && value <= maxNodes) return value;
  throw new RangeError(`${name}: ${value} is not an integer within ${least}..${maxNodes}`);
}

/** The first of `count` ports; 0: any. Throws a RangeError. */
export function checkPort(port: number, count: number): number {
  if (Number.isInteger(port) && port >= 0 && port + count - 1 <= highestPort - busPortOffset) return port;
  throw new RangeError(`port: ${port} is not an integer within 0..${highestPort - busPortOffset - count + 1}`);
}
