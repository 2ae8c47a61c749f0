// A TCP line between a client and one server: slow, stalled, cut in chosen places, or garbled. It notes when a socket
// was lost by the line or the server, and counts the sockets that the client closed by itself: what a client did on its
// own decision can be distinguished from what was done to it. Clients come here by natMap.
// Invariant: when either side of a connection goes, the other goes too, and what was held back is dropped.

import { connect, createServer, type Server, type Socket } from 'node:net';
import { Framing, spoil } from '../../server/testing/framing.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a connection is cut: before a request arrives, inside it, before, inside or behind a reply. Or a spoiled byte. */
export const harms = ['before', 'insideRequest', 'unanswered', 'inside', 'after', 'garble'] as const;
export type Harm = (typeof harms)[number];

const upHarms: readonly Harm[] = ['before', 'insideRequest'];
const tickMs = 10;
/** A side whose bytes cannot leave is not read any further. */
const mostHeld = 256 * 1024;

export interface LineOptions {
  /** Chooses the harm of a chunk; undefined lets it pass. */
  readonly draw?: (direction: 'up' | 'down', bytes: number) => Harm | undefined;
  /** 0 <= n < 1. */
  readonly pick?: () => number;
}

export class Line {
  readonly #server: Server;
  readonly #target: Address;
  readonly #pairs = new Set<Pair>();
  readonly options: LineOptions;
  /** Bytes a second and direction. */
  rate = Number.POSITIVE_INFINITY;
  /** Nothing passes before this time of performance.now(). */
  stalledUntil = 0;
  /** Connections that clients made. */
  connections = 0;
  /** Connections that the client closed first. */
  closedByClient = 0;
  /** Bytes that clients sent. */
  upBytes = 0;
  /** When a connection was lost by the line or the server, in performance.now(). */
  readonly losses: number[] = [];
  /** When each connection was made. */
  readonly dialled: number[] = [];
  readonly counts: Record<Harm, number> = {
    before: 0,
    insideRequest: 0,
    unanswered: 0,
    inside: 0,
    after: 0,
    garble: 0,
  };

  private constructor(server: Server, target: Address, options: LineOptions) {
    this.#server = server;
    this.#target = target;
    this.options = options;
  }

