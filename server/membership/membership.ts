// One node's membership in a cluster: puts its parts together, performs the effects of each step in order, and keeps
// the health of the cluster and what clients are shown of it.
// Owns: peers, links, failure detector and failover, over one LocalCluster.
// Does not know: keys, clients and sockets; what a change means for them (flush, follow, pause) is NodeData's.
// Invariant: the new state is in place before any of its effects is performed, so no effect works with an older state.

import { queueMicrotask } from '../../lib/base/turns.ts';
import type { World } from '../../lib/base/world.ts';
import type { ReplyError } from '../../lib/wire/reply.ts';
import type { Bus, OpenBus } from '../bus/bus.ts';
import { type GuardRequest, type GuardView, guard } from '../cluster/guard.ts';
import { Health } from '../cluster/health.ts';
import { ReplicaMigration } from '../cluster/replica-migration.ts';
import { type ClusterState, type Effect, me, myMaster, type Step } from '../cluster/state.ts';
import type { ClusterPort } from '../engine/ports.ts';
import { Failover } from './failover.ts';
import { FailureDetector } from './failure-detector.ts';
import { type ClusterSettings, LocalCluster, type NodeData } from './local-cluster.ts';
import { PeerLinks } from './peer-links.ts';
import { Peers } from './peers.ts';
import { Throttle } from './rate-limit.ts';

/**
 * A tool that moves slots changes owners by the hundred a second, and who looks right after its last step must find all
 * nodes agreed: announcements are as frequent as this many peers can be sent one in a millisecond.
 */
const peersPerMs = 10;
/** Longer than the new master's own announcement takes to arrive everywhere. */
const stepDownMs = 200;

export class ClusterMember implements ClusterPort {
  /** State, settings and clock, shared with everything below. */
  readonly cluster: LocalCluster;
  readonly links: PeerLinks;
  readonly failures: FailureDetector;
  readonly failover: Failover;
  readonly #peers: Peers;
  readonly #announcing: Throttle;
  readonly #health: Health;
  readonly #migration = new ReplicaMigration();
  #view: GuardView | undefined;
  #reviewing = false;
  #routesMoved = false;
  #healthInDoubt = false;
  #closed = false;

