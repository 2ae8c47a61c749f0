// How a replica takes its master's place: asked for by command, or because the master failed.
// Owns the campaign of a replica and the stepping down of a master; votes and take-over are cluster rules.
// Invariant: at most one election at a time; the epoch is raised before votes are asked for, and a vote is on record
// before it is sent.

import type { World } from '../../lib/base/world.ts';
import { isElected, rank, vote, voteCounts } from '../cluster/election.ts';
import { bumpEpoch } from '../cluster/epochs.ts';
import { takeOver } from '../cluster/ownership.ts';
import { slotsOwned } from '../cluster/slots.ts';
import { type ClusterState, me, type Outcome, refuse, type Step, unchanged } from '../cluster/state.ts';
import type { Delivery } from './bus.ts';
import type { Body } from './message.ts';

export interface FailoverHost {
  readonly world: World;
  readonly state: ClusterState;
  readonly nodeTimeout: number;
  /** Bytes of the replication stream applied here. */
  readonly offset: number;
  /** Whether the link to my master is up. */
  readonly masterLinked: boolean;
  apply(step: Step): void;
  send(id: string, body: Body): void;
  broadcast(body: Body, force: boolean): void;
  /** Holds back the writes of clients until told otherwise. */
  pauseWrites(paused: boolean): void;
  /** Answers on the inbound link with a ping that carries my offset and that I am paused. */
  answerPaused(delivery: Delivery): void;
}

export type FailoverMode = 'agreed' | 'force' | 'takeover';

const manualMs = 5000;
const manualRetryMs = 250;
const pauseMs = 10_000;
const pollMs = 5;

interface Campaign {
  readonly ends: number;
  /** Undefined until the master said where its stream stopped. */
  masterOffset: number | undefined;
}

interface Election {
  readonly startsAt: number;
  readonly ends: number;
  readonly force: boolean;
  epoch: number;
  readonly votes: Set<string>;
}

export class Failover {
  readonly #host: FailoverHost;
  #campaign: Campaign | undefined;
  #election: Election | undefined;
  #pausedUntil = 0;
  readonly #votedAt = new Map<string, number>();

  constructor(host: FailoverHost) {
    this.#host = host;
  }

  /** A master that lets its replica catch up. */
  get paused(): boolean {
    return this.#pausedUntil > 0;
  }

