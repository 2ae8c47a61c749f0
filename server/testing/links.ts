// The network between clients and nodes, and between nodes: a proxy before the client port and the bus port of each
// node, announced in its place, and what users want of the links between the parties.
// Owns: the proxies, the rules and the chance of what happens.
// Does not know: clusters; nodes are ids that it is given.
// Invariant: without rules every byte passes as it comes; healed, what was held back arrives, in order.

import { connect, createServer, type Server, type Socket } from 'node:net';
import { ManualWorld, type World } from '../../lib/base/world.ts';
import type { NodePlace } from '../embedded/inside.ts';
import { Pair } from './link-pair.ts';
import {
  calm,
  checkShape,
  type LinkCounts,
  type LinkShape,
  type Party,
  sumOf,
  type Traffic,
  type Weather,
} from './link-shape.ts';

interface Rule {
  readonly from: Party;
  readonly to: Party;
  readonly shape: LinkShape;
}

/** A rule that was set: `clear()` ends it. */
export interface LinkHandle {
  clear(): void;
}

export interface LinkNetOptions {
  readonly host: string;
  readonly world: World;
  readonly seed: number;
}

export class LinkNet {
  readonly world: World;
  readonly counts: LinkCounts = {
    reset: 0,
    cutInside: 0,
    halve: 0,
    stall: 0,
    garble: 0,
    delay: 0,
    dropped: 0,
    connections: 0,
  };
  readonly #host: string;
  readonly #chance: ManualWorld;
  readonly #doors: Door[] = [];
  #rules: Rule[] = [];
  /** Which party each is in; whoever is in none reaches everybody. */
  #parts = new Map<Party, number>();
  #oneWay = false;

  constructor({ host, world, seed }: LinkNetOptions) {
    this.#host = host;
    this.world = world;
    this.#chance = new ManualWorld({ seed });
  }

  /** 0 <= n < 1, by the seed. */
  readonly pick = (): number => this.#chance.random();

  /** Opens proxies for nodes; resolves to where those are. `cport` 0: none for a bus. */
  async open(places: readonly NodePlace[]): Promise<NodePlace[]> {
    const opened: NodePlace[] = [];
    for (const { port, cport } of places) {
      const client = await this.#door(port, 'client', port);
      const bus = cport === 0 ? 0 : await this.#door(cport, 'bus', port);
      opened.push({ port: client, cport: bus });
    }
    return opened;
  }

