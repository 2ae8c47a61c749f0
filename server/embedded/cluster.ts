// A whole cluster in this process: started together, closed together, slots moved and masters replaced on request.
// Owns: its nodes, and one link to them for moves and operators.
// Does not know: who owns a slot or who is master: the nodes are asked each time, nothing of it is kept here.
// Invariants: moves and failovers that were asked for here do not overlap; close() ends every node, also one that was
// restarted meanwhile.

import { nextTurn } from '../../lib/base/turns.ts';
import type { World } from '../../lib/base/world.ts';
import { ReplyError } from '../../lib/wire/reply.ts';
import { slotCount } from '../../lib/wire/slot.ts';
import { firstState } from '../cluster/bootstrap.ts';
import { randomId } from '../cluster/ids.ts';
import { type ClusterNode, type ClusterState, me } from '../cluster/state.ts';
import type { ServerNodeOptions } from '../node/node.ts';
import { ClusterLink, type MovingNode } from '../operator/link/cluster-link.ts';
import { ClusterOperator, type OperatorOptions } from '../operator/operator.ts';
import { type MoveOptions, SlotMove } from '../operator/reshard/slot-move.ts';
import { joinNode, leaveNode } from './joining.ts';
import { BundledNode } from './node.ts';
import { pumped } from './pump.ts';

/** A node by its place in `nodes`, its id or its handle. */
export type NodeReference = number | string | BundledNode;

export interface Seed {
  readonly host: string;
  readonly port: number;
}

export interface BundledClusterParts {
  readonly world: World;
  /** `''`: none. */
  readonly password: string;
  /** The view that each node began with. */
  readonly first: readonly ClusterState[];
  /** Of a further node. */
  readonly settings: () => Promise<ServerNodeOptions>;
}

/** A node that is to be added. */
export interface AddedNode {
  /** The master that it is to be a replica of. Default: a master without slots. */
  readonly replicaOf?: NodeReference;
}

const failoverMs = 10_000;
const agreementMs = 1000;
const pollMs = 2;

/**
 * What `startCluster()` gives: a cluster whose nodes run in this process, with its seeds for a client, its nodes to stop,
 * freeze and fail over, and slots to move.
 */
export class BundledCluster implements AsyncDisposable {
  /**
   * Masters first, then replicas, as they were started, then those that were added; roles may change, places do not
   * until a node is removed.
   */
  readonly nodes: readonly BundledNode[];
  readonly #nodes: BundledNode[];
  readonly #started: readonly BundledNode[];
  readonly #parts: BundledClusterParts;
  readonly #world: World;
  readonly #link: ClusterLink;
  // A master that steps down forgets its open slots and would strand the keys of a move: moves and failovers of this
  // handle wait for each other.
  #failover: Promise<void> = Promise.resolve();
  readonly #moves = new Set<Promise<number>>();

  constructor(nodes: readonly BundledNode[], parts: BundledClusterParts) {
    this.#started = nodes;
    this.#nodes = [...nodes];
    this.nodes = this.#nodes;
    this.#parts = parts;
    this.#world = parts.world;
    const seeds = nodes.map(({ host, port }) => ({ host, port }));
    this.#link = new ClusterLink({ seeds, world: parts.world, password: parts.password });
  }

  get ports(): number[] {
    return this.nodes.map((node) => node.port);
  }

  /** Addresses for a client's start-up nodes. */
  get seeds(): Seed[] {
    return this.nodes.map(({ host, port }) => ({ host, port }));
  }

  /** Throws a RangeError for a reference to nobody. */
  node(reference: NodeReference): BundledNode {
    if (typeof reference === 'object') return reference;
    const found = typeof reference === 'number' ? this.nodes[reference] : this.nodes.find(({ id }) => id === reference);
    if (found === undefined) throw new RangeError(`no node ${reference} in this cluster`);
    return found;
  }

  /** The master that serves `slot`, in the view of the newest configuration. Throws when nobody does. */
  ownerOf(slot: number): BundledNode {
    checkSlot(slot);
    for (const node of this.nodes) {
      const { state } = node;
      if (node.running && state !== undefined && state.owners.get(slot) === node.id && node.role === 'master')
        return node;
    }
    throw new Error(`no running node serves slot ${slot}`);
  }

