// A simulated cluster, as far as a client can see it: shards that own slots, nodes with views of their own that lag
// behind, slots on their way from one shard to another, replicas that take over. Replicas have what their master has, so
// that what was acknowledged is never lost by a failover: whatever is missing or done twice is the client's doing.

import { type NodeLine, printNodes } from '../../lib/wire/cluster-nodes.ts';
import type { Host, Peer, SimulatedWorld, Wire } from './network.ts';
import { Session } from './session.ts';

export interface Shard {
  readonly number: number;
  /** Replicated to all of its nodes. */
  readonly data: Map<string, string | string[]>;
  readonly nodes: SimulatedNode[];
  master: SimulatedNode;
}

interface Span {
  readonly start: number;
  readonly end: number;
  readonly shard: Shard;
}

/** Who owns which slot, as a value: nodes that know of no change share it, and a life costs no tables of 16,384 slots. */
class Ownership {
  /** In order, without gaps. */
  readonly spans: readonly Span[];

  constructor(spans: readonly Span[]) {
    this.spans = spans;
  }

  static equal(shards: readonly Shard[]): Ownership {
    const share = 16384 / shards.length;
    const startOf = (at: number): number => Math.ceil(at * share);
    return new Ownership(shards.map((shard, at) => ({ start: startOf(at), end: startOf(at + 1) - 1, shard })));
  }

  of(slot: number): Shard {
    return this.spans.find(({ end }) => slot <= end)!.shard;
  }

  withMoved(slot: number, shard: Shard): Ownership {
    const spans: Span[] = [];
    const add = (start: number, end: number, owner: Shard): void => {
      const last = spans.at(-1);
      if (end < start) return;
      if (last?.shard === owner) spans[spans.length - 1] = { start: last.start, end, shard: owner };
      else spans.push({ start, end, shard: owner });
    };
    for (const { start, end, shard: owner } of this.spans) {
      if (slot < start || slot > end) add(start, end, owner);
      else {
        add(start, slot - 1, owner);
        add(slot, slot, shard);
        add(slot + 1, end, owner);
      }
    }
    return new Ownership(spans);
  }
}

export interface Move {
  readonly slot: number;
  readonly from: Shard;
  readonly to: Shard;
}

/** One execution of a write: by which connection it came. */
export interface Execution {
  readonly id: string;
  readonly wire: Wire;
}

export class SimulatedCluster {
  readonly world: SimulatedWorld;
  readonly shards: Shard[] = [];
  /** As is true. */
  owners: Ownership;
  readonly moves = new Map<number, Move>();
  readonly executions: Execution[] = [];
  /**
   * Writes that a node refused for the state it was in. When that state ends between two commands of one batch, the
   * second runs before the first: no client can help it.
   */
  readonly refused = new Set<string>();
  epoch = 1;
  /** Called for every command and its answer. */
  log: ((what: string) => void) | undefined;

  constructor(world: SimulatedWorld, masters: number, replicas: number) {
    this.world = world;
    for (let number = 0; number < masters; number++) {
      const nodes = Array.from({ length: 1 + replicas }, (_, at) => new SimulatedNode(this, number, at));
      this.shards.push({ number, data: new Map(), nodes, master: nodes[0]! });
    }
    this.owners = Ownership.equal(this.shards);
    for (const node of this.nodes) node.learn();
  }

  get nodes(): SimulatedNode[] {
    return this.shards.flatMap(({ nodes }) => nodes);
  }

  get seeds(): { host: string; port: number }[] {
    return this.nodes.map(({ host, port }) => ({ host, port }));
  }

  /** Those concerned know at once, the others hear of it within `lag` ms. */
  announce(concerned: readonly SimulatedNode[], lag: number): void {
    this.epoch++;
    for (const node of this.nodes) {
      if (concerned.includes(node)) node.learn();
      else this.world.after(this.world.random() * lag, () => node.learn());
    }
  }

  beginMove(slot: number, to: Shard): Move | undefined {
    const from = this.owners.of(slot);
    if (from === to || this.moves.has(slot)) return undefined;
    const move = { slot, from, to };
    this.moves.set(slot, move);
    return move;
  }

  /** One key goes over, if there is any left. */
  carry({ from, to }: Move, keys: readonly string[]): void {
    const key = keys.find((each) => from.data.has(each));
    if (key === undefined) return;
    to.data.set(key, from.data.get(key)!);
    from.data.delete(key);
  }

  endMove(move: Move, keys: readonly string[], lag: number): void {
    for (const _ of keys) this.carry(move, keys);
    this.moves.delete(move.slot);
    this.owners = this.owners.withMoved(move.slot, move.to);
    this.announce([move.to.master, move.from.master], lag);
  }

