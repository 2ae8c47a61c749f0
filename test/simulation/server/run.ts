// A whole life of a simulated cluster from one seed: calm, then faults of every kind, then healing. After every event:
// no slot is claimed by two masters under one epoch, no master votes twice in an epoch. After healing: one owner for
// every slot, in the eyes of all.
// Moves of slots take epochs that nobody agreed on, so that two masters may claim one slot under one epoch for a
// moment, as in redis-server; in a life of moves the promise is that every slot ends where it was moved to. Where moves
// and faults meet, it is that in the end every slot has one owner in the eyes of all, and no two masters have one epoch.

import { slotCount } from '../../../lib/wire/slot.ts';
import type { Message } from '../../../server/cluster/message.ts';
import { setSlotImporting, setSlotMigrating, setSlotNode, setSlotStable } from '../../../server/cluster/ownership.ts';
import { SlotTable } from '../../../server/cluster/slot-table.ts';
import { bitmapOf, slotsOwned } from '../../../server/cluster/slots.ts';
import { type ClusterState, me, newNode, newState, type Outcome } from '../../../server/cluster/state.ts';
import { SimulatedNet } from './net.ts';
import { SimulatedNode } from './node.ts';
import { SimulatedTime } from './world.ts';

export interface Life {
  readonly seed: number;
  readonly nodes: number;
  /**
   * `faults`: partitions, deaths, freezes, delays and failovers. `moves`: slots change hands, several at once. `mixed`:
   * slots change hands in the midst of faults.
   */
  readonly kind: 'faults' | 'moves' | 'mixed';
}

export interface Report {
  readonly events: number;
  readonly messages: number;
  readonly elections: number;
  readonly moves: number;
  /** Of a mixed life: pairs of masters that claimed one slot under one epoch for a moment. */
  readonly contests: number;
  /** Of a mixed life: slots that were moved and ended elsewhere than in the shard they were moved to. */
  readonly undone: number;
  /** Simulated ms from the last fault until all agreed. */
  readonly healedAfter: number;
}

/** What went wrong, with all that is needed to see it again. */
export class BrokenPromise extends Error {
  constructor(life: Life, at: number, text: string) {
    super(`seed ${life.seed}, ${life.nodes} nodes, ${life.kind}, at ${Math.round(at)} ms: ${text}`);
    this.name = 'BrokenPromise';
  }
}

const nodeTimeout = 1000;
const beginning = 1_000_000;
const calmMs = 3000;
const troubleMs = 15_000;
const healMs = 40_000;
const fewestMasters = 3;

export function live(life: Life): Report {
  return new Simulation(life).run();
}

class Simulation {
  readonly #life: Life;
  readonly #time: SimulatedTime;
  readonly #net: SimulatedNet;
  readonly #nodes: SimulatedNode[] = [];
  readonly #byPort = new Map<number, SimulatedNode>();
  readonly #checked = new Map<SimulatedNode, ClusterState>();
  readonly #votes = new Map<string, string>();
  readonly #elections = new Set<number>();
  #moves = 0;
  /** Slot -> the owner that a move gave it last. */
  readonly #moved = new Map<number, string>();
  /** Slots that somebody moves: one at a time. */
  readonly #moving = new Set<number>();
  readonly #contests = new Set<string>();
  #broken: string | undefined;

  constructor(life: Life) {
    this.#life = life;
    this.#time = new SimulatedTime(life.seed);
    const onSend = (from: number, to: number, message: Message): void => this.#onSend(from, to, message);
    this.#net = new SimulatedNet(this.#time, { connectMs: nodeTimeout, onSend });
    for (const state of firstStates(life.nodes, this.#time)) {
      const node = new SimulatedNode(this.#net, this.#nodes, state, nodeTimeout);
      this.#nodes.push(node);
      this.#byPort.set(node.cport, node);
    }
  }

  run(): Report {
    this.#replication();
    this.#pass(calmMs);
    if (this.#life.kind === 'moves') this.#shuffle();
    else this.#trouble();
    this.#heal();
    const healedAfter = this.#untilAgreed();
    const undone = this.#undone();
    for (const node of this.#nodes) node.kill();
    const elections = this.#elections.size;
    const counts = { moves: this.#moves, contests: this.#contests.size, undone };
    return { events: this.#time.events, messages: this.#net.sent, elections, ...counts, healedAfter };
  }

  #pass(ms: number): void {
    this.#time.pass(ms, () => this.#check());
  }

  #replication(): void {
    for (const node of this.#nodes) node.replicate();
    this.#time.after(200, () => this.#replication());
  }

  // ---- faults

  #trouble(): void {
    const end = this.#time.now + troubleMs;
    while (this.#time.now < end) {
      this.#fault();
      const calm = this.#time.now + this.#time.between(0, 2500);
      while (this.#life.kind === 'mixed' && this.#time.now < calm) {
        this.#move(this.#time.between(0, slotCount - 1));
        this.#pass(this.#time.between(0, 300));
      }
      this.#pass(Math.max(0, calm - this.#time.now));
    }
  }

  #fault(): void {
    const time = this.#time;
    const node = time.pick(this.#nodes);
    const faults: readonly (() => void)[] = [
      () => this.#part(),
      () => this.#isolate(node),
      () => this.#net.heal(),
      () => this.#die(node),
      () => this.#die(this.#owner()),
      () => this.#freeze(node),
      () => this.#fail(node, 'agreed'),
      () => this.#fail(node, 'force'),
      () => {
        this.#net.slowness = time.pick([1, 5, 50, 500, 3000]);
      },
    ];
    time.pick(faults)();
  }

  #part(): void {
    const count = this.#time.between(2, 3);
    this.#net.part(new Map(this.#nodes.map(({ cport }) => [cport, this.#time.between(1, count)])));
  }

  #isolate(node: SimulatedNode): void {
    this.#net.part(new Map([[node.cport, 1]]));
  }

  #owner(): SimulatedNode {
    const owners = this.#nodes.filter((node) => node.alive && slotsOwned(node.state, node.state.myself) > 0);
    return owners.length === 0 ? this.#nodes[0]! : this.#time.pick(owners);
  }

  #die(node: SimulatedNode): void {
    if (!node.alive) return;
    node.kill();
    this.#time.after(this.#time.between(0, 8000), () => !node.alive && node.restart());
  }

