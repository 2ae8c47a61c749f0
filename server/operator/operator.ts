// Runs a cluster as its operator does: moves slots, keeps it balanced, watches it. Works by address on any cluster, of
// bundled nodes or of redis-server.
// Owns: the connections to the nodes, unless it was given a link, and the mover, the balancer and the monitor.
// Does not know: anything inside a node; it speaks RESP to all of them.
// Invariant: close() ends what it started and leaves a slot on its way open, so that another operator can go on.

import type { ConnectionOptions } from 'node:tls';
import { RealWorld, type World } from '../../lib/base/world.ts';
import { ClusterLink, type NodeAddress } from './link/cluster-link.ts';
import { ClusterMonitor } from './monitor/monitor.ts';
import { Balancer } from './rebalance/rebalance.ts';
import { FileJournal } from './reshard/journal.ts';
import { MoveEngine, type MoveEngineOptions } from './reshard/reshard.ts';

export interface OperatorOptions {
  /** Nodes to ask first; the others are learned from them. */
  readonly seeds: readonly NodeAddress[];
  readonly username?: string;
  readonly password?: string;
  /** File that keeps what is needed to take moves up again after a crash. Default: memory only. */
  readonly journal?: string;
  /** How slots are moved. */
  readonly moves?: MoveEngineOptions;
  /** Connect with TLS, as `node:tls` takes it (`ca`, `cert`, `key`, `rejectUnauthorized`). Default: without. */
  readonly tls?: ConnectionOptions;
  /** Where nodes are reached that call themselves otherwise: `{ '10.0.0.1:6379': { host, port } }`. */
  readonly natMap?: Readonly<Record<string, NodeAddress>>;
  /** Milliseconds that a node may take to answer. Default 5000. */
  readonly timeoutMs?: number;
  /** Clock, chance and log. Default the real ones. */
  readonly world?: World;
}

const optionNames: ReadonlySet<string> = new Set(
  'seeds username password tls natMap journal moves timeoutMs world'.split(' '),
);

/**
 * @example
 * await using operator = new ClusterOperator({ seeds: [{ host: '127.0.0.1', port: 7000 }], journal: 'moves.json' });
 * await operator.mover.recover();
 * const { moves } = await operator.balancer.balance({ strategy: 'weighted', weights: { [id]: 2 } });
 * console.log(operator.monitor.text(await operator.monitor.update()));
 */
export class ClusterOperator implements AsyncDisposable {
  readonly mover: MoveEngine;
  readonly balancer: Balancer;
  readonly monitor: ClusterMonitor;
  readonly #link: ClusterLink;
  readonly #shared: boolean;

  /** `shared`: a link to the nodes that somebody else closes. */
  constructor(options: OperatorOptions, shared?: ClusterLink) {
    const unknown = Object.keys(options).find((name) => !optionNames.has(name));
    if (unknown !== undefined) throw new TypeError(`${unknown}: unknown option of an operator`);
    const { world = new RealWorld(), seeds, username, password, tls, natMap, timeoutMs } = options;
    this.#shared = shared !== undefined;
    this.#link = shared ?? new ClusterLink({ seeds, world, username, password, tls, natMap, timeoutMs });
    const journal = options.journal === undefined ? undefined : new FileJournal(options.journal);
    this.mover = new MoveEngine(this.#link, options.moves, journal);
    this.monitor = new ClusterMonitor(this.#link);
    this.balancer = new Balancer(this.#link, this.mover, this.monitor);
  }

  /** Stops watching, balancing and moving; slots on their way stay open and can be taken up by another operator. */
  async close(): Promise<void> {
    this.monitor.stop();
    this.balancer.stopAuto();
    await this.mover.close();
    if (!this.#shared) this.#link.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
