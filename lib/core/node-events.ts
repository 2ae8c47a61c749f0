// What a cluster client makes of what happens to its nodes and their connections: which events its user sees, and which
// parts learn of it (near cache, map, retries).
// Owns: the times of connecting that the diagnostics channel reports. Does not know: calls, and how nodes are dialed.
// Invariant: the events of nodes, and what nodes() shows, are ioredis's.

import type { EventEmitter } from 'node:events';
import { emitSafely } from '../base/emit.ts';
import type {
  ReconnectingConnection,
  ReconnectingEvents,
  ReconnectingState,
} from '../connection/reconnecting-connection.ts';
import type { PooledNode } from '../router/node-pool.ts';
import type { ReadPolicy } from '../router/read-policy.ts';
import type { Refresher } from '../topology/refresher.ts';
import type { Push } from '../wire/reply.ts';
import type { ClusterCalls } from './cluster-calls.ts';
import type { SharedCore } from './cluster-client.ts';
import { ConnectTracer } from './diagnostics.ts';
import type { NodeClients } from './node-clients.ts';

/** The core of a client whose nodes these are. */
export interface NodeOwner extends SharedCore {
  readonly client: EventEmitter;
  readonly nodes: NodeClients<EventEmitter>;
  readonly calls: ClusterCalls;
  readonly refresher: Refresher;
  readonly reads: ReadPolicy | undefined;
}

export class NodeEvents implements ReconnectingEvents {
  readonly #core: NodeOwner;
  readonly #connects = new ConnectTracer();

  constructor(core: NodeOwner) {
    this.#core = core;
  }

  onState(connection: ReconnectingConnection, state: ReconnectingState, reason: Error | undefined): void {
    const { calls, nodes } = this.#core;
    nodes.onState(connection, state, reason);
    calls.cache?.nodeState(connection, state);
    this.#connects.onState(connection, state, reason);
    if (state === 'up') this.#onUp(connection);
    else if (state === 'ended') this.#onEnded(connection);
    else if (state === 'backoff') this.#onBackoff(connection, reason);
  }

  onReady(connection: ReconnectingConnection): void {
    this.#core.calls.nodeReady(connection);
  }

  onPush(connection: ReconnectingConnection, push: Push): void {
    this.#core.calls.cache?.receive(connection, push);
  }

  onSilence(connection: ReconnectingConnection, silent: boolean): void {
    const { calls, refresher, router } = this.#core;
    calls.cache?.silence(connection, silent);
    if (silent) refresher.suggest('outage');
    else router.retryNow();
  }

  onDrain(): void {
    const { client, pool } = this.#core;
    if (!pool.needsDrain) emitSafely(client, 'drain');
  }

  /** The map names a node that it did not name before. */
  onAdd(node: PooledNode): void {
    const { nodes, options } = this.#core;
    if (options.redisOptions?.lazyConnect === false) node.connection.open();
    nodes.show(node, true);
  }

  /** A node of the map has left the pool. */
  onRemove(node: PooledNode): void {
    const { nodes, reads, router } = this.#core;
    reads?.forget(node.key);
    router.latencies.forget(node.key);
    nodes.show(node, false);
  }

  #onUp({ address }: ReconnectingConnection): void {
    const { nodes, pool, refresher, router } = this.#core;
    const node = pool.get(address);
    if (node?.inMap) nodes.show(node, true);
    refresher.stirred();
    router.retryNow();
  }

  #onEnded({ address }: ReconnectingConnection): void {
    this.#core.pool.forget(address);
    this.#core.router.forgetConnections();
  }

  #onBackoff(connection: ReconnectingConnection, reason: Error | undefined): void {
    const { lifecycle, nodes, pool, refresher } = this.#core;
    if (reason !== undefined && lifecycle.status !== 'disconnecting') {
      if (this.#isNodeError(connection, reason)) this.#core.onNodeError(reason, connection.address);
      if (lifecycle.status === 'ready') refresher.suggest('outage');
    }
    if (!this.#forgetsLostNodes) return;
    const node = pool.get(connection.address);
    if (node?.connection === connection) nodes.show(node, false);
  }

  // As ioredis has it for a client that is ready: a server that closes a connection in good order makes no error, and a
  // node that has been taken back ('-node') makes none any more, however often it is dialed.
  #isNodeError(connection: ReconnectingConnection, reason: Error): boolean {
    const { lifecycle, pool } = this.#core;
    if (lifecycle.status !== 'ready') return true;
    const node = pool.get(connection.address);
    if (node?.inMap && !node.shown) return false;
    return reason.message !== 'Connection is closed.';
  }

  // ioredis gives up a node whose socket ended, unless clusterNodeRetryStrategy says otherwise. Here it is dialed all the
  // same, for calls to find it at once when it is back; the events and nodes() that users see are ioredis's.
  get #forgetsLostNodes(): boolean {
    return typeof this.#core.options.clusterNodeRetryStrategy !== 'function';
  }
}