  /**
   * `up`: the cluster is known to be well, as when all of its nodes start together; else a node finds out first, and a
   * master waits as one that may have been replaced.
   */
  constructor(world: World, data: NodeData, state: ClusterState, settings: ClusterSettings, up = false) {
    this.cluster = new LocalCluster(world, settings, data, state);
    this.links = new PeerLinks(this.cluster);
    this.failures = new FailureDetector(this.cluster, this.links);
    this.failover = new Failover(this.cluster, this.links);
    this.#peers = new Peers(this.cluster, this.links, this.failures, this.failover);
    this.#health = new Health(up);
    this.#announcing = new Throttle(
      world,
      () => Math.max(1, this.state.nodes.size / peersPerMs),
      () => this.links.announce(),
    );
    this.cluster.onStep((step, before) => {
      for (const effect of step.effects) this.#perform(effect);
      if (before !== this.state) this.#review(before);
    });
  }

  get state(): ClusterState {
    return this.cluster.state;
  }

  get settings(): ClusterSettings {
    return this.cluster.settings;
  }

  apply(step: Step): void {
    this.cluster.apply(step);
  }

  /** The state as clients are shown it. */
  get advertisedState(): ClusterState {
    const { data } = this.cluster;
    return data.advertise === undefined ? this.state : data.advertise(this.state);
  }

  get up(): boolean {
    return this.#health.up;
  }

  /** Opens the bus at this node's address, `listenHost` standing in while it does not know its own. */
  start(openBus: OpenBus, listenHost: string): Bus {
    const { cport, master } = me(this.state);
    const bus = openBus({ host: listenHost, cport }, (delivery) => this.links.receive(delivery));
    this.#peers.start(bus, () => this.#tick());
    if (master !== null) this.#perform({ kind: 'follow', master });
    return bus;
  }

  close(): void {
    this.#closed = true;
    this.#announcing.close();
    this.failover.close();
    this.#peers.close();
    this.links.close();
  }

  publish(kind: 'publish' | 'publishshard', channel: string, message: string): void {
    if (kind === 'publish') this.links.broadcast({ kind, channel, message });
    else this.links.broadcastToShard({ kind, channel, message });
  }

  /** Closes the links to a node, from it, or both; the next tick of either side opens them anew. */
  killLinks(id: string, direction: 'to' | 'from' | 'all'): void {
    if (direction !== 'from') this.links.disconnect(id);
    if (direction !== 'to') this.links.disconnectInbound(id);
  }

  /** Whether this node serves a call: undefined, or the error to answer. */
  guard(request: GuardRequest): ReplyError | undefined {
    return guard(this.guardView, request);
  }

  /** What the guard judges by; made anew only when the state or the cluster's health changes. */
  get guardView(): GuardView {
    const state = this.advertisedState;
    if (this.#view?.state === state && this.#view.up === this.up) return this.#view;
    const { settings } = this;
    const { data } = this.cluster;
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
      has: (key) => data.has(key),
    };
    return this.#view;
  }

  #tick(): void {
    const { cluster } = this;
    cluster.status();
    this.failover.tick();
    if (this.up && this.settings.allowReplicaMigration) {
      const step = this.#migration.step(this.state, cluster.world.now(), this.settings.migrationBarrier ?? 1);
      if (step.effects.length > 0) cluster.apply(step);
    }
    this.refresh();
  }

  /** Takes notice of settings or offsets that changed, and of time that passed. */
  refresh(): void {
    this.cluster.status();
    this.failover.noticeMaster();
    if (this.cluster.takeLeftOffsetZero() && me(this.state).role === 'replica') this.links.announce();
    if (this.#reviewHealth()) this.#notifyRoutes();
  }

  #notifyRoutes(): void {
    this.cluster.data.onRoutesChanged(this.state, this.guardView);
  }

  #reviewHealth(): boolean {
    const { nodeTimeout, requireFullCoverage } = this.settings;
    return this.#health.review(this.state, { now: this.cluster.world.now(), nodeTimeout, requireFullCoverage });
  }

  #review(before: ClusterState): void {
    const was = me(before);
    const is = me(this.state);
    if (before.owners !== this.state.owners) this.cluster.data.onSlotsLeft(leftOf(before, this.state));
    if (was.role !== is.role) this.failover.tick();
    this.#routesMoved ||= before.owners !== this.state.owners || was.role !== is.role;
    this.#healthInDoubt ||= mayDiffer(before, this.state);
    if (this.#reviewing) return;
    this.#reviewing = true;
    // After the whole transaction: a slot without an owner between two of its commands takes no cluster down.
    queueMicrotask(() => {
      this.#reviewing = false;
      const moved = this.#routesMoved;
      this.#routesMoved = false;
      const inDoubt = this.#healthInDoubt;
      this.#healthInDoubt = false;
      if (!this.#closed && ((inDoubt && this.#reviewHealth()) || moved)) this.#notifyRoutes();
    });
  }

  #perform(effect: Effect): void {
    const { data, world } = this.cluster;
    switch (effect.kind) {
      case 'save':
        // LocalCluster has done it.
        break;
      case 'rename':
        this.links.table.rename(effect.from, effect.to);
        break;
      case 'announceLater':
        world.after(stepDownMs, () => this.#closed || this.#announcing.trigger());
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
        this.links.correct(effect.to, effect.about);
        break;
      case 'promote':
        data.promote();
        break;
      case 'flush':
        data.flush();
        break;
      case 'dropKeys':
        data.dropKeys(effect.slots);
        break;
      case 'follow':
        data.follow(this.state.nodes.get(effect.master)!);
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