  /**
   * Moves a slot with its keys to another master, as redis-cli would: clients see ASK, TRYAGAIN and MOVED on the way.
   * Resolves to the number of keys moved; at once, with 0, when the slot is there already.
   */
  async moveSlot(slot: number, to: NodeReference, options: MoveOptions = {}): Promise<number> {
    return pumped(this.#world, async () => {
      await this.#failover;
      const moving = this.#moveWhole(slot, to, options);
      this.#moves.add(moving);
      return moving.finally(() => this.#moves.delete(moving));
    });
  }

  async #moveWhole(slot: number, to: NodeReference, options: MoveOptions): Promise<number> {
    if (this.ownerOf(slot) === this.node(to)) return 0;
    const move = await this.beginMove(slot, to, options);
    return move.commit();
  }

  /** What moves slots and meets nodes speaks through: commands to one node in one write; errors are values. */
  get link(): ClusterLink {
    return this.#link;
  }

  /**
   * An operator of this cluster: many moves at once with progress, pause and rollback, balancing, monitoring. Close it
   * before the cluster; one `ClusterOperator` by address does the same for clusters elsewhere.
   */
  operator(options: Pick<OperatorOptions, 'journal' | 'moves'> = {}): ClusterOperator {
    return new ClusterOperator({ ...options, seeds: this.seeds, world: this.#world }, this.#link);
  }

  /** Opens a slot for moving and leaves it half-moved, until `commit()` or `rollback()`; `moveKeys(n)` moves some. */
  async beginMove(slot: number, to: NodeReference, options: MoveOptions = {}): Promise<SlotMove> {
    const source = this.ownerOf(slot);
    const target = this.node(to);
    if (source === target) throw new Error(`slot ${slot} is at ${target.host}:${target.port} already`);
    if (!target.running || target.role !== 'master') {
      throw new Error(`${target.host}:${target.port} is no running master: slot ${slot} cannot move there`);
    }
    const route = { slot, source: place(source), target: place(target) };
    const move = new SlotMove(route, this.#link, options);
    await move.begin();
    return move;
  }

  /**
   * Makes a replica master of its shard: the node itself when it is a replica, else its first running replica.
   * `mode` as in CLUSTER FAILOVER; `agreed` loses no write. Resolves to the new master once every running node
   * knows it; rejects after ten seconds, or when there is no replica.
   */
  async failover(reference: NodeReference, mode: 'agreed' | 'force' | 'takeover' = 'agreed'): Promise<BundledNode> {
    const before = this.#failover;
    const mine = pumped(this.#world, async () => {
      await before;
      await Promise.allSettled([...this.#moves]);
      return this.#failOver(reference, mode);
    });
    this.#failover = mine.then(
      () => undefined,
      () => undefined,
    );
    return mine;
  }

  async #failOver(reference: NodeReference, mode: 'agreed' | 'force' | 'takeover'): Promise<BundledNode> {
    const named = this.node(reference);
    const newPrimary = named.role === 'replica' ? named : this.#replicaOf(named);
    // A replica that has not heard yet where a slot of its master went would claim it, and the others would refuse their
    // votes. It is asked once only: it must know. A cluster that is in trouble is not waited for.
    if (mode === 'agreed') await this.settled(agreementMs).catch(() => undefined);
    const outcome = newPrimary.server.member.failover.start(mode);
    if (outcome instanceof ReplyError) throw new Error(outcome.message);
    newPrimary.server.member.apply(outcome);
    await this.#until(`the failover to ${newPrimary.host}:${newPrimary.port}`, failoverMs, () =>
      this.#isKnownMaster(newPrimary),
    );
    return newPrimary;
  }

  /** Resolves once every running node answers "cluster ok" and all agree on the slots, roles and addresses. */
  async settled(timeoutMs: number = failoverMs): Promise<void> {
    await pumped(this.#world, () => this.#until('an agreement of all nodes', timeoutMs, () => this.#agreed()));
  }

  /**
   * Starts another node and has it meet the others. Resolves when all know it and, as a replica, it has its copy.
   * Rejects with a RangeError when `replicaOf` is no node of this cluster.
   */
  async addNode({ replicaOf }: AddedNode = {}): Promise<BundledNode> {
    const master = replicaOf === undefined ? undefined : this.node(replicaOf);
    const { world, settings } = this.#parts;
    const node = await BundledNode.open(await settings());
    try {
      const { server } = node;
      server.start(firstState(undefined, randomId(world), { host: '', ...server.ports }));
      await pumped(world, () =>
        joinNode(this.#link, { running: this.#running(), node, cport: server.cport, master: master?.id }),
      );
      this.#nodes.push(node);
      await this.settled();
      await pumped(world, () =>
        this.#until('the copy of the new replica', failoverMs, () => !node.server.isReplica || node.server.synced),
      );
    } catch (error) {
      await node.kill();
      const at = this.#nodes.indexOf(node);
      if (at >= 0) this.#nodes.splice(at, 1);
      throw error;
    }
    return node;
  }

  /**
   * Takes a node out: its slots go to the other masters first, it is stopped and forgotten by all. Rejects when it is
   * the last master, or has replicas.
   */
  async removeNode(reference: NodeReference): Promise<void> {
    const node = this.node(reference);
    if (this.#running().some(({ masterId }) => masterId === node.id)) {
      throw new Error(`${node.host}:${node.port} has replicas: remove them, or fail over, first`);
    }
    const others = this.#running().filter((other) => other !== node);
    await pumped(this.#world, () => leaveNode(this.#link, { running: others, node, stop: () => node.kill() }));
    this.#nodes.splice(this.#nodes.indexOf(node), 1);
    await this.settled();
  }

  /** Whether nodes, roles or slots are others than at the start, or a node does not run. */
  get reshaped(): boolean {
    const { first } = this.#parts;
    if (this.#nodes.length !== this.#started.length) return true;
    return this.#started.some((node, at) => {
      const { state } = node;
      if (!node.running || node !== this.#nodes[at] || state === undefined) return true;
      const [was, is] = [me(first[at]!), me(state)];
      if (was.role !== is.role || was.master !== is.master) return true;
      if (state.migrating.size > 0 || state.importing.size > 0 || state.nodes.size !== first.length) return true;
      return state.owners !== first[at]!.owners && state.owners.firstDifference(first[at]!.owners) !== -1;
    });
  }

  /** Begins anew: the nodes of the start, at their addresses, with their ids, roles and slots, empty. */
  async rebuild(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.kill()));
    this.#nodes.splice(0, this.#nodes.length, ...this.#started);
    await pumped(this.#world, async () => {
      await Promise.all(this.#nodes.map((node, at) => node.restartWith(this.#parts.first[at], true)));
      await this.#until('a cluster as at the start', failoverMs, () => this.#agreed() && this.#copied());
    });
  }

  #copied(): boolean {
    return this.#nodes.every(({ server }) => !server.isReplica || server.synced);
  }

  /** Closes every node; nothing of the cluster is left. */
  async close(): Promise<void> {
    this.#link.close();
    await Promise.all(this.nodes.map((node) => node.kill()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #running(): BundledNode[] {
    return this.nodes.filter((node) => node.running);
  }

  #replicaOf(master: BundledNode): BundledNode {
    const replica = this.#running().find((node) => node.role === 'replica' && node.masterId === master.id);
    if (replica === undefined) throw new Error(`${master.host}:${master.port} has no running replica`);
    return replica;
  }

  #isKnownMaster(newPrimary: BundledNode): boolean {
    return this.#running().every(({ state }) => {
      const node = state?.nodes.get(newPrimary.id);
      return node?.role === 'master' && state?.owners.counts.has(newPrimary.id);
    });
  }

  #agreed(): boolean {
    const running = this.#running();
    const first = running[0]?.state;
    return running.every(
      ({ server, state }) =>
        server.member.up &&
        first !== undefined &&
        state?.owners.firstDifference(first.owners) === -1 &&
        running.every((node) => {
          const seen = state.nodes.get(node.id);
          return seen === undefined || isAsItSays(seen, node);
        }),
    );
  }

  async #until(what: string, timeoutMs: number, holds: () => boolean): Promise<void> {
    const end = this.#world.now() + timeoutMs;
    while (!holds()) {
      if (this.#world.now() > end) throw new Error(`${what} did not come about within ${timeoutMs} ms`);
      await new Promise<void>((resolve) => void this.#world.after(pollMs, resolve));
      await nextTurn();
    }
  }
}

/** Whether another node knows the role of `node`, and its address where it announces one. */
function isAsItSays(seen: ClusterNode, { state, role, masterId }: BundledNode): boolean {
  const { host, port } = me(state!);
  const isThere = host === '' || (seen.host === host && seen.port === port);
  return isThere && seen.role === role && seen.master === masterId;
}

function place(node: BundledNode): MovingNode {
  const address = me(node.state!);
  return { id: node.id, host: address.host === '' ? node.host : address.host, port: address.port };
}

function checkSlot(slot: number): void {
  if (!Number.isInteger(slot) || slot < 0 || slot >= slotCount) {
    throw new RangeError(`slot ${slot} is not an integer within 0..${slotCount - 1}`);
  }
}
