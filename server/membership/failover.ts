// How a replica takes its master's place: asked for by command, or because the master failed.
// Owns the campaign of a replica and the stepping down of a master; votes and take-over are cluster rules.
// Invariant: at most one election at a time; the epoch is raised before votes are asked for, and a vote is on record
// before it is sent.

import { progress, type Timer } from '../../lib/base/world.ts';
import type { Delivery } from '../bus/bus.ts';
import { isElected, rank, vote, voteCounts } from '../cluster/election.ts';
import { bumpEpoch } from '../cluster/epochs.ts';
import { takeOver } from '../cluster/ownership.ts';
import { slotsOwned } from '../cluster/slots.ts';
import { me, type Outcome, refuse, replicasOf, unchanged } from '../cluster/state.ts';
import type { LocalCluster } from './local-cluster.ts';
import type { PeerLinks } from './peer-links.ts';

export type FailoverMode = 'agreed' | 'force' | 'takeover';

const manualMs = 5000;
const leastVotingMs = 2000;
const leastDelayMs = 500;
const rankDelayMs = 1000;
const pollMs = 5;

/** A failover that was asked for by command. */
interface Campaign {
  readonly ends: number;
  /** Undefined until the master said where its stream stopped. */
  masterOffset: number | undefined;
  /** Its election was held or is under way. */
  elected: boolean;
}

interface Election {
  /** Whose place it is about. */
  readonly master: string;
  startsAt: number;
  rank: number;
  readonly force: boolean;
  /** 0: votes were not asked for yet. */
  epoch: number;
  readonly votes: Set<string>;
}

/** A master that holds back writes until its replica caught up. */
interface ManualFailover {
  readonly to: string;
  readonly ends: number;
}

export class Failover {
  readonly #cluster: LocalCluster;
  readonly #links: PeerLinks;
  #campaign: Campaign | undefined;
  #election: Election | undefined;
  #manualFailover: ManualFailover | undefined;
  /** Whose data I have a copy of, and when the link to it was last up. */
  #looked: { readonly master: string | null; readonly offset: number } = { master: null, offset: 0 };
  #copy: { readonly of: string; readonly at: number } | undefined;
  #poll: Timer | undefined;
  readonly #votedAt = new Map<string, number>();

  constructor(cluster: LocalCluster, links: PeerLinks) {
    this.#cluster = cluster;
    this.#links = links;
  }

  close(): void {
    this.#poll?.cancel();
    this.#campaign = undefined;
    this.#election = undefined;
  }