  /** The node that listens at `port` has this id. */
  name(port: number, id: string): void {
    for (const door of this.#doors) if (door.nodePort === port) door.node = id;
  }

  /** Where clients find the node that listens at `port`. */
  portOf(port: number): number {
    return this.#doors.find((door) => door.nodePort === port && door.traffic === 'client')?.port ?? port;
  }

  /** The node that listens at `port`, as it says of itself. */
  nodeAt(port: number): Party | undefined {
    return this.#doors.find((door) => door.nodePort === port)?.node;
  }

  /** A client's natMap: from the addresses that nodes have to those of their proxies. */
  readonly natMap = (key: string): { readonly host: string; readonly port: number } | null => {
    const port = Number(key.slice(key.lastIndexOf(':') + 1));
    const proxy = this.portOf(port);
    return proxy === port ? null : { host: this.#host, port: proxy };
  };

  /** Addresses of the proxies of the client ports. */
  get seeds(): { readonly host: string; readonly port: number }[] {
    return this.#doors.flatMap((door) => (door.traffic === 'client' ? [{ host: this.#host, port: door.port }] : []));
  }

  /** Connections that pass through now. */
  get connections(): number {
    return this.#doors.reduce((sum, { pairs }) => sum + pairs.size, 0);
  }

  /** Connections that a client has not closed although a spoiled byte went to it. */
  get garbledOpen(): number {
    return this.#doors.reduce((sum, { pairs }) => sum + [...pairs].filter(({ garbled }) => garbled).length, 0);
  }

  /** From now on the links between two parties are so. Throws a RangeError that names the option that is wrong. */
  shape(from: Party, to: Party, shape: LinkShape): LinkHandle {
    const rules: Rule[] = [{ from, to, shape: checkShape(shape) }];
    if (shape.oneWay !== true) rules.push({ from: to, to: from, shape });
    this.#rules = [...this.#rules, ...rules];
    this.#changed();
    return {
      clear: () => {
        this.#rules = this.#rules.filter((rule) => !rules.includes(rule));
        this.#changed();
      },
    };
  }

  /** Nothing passes between parties of different groups; with `oneWay`, from an earlier group to a later one only. */
  part(groups: readonly (readonly Party[])[], oneWay: boolean): void {
    this.#parts = new Map(groups.flatMap((group, at) => group.map((party): [Party, number] => [party, at])));
    this.#oneWay = oneWay;
    this.#changed();
  }

  /** Ends every rule and partition: what was held back arrives. */
  heal(): void {
    this.#rules = [];
    this.#parts.clear();
    this.#changed();
  }

  /** Whether any rule or partition is in force. */
  get disturbed(): boolean {
    return this.#rules.length > 0 || this.#parts.size > 0;
  }

  /** Ends the connections between two parties that are open now, as a broken network does. Gives how many there were. */
  reset(from: Party, to: Party): number {
    let count = 0;
    for (const door of this.#doors) {
      for (const pair of [...door.pairs]) {
        const forth = fits(from, pair.near) && fits(to, pair.far);
        if (!forth && !(fits(to, pair.near) && fits(from, pair.far))) continue;
        pair.reset();
        count++;
      }
    }
    this.counts.reset += count;
    return count;
  }

  /** What holds for bytes of that kind from one party to another. */
  weather(from: Party, to: Party, traffic: Traffic): Weather {
    const parted = this.#parted(from, to);
    if (!parted && this.#rules.length === 0) return calm;
    const shapes = this.#rules
      .filter((rule) => fits(rule.from, from) && fits(rule.to, to) && (rule.shape.traffic ?? traffic) === traffic)
      .map(({ shape }) => shape);
    return sumOf(parted ? [...shapes, { lost: true }] : shapes);
  }

  async close(): Promise<void> {
    await Promise.all(this.#doors.map((door) => door.close()));
  }

  #parted(from: Party, to: Party): boolean {
    const [one, other] = [this.#parts.get(from), this.#parts.get(to)];
    if (one === undefined || other === undefined || one === other) return false;
    return !this.#oneWay || one < other;
  }

  #changed(): void {
    for (const { pairs } of this.#doors) for (const pair of pairs) pair.review();
  }

  async #door(target: number, traffic: 'client' | 'bus', nodePort: number): Promise<number> {
    const door = new Door(this, { host: this.#host, target, traffic, nodePort });
    await door.listen();
    this.#doors.push(door);
    return door.port;
  }
}

function fits(party: Party, actual: Party): boolean {
  return party === '*' || party === actual;
}

interface DoorPlace {
  readonly host: string;
  readonly target: number;
  readonly traffic: 'client' | 'bus';
  /** The client port of the node behind it. */
  readonly nodePort: number;
}

/** The proxy of one port of one node. */
class Door {
  readonly pairs = new Set<Pair>();
  readonly traffic: 'client' | 'bus';
  readonly nodePort: number;
  node: Party;
  port = 0;
  readonly #net: LinkNet;
  readonly #place: DoorPlace;
  readonly #server: Server;

  constructor(net: LinkNet, place: DoorPlace) {
    this.#net = net;
    this.#place = place;
    this.traffic = place.traffic;
    this.nodePort = place.nodePort;
    this.node = `port ${place.nodePort}`;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => this.#accept(near));
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, this.#place.host, () => {
        this.port = (this.#server.address() as { port: number }).port;
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    for (const pair of [...this.pairs]) pair.reset();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(near: Socket): void {
    const { host, target } = this.#place;
    this.#net.counts.connections++;
    const far = connect({ host, port: target, noDelay: true, allowHalfOpen: true });
    const pair = new Pair({
      net: this.#net,
      near,
      far,
      traffic: this.traffic,
      node: () => this.node,
      onGone: () => this.pairs.delete(pair),
    });
    this.pairs.add(pair);
  }
}
