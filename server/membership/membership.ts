// One node's membership in a cluster: holds the state, replaces it in one place, performs the effects in order.
// Owns: the cluster state of this node, its peers, failure detector and failover.
// Does not know: keys, clients and sockets; what a change means for them (flush, follow, pause) is done by its host.
// Invariant: the new state is in place before any of its effects is performed, so no effect works with an older state.

import type { World } from '../../lib/base/world.ts';
import type { Bus, OpenBus } from '../bus/bus.ts';
import type { EndpointType, GuardView } from '../cluster/guard.ts';
import { Health } from '../cluster/health.ts';
import { randomId } from '../cluster/ids.ts';
import { headerOf } from '../cluster/message.ts';
import { markTargets, ReplicaMigration } from '../cluster/replica-migration.ts';
import {
  type ClusterNode,
  type ClusterState,
  type Effect,
  me,
  myMaster,
  newState,
  type Outcome,
  type Step,
  withNode,
} from '../cluster/state.ts';
import type { BusStats, PeerView } from '../cluster/text.ts';
import { Failover, type FailoverMode } from './failover.ts';
import type { OpenLink } from './peer-table.ts';
import { Peers } from './peers.ts';
import { Throttle } from './rate-limit.ts';

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

export interface MemberHost {
  readonly world: World;
  keysInSlot(slot: number): number;
  has(key: string): boolean;
  /** Bytes of the replication stream, sent or applied. */
  readonly offset: number;
  readonly masterLinked: boolean;
  follow(master: ClusterNode): void;
  promote(): void;
  flush(): void;
  dropKeys(slots: readonly number[]): void;
  pauseWrites(paused: boolean): void;
  onPublish(kind: 'publish' | 'publishshard', channel: string, message: string): void;
  /** After owners, roles or the cluster's health changed: clients that wait for keys may have to be sent away. */
  onRoutesChanged(): void;
  /** Slots of this node's shard went to another owner, also to a node of the same shard. */
  onSlotsLeft?(left: (slot: number) => boolean): void;
  /** The configuration changed and must be kept. */
  save(): void;
  /** What clients are told of a state, one for each; the peers always hear the truth. Default: all of it. */
  readonly advertise?: ((state: ClusterState) => ClusterState) | undefined;
}

/**
 * A tool that moves slots changes owners by the hundred a second, and who looks right after its last step must find all
 * nodes agreed: announcements are as frequent as this many peers can be sent one in a millisecond.
 */
const peersPerMs = 10;
/** Longer than the new master's own announcement takes to arrive everywhere. */
const stepDownMs = 200;

export class ClusterMember {
  readonly settings: ClusterSettings;
  readonly #host: MemberHost;
  readonly #peers: Peers;
  readonly #announcing: Throttle;
  readonly #failover: Failover;
  #state: ClusterState;
  readonly #health: Health;
  readonly #migration = new ReplicaMigration();
  #view: GuardView | undefined;
  #reviewing = false;
  #routesMoved = false;
  #healthInDoubt = false;
  #closed = false;
  /** Clients are not sent to a replica at offset 0, so the first step away from it is worth telling at once. */
  #offsetIsNews = false;
  readonly #has: (key: string) => boolean;
  readonly #advertise: MemberHost['advertise'];