  /** CLUSTER FAILOVER: begins; whether it succeeds shows later. */
  start(mode: FailoverMode): Outcome {
    const { state, world } = this.#host;
    const mine = me(state);
    if (mine.role === 'master') return refuse('You should send CLUSTER FAILOVER to a replica');
    const master = mine.master === null ? undefined : state.nodes.get(mine.master);
    if (master === undefined) return refuse("I'm a replica but my master is unknown to me");
    if ((master.failed || !this.#host.masterLinked) && mode === 'agreed') {
      return refuse('Master is down or failed, please use CLUSTER FAILOVER FORCE');
    }
    this.#election = undefined;
    if (mode === 'takeover') {
      const bumped = bumpEpoch(state).step.state;
      return takeOver(bumped, Math.max(bumped.currentEpoch, me(bumped).configEpoch));
    }
    this.#campaign = { ends: world.now() + manualMs, masterOffset: mode === 'force' ? 0 : undefined };
    if (mode === 'agreed') this.#host.send(master.id, { kind: 'mfstart' });
    this.#poll();
    return unchanged(state);
  }

  onMessage(delivery: Delivery): void {
    const { header, body } = delivery.message;
    const mine = me(this.#host.state);
    if (this.#campaign !== undefined && header.sender === mine.master && header.paused) {
      this.#campaign.masterOffset ??= header.offset;
    }
    if (body.kind === 'mfstart') this.#stepDown(delivery);
    else if (body.kind === 'auth-req') this.#vote(delivery);
    else if (body.kind === 'auth-ack') this.#countVote(header.sender, header.currentEpoch);
  }

  /** Called at every tick of the bus, and whenever the role changed. */
  tick(): void {
    const now = this.#host.world.now();
    if (this.paused && (now >= this.#pausedUntil || me(this.#host.state).role === 'replica')) {
      this.#pausedUntil = 0;
      this.#host.pauseWrites(false);
    }
    if (this.#campaign !== undefined && now >= this.#campaign.ends) this.#campaign = undefined;
    if (me(this.#host.state).role === 'master') {
      this.#campaign = undefined;
      this.#election = undefined;
      return;
    }
    this.#campaignOn(now);
  }

  #poll(): void {
    this.#host.world.after(pollMs, () => {
      if (this.#campaign === undefined) return;
      this.tick();
      this.#poll();
    });
  }

  #campaignOn(now: number): void {
    const { state } = this.#host;
    if (this.#election !== undefined && now >= this.#election.ends) this.#election = undefined;
    if (this.#election === undefined) {
      const { masterOffset } = this.#campaign ?? {};
      if (masterOffset !== undefined && this.#host.offset >= masterOffset) this.#schedule(now, 0, true);
      else if (this.#campaign === undefined && this.#masterFailed()) {
        const delay = 500 + this.#host.world.random() * 500 + rank(state, this.#host.offset) * 1000;
        this.#schedule(now, delay, false);
      }
    }
    const election = this.#election;
    if (election !== undefined && election.epoch === 0 && now >= election.startsAt) this.#hold(election);
  }

  #masterFailed(): boolean {
    const { state } = this.#host;
    const mine = me(state);
    const master = mine.master === null ? undefined : state.nodes.get(mine.master);
    return master?.failed === true && !mine.noFailover && slotsOwned(state, master.id) > 0;
  }

  #schedule(now: number, delay: number, force: boolean): void {
    // An agreed failover has little time and a healthy cluster to ask: when someone else's epoch came first, ask again.
    const lasts = force ? manualRetryMs : Math.max(2 * this.#host.nodeTimeout, 2000);
    this.#election = { startsAt: now + delay, ends: now + delay + lasts, force, epoch: 0, votes: new Set() };
  }

  #hold(election: Election): void {
    const { state } = this.#host;
    election.epoch = state.currentEpoch + 1;
    this.#host.apply({ state: { ...state, currentEpoch: election.epoch }, effects: [{ kind: 'save' }] });
    this.#host.broadcast({ kind: 'auth-req' }, election.force);
  }

  #countVote(voter: string, voterEpoch: number): void {
    const election = this.#election;
    if (election === undefined || election.epoch === 0) return;
    if (!voteCounts(this.#host.state, voter, voterEpoch, election.epoch)) return;
    election.votes.add(voter);
    if (!isElected(this.#host.state, election.votes.size)) return;
    this.#election = undefined;
    this.#campaign = undefined;
    this.#host.apply(takeOver(this.#host.state, election.epoch));
  }

  #vote(delivery: Delivery): void {
    const { header } = delivery.message;
    const { state, world, nodeTimeout } = this.#host;
    const master = header.master ?? '';
    const votedLately = world.now() - (this.#votedAt.get(master) ?? Number.NEGATIVE_INFINITY) < 2 * nodeTimeout;
    // A manual failover was agreed on by the master: it may follow another one at once.
    const next = vote(state, { candidate: header.sender, ...header }, votedLately && !header.force);
    if (next === undefined) return;
    this.#votedAt.set(master, world.now());
    this.#host.apply({ state: next, effects: [{ kind: 'save' }] });
    this.#host.send(header.sender, { kind: 'auth-ack' });
  }

  #stepDown(delivery: Delivery): void {
    const { state, world } = this.#host;
    const sender = state.nodes.get(delivery.message.header.sender);
    if (me(state).role !== 'master' || sender?.role !== 'replica' || sender.master !== state.myself) return;
    this.#pausedUntil = world.now() + pauseMs;
    this.#host.pauseWrites(true);
    this.#host.answerPaused(delivery);
  }
}
