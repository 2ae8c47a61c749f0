// One node as users and tests hold it: its address, its place in the cluster, and the hands that break it.
// Owns: the node, and what stands around it to break it (server/faults). Does not know: how a node works.
// Invariant: killing loses what the process held in memory, as a real kill does; id and last known view survive.

import { slotCount } from '../../lib/wire/slot.ts';
import type { Range } from '../cluster/slot-table.ts';
import { rangesOf } from '../cluster/slots.ts';
import { type ClusterState, me, myMaster } from '../cluster/state.ts';
import { Freezer } from '../faults/freezer.ts';
import { StaleView } from '../faults/stale-view.ts';
import { openNode, type ServerNode, type ServerNodeOptions } from '../node/node.ts';

/** What `startNode()` gives: one node in this process. */
export class BundledNode {
  readonly host: string;
  readonly port: number;
  readonly #options: ServerNodeOptions;
  readonly #freezer: Freezer;
  readonly #view: StaleView;
  #node: ServerNode;

  private constructor(options: ServerNodeOptions, freezer: Freezer, view: StaleView, node: ServerNode) {
    this.host = options.host;
    this.port = node.port;
    this.#options = options;
    this.#freezer = freezer;
    this.#view = view;
    this.#node = node;
  }

  /** Opens its ports; it answers LOADING until its server is started. Rejects when an address cannot be bound. */
  static async open(options: ServerNodeOptions): Promise<BundledNode> {
    const freezer = new Freezer(options.world);
    const view = new StaleView();
    const decorators = {
      bus: freezer.bus.bind(freezer),
      advertise: view.of,
      freezeFor: (ms: number, done: () => void) => freezeFor(freezer, options, ms, done),
      ...options.decorators,
    };
    const decorated = { ...options, world: freezer.world, decorators };
    return new BundledNode(decorated, freezer, view, await openNode(decorated));
  }

  /** 40 hex digits; `''` for a node that is not in cluster mode. */
  get id(): string {
    return this.state?.myself ?? '';
  }

  get role(): 'master' | 'replica' {
    if (this.state !== undefined) return me(this.state).role;
    return this.#node.isReplica ? 'replica' : 'master';
  }

  /** Id of the master it follows; null for a master. */
  get masterId(): string | null {
    return this.state === undefined ? null : me(this.state).master;
  }

  /** Ranges of slots that its shard owns, in its own view; inclusive, ascending. */
  get slots(): Range[] {
    return this.state === undefined ? [] : [...rangesOf(this.state, myMaster(this.state).id)];
  }

  get running(): boolean {
    return !this.#node.closed;
  }

  /** Whether it is paused. */
  get paused(): boolean {
    return this.#freezer.frozen;
  }

  /** Its view of the cluster, or the last one when it does not run; undefined outside cluster mode. Read only. */
  get state(): ClusterState | undefined {
    return this.#options.cluster ? this.#node.member.state : undefined;
  }

  /** The inside, for the other files of this folder. */
  get server(): ServerNode {
    return this.#node;
  }

  /** Stops at once, connections and data lost. Its port is free afterwards. */
  async kill(): Promise<void> {
    const closed = this.#node.close();
    this.#freezer.forget();
    await closed;
  }

  /** Kills if needed, then starts again at the same address with the same id, empty, with its last view. */
  async restart(): Promise<void> {
    await this.restartWith(this.state);
  }

  /** As restart(), with another view of the cluster; `up` as of the node's start(). */
  async restartWith(state: ClusterState | undefined, up = false): Promise<void> {
    await this.kill();
    this.#view.clear();
    const node = await openNode({ ...this.#options, port: this.port });
    node.start(state, up);
    this.#node = node;
  }

  /** Freezes: sockets stay open, requests and messages pile up, nothing is answered (as SIGSTOP does). */
  pause(): void {
    if (this.running) this.#freezer.freeze();
  }

  resume(): void {
    this.#freezer.thaw();
  }

  /**
   * Makes this node, and only it, answer its clients that `slot` belongs to `ownerId`: a node with a stale or lying
   * view. Null ends the lie; the other nodes never hear of it. Throws for an unknown id, a bad slot, or outside
   * cluster mode.
   */
  setSlotOwner(slot: number, ownerId: string | null): void {
    const { member } = this.#node;
    if (!Number.isInteger(slot) || slot < 0 || slot >= slotCount) throw new RangeError(`slot ${slot} does not exist`);
    if (ownerId !== null && !member.state.nodes.has(ownerId)) throw new RangeError(`no node ${ownerId} is known`);
    this.#view.setOwner(slot, ownerId ?? undefined);
  }

  /** Ends every lie of setSlotOwner(). */
  clearSlotOwners(): void {
    this.#view.clear();
  }
}

/** DEBUG SLEEP of a node in a program: that goes on, and the node does not. Gives what ends it early. */
function freezeFor(freezer: Freezer, { world }: ServerNodeOptions, ms: number, done: () => void): () => void {
  freezer.freeze();
  const timer = world.after(ms, () => {
    freezer.thaw();
    done();
  });
  return () => {
    timer.cancel();
    freezer.thaw();
  };
}
