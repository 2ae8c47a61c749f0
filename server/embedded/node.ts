// One node as users and tests hold it: its address, its place in the cluster, and the hands that break it.
// Invariant: killing loses what the process held in memory, as a real kill does; id and last known view survive.

import { slotCount } from '../../lib/wire/slot.ts';
import type { Range } from '../cluster/slot-table.ts';
import { rangesOf } from '../cluster/slots.ts';
import { type ClusterState, me, myMaster } from '../cluster/state.ts';
import { openNode, type ServerNode, type ServerNodeOptions } from '../node/node.ts';

/** What `startNode()` gives: one node in this process. */
export class BundledNode {
  readonly host: string;
  readonly port: number;
  readonly #options: ServerNodeOptions;
  #node: ServerNode;

  constructor(options: ServerNodeOptions, node: ServerNode) {
    this.host = options.host;
    this.port = node.port;
    this.#options = options;
    this.#node = node;
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
    await this.#node.close();
  }

  /** Kills if needed, then starts again at the same address with the same id, empty, with its last view. */
  async restart(): Promise<void> {
    await this.kill();
    const node = await openNode({ ...this.#options, port: this.port });
    node.start(this.state);
    this.#node = node;
  }

  /** Freezes: sockets stay open, requests and messages pile up, nothing is answered (as SIGSTOP does). */
  pause(): void {
    this.#node.freeze(true);
  }

  resume(): void {
    this.#node.freeze(false);
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
    member.overrideOwner(slot, ownerId ?? undefined);
  }
}