  /** The bus carries it to every node that is up, each in its time. */
  broadcast(channel: string, message: string): void {
    for (const node of this.nodes) {
      if (node.up) this.world.after(this.world.delay(), () => node.deliver(channel, message));
    }
  }

  /** A replica takes over, if one is up. */
  promote(shard: Shard, lag: number): boolean {
    const newPrimaries = shard.nodes.filter((node) => node !== shard.master && node.up);
    if (newPrimaries.length === 0) return false;
    const before = shard.master;
    shard.master = this.world.pick(newPrimaries);
    this.announce([shard.master, ...(before.up ? [before] : [])], lag);
    return true;
  }
}

/** What a node believes. */
interface Belief {
  readonly owners: Ownership;
  readonly masters: ReadonlyMap<Shard, SimulatedNode>;
}

export class SimulatedNode implements Host {
  readonly host: string;
  readonly port = 7000;
  readonly id: string;
  readonly cluster: SimulatedCluster;
  readonly #shard: number;
  readonly sessions = new Set<Session>();
  up = true;
  /** Marked as failed by the others. */
  failed = false;
  /** Answers with LOADING until then, world time. */
  loadedAt = 0;
  /** Says CLUSTERDOWN until then. */
  downUntil = 0;
  #frozenUntil = 0;
  #clients = 0;
  #belief: Belief = { owners: new Ownership([]), masters: new Map() };

  constructor(cluster: SimulatedCluster, shard: number, at: number) {
    this.cluster = cluster;
    this.#shard = shard;
    this.host = `10.0.${shard}.${at + 1}`;
    this.id = `${shard}`.padStart(20, 'a') + `${at}`.padStart(20, 'b');
    cluster.world.listen(this.address, this);
  }

  get address(): string {
    return `${this.host}:${this.port}`;
  }

  get shard(): Shard {
    return this.cluster.shards[this.#shard]!;
  }

  get isMaster(): boolean {
    return this.#belief.masters.get(this.shard) === this;
  }

  /** Whom it holds for the master of its shard. */
  get master(): SimulatedNode {
    return this.#belief.masters.get(this.shard)!;
  }

  ownerOf(slot: number): SimulatedNode {
    return this.#belief.masters.get(this.#belief.owners.of(slot))!;
  }

  owns(slot: number): boolean {
    return this.#belief.owners.of(slot) === this.shard;
  }

  learn(): void {
    if (!this.up) return;
    const masters = new Map(this.cluster.shards.map((shard) => [shard, shard.master]));
    this.#belief = { owners: this.cluster.owners, masters };
  }

  accept(wire: Wire): Peer | undefined {
    if (!this.up) return undefined;
    const session = new Session(this, wire, ++this.#clients);
    this.sessions.add(session);
    return session;
  }

  /** Milliseconds until it does anything again. */
  get stillFrozen(): number {
    return Math.max(0, this.#frozenUntil - this.cluster.world.now());
  }

  freeze(ms: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.cluster.world.now() + ms);
  }

  deliver(channel: string, message: string): void {
    for (const session of this.sessions) session.deliver(channel, message);
  }

  crash(): void {
    this.up = false;
    for (const session of [...this.sessions]) session.wire.cut();
    this.sessions.clear();
  }

  restart(loading: number): void {
    this.up = true;
    this.failed = false;
    this.#clients = 0;
    this.loadedAt = this.cluster.world.now() + loading;
    this.#frozenUntil = 0;
    this.learn();
  }

  /** CLUSTER SLOTS: start, end, master, replicas. */
  ranges(): { start: number; end: number; nodes: SimulatedNode[] }[] {
    const { owners, masters } = this.#belief;
    return owners.spans.map(({ start, end, shard }) => {
      const master = masters.get(shard)!;
      return { start, end, nodes: [master, ...shard.nodes.filter((node) => node !== master && !node.failed)] };
    });
  }

  /** CLUSTER NODES. */
  lines(): string {
    const ranges = this.ranges();
    const { masters } = this.#belief;
    const lines = this.cluster.nodes.map((node): NodeLine => {
      const master = masters.get(node.shard)!;
      const flags = [
        ...(node === this ? ['myself'] : []),
        master === node ? 'master' : 'slave',
        ...(node.failed ? ['fail'] : []),
      ];
      return {
        id: node.id,
        host: node.host,
        port: node.port,
        cport: node.port + 10_000,
        hostname: '',
        flags,
        master: master === node ? null : master.id,
        pingSent: 0,
        pongReceived: 0,
        configEpoch: this.cluster.epoch,
        connected: !node.failed,
        ranges: ranges.filter(({ nodes }) => nodes[0] === node).map(({ start, end }) => [start, end]),
        migrating: new Map(),
        importing: new Map(),
      };
    });
    return printNodes(lines);
  }
}
