// One connection through a proxy: who is at its two ends, and what becomes of the bytes in each direction.
// Owns the two sockets and what is held between them. Knows of RESP where a reply's framing lies, of the bus where a
// packet ends and who sent it, of replication how a replica introduces itself; nothing else.
// Invariant: the bytes of a direction keep their order; when the connection is lost, what was held is dropped, unless
// the network is: then nobody hears of it before that is healed.

import type { Socket } from 'node:net';
import type { Timer, World } from '../../lib/base/world.ts';
import { Framer } from '../bus/frame.ts';
import { messageKinds } from '../cluster/message.ts';
import { Framing, spoil } from './framing.ts';
import type { LinkCounts, LinkFault, Party, Traffic, Weather } from './link-shape.ts';

/** The network that a connection belongs to. */
interface Net {
  readonly world: World;
  readonly counts: LinkCounts;
  /** 0 <= n < 1, by the seed. */
  pick(): number;
  weather(from: Party, to: Party, traffic: Traffic): Weather;
  /** The node that listens at that port. */
  nodeAt(port: number): Party | undefined;
}

interface PairParts {
  readonly net: Net;
  readonly near: Socket;
  readonly far: Socket;
  readonly traffic: 'client' | 'bus';
  /** The node behind the proxy. */
  readonly node: () => Party;
  readonly onGone: () => void;
}

/** A side whose bytes cannot leave is not read any further. */
const mostHeld = 256 * 1024;
const longestDelay = 30;
const packetLimit = 64 << 20;
/** Of a packet of the bus. */
const [kindAt, senderAt, senderEnd] = [12, 40, 80];
/** A replica says early on where it listens. */
const introduction = 4096;

export class Pair {
  garbled = false;
  traffic: Traffic;
  readonly net: Net;
  readonly #parts: PairParts;
  readonly #up: Way;
  readonly #down: Way;
  #near: Party;
  /** Of a replica: where it listens. Its id may not be known yet. */
  #nearPort: number | undefined;
  #gone = false;

  constructor(parts: PairParts) {
    this.#parts = parts;
    this.net = parts.net;
    this.#near = parts.traffic === 'bus' ? '' : 'clients';
    this.traffic = parts.traffic;
    this.#up = new Way(this, 'up', parts.near, parts.far);
    this.#down = new Way(this, 'down', parts.far, parts.near);
  }

  /** Who dialled, as far as it has said. */
  get near(): Party {
    return (this.#nearPort === undefined ? undefined : this.net.nodeAt(this.#nearPort)) ?? this.#near;
  }

  /** The node that sends packets of the bus on it. */
  dialledBy(id: Party): void {
    this.#near = id;
  }

  /** A node that listens there asks for the stream of the other one. */
  isReplica(port: number): void {
    this.#nearPort = port;
    this.traffic = 'replication';
  }

  get far(): Party {
    return this.#parts.node();
  }

  /** What holds in a direction now. */
  weather(direction: 'up' | 'down'): Weather {
    const [from, to] = direction === 'up' ? [this.near, this.far] : [this.far, this.near];
    return this.net.weather(from, to, this.traffic);
  }

  /** The rules have changed. */
  review(): void {
    this.#up.pump();
    this.#down.pump();
  }

  /** Both ends see the connection lost, at once. */
  reset(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#up.drop();
    this.#down.drop();
    this.#parts.near.resetAndDestroy();
    this.#parts.far.resetAndDestroy();
    this.#parts.onGone();
  }

  /** A side has gone, and all that it had sent has passed: the other side hears of it. */
  end(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#up.drop();
    this.#down.drop();
    this.#parts.near.destroy();
    this.#parts.far.destroy();
    this.#parts.onGone();
  }
}

type Held = { readonly bytes: Buffer; readonly due: number } | 'end' | 'gone';

/** One direction of a connection. */
class Way {
  readonly #pair: Pair;
  readonly #direction: 'up' | 'down';
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #framing = new Framing();
  readonly #framer = new Framer(packetLimit);
  #held: Held[] = [];
  #heldBytes = 0;
  #due = 0;
  #timer: Timer | undefined;
  #cutting = false;
  #dropped = false;
  #head = '';

