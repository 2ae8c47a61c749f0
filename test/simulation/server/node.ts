// One node of a simulated cluster: a real member with the real rules on simulated time and network, whose data is
// nothing but an offset. What it saved survives its death, as its file has it.

import { parseNodesFile, printNodesFile } from '../../../server/cluster/nodes-conf.ts';
import { type ClusterState, me } from '../../../server/cluster/state.ts';
import { Freezer } from '../../../server/faults/freezer.ts';
import { ClusterMember } from '../../../server/membership/membership.ts';
import type { SimulatedNet } from './net.ts';

export class SimulatedNode {
  readonly cport: number;
  readonly nodeTimeout: number;
  readonly #net: SimulatedNet;
  readonly #others: readonly SimulatedNode[];
  member: ClusterMember;
  saved: ClusterState;
  alive = true;
  frozen = false;
  /** Writes taken: of a replica those that it copied. */
  offset = 1;
  /** Whose data it has a whole copy of. */
  copyOf: string | undefined;
  readonly #freezer: Freezer;

  constructor(net: SimulatedNet, others: readonly SimulatedNode[], state: ClusterState, nodeTimeout: number) {
    this.#net = net;
    this.#others = others;
    this.cport = me(state).cport;
    this.nodeTimeout = nodeTimeout;
    this.saved = state;
    this.copyOf = me(state).master ?? undefined;
    this.#freezer = new Freezer(net.time.world());
    this.member = this.#newMember(state, true);
    this.#start();
  }

  get state(): ClusterState {
    return this.member.state;
  }

  get isMaster(): boolean {
    return me(this.state).role === 'master';
  }

  #newMember(state: ClusterState, up: boolean): ClusterMember {
    const node = this;
    const data = {
      keysInSlot: () => 0,
      has: () => false,
      get offset() {
        return node.offset;
      },
      get masterLinked() {
        const { master } = me(node.state);
        return master !== null && node.copyOf === master && node.#reachable(master) !== undefined;
      },
      follow: () => undefined,
      promote: () => undefined,
      flush: () => undefined,
      dropKeys: () => undefined,
      pauseWrites: () => undefined,
      onPublish: () => undefined,
      onRoutesChanged: () => undefined,
      onSlotsLeft: () => undefined,
      save: (kept: ClusterState) => {
        node.saved = kept;
      },
    };
    const { nodeTimeout } = this;
    return new ClusterMember(
      this.#freezer.world,
      data,
      state,
      {
        nodeTimeout,
        requireFullCoverage: true,
        allowReadsWhenDown: false,
        allowPubSubShardWhenDown: true,
        allowReplicaMigration: true,
        dataAgeLimit: 11 * nodeTimeout + 10_000,
        endpointType: 'ip',
      },
      up,
    );
  }

  #start(): void {
    this.member.start(this.#freezer.bus(this.#net.open), '10.0.0.1');
  }

  #reachable(id: string): SimulatedNode | undefined {
    const other = this.#others.find((node) => node.state.myself === id);
    return other?.alive && this.#net.reaches(this.cport, other.cport) ? other : undefined;
  }

  /** Replication, as far as it matters here: to be called now and then. */
  replicate(): void {
    const { master } = me(this.state);
    if (!this.alive || this.frozen) return;
    if (master === null) {
      if (this.member.up) this.offset++;
      return;
    }
    const source = this.#reachable(master);
    if (source === undefined || source.frozen) return;
    this.offset = source.offset;
    this.copyOf = master;
  }

  kill(): void {
    this.alive = false;
    this.frozen = false;
    this.member.close();
    this.#freezer.forget();
  }

  restart(): void {
    this.alive = true;
    this.copyOf = undefined;
    this.member = this.#newMember(parseNodesFile(printNodesFile(this.saved)), false);
    this.#start();
  }

  freeze(frozen: boolean): void {
    this.frozen = frozen;
    if (frozen) this.#freezer.freeze();
    else this.#freezer.thaw();
  }
}
