// address -> connection: opens nodes, retires the ones that left the map, reports both.
// Knows no slots. Invariant: one connection for one address, whatever named it.

import { AbortError, SilentNodeError } from '../base/errors.ts';
import type { Timer, World } from '../base/world.ts';
import type { Call, RoutableRequest } from '../connection/call.ts';
import {
  ReconnectingConnection,
  type ReconnectingEvents,
  type ReconnectingOptions,
} from '../connection/reconnecting-connection.ts';
import type { SilenceLimits } from '../connection/watch.ts';
import { parseKey } from '../topology/seeds.ts';
import { BlockingConnectionPool } from './blocking-connections.ts';

export type NodeRole = 'master' | 'slave';

export interface PooledNode {
  readonly key: string;
  readonly connection: ReconnectingConnection;
  role: NodeRole;
  /** Made with the first blocking call. */
  blocking: BlockingConnectionPool | undefined;
  /** Named by the map, not only by a redirect or a seed. */
  inMap: boolean;
  /** As a replica it is asked to answer reads (READONLY): by an option, or because it is read from by itself. */
  reads: boolean;
  /** Users know of it: reported by `+node`, and not by `-node` since. Set by whoever emits these. */
  shown: boolean;
}

export interface PoolOptions {
  /** How to reach a node: everything of ReconnectingOptions but host and port. */
  readonly optionsFor: (key: string) => Omit<ReconnectingOptions, 'host' | 'port'>;
  /** Replicas are asked to answer reads. */
  readonly readFromReplicas: boolean;
  /** Makes the READONLY / READWRITE call when a node changes its role. */
  readonly roleCall: (argv: readonly string[]) => Call;
  /** When to wonder about a silent node, and when to give up what waits there. A `silence` of 0: never. */
  readonly limits: SilenceLimits;
  /** A node is silent; called at every look for as long as it is. */
  readonly onSilent: () => void;
  /** Most connections of one node for blocking calls. */
  readonly maxBlockingConnections: number;
  readonly onAdd: (node: PooledNode) => void;
  readonly onRemove: (node: PooledNode) => void;
}

/** Milliseconds after which an unused blocking connection is closed. */
const idleLaneLimit = 30_000;

export class NodePool {
  readonly #nodes = new Map<string, PooledNode>();
  readonly #options: PoolOptions;
  readonly #world: World;
  readonly #events: ReconnectingEvents;
  /** Left the map, and still owe answers: connections that calls share, and those of calls that block. */
  readonly #leaving = new Map<ReconnectingConnection, 'shared' | 'blocking'>();
  #watch: Timer | undefined;

  constructor(options: PoolOptions, world: World, events: ReconnectingEvents) {
    this.#options = options;
    this.#world = world;
    this.#events = events;
  }

  get(key: string): PooledNode | undefined {
    return this.#nodes.get(key);
  }

  all(): IterableIterator<PooledNode> {
    return this.#nodes.values();
  }