  /**
   * `up`: the cluster is known to be well, as when all of its nodes start together; else a node finds out first, and a
   * master waits as one that may have been replaced.
   */
  constructor(host: MemberHost, state: ClusterState, settings: ClusterSettings, up = false) {
    this.#host = host;
    this.#has = (key) => host.has(key);
    this.#advertise = host.advertise;
    this.#state = markTargets(newState(state.myself, me(state)), state);
    this.settings = settings;
    this.#health = new Health(up);
    const member = this;
    this.#failover = new Failover({
      world: host.world,
      get state() {
        return member.#state;
      },
      get nodeTimeout() {
        return settings.nodeTimeout;
      },
      get offset() {
        return host.offset;
      },
      get masterLinked() {
        return host.masterLinked;
      },
      get dataAgeLimit() {
        return settings.dataAgeLimit ?? 0;
      },
      apply: (step) => this.apply(step),
      send: (id, body) => this.#peers.send(id, body),
      broadcast: (body, force) => this.#peers.broadcast(body, force),
      announceTo: (ids) => this.#peers.announceTo(ids),
      ping: (id) => this.#peers.ping(id),
      pauseWrites: (paused) => host.pauseWrites(paused),
      answerPaused: (delivery) => {
        const header = headerOf(this.#state, this.#status());
        delivery.answer({ header, body: { kind: 'ping', gossip: [] } });
      },
    });
    this.#peers = new Peers({
      world: host.world,
      get state() {
        return member.#state;
      },
      get nodeTimeout() {
        return settings.nodeTimeout;
      },
      claimFacts: {
        keysInSlot: (slot) => host.keysInSlot(slot),
        get allowReplicaMigration() {
          return settings.allowReplicaMigration;
        },
      },
      apply: (step) => this.apply(step),
      status: () => this.#status(),
      randomId: () => this.randomId(),
      onPublish: (kind, channel, message) => host.onPublish(kind, channel, message),
      onCampaign: (delivery) => this.#failover.onMessage(delivery),
      onTick: () => this.#tick(),
    });
    this.#announcing = new Throttle(
      host.world,
      () => Math.max(1, this.#state.nodes.size / peersPerMs),
      () => this.#peers.announce(),
    );
  }

  get state(): ClusterState {
    return this.#state;
  }

  /** What clients are told. */
  get advertisedState(): ClusterState {
    return this.#advertise === undefined ? this.#state : this.#advertise(this.#state);
  }

  get up(): boolean {
    return this.#health.up;
  }

  get endpointType(): EndpointType {
    return this.settings.endpointType;
  }

  get secure(): boolean {
    return this.settings.secure ?? false;
  }

  get allowReplicaMigration(): boolean {
    return this.settings.allowReplicaMigration;
  }

  get stats(): BusStats {
    return this.#peers.stats;
  }

  /** Opens the bus at this node's address, `listenHost` standing in while it does not know its own. */
  start(openBus: OpenBus, listenHost: string): Bus {
    const { cport } = me(this.#state);
    const bus = openBus({ host: listenHost, cport }, (delivery) => this.#peers.receive(delivery));
    this.#peers.start(bus);
    const { master } = me(this.#state);
    if (master !== null) this.#perform({ kind: 'follow', master });
    return bus;
  }

  close(): void {
    this.#closed = true;
    this.#announcing.close();
    this.#failover.close();
    this.#peers.close();
  }

  apply(step: Step): void {
    const before = this.#state;
    this.#state = markTargets(before, step.state);
    // One step is one change of the configuration, on disk before anybody hears of it.
    if (step.effects.some(({ kind }) => kind === 'save')) this.#host.save();
    for (const effect of step.effects) if (effect.kind !== 'save') this.#perform(effect);
    if (before !== this.#state) this.#review(before);
  }

  peer(id: string): PeerView | undefined {
    return this.#peers.view(id);
  }

  links(id: string): OpenLink[] {
    return this.#peers.links(id);
  }

  reporters(id: string): number {
    return this.#peers.reporters(id);
  }

  failover(mode: FailoverMode): Outcome {
    return this.#failover.start(mode);
  }

  publish(kind: 'publish' | 'publishshard', channel: string, message: string): void {
    if (kind === 'publish') this.#peers.broadcast({ kind, channel, message });
    else this.#peers.broadcastToShard({ kind, channel, message });
  }

  randomId(): string {
    return randomId(this.#host.world);
  }

  /** Closes the link to a node; it is opened anew. */
  killLink(id: string): void {
    this.#peers.unlink(id);
  }

  /** What the guard judges by; made anew only when the state or the cluster's health changes. */
  get guardView(): GuardView {
    const state = this.advertisedState;
    if (this.#view?.state === state && this.#view.up === this.up) return this.#view;
    const { settings } = this;
    this.#view = {
      state,
      up: this.up,
      get allowReadsWhenDown() {
        return settings.allowReadsWhenDown;
      },
      get allowPubSubShardWhenDown() {
        return settings.allowPubSubShardWhenDown;
      },
      get endpointType() {
        return settings.endpointType;
      },
      has: this.#has,
    };
    return this.#view;
  }

  /** Offsets move with every write, so they are read when they are told, not kept in step. */
  #status(): { offset: number; paused: boolean; force: boolean } {
    const { offset } = this.#host;
    this.#offsetIsNews ||= offset > 0 && me(this.#state).offset === 0;
    if (me(this.#state).offset !== offset) this.#state = withNode(this.#state, this.#state.myself, { offset });
    return { offset, paused: this.#failover.paused, force: false };
  }

  #tick(): void {
    this.#status();
    this.#failover.tick();
    if (this.up && this.settings.allowReplicaMigration) {
      const step = this.#migration.step(this.#state, this.#host.world.now(), this.settings.migrationBarrier ?? 1);
      if (step.effects.length > 0) this.apply(step);
    }
    this.refresh();
  }

  /** Takes notice of settings or offsets that changed, and of time that passed. */
  refresh(): void {
    this.#status();
    this.#failover.noticeMaster();
    if (this.#offsetIsNews) {
      this.#offsetIsNews = false;
      if (me(this.#state).role === 'replica') this.#peers.announce();
    }
    if (this.#reviewHealth()) this.#host.onRoutesChanged();
  }

  #reviewHealth(): boolean {
    const { nodeTimeout, requireFullCoverage } = this.settings;
    return this.#health.review(this.#state, { now: this.#host.world.now(), nodeTimeout, requireFullCoverage });
  }

  #review(before: ClusterState): void {
    const was = me(before);
    const is = me(this.#state);
    if (before.owners !== this.#state.owners) this.#host.onSlotsLeft?.(leftOf(before, this.#state));
    if (was.role !== is.role) this.#failover.tick();
    this.#routesMoved ||= before.owners !== this.#state.owners || was.role !== is.role;
    this.#healthInDoubt ||= mayDiffer(before, this.#state);
    if (this.#reviewing) return;
    this.#reviewing = true;
    // After the whole transaction: a slot that is nobody's between two of its commands takes no cluster down.
    queueMicrotask(() => {
      this.#reviewing = false;
      const moved = this.#routesMoved;
      this.#routesMoved = false;
      const inDoubt = this.#healthInDoubt;
      this.#healthInDoubt = false;
      if (!this.#closed && ((inDoubt && this.#reviewHealth()) || moved)) this.#host.onRoutesChanged();
    });
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'save':
        break;
      case 'rename':
        this.#peers.rename(effect.from, effect.to);
        break;
      case 'announceLater':
        this.#host.world.after(stepDownMs, () => this.#closed || this.#announcing.trigger());
        break;
      case 'announce':
        this.#announcing.trigger();
        break;
      case 'meet':
        this.#peers.meet(effect.host, effect.port, effect.cport);
        break;
      case 'unlink':
        this.#peers.unlink(effect.id);
        break;
      case 'correct':
        this.#peers.correct(effect.to, effect.about);
        break;
      case 'promote':
        this.#host.promote();
        break;
      case 'flush':
        this.#host.flush();
        break;
      case 'dropKeys':
        this.#host.dropKeys(effect.slots);
        break;
      case 'follow':
        this.#host.follow(this.#state.nodes.get(effect.master)!);
    }
  }
}

function leftOf(before: ClusterState, after: ClusterState): (slot: number) => boolean {
  const { id } = myMaster(before);
  return (slot) => before.owners.get(slot) === id && after.owners.get(slot) !== id;
}

/** Slots that go from one master to another, both with slots before and after, make no cluster better or worse. */
function mayDiffer(before: ClusterState, after: ClusterState): boolean {
  if (before.nodes !== after.nodes) return true;
  const [was, is] = [before.owners, after.owners];
  return was !== is && (was.size !== is.size || was.counts.size !== is.counts.size);
}