  #freeze(node: SimulatedNode): void {
    if (!node.alive || node.frozen) return;
    node.freeze(true);
    this.#time.after(this.#time.between(0, 5000), () => node.alive && node.freeze(false));
  }

  #fail(node: SimulatedNode, mode: 'agreed' | 'force'): void {
    if (node.alive && !node.frozen && !node.isMaster) apply(node, node.member.failover.start(mode));
  }

  // ---- moves

  #shuffle(): void {
    const end = this.#time.now + troubleMs;
    this.#net.slowness = this.#time.pick([1, 20, 200]);
    while (this.#time.now < end) {
      this.#move(this.#time.between(0, slotCount - 1));
      this.#pass(this.#time.between(0, 300));
    }
  }

  /** What redis-cli does to move a slot, with others of its kind at work. */
  #move(slot: number): void {
    const source = this.#nodes.find((node) => answers(node) && node.state.owners.get(slot) === node.state.myself);
    const masters = this.#nodes.filter((node) => answers(node) && node.isMaster && node !== source);
    if (source === undefined || this.#moving.has(slot) || masters.length === 0) return;
    const target = this.#time.pick(masters);
    const from = source.state.myself;
    const into = target.state.myself;
    this.#moving.add(slot);
    this.#time.after(3000, () => this.#moving.delete(slot));
    if (!command(target, (state) => setSlotImporting(state, slot, from))) return;
    if (!command(source, (state) => setSlotMigrating(state, slot, into))) return;
    const facts = { keysHere: 0, allowReplicaMigration: true };
    this.#time.after(this.#time.between(0, 500), () => {
      if (!command(target, (state) => setSlotNode(state, slot, into, facts))) return;
      this.#moves++;
      this.#moved.set(slot, into);
      this.#time.after(this.#time.between(0, 50), () => {
        command(source, (state) => setSlotNode(state, slot, into, facts));
      });
    });
  }

  // ---- healing

  #heal(): void {
    this.#net.slowness = 5;
    this.#net.heal();
    for (const node of this.#nodes) {
      if (!node.alive) node.restart();
      if (node.frozen) node.freeze(false);
    }
    this.#pass(1000);
    for (const node of this.#nodes) {
      const { migrating, importing } = node.state;
      for (const slot of [...migrating.keys(), ...importing.keys()]) apply(node, setSlotStable(node.state, slot));
    }
  }

  #untilAgreed(): number {
    const start = this.#time.now;
    let why: string | undefined = '';
    while (this.#time.now - start < healMs) {
      this.#pass(500);
      why = this.#disagreement();
      if (why === undefined) return this.#time.now - start;
    }
    throw this.#failure(`no agreement ${healMs} ms after healing: ${why}`);
  }

  /** Moved slots that are not in the shard they were moved to. */
  #undone(): number {
    if (this.#life.kind !== 'mixed') return 0;
    const { owners, nodes } = this.#nodes[0]!.state;
    const gone = [...this.#moved].filter(([slot, id]) => {
      const owner = owners.get(slot);
      return owner !== id && nodes.get(id)?.master !== owner;
    });
    return gone.length;
  }

  #disagreement(): string | undefined {
    const first = this.#nodes[0]!.state;
    for (const { state, member, cport } of this.#nodes) {
      if (!member.up) return `node ${cport} is not ok`;
      for (const node of state.nodes.values()) {
        if (node.failed || node.suspect) return `node ${cport} thinks that ${node.id} failed`;
      }
      if (state.owners === first.owners) continue;
      const slot = state.owners.firstDifference(first.owners);
      if (slot >= 0)
        return `slot ${slot} is of ${state.owners.get(slot)} for ${cport}, of ${first.owners.get(slot)} for others`;
    }
    if (first.owners.size < slotCount) return `${slotCount - first.owners.size} slots are nobody's`;
    const masters = new Set(this.#nodes.filter(({ isMaster }) => isMaster).map(({ state }) => state.myself));
    const epochs = new Map<number, number>();
    for (const { isMaster, state, cport } of this.#nodes) {
      const { configEpoch } = me(state);
      if (!isMaster) continue;
      if (epochs.has(configEpoch)) return `${cport} and ${epochs.get(configEpoch)} share epoch ${configEpoch}`;
      epochs.set(configEpoch, cport);
    }
    for (const [slot, id] of this.#life.kind === 'mixed' ? [] : this.#moved) {
      if (first.owners.get(slot) !== id) return `slot ${slot} was moved to ${id} and is of ${first.owners.get(slot)}`;
    }
    const owner = [...first.owners.counts.keys()].find((id) => !masters.has(id));
    return owner === undefined ? undefined : `${owner} owns slots and is no master`;
  }

  // ---- promises

  #onSend(from: number, to: number, { header, body }: Message): void {
    if (body.kind === 'auth-req') this.#elections.add(header.currentEpoch);
    if (body.kind !== 'auth-ack') return;
    const vote = `${header.sender} in epoch ${this.#byPort.get(from)!.state.lastVoteEpoch}`;
    const candidate = String(to);
    const before = this.#votes.get(vote);
    if (before !== undefined && before !== candidate) {
      this.#broken ??= `two votes of ${vote}: for ${before} and ${candidate}`;
    }
    this.#votes.set(vote, candidate);
  }

  #check(): void {
    for (const node of this.#nodes) {
      const { state } = node;
      const before = this.#checked.get(node);
      if (before === state) continue;
      this.#checked.set(node, state);
      if (this.#life.kind !== 'moves' && (before === undefined || claimChanged(before, state))) this.#checkClaim(node);
    }
    if (this.#broken !== undefined) throw this.#failure(this.#broken);
  }

  #checkClaim(node: SimulatedNode): void {
    const mine = claimOf(node.state);
    if (mine === undefined) return;
    for (const other of this.#nodes) {
      if (other === node || me(other.state).configEpoch !== mine.epoch) continue;
      const theirs = claimOf(other.state);
      if (theirs === undefined || !theirs.bitmap.some((byte, at) => (byte & mine.bitmap[at]!) !== 0)) continue;
      const text = `${node.cport} and ${other.cport} claim one slot under epoch ${mine.epoch}`;
      if (this.#life.kind === 'mixed') this.#contests.add([node.cport, other.cport].sort().join(' ') + mine.epoch);
      else this.#broken ??= text;
    }
  }

  #failure(text: string): BrokenPromise {
    return new BrokenPromise(this.#life, this.#time.now - beginning, text);
  }
}