  /** Whether a node takes calls: not down, not silent, not being dialed again after a loss. */
  usable(key: string): boolean {
    const connection = this.#nodes.get(key)?.connection;
    if (connection === undefined) return true;
    if (connection.peer.doubtful) return false;
    if (connection.state === 'up') return true;
    return connection.lastError === undefined && (connection.state === 'idle' || connection.state === 'dialing');
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** The node at `key`, made (and not yet connected) when it is new. */
  open(key: string, role: NodeRole = 'master'): PooledNode {
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const { host, port } = parseKey(key);
    const reads = this.#options.readFromReplicas;
    const readOnly = role === 'slave' && reads;
    const connection = new ReconnectingConnection(
      key,
      // What is spread first is cloned; behind others it is copied name by name, for each of a thousand nodes.
      { ...this.#options.optionsFor(key), host, port, readOnly, inStep: true },
      this.#world,
      this.#events,
    );
    const node: PooledNode = { key, connection, role, blocking: undefined, inMap: false, reads, shown: false };
    this.#nodes.set(key, node);
    return node;
  }

  /** From now on the node answers reads whenever it is a replica: somebody talks to it by itself. */
  letRead(node: PooledNode): void {
    if (node.reads) return;
    node.reads = true;
    node.connection.setReadOnly(node.role === 'slave', this.#options.roleCall);
  }

  /** A further connection to a node, reached as the pool reaches it but none of its own. */
  connection(
    key: string,
    readOnly: boolean,
    events: ReconnectingEvents,
    options: Partial<ReconnectingOptions> = {},
  ): ReconnectingConnection {
    const { host, port } = parseKey(key);
    const all = { ...this.#options.optionsFor(key), host, port, readOnly, inStep: true, ...options };
    return new ReconnectingConnection(key, all, this.#world, events);
  }

  /** A connection of the node for one blocking call. */
  blockingConnection(key: string, request: RoutableRequest): ReconnectingConnection {
    const node = this.open(key);
    // Refuses, and the call can wait where it is not written.
    if (node.connection.peer.silent) return node.connection;
    // One named connection a node and client, as users count them by CLIENT LIST: the shared one, blocking ones have no name.
    if (node.connection.state === 'idle') node.connection.open();
    const readOnly = node.reads && node.role === 'slave';
    node.blocking ??= new BlockingConnectionPool(
      () => this.connection(key, readOnly, { onState: () => {} }, { connectionName: undefined }),
      this.#world,
      this.#options.maxBlockingConnections,
    );
    return node.blocking.pick(request);
  }

  /** Closes the connection that a blocking call has to itself; the server forgets the call with it. */
  release(call: Call): void {
    for (const node of this.#nodes.values()) node.blocking?.release(call);
  }

  /** Looks after open connections from now on: silent peers, idle blocking connections. */
  watch(): void {
    if (this.#watch !== undefined) return;
    const { silence } = this.#options.limits;
    const period = silence > 0 ? Math.max(10, Math.min(100, silence / 4)) : 1000;
    const look = (): void => {
      this.#watch = this.#world.after(period, look);
      for (const node of this.#nodes.values()) {
        if (silence > 0) this.#lookAt(node);
        node.blocking?.closeIdle(idleLaneLimit);
      }
      for (const connection of this.#leaving.keys()) this.#lookAtLeaving(connection);
    };
    this.#watch = this.#world.after(period, look);
  }

  #lookAt(node: PooledNode): void {
    const { connection, blocking } = node;
    const { limits } = this.#options;
    const trusted = !connection.peer.silent;
    // Calls that block may wait for long, and nothing else would show that their node has died.
    if (blocking !== undefined && blocking.load > 0 && connection.peer.idleFor >= limits.silence)
      this.#ping(connection);
    connection.peer.look(limits);
    if (!connection.peer.silent) return;
    // A replica's reads have another place to go.
    if (trusted && node.role === 'slave') connection.peer.giveUpReads();
    blocking?.closeUnopened();
    if (connection.peer.muteFor >= limits.deadline) blocking?.close(new SilentNodeError(node.key, limits.deadline));
    // Again and again: the first look around may come before the others know.
    this.#options.onSilent();
  }

  #lookAtLeaving(connection: ReconnectingConnection): void {
    if (!connection.draining) this.#leaving.delete(connection);
    else if (this.#options.limits.silence > 0) {
      connection.peer.look(this.#options.limits);
      if (connection.draining && connection.peer.holdsBack) this.#options.onSilent();
    }
  }

  #ping(connection: ReconnectingConnection): void {
    const call = this.#options.roleCall(['ping']);
    if (!connection.send(call)) call.fail(connection.lastError ?? new AbortError('Connection is closed.'));
  }

  /** A socket is behind: what is written to it now waits in memory. */
  get needsDrain(): boolean {
    for (const node of this.#nodes.values()) if (node.connection.needsDrain) return true;
    return false;
  }

  /** Calls sent or queued on the shared connections; blocking ones are not counted. */
  get load(): number {
    let load = 0;
    for (const node of this.#nodes.values()) load += node.connection.load;
    return load;
  }

  /** Calls that replaced connections and nodes that have left still owe answers for; blocking ones are not counted. */
  get owed(): number {
    let owed = 0;
    for (const node of this.#nodes.values()) owed += node.connection.peer.owed;
    for (const [connection, kind] of this.#leaving) if (kind === 'shared') owed += connection.peer.owed;
    return owed;
  }

  forEachCall(visit: (call: Call) => void): void {
    for (const node of this.#nodes.values()) {
      node.connection.forEachCall(visit);
      node.blocking?.forEachCall(visit);
    }
    for (const connection of this.#leaving.keys()) connection.forEachCall(visit);
  }

  /**
   * Makes the pool hold exactly the nodes of the map; what is left over is closed once its replies are in, or at once
   * where the cluster agrees that the node has failed: others own its slots, and its answers will not come.
   */
  reconcile(roles: ReadonlyMap<string, NodeRole>, failed: ReadonlySet<string>): void {
    const added: PooledNode[] = [];
    for (const [key, role] of roles) {
      const node = this.open(key, role);
      if (node.role !== role) {
        node.role = role;
        if (node.reads) node.connection.setReadOnly(role === 'slave', this.#options.roleCall);
      }
      if (!node.inMap) {
        node.inMap = true;
        added.push(node);
      }
    }
    for (const node of [...this.#nodes.values()]) if (!roles.has(node.key)) this.#remove(node, !failed.has(node.key));
    for (const connection of this.#leaving.keys()) {
      if (failed.has(connection.address))
        connection.peer.abandon(new AbortError('Node is disconnected', { node: connection.address }));
    }
    for (const node of added) this.#options.onAdd(node);
  }

  /** Lets go of a node whose connection has ended on its own. */
  forget(key: string): void {
    const node = this.#nodes.get(key);
    if (node?.connection.state === 'ended') this.#remove(node, false);
  }

  /**
   * Lets go of every node as its user's disconnect() does: what was written leaves and is answered. Gives what
   * resolves when the connections that owed answers are closed.
   */
  leaveAll(reason: Error): Promise<void>[] {
    this.#watch?.cancel();
    this.#watch = undefined;
    const leaving: Promise<void>[] = [];
    for (const node of [...this.#nodes.values()]) {
      this.#nodes.delete(node.key);
      leaving.push(...node.connection.leaveIfBusy(reason), ...(node.blocking?.leave(reason) ?? []));
      if (node.inMap) this.#options.onRemove(node);
    }
    for (const connection of this.#leaving.keys()) leaving.push(...connection.leaveRetired(reason));
    return leaving;
  }

  closeAll(reason: Error): void {
    this.#watch?.cancel();
    this.#watch = undefined;
    for (const node of [...this.#nodes.values()]) {
      this.#nodes.delete(node.key);
      node.connection.close(reason);
      node.blocking?.close(reason);
      if (node.inMap) this.#options.onRemove(node);
    }
    for (const connection of this.#leaving.keys()) connection.peer.abandon(reason);
    this.#leaving.clear();
  }

  #remove(node: PooledNode, gently: boolean): void {
    this.#nodes.delete(node.key);
    const reason = new AbortError('Node is disconnected', { node: node.key });
    this.#close(node.connection, 'shared', reason, gently);
    // The server itself sends away who blocks for a slot that it has lost.
    for (const sender of node.blocking?.takeAll() ?? []) this.#close(sender, 'blocking', reason, gently);
    if (node.inMap) this.#options.onRemove(node);
  }

  #close(connection: ReconnectingConnection, kind: 'shared' | 'blocking', reason: Error, gently: boolean): void {
    connection.close(reason, gently);
    if (connection.draining) this.#leaving.set(connection, kind);
  }
}
