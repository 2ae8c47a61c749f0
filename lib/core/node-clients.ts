// The single-node clients that a cluster hands out (nodes(), events, scaleReads), one for each node, on the cluster's own
// connections. Owns them, their subscribers, and which nodes users have been shown.
// Made when somebody looks: a cluster has up to a thousand nodes, and most programs look at none.

import type { EventEmitter } from 'node:events';
import { emitSafely } from '../base/emit.ts';
import { AbortError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { ReconnectingConnection, ReconnectingState } from '../connection/reconnecting-connection.ts';
import { nodeOptionsOf } from '../options/defaults.ts';
import type { ClusterOptions, RedisOptions } from '../options/options.ts';
import { type Connect, NodeSubscriber } from '../pubsub/node-subscriber.ts';
import type { NodePool, PooledNode } from '../router/node-pool.ts';
import type { NodeBackend } from './client-backend.ts';
import { NodeCore } from './node-core.ts';

/** Makes the public client of a node; `backend` makes what it stands on, given the client. */
export type MakeNodeClient<Client extends EventEmitter> = (
  backend: (client: EventEmitter) => NodeBackend,
  options: RedisOptions,
) => Client;

interface Entry<Client> {
  readonly client: Client;
  readonly core: NodeCore;
  subscriber: NodeSubscriber | undefined;
}

export class NodeClients<Client extends EventEmitter> {
  readonly #cluster: EventEmitter;
  readonly #make: MakeNodeClient<Client>;
  readonly #options: ClusterOptions;
  readonly #pool: () => NodePool;
  readonly #world: World;
  readonly #entries = new Map<string, Entry<Client>>();

  constructor(
    cluster: EventEmitter,
    make: MakeNodeClient<Client>,
    options: ClusterOptions,
    pool: () => NodePool,
    world: World,
  ) {
    this.#cluster = cluster;
    this.#make = make;
    this.#options = options;
    this.#pool = pool;
    this.#world = world;
  }

  /** The client of a node: the same one for as long as the node is there. */
  of(node: PooledNode): Client {
    return this.#entry(node).client;
  }

  /** Those of the nodes that users have been shown. */
  *shown(): IterableIterator<{ readonly node: PooledNode; readonly client: Client }> {
    for (const node of this.#pool().all()) if (node.shown) yield { node, client: this.of(node) };
  }

  /** Emits `+node` or `-node` when that is news. */
  show(node: PooledNode, shown: boolean): void {
    if (node.shown === shown) return;
    node.shown = shown;
    if (!shown) this.#remove(node);
    else if (this.#cluster.listenerCount('+node') > 0) emitSafely(this.#cluster, '+node', this.of(node));
  }

  /** A connection of the pool has changed. */
  onState(connection: ReconnectingConnection, state: ReconnectingState, reason: Error | undefined): void {
    const entry = this.#entries.get(connection.address);
    if (entry?.core.connection === connection) entry.core.onState(state, reason);
  }

  #entry(node: PooledNode): Entry<Client> {
    const known = this.#entries.get(node.key);
    if (known !== undefined) return known;
    const options = nodeOptionsOf(this.#options, node);
    let core: NodeCore | undefined;
    let subscriber: NodeSubscriber | undefined;
    const client = this.#make((self) => {
      subscriber = this.#subscriberOf(node.key, self);
      core = new NodeCore(
        self,
        node.connection,
        { subscriber, letRead: () => this.#pool().letRead(node) },
        options,
        this.#world,
      );
      return core;
    }, options);
    const entry: Entry<Client> = { client, core: core!, subscriber };
    this.#entries.set(node.key, entry);
    return entry;
  }

  #subscriberOf(key: string, client: EventEmitter): NodeSubscriber {
    const connect: Connect = (events) => this.#pool().connection(key, false, events);
    return new NodeSubscriber(client, connect, this.#options.silenceTimeout ?? 1000, this.#world);
  }

  #remove(node: PooledNode): void {
    if (!this.#entries.has(node.key) && this.#cluster.listenerCount('-node') === 0) return;
    const { client, core, subscriber } = this.#entry(node);
    this.#entries.delete(node.key);
    subscriber?.stop(new AbortError('Node is disconnected', { node: node.key }));
    core.onEnd(() => emitSafely(this.#cluster, '-node', client, node.key));
  }
}
