// Asks the nodes that reads may go to how they are, once a period and each: replicas for the state of their link to
// the master, any node for its zone, and with "nearest" everybody, so that a node without reads is measured as well.
// The answers, and how long they took, go to the policy.

import type { Timer, World } from '../base/world.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import { ReplyError } from '../wire/reply.ts';
import type { NodePool, PooledNode } from './node-pool.ts';
import type { ReadPolicy } from './read-policy.ts';

export interface ReadMonitorOptions {
  /** Milliseconds between rounds; 0 = none. */
  readonly period: number;
  /** One question to one node; rejects when it is not answered in time. */
  readonly ask: (connection: ReconnectingConnection, argv: readonly string[]) => Promise<unknown>;
  /** A replica of the map says that it is a master; `first`: it did not a round ago. */
  readonly onPromoted: (first: boolean) => void;
}

export class ReadMonitor {
  readonly #policy: ReadPolicy;
  readonly #pool: NodePool;
  readonly #world: World;
  readonly #options: ReadMonitorOptions;
  readonly #asking = new Set<string>();
  readonly #promoted = new Set<string>();
  #timer: Timer | undefined;
  #running = false;

  constructor(policy: ReadPolicy, pool: NodePool, world: World, options: ReadMonitorOptions) {
    this.#policy = policy;
    this.#pool = pool;
    this.#world = world;
    this.#options = options;
  }

  /** Begins, or looks at once. */
  start(): void {
    if (this.#options.period <= 0 || this.#policy.scaling === 'master') return;
    this.#running = true;
    this.#timer?.cancel();
    this.#round();
  }

  stop(): void {
    this.#running = false;
    this.#promoted.clear();
    this.#timer?.cancel();
  }

  #round(): void {
    for (const node of this.#pool.all()) if (node.inMap && !this.#asking.has(node.key)) this.#look(node);
    this.#timer = this.#world.after(this.#options.period, () => this.#round());
  }

  #look(node: PooledNode): void {
    const { connection, key } = node;
    const { scaling, zone } = this.#policy;
    const everybody = scaling === 'nearest' || zone !== undefined;
    if (node.role === 'master' && (!everybody || scaling === 'slave')) return;
    if (connection.state !== 'up') {
      // A node without a socket can be neither measured nor asked.
      if (connection.state === 'idle' && everybody) connection.open();
      return;
    }
    if (connection.peer.silent) return;
    this.#asking.add(key);
    const questions = [this.#ask(node, node.role === 'slave' ? ['info', 'replication'] : ['ping'])];
    if (zone !== undefined && this.#policy.zoneOf(key) === undefined) questions.push(this.#askZone(node));
    Promise.all(questions).then(
      () => this.#asking.delete(key),
      (error: unknown) => {
        this.#asking.delete(key);
        // A user who may not ask is no reason against the node.
        const forbidden = error instanceof ReplyError && error.code === 'NOPERM';
        if (this.#running && node.role === 'slave' && !forbidden) this.#policy.avoid(key);
      },
    );
  }

  async #ask(node: PooledNode, argv: readonly string[]): Promise<void> {
    const sent = this.#world.now();
    const answer = await this.#options.ask(node.connection, argv);
    this.#policy.measured(node.key, this.#world.now() - sent);
    const info = String(answer);
    // A node that has become a master meanwhile has no such line, and is not behind.
    this.#policy.reported(node.key, { behind: /^master_link_status:(?!up)/m.test(info) });
    // Reads alone would never show it: a promoted replica serves them as before.
    if (node.role === 'master' || !/^role:master/m.test(info)) this.#promoted.delete(node.key);
    else {
      this.#options.onPromoted(!this.#promoted.has(node.key));
      this.#promoted.add(node.key);
    }
  }

  async #askZone(node: PooledNode): Promise<void> {
    const info = await this.#options.ask(node.connection, ['info', 'server']);
    this.#policy.reported(node.key, { zone: /^availability_zone:(.*?)\r?$/m.exec(String(info))?.[1] ?? '' });
  }
}
