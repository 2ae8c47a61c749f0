// Which nodes a topology fetch asks, and how: the nodes at hand before the seeds, CLUSTER SLOTS and CLUSTER NODES over the pool's own
// sockets, each question under a deadline. What the answers mean is topology's business. A server that refuses CLUSTER
// SLOTS (an ACL) is asked CLUSTER SHARDS, and its CLUSTER NODES will do as well.

import { AbortError, RedisError } from '../base/errors.ts';
import { withHint } from '../base/hint.ts';
import type { World } from '../base/world.ts';
import { CallFlag, ownCall } from '../connection/call.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import type { AddressGuard } from '../topology/allow.ts';
import type { TopologySource } from '../topology/fetch-topology.ts';
import type { NatMap, Seed } from '../topology/seeds.ts';
import { viewOfLines, viewOfNodes, viewOfShards, viewOfSlots } from '../topology/view.ts';
import type { View } from '../topology/vote.ts';
import { type NodeLine, parseNodes } from '../wire/cluster-nodes.ts';
import { LeftOut } from '../wire/left-out.ts';
import { ReplyError } from '../wire/reply.ts';
import type { NodePool, PooledNode } from './node-pool.ts';

export interface TopologySourcesOptions {
  readonly seeds: () => readonly Seed[];
  /** Nodes to be asked after all others. */
  readonly last: (key: string) => boolean;
  readonly natMap: NatMap | undefined;
  readonly guard: AddressGuard | undefined;
  /** Milliseconds for one answer. */
  readonly timeout: number;
  /** The client is closed or closing: a fetch may outlive it, and must not open nodes again. */
  readonly isOver: () => boolean;
  /** Connections are TLS. */
  readonly tls: () => boolean;
  /** A node has been asked for its map: what else it is asked now leaves in the same write. */
  readonly onAsked: (connection: ReconnectingConnection) => void;
  /** A reply had unusable entries, which were left out. */
  readonly onLeftOut: (leftOut: LeftOut) => void;
  /** A node that can be reached did not give its map: it refused, or did not answer in time. */
  readonly onRefused: (error: Error, key: string) => void;
}

export class TopologySources {
  readonly #pool: NodePool;
  readonly #world: World;
  readonly #options: TopologySourcesOptions;

  constructor(pool: NodePool, world: World, options: TopologySourcesOptions) {
    this.#pool = pool;
    this.#world = world;
    this.#options = options;
  }

  // Open sockets first, masters before replicas, in random order; then the seeds, so a cluster that moved away
  // altogether is found again.
  targets(): TopologySource[] {
    const weight = (node: PooledNode): number => (node.role === 'master' ? 0 : 1) + this.#world.random();
    const up = [...this.#pool.all()].filter(({ connection }) => connection.state === 'up' && !connection.peer.silent);
    const ranked = up.map((node) => ({ node, weight: weight(node) })).sort((one, other) => one.weight - other.weight);
    const keys = new Set(ranked.map(({ node }) => node.key));
    for (const seed of this.#options.seeds()) keys.add(seed.key);
    for (const node of this.#pool.all()) keys.add(node.key);
    const atHand = new Set(up.map(({ key }) => key));
    const { last } = this.#options;
    const inOrder = [...keys].filter((key) => !last(key)).concat([...keys].filter(last));
    return inOrder.map((key) => ({
      address: key,
      atHand: atHand.has(key),
      askMap: () => this.#askView(key),
      askEpochs: () => this.#askEpochs(key),
    }));
  }

  /** One question to one node; rejects with its refusal, its loss, or "timeout". */
  ask(connection: ReconnectingConnection, argv: readonly string[]): Promise<unknown> {
    const { call, answer } = ownCall(argv, 'utf8', CallFlag.early);
    const timer = this.#world.after(this.#options.timeout, () => call.fail(this.#lateError(connection)), true);
    if (!connection.send(call)) call.fail(connection.lastError ?? whyNot(connection));
    return answer.finally(() => timer.cancel());
  }

  #lateError(connection: ReconnectingConnection): RedisError {
    const { timeout, tls } = this.#options;
    const limit = `within slotsRefreshTimeout (${timeout} ms)`;
    const error = new RedisError('timeout', { code: 'ETIMEDOUT', node: connection.address });
    if (connection.state !== 'dialing') return withHint(error, `it is connected, and has not answered ${limit}`);
    return withHint(
      error,
      tls()
        ? `no TLS connection ${limit}: is the port a plain one? Then leave redisOptions.tls out`
        : `no connection ${limit}: is there a firewall between, or is TLS wanted (redisOptions.tls)?`,
    );
  }

  // Both questions leave in one write. A server that refuses CLUSTER NODES still gives a map, without epochs.
  async #askView(key: string): Promise<View> {
    const connection = this.#open(key);
    if (connection.state === 'backoff') connection.open();
    const leftOut = new LeftOut();
    const slots = this.ask(connection, ['cluster', 'SLOTS']);
    const nodes = this.ask(connection, ['cluster', 'nodes'])
      .then((reply) => parseNodes(reply, leftOut))
      .catch(() => []);
    this.#options.onAsked(connection);
    try {
      return viewOfSlots(await slots, await nodes, key, this.#options, leftOut);
    } catch (error) {
      if (!(error instanceof ReplyError) || !isRefusal(error)) throw this.#described(error, connection);
      return await this.#askOtherwise(connection, await nodes, error, leftOut);
    } finally {
      if (leftOut.count > 0) this.#options.onLeftOut(leftOut);
    }
  }

  // CLUSTER SHARDS names nodes as clients shall reach them, CLUSTER NODES as they reach each other.
  async #askOtherwise(
    connection: ReconnectingConnection,
    nodes: readonly NodeLine[],
    refusal: ReplyError,
    leftOut: LeftOut,
  ): Promise<View> {
    try {
      const reply = await this.ask(connection, ['cluster', 'shards']);
      return viewOfShards(reply, nodes, connection.address, this.#options, this.#options.tls(), leftOut);
    } catch {
      const view = viewOfLines(nodes, connection.address, this.#options, leftOut);
      if (view.shards.length > 0) return view;
      throw this.#described(refusal, connection);
    }
  }

  // The loss of a connection is reported by its own event.
  #described(error: unknown, connection: ReconnectingConnection): unknown {
    const refused = error instanceof ReplyError || (error as { code?: unknown }).code === 'ETIMEDOUT';
    const reached = connection.state === 'up' || connection.state === 'dialing';
    if (refused && reached) this.#options.onRefused(error as Error, connection.address);
    return error;
  }

  async #askEpochs(key: string): Promise<View> {
    return viewOfNodes(await this.ask(this.#open(key), ['cluster', 'nodes']), key, this.#options);
  }

  #open(key: string): ReconnectingConnection {
    if (this.#options.isOver()) throw new AbortError('Connection is closed.', { code: 'ERR_CLOSED' });
    return this.#pool.open(key).connection;
  }
}

/** This user may not ask that, or this server does not know the question. */
function isRefusal(error: ReplyError): boolean {
  return error.code === 'NOPERM' || /unknown (sub)?command/i.test(error.message);
}

// A node that has been dialed for long takes no calls either.
function whyNot(connection: ReconnectingConnection): RedisError {
  const detail = { node: connection.address };
  if (connection.state === 'dialing') return new RedisError('timeout', { ...detail, code: 'ETIMEDOUT' });
  return new AbortError('Connection is closed.', detail);
}