function claimChanged(before: ClusterState, after: ClusterState): boolean {
  const [was, is] = [me(before), me(after)];
  return before.owners !== after.owners || was.role !== is.role || was.configEpoch !== is.configEpoch;
}

function claimOf(state: ClusterState): { epoch: number; bitmap: Uint8Array } | undefined {
  const mine = me(state);
  if (mine.role !== 'master' || slotsOwned(state, mine.id) === 0) return undefined;
  return { epoch: mine.configEpoch, bitmap: bitmapOf(state, mine.id) };
}

/** Whether it reads from a client. */
function answers(node: SimulatedNode): boolean {
  return node.alive && !node.frozen;
}

/** A command of a client to a node; false when it does not arrive or is refused. */
function command(node: SimulatedNode, rule: (state: ClusterState) => Outcome): boolean {
  return answers(node) && apply(node, rule(node.state));
}

function apply(node: SimulatedNode, outcome: Outcome): boolean {
  if (outcome instanceof Error) return false;
  node.member.apply(outcome);
  return true;
}

/** A cluster that was set up by hand: distinct epochs, equal shares, replicas dealt out. */
function firstStates(count: number, time: SimulatedTime): ClusterState[] {
  const most = Math.max(fewestMasters, Math.ceil(count / 2));
  const masters = Math.min(count, time.between(fewestMasters, most));
  const ids = Array.from({ length: count }, () => {
    let id = '';
    while (id.length < 40) id += Math.floor(time.random() * 16).toString(16);
    return id;
  });
  const nodes = ids.map((id, at) => {
    const node = newNode(id, { host: '10.0.0.1', port: 7000 + at, cport: 17_000 + at });
    if (at < masters) return { ...node, configEpoch: at + 1 };
    return { ...node, role: 'replica' as const, master: ids[at % masters]!, offset: 1 };
  });
  const known = new Map(nodes.map((node) => [node.id, node]));
  const owners = Array.from({ length: slotCount }, (_, slot) => ids[Math.floor((slot * masters) / slotCount)]!);
  return nodes.map((node) => ({
    ...newState(node.id, node),
    nodes: known,
    owners: SlotTable.from(owners),
    currentEpoch: masters,
  }));
}