  static async open(target: Address, options: LineOptions = {}): Promise<Line> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const line = new Line(server, target, options);
    server.on('connection', (client) => {
      line.connections++;
      line.dialled.push(performance.now());
      const node = connect({ ...line.#target, noDelay: true, allowHalfOpen: true });
      const pair = new Pair(client, node, line, () => line.#pairs.delete(pair));
      line.#pairs.add(pair);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return line;
  }

  get address(): Address {
    return { host: '127.0.0.1', port: (this.#server.address() as { port: number }).port };
  }

  get open(): number {
    return this.#pairs.size;
  }

  /** Nothing passes for `ms`. */
  stall(ms: number): void {
    this.stalledUntil = performance.now() + ms;
  }

  /** Cuts every connection that is open. */
  cut(): void {
    for (const pair of this.#pairs) pair.cut();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** A client's natMap that leads through lines; keys are `host:port` of the servers. */
export function natMapOf(lines: ReadonlyMap<string, Line>): (key: string) => Address | null {
  return (key) => lines.get(key)?.address ?? null;
}

class Pair {
  readonly #client: Socket;
  readonly #node: Socket;
  readonly #line: Line;
  readonly #onGone: () => void;
  readonly #ways: readonly Way[];
  #gone = false;
  #clientDone = false;
  garbled = false;

  constructor(client: Socket, node: Socket, line: Line, onGone: () => void) {
    this.#client = client;
    this.#node = node;
    this.#line = line;
    this.#onGone = onGone;
    this.#ways = [new Way('up', client, node, this, line), new Way('down', node, client, this, line)];
    client.on('error', () => this.#clientLeft());
    client.on('close', () => this.#clientLeft());
    node.on('error', () => this.cut());
    node.on('close', () => this.cut());
  }

  /** The client said it sends no more: what it has sent still arrives, and what was answered goes back. */
  clientEnded(): void {
    this.#noteClient();
    this.#ways[0]!.endWhenEmpty();
  }

  nodeEnded(): void {
    if (this.#clientDone) this.#ways[1]!.endWhenEmpty();
    else this.cut();
  }

  #clientLeft(): void {
    if (!this.#gone) this.#noteClient();
    this.#end();
  }

  #noteClient(): void {
    if (!this.#clientDone) this.#line.closedByClient++;
    this.#clientDone = true;
  }

  /** Lost by the line or the server. */
  cut(): void {
    if (this.#gone) return;
    if (!this.garbled && !this.#clientDone) this.#line.losses.push(performance.now());
    this.#end();
  }

  #end(): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const way of this.#ways) way.drop();
    this.#client.destroy();
    this.#node.destroy();
    this.#onGone();
  }
}

/** One direction of a connection; chunks keep their order. */
class Way {
  readonly #direction: 'up' | 'down';
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #pair: Pair;
  readonly #line: Line;
  readonly #framing = new Framing();
  #held: Buffer[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Nothing more is taken; the connection is cut when what is held has passed. */
  #cutting = false;
  #ending = false;

  constructor(direction: 'up' | 'down', from: Socket, to: Socket, pair: Pair, line: Line) {
    this.#direction = direction;
    this.#from = from;
    this.#to = to;
    this.#pair = pair;
    this.#line = line;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => (direction === 'up' ? pair.clientEnded() : pair.nodeEnded()));
    to.on('drain', () => this.#pump());
  }

  endWhenEmpty(): void {
    this.#ending = true;
    this.#pump();
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#held = [];
    this.#heldBytes = 0;
  }

  #take(chunk: Buffer): void {
    if (this.#cutting) return;
    const line = this.#line;
    if (this.#direction === 'up') line.upBytes += chunk.length;
    const { draw, pick = Math.random } = line.options;
    if (draw === undefined) {
      this.#hold(chunk);
      return;
    }
    const spots = this.#direction === 'down' && !this.#pair.garbled ? this.#framing.feed(chunk) : [];
    const harm = draw(this.#direction, chunk.length);
    if (harm === undefined || upHarms.includes(harm) !== (this.#direction === 'up')) {
      this.#hold(chunk);
      return;
    }
    if (harm === 'garble') {
      const types = spots.filter(({ kind }) => kind === 'type');
      const spot = types[Math.floor(pick() * types.length)];
      if (spot === undefined || this.#pair.garbled) {
        this.#hold(chunk);
        return;
      }
      line.counts.garble++;
      this.#pair.garbled = true;
      this.#hold(spoil(chunk, spot, pick));
      return;
    }
    line.counts[harm]++;
    if (harm === 'before' || harm === 'unanswered') {
      this.#pair.cut();
      return;
    }
    this.#cutting = true;
    const inside = Math.floor(pick() * chunk.length);
    this.#hold(harm === 'after' ? chunk : chunk.subarray(0, inside));
  }

  #hold(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > mostHeld) this.#from.pause();
    this.#pump();
  }

  #pump(): void {
    if (this.#timer !== undefined) return;
    while (this.#held.length > 0) {
      const stall = this.#line.stalledUntil - performance.now();
      if (stall > 0) {
        this.#later(stall);
        return;
      }
      if (this.#to.destroyed || this.#to.writableNeedDrain) return;
      const head = this.#held[0]!;
      const { rate } = this.#line;
      const part = Math.min(head.length, Math.max(1, Math.ceil((rate * tickMs) / 1000)));
      if (part < head.length) this.#held[0] = head.subarray(part);
      else this.#held.shift();
      this.#heldBytes -= part;
      if (this.#heldBytes <= mostHeld && this.#from.isPaused()) this.#from.resume();
      this.#to.write(head.subarray(0, part));
      if (rate !== Number.POSITIVE_INFINITY) {
        this.#later(tickMs);
        return;
      }
    }
    if (this.#cutting) this.#to.write('', () => this.#pair.cut());
    else if (this.#ending && !this.#to.writableEnded) this.#to.end();
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, ms);
  }
}
