// TCP proxies in front of every node of a cluster, which cut, delay, halve, stall and garble what passes, by seed.
// Clients find them through natMap(). Knows RESP's framing (framing.ts) and nothing of commands.
// Invariant: when either side of a pair goes, the other goes at once and what was held back is dropped, so no byte of
// a lost connection arrives late.

import { connect, createServer, type Server, type Socket } from 'node:net';
import { ManualWorld } from '../../lib/base/world.ts';
import { Framing, spoil } from '../../server/testing/framing.ts';

export type Fault = 'cut' | 'cutInside' | 'delay' | 'halve' | 'stall' | 'garble';

export interface FaultPlan {
  /** Chance of each fault, for each chunk that passes; the sum is at most 1. */
  readonly chances: Readonly<Partial<Record<Fault, number>>>;
  /** Longest delay of a chunk or half of one, ms; default 30. */
  readonly delay?: number;
  /** How long a stalled direction says nothing, ms; default 2500. */
  readonly stall?: number;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

type Direction = 'up' | 'down';

export class ProxyRing {
  /** What has been done so far. */
  readonly counts: Record<Fault, number> = { cut: 0, cutInside: 0, delay: 0, halve: 0, stall: 0, garble: 0 };
  readonly #chance: ManualWorld;
  readonly #plan: FaultPlan;
  readonly #doors = new Map<string, Door>();
  /** While false every byte passes as it comes. */
  stormy = false;

  private constructor(plan: FaultPlan, seed: number) {
    this.#plan = plan;
    this.#chance = new ManualWorld({ seed });
  }

  /** One proxy a node, on free loopback ports. Calm until `stormy` is set. */
  static async start(nodes: readonly Address[], plan: FaultPlan, seed: number): Promise<ProxyRing> {
    const ring = new ProxyRing(plan, seed);
    for (const node of nodes) ring.#doors.set(`${node.host}:${node.port}`, await Door.open(node, ring));
    return ring;
  }

  /** A client's natMap: from the addresses nodes have to those of their proxies. */
  readonly natMap = (key: string): Address | null => this.#doors.get(key)?.address ?? null;

  get seeds(): Address[] {
    return [...this.#doors.values()].map((door) => door.address);
  }

  /** Connections that pass through now. */
  get open(): number {
    return [...this.#doors.values()].reduce((sum, door) => sum + door.pairs.size, 0);
  }

  /** Connections the client has not closed although a garbled byte went to it; 0 is what a good client leaves. */
  get garbledOpen(): number {
    return [...this.#doors.values()].reduce(
      (sum, door) => sum + [...door.pairs].filter((pair) => pair.garbled).length,
      0,
    );
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#doors.values()].map((door) => door.close()));
  }

  /** The fault of the next chunk, if any. */
  draw(): Fault | undefined {
    if (!this.stormy) return undefined;
    let left = this.#chance.random();
    for (const [fault, chance] of Object.entries(this.#plan.chances) as [Fault, number][]) {
      left -= chance;
      if (left < 0) return fault;
    }
    return undefined;
  }

  /** 0 <= n < 1, by the seed. */
  readonly pick = (): number => this.#chance.random();

  get longestDelay(): number {
    return this.#plan.delay ?? 30;
  }

  get stallTime(): number {
    return this.#plan.stall ?? 2500;
  }
}

/** The proxy of one node. */
class Door {
  readonly pairs = new Set<Pair>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(node: Address, ring: ProxyRing): Promise<Door> {
    const server = createServer({ noDelay: true });
    const door = new Door(server);
    server.on('connection', (client) => {
      const pair = new Pair(client, connect({ ...node, noDelay: true }), ring, () => door.pairs.delete(pair));
      door.pairs.add(pair);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return door;
  }

  get address(): Address {
    return { host: '127.0.0.1', port: (this.#server.address() as { port: number }).port };
  }

  async close(): Promise<void> {
    for (const pair of this.pairs) pair.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** One connection: the client's socket, the node's, and what is held between them. */
class Pair {
  garbled = false;
  readonly #client: Socket;
  readonly #node: Socket;
  readonly #onGone: () => void;
  readonly #ways: readonly Way[];

  constructor(client: Socket, node: Socket, ring: ProxyRing, onGone: () => void) {
    this.#client = client;
    this.#node = node;
    this.#onGone = onGone;
    this.#ways = [new Way('up', client, node, this, ring), new Way('down', node, client, this, ring)];
    for (const socket of [client, node]) {
      socket.on('error', () => this.destroy());
      socket.on('close', () => this.destroy());
    }
  }

  destroy(): void {
    for (const way of this.#ways) way.drop();
    this.#client.destroy();
    this.#node.destroy();
    this.#onGone();
  }
}

/** One direction of a connection. Chunks keep their order, whatever happens to each. */
class Way {
  readonly #direction: Direction;
  readonly #to: Socket;
  readonly #pair: Pair;
  readonly #ring: ProxyRing;
  readonly #framing = new Framing();
  readonly #held: { readonly bytes: Buffer; readonly wait: number }[] = [];
  /** Nothing more is taken; the pair goes when what is held has passed. */
  #cutting = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(direction: Direction, from: Socket, to: Socket, pair: Pair, ring: ProxyRing) {
    this.#direction = direction;
    this.#to = to;
    this.#pair = pair;
    this.#ring = ring;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => pair.destroy());
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#held.length = 0;
  }

  #take(chunk: Buffer): void {
    if (this.#cutting) return;
    const ring = this.#ring;
    // The stream is followed in calm times too, so that the place is known when the storm comes.
    const spots = this.#direction === 'down' && !this.#pair.garbled ? this.#framing.feed(chunk) : [];
    const fault = ring.draw();
    if (fault === undefined) {
      this.#pass(chunk, 0);
      return;
    }
    const inside = 1 + Math.floor(ring.pick() * (chunk.length - 1));
    const wait = Math.ceil(ring.pick() * ring.longestDelay);
    if (fault === 'garble') {
      const spot = spots[Math.floor(ring.pick() * spots.length)];
      if (spot === undefined) {
        this.#pass(chunk, 0);
        return;
      }
      this.#pass(spoil(chunk, spot, ring.pick), 0);
      this.#pair.garbled = true;
    } else if (fault === 'cut') this.#pair.destroy();
    else if (fault === 'cutInside') {
      this.#cutting = true;
      this.#pass(chunk.subarray(0, inside), 0);
    } else if (fault === 'delay') this.#pass(chunk, wait);
    else if (fault === 'halve') {
      this.#pass(chunk.subarray(0, inside), 0);
      this.#pass(chunk.subarray(inside), wait);
    } else this.#pass(chunk, ring.stallTime);
    ring.counts[fault]++;
  }

  #pass(bytes: Buffer, wait: number): void {
    this.#held.push({ bytes, wait });
    if (this.#timer === undefined) this.#next();
  }

  #next(): void {
    for (let head = this.#held[0]; head !== undefined; head = this.#held[0]) {
      if (head.wait > 0) {
        this.#held[0] = { bytes: head.bytes, wait: 0 };
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          this.#next();
        }, head.wait);
        return;
      }
      this.#held.shift();
      if (this.#to.destroyed) continue;
      if (this.#cutting && this.#held.length === 0) this.#to.write(head.bytes, () => this.#pair.destroy());
      else this.#to.write(head.bytes);
    }
  }
}
