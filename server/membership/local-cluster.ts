// The cluster as one node knows it, shared by everything in this room: the state, the settings, the clock, and the only
// place where the state is replaced.
// Owns: the state, and whether this node holds back writes for a manual failover.
// Does not know: links, messages and elections; whoever performs the effects of a step subscribes to it.
// Invariant: the new state is in place, and on the disk when it has to be, before any of its effects is performed.

import type { World } from '../../lib/base/world.ts';
import type { Delivery } from '../bus/bus.ts';
import type { EndpointType, GuardView } from '../cluster/guard.ts';
import { randomId } from '../cluster/ids.ts';
import { type Body, headerOf, type LocalStatus } from '../cluster/message.ts';
import { markTargets } from '../cluster/replica-migration.ts';
import { type ClusterNode, type ClusterState, me, newState, type Step, withNode } from '../cluster/state.ts';

/** The cluster-* settings of a node, in the terms of redis.conf, as they are now. */
export interface ClusterSettings {
  /** Milliseconds of silence until a peer is suspected. */
  readonly nodeTimeout: number;
  readonly requireFullCoverage: boolean;
  readonly allowReadsWhenDown: boolean;
  readonly allowPubSubShardWhenDown: boolean;
  readonly allowReplicaMigration: boolean;
  /** Working replicas that must stay with a master when another one goes. Default 1. */
  readonly migrationBarrier?: number;
  /** The most ms without word of its master after which a replica may still take its place; 0, the default: no limit. */
  readonly dataAgeLimit?: number;
  readonly endpointType: EndpointType;
  /** The nodes talk TLS. Default false. */
  readonly secure?: boolean;
}

/** The data of this node and its clients, as far as the cluster decides about them. */
export interface NodeData {
  keysInSlot(slot: number): number;
  has(key: string): boolean;
  /** Bytes of the replication stream, sent or applied. */
  readonly offset: number;
  /** Whether the replication link to the master is up. */
  readonly masterLinked: boolean;
  follow(master: ClusterNode): void;
  promote(): void;
  flush(): void;
  dropKeys(slots: readonly number[]): void;
  /** Holds back the writes of clients, until called with false. */
  pauseWrites(paused: boolean): void;
  /** A PUBLISH or SPUBLISH of a peer, for local subscribers. */
  onPublish(kind: 'publish' | 'publishshard', channel: string, message: string): void;
  /** After owners, roles or the cluster's health changed: blocked clients may have to be redirected. */
  onRoutesChanged(state: ClusterState, view: GuardView): void;
  /** Slots of this node's shard went to another owner, also to a node of the same shard. */
  onSlotsLeft(left: (slot: number) => boolean): void;
  /** The configuration changed and must be kept: on the disk when this returns. */
  save(state: ClusterState): void;
  /** What clients are shown of a state, one for each; the peers always get the real one. Default: all of it. */
  readonly advertise?: ((state: ClusterState) => ClusterState) | undefined;
}

type StepListener = (step: Step, before: ClusterState) => void;

export class LocalCluster {
  readonly world: World;
  readonly settings: ClusterSettings;
  readonly data: NodeData;
  /** Written by Failover: a master that lets its replica catch up. */
  paused = false;
  #state: ClusterState;
  /** Clients are not sent to a replica at offset 0, so the first byte after that is announced at once. */
  #leftOffsetZero = false;
  readonly #listeners: StepListener[] = [];

  constructor(world: World, settings: ClusterSettings, data: NodeData, state: ClusterState) {
    this.world = world;
    this.settings = settings;
    this.data = data;
    this.#state = markTargets(newState(state.myself, me(state)), state);
  }

  get state(): ClusterState {
    return this.#state;
  }

  /** `listener` is called after each step, with the state before it; it performs every effect but `save`. */
  onStep(listener: StepListener): void {
    this.#listeners.push(listener);
  }

  apply(step: Step): void {
    const before = this.#state;
    this.#state = markTargets(before, step.state);
    // One step is one change of the configuration, on disk before any other node learns of it.
    if (step.effects.some(({ kind }) => kind === 'save')) this.data.save(this.#state);
    for (const listener of this.#listeners) listener(step, before);
  }

  /** What the header of a message says beside the state. The offset moves with every write, so it is read here. */
  status(): LocalStatus {
    const { offset } = this.data;
    this.#leftOffsetZero ||= offset > 0 && me(this.#state).offset === 0;
    if (me(this.#state).offset !== offset) this.#state = withNode(this.#state, this.#state.myself, { offset });
    return { offset, paused: this.paused, force: false };
  }

  /** Whether the offset left 0 since this was last called. */
  takeLeftOffsetZero(): boolean {
    const left = this.#leftOffsetZero;
    this.#leftOffsetZero = false;
    return left;
  }

  /** Answers on the link that a message came in on. */
  answer(delivery: Delivery, body: Body): void {
    delivery.answer({ header: headerOf(this.#state, this.status()), body });
  }

  randomId(): string {
    return randomId(this.world);
  }
}