  constructor(pair: Pair, direction: 'up' | 'down', from: Socket, to: Socket) {
    this.#pair = pair;
    this.#direction = direction;
    this.#from = from;
    this.#to = to;
    from.on('data', (chunk: Buffer) => this.#onData(chunk));
    from.on('end', () => this.#hold('end'));
    from.on('error', () => undefined);
    from.on('close', () => this.#hold('gone'));
    to.on('drain', () => this.pump());
  }

  drop(): void {
    this.#dropped = true;
    this.#timer?.cancel();
    this.#held = [];
  }

  /** Passes on what may pass by now. */
  pump(): void {
    if (this.#dropped) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = this.#pair.net.world.now();
    while (this.#held.length > 0 && !this.#pair.weather(this.#direction).lost) {
      const head = this.#held[0]!;
      if (head === 'gone') {
        this.#pair.end();
        return;
      }
      if (head !== 'end' && head.due > now) {
        this.#timer = this.#pair.net.world.after(head.due - now, () => this.pump());
        break;
      }
      if (this.#to.writableNeedDrain) break;
      this.#held.shift();
      if (head === 'end') this.#to.end();
      else {
        this.#heldBytes -= head.bytes.length;
        if (!this.#to.destroyed && this.#to.writable) this.#to.write(head.bytes);
      }
    }
    if (this.#cutting && this.#held.length === 0) this.#to.write('', () => this.#pair.reset());
    if (this.#heldBytes < mostHeld && this.#from.isPaused()) this.#from.resume();
  }

  #onData(chunk: Buffer): void {
    if (this.#cutting || this.#dropped) return;
    if (this.#pair.traffic === 'bus') this.#onBus(chunk);
    else {
      if (this.#direction === 'up' && this.#head.length < introduction) this.#listen(chunk);
      this.#take(chunk);
    }
    if (this.#heldBytes >= mostHeld) this.#from.pause();
  }

  /** Whole packets: one that is dropped leaves the stream in order. */
  #onBus(chunk: Buffer): void {
    let packets: Buffer[];
    try {
      packets = this.#framer.push(chunk);
    } catch {
      this.#pair.reset();
      return;
    }
    for (const packet of packets) {
      if (this.#direction === 'up') this.#pair.dialledBy(packet.toString('latin1', senderAt, senderEnd));
      const kind = messageKinds[packet.readUInt16BE(kindAt)];
      if (kind !== undefined && this.#pair.weather(this.#direction).drop.has(kind)) this.#pair.net.counts.dropped++;
      else this.#take(packet);
    }
  }

  /** A replica says where it listens before it asks for the stream. */
  #listen(chunk: Buffer): void {
    this.#head += chunk.toString('latin1', 0, introduction);
    const port = /listening-port\r\n\$\d+\r\n(\d+)\r\n/i.exec(this.#head)?.[1];
    if (port === undefined) return;
    if (this.#pair.net.nodeAt(Number(port)) === undefined) return;
    this.#pair.isReplica(Number(port));
    this.#head = ' '.repeat(introduction);
  }

  #take(chunk: Buffer): void {
    const weather = this.#pair.weather(this.#direction);
    const { counts, pick } = this.#pair.net;
    // The stream is followed in calm times too, so that the place is known when one is to be spoiled.
    const follows = this.#direction === 'down' && this.#pair.traffic === 'client' && !this.#pair.garbled;
    const spots = follows ? this.#framing.feed(chunk) : [];
    const fault = draw(weather, pick);
    if (fault === undefined || (fault === 'garble' && spots.length === 0)) {
      this.#pass(chunk, 0, weather);
      return;
    }
    counts[fault]++;
    const inside = 1 + Math.floor(pick() * (chunk.length - 1));
    const wait = Math.ceil(pick() * longestDelay);
    if (fault === 'reset') this.#pair.reset();
    else if (fault === 'cutInside') {
      this.#cutting = true;
      this.#pass(chunk.subarray(0, inside), 0, weather);
    } else if (fault === 'halve') {
      this.#pass(chunk.subarray(0, inside), 0, weather);
      this.#pass(chunk.subarray(inside), wait, weather);
    } else if (fault === 'garble') {
      this.#pair.garbled = true;
      this.#pass(spoil(chunk, spots[Math.floor(pick() * spots.length)]!, pick), 0, weather);
    } else this.#pass(chunk, fault === 'stall' ? weather.stallMs : wait, weather);
  }

  #pass(bytes: Buffer, wait: number, { latencyMs, jitterMs, bandwidth }: Weather): void {
    const { net } = this.#pair;
    const jitter = jitterMs === 0 ? 0 : net.pick() * jitterMs;
    const now = net.world.now();
    const due = Math.max(now + latencyMs + jitter + wait, this.#due + wait);
    this.#due = due + (bytes.length / bandwidth) * 1000;
    this.#heldBytes += bytes.length;
    this.#hold({ bytes, due: this.#due });
  }

  #hold(held: Held): void {
    if (this.#dropped) return;
    this.#held.push(held);
    if (this.#timer === undefined) this.pump();
  }
}

function draw({ chances }: Weather, pick: () => number): LinkFault | undefined {
  const wanted = Object.entries(chances) as [LinkFault, number][];
  // No chance is drawn where none is wanted: what a seed brings about stays the same.
  if (wanted.length === 0) return undefined;
  let left = pick();
  for (const [fault, chance] of wanted) {
    left -= chance;
    if (left < 0) return fault;
  }
  return undefined;
}