  /** CLUSTER FAILOVER: begins; whether it succeeds shows later. */
  start(mode: FailoverMode): Outcome {
    const { state, world } = this.#cluster;
    const mine = me(state);
    if (mine.role === 'master') return refuse('You should send CLUSTER FAILOVER to a replica');
    const master = mine.master === null ? undefined : state.nodes.get(mine.master);
    if (master === undefined) return refuse("I'm a replica but my master is unknown to me");
    if ((master.failed || !this.#cluster.data.masterLinked) && mode === 'agreed') {
      return refuse('Master is down or failed, please use CLUSTER FAILOVER FORCE');
    }
    this.#election = undefined;
    if (mode === 'takeover') {
      const bumped = bumpEpoch(state).step.state;
      return takeOver(bumped, Math.max(bumped.currentEpoch, me(bumped).configEpoch));
    }
    const masterOffset = mode === 'force' ? 0 : undefined;
    this.#campaign = { ends: world.now() + manualMs, masterOffset, elected: false };
    if (mode === 'agreed') this.#links.send(master.id, { kind: 'mfstart' });
    this.#pollCampaign();
    return unchanged(state);
  }

  onMessage(delivery: Delivery): void {
    const { header, body } = delivery.message;
    const mine = me(this.#cluster.state);
    if (this.#campaign !== undefined && header.sender === mine.master && header.paused) {
      this.#campaign.masterOffset ??= header.offset;
    }
    if (body.kind === 'mfstart') this.#stepDown(delivery);
    else if (body.kind === 'auth-req') this.#vote(delivery);
    else if (body.kind === 'auth-ack') this.#countVote(header.sender, header.currentEpoch);
  }

  /** Takes down that I have a copy of my master now; to be called at every news of replication. */
  noticeMaster(): void {
    const { master } = me(this.#cluster.state);
    const { offset, masterLinked } = this.#cluster.data;
    // A link that came and went since the last look has left its traces in the offset.
    const fed = this.#looked.master === master && this.#looked.offset !== offset;
    this.#looked = { master, offset };
    if (master !== null && (masterLinked || fed)) this.#copy = { of: master, at: this.#cluster.world.now() };
  }

  /** Called at every tick of the bus, and whenever the role changed. */
  tick(): void {
    const now = this.#cluster.world.now();
    const { role } = me(this.#cluster.state);
    this.noticeMaster();
    if (this.#manualFailover !== undefined) this.#continueManualFailover(this.#manualFailover, now, role);
    if (this.#campaign !== undefined && now >= this.#campaign.ends) {
      progress(this.#cluster.world, 'Manual failover timed out.');
      this.#endCampaign();
    }
    if (role === 'master') {
      this.#campaign = undefined;
      this.#election = undefined;
    } else this.#run(now);
  }

  #continueManualFailover(manual: ManualFailover, now: number, role: 'master' | 'replica'): void {
    if (role === 'master' && now < manual.ends) {
      this.#links.ping(manual.to);
      return;
    }
    this.#setManualFailover(undefined);
  }

  /** What the master's pings bring is acted on between two ticks too: its clients are waiting. */
  #pollCampaign(): void {
    this.#poll?.cancel();
    this.#poll = this.#cluster.world.after(pollMs, () => {
      if (this.#campaign === undefined || this.#campaign.elected) return;
      this.tick();
      this.#pollCampaign();
    });
  }

  #endCampaign(): void {
    this.#campaign = undefined;
    if (this.#election?.force) this.#election = undefined;
  }

  #run(now: number): void {
    this.#startCampaignElection(now);
    if (this.#election !== undefined && this.#election.master !== me(this.#cluster.state).master)
      this.#election = undefined;
    const agreed = this.#campaign?.elected === true;
    // Until the master answers, a campaign stands in nobody's way: the master may have failed meanwhile.
    if (!agreed && this.#masterFailed(now)) this.#schedule(now);
    const election = this.#election;
    if (election === undefined || election.epoch !== 0 || !this.#isOpen(election)) return;
    if (!election.force) this.#stepBack(election);
    if (now >= election.startsAt && now - election.startsAt <= this.#votingMs) this.#hold(election);
  }

  /** The stream of the master that agreed has been applied to its end. */
  #startCampaignElection(now: number): void {
    const campaign = this.#campaign;
    const { master } = me(this.#cluster.state);
    if (campaign === undefined || campaign.elected || master === null) return;
    if (campaign.masterOffset === undefined || this.#cluster.data.offset < campaign.masterOffset) return;
    campaign.elected = true;
    progress(this.#cluster.world, 'All master replication stream processed, manual failover can start.');
    this.#election = { master, startsAt: now, rank: 0, force: true, epoch: 0, votes: new Set() };
  }

  /** Whether there is a place to take: the master failed and did not come back, or agreed to go. */
  #isOpen({ master, force }: Election): boolean {
    const { state } = this.#cluster;
    const mine = me(state);
    return mine.role === 'replica' && mine.master === master && (force || state.nodes.get(master)?.failed === true);
  }

  /** How long votes count. */
  get #votingMs(): number {
    return Math.max(2 * this.#cluster.settings.nodeTimeout, leastVotingMs);
  }

  #masterFailed(now: number): boolean {
    const { state, settings } = this.#cluster;
    const dataAgeLimit = settings.dataAgeLimit ?? 0;
    const mine = me(state);
    const master = mine.master === null ? undefined : state.nodes.get(mine.master);
    if (master?.failed !== true || mine.noFailover || slotsOwned(state, master.id) === 0) return false;
    // A replica that never had a copy of this master has nothing to offer.
    return dataAgeLimit === 0 || (this.#copy?.of === master.id && now - this.#copy.at <= dataAgeLimit);
  }

  /** Sets the time of the next attempt, the best replica's first; an attempt that failed is left to rest. */
  #schedule(now: number): void {
    const { state, world } = this.#cluster;
    const { offset } = this.#cluster.data;
    const last = this.#election;
    if (last !== undefined && now - last.startsAt <= 2 * this.#votingMs) return;
    const { master } = me(state);
    if (master === null) return;
    // Who was to take the place anyway need not let others go first.
    const chosen = this.#campaign !== undefined;
    const place = chosen ? 0 : rank(state, offset);
    const delay = chosen ? 0 : leastDelayMs + Math.floor(world.random() * leastDelayMs) + place * rankDelayMs;
    this.#election = { master, startsAt: now + delay, rank: place, force: false, epoch: 0, votes: new Set() };
    progress(world, `Start of election delayed for ${delay} milliseconds (rank #${place}, offset ${offset}).`);
    const siblings = replicasOf(state, master);
    this.#links.announceTo(siblings.flatMap(({ id }) => (id === state.myself ? [] : [id])));
  }

  /** A sister turned out to have more of the stream. */
  #stepBack(election: Election): void {
    const place = rank(this.#cluster.state, this.#cluster.data.offset);
    if (place <= election.rank) return;
    const delay = (place - election.rank) * rankDelayMs;
    election.startsAt += delay;
    election.rank = place;
    progress(this.#cluster.world, `Replica rank updated to #${place}, added ${delay} milliseconds of delay.`);
  }

  #hold(election: Election): void {
    const { state } = this.#cluster;
    election.epoch = state.currentEpoch + 1;
    progress(this.#cluster.world, `Starting a failover election for epoch ${election.epoch}.`);
    this.#cluster.apply({ state: { ...state, currentEpoch: election.epoch }, effects: [{ kind: 'save' }] });
    this.#links.broadcast({ kind: 'auth-req' }, election.force);
  }

  #countVote(voter: string, voterEpoch: number): void {
    const election = this.#election;
    if (election === undefined || election.epoch === 0 || !this.#isOpen(election)) return;
    if (this.#cluster.world.now() - election.startsAt > this.#votingMs) return;
    if (!voteCounts(this.#cluster.state, voter, voterEpoch, election.epoch)) return;
    election.votes.add(voter);
    if (!isElected(this.#cluster.state, election.votes.size)) return;
    this.#election = undefined;
    this.#campaign = undefined;
    progress(this.#cluster.world, "Failover election won: I'm the new master.");
    this.#cluster.apply(takeOver(this.#cluster.state, election.epoch));
  }

  #vote(delivery: Delivery): void {
    const { header } = delivery.message;
    const { state, world, settings } = this.#cluster;
    // By this node's own record: what a candidate says of its master cannot buy it a second vote.
    const master = state.nodes.get(header.sender)?.master ?? '';
    const votedLately =
      world.now() - (this.#votedAt.get(master) ?? Number.NEGATIVE_INFINITY) < 2 * settings.nodeTimeout;
    // A manual failover was agreed on by the master: it may follow another one at once.
    const next = vote(state, { candidate: header.sender, ...header }, votedLately && !header.force);
    if (next === undefined) return;
    this.#votedAt.set(master, world.now());
    this.#cluster.apply({ state: next, effects: [{ kind: 'save' }] });
    progress(world, `Failover auth granted to ${header.sender} for epoch ${next.currentEpoch}`);
    this.#links.send(header.sender, { kind: 'auth-ack' });
  }

  #stepDown(delivery: Delivery): void {
    const { state, world } = this.#cluster;
    const sender = state.nodes.get(delivery.message.header.sender);
    if (me(state).role !== 'master' || sender?.role !== 'replica' || sender.master !== state.myself) return;
    this.#setManualFailover({ to: sender.id, ends: world.now() + manualMs });
    // On its own link: a ping with the offset at which the writes stopped.
    this.#cluster.answer(delivery, { kind: 'ping', gossip: [] });
  }

  #setManualFailover(manual: ManualFailover | undefined): void {
    this.#manualFailover = manual;
    this.#cluster.paused = manual !== undefined;
    this.#cluster.data.pauseWrites(this.#cluster.paused);
  }
}
