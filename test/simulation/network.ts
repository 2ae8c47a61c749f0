// A network of a world's own: sockets without a kernel. Bytes take time, in order, and may be held up, cut off or
// spoiled on their way; what is under way when a connection is cut is lost.
// Knows nothing of RESP. Invariant: what happens on it depends on the world's clock and seed alone.

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { ManualWorld } from '../../lib/base/world.ts';
import type { Dialing, DialOptions, NetworkedWorld } from '../../lib/connection/dial.ts';

/** A server's end of a connection. */
export interface Peer {
  /** Bytes of the client have come. */
  receive(bytes: Buffer): void;
  /** The connection is gone. */
  gone(): void;
}

export interface Host {
  /** Undefined: refuses. */
  accept(wire: Wire): Peer | undefined;
}

export class SimulatedWorld extends ManualWorld implements NetworkedWorld {
  readonly wires = new Set<Wire>();
  /** Of both directions together, for each chunk: milliseconds from and to. */
  latency: readonly [number, number] = [0.2, 2];
  readonly #hosts = new Map<string, Host>();

  listen(address: string, host: Host): void {
    this.#hosts.set(address, host);
  }

  /** A whole number from `from` to `to`. */
  between(from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1));
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)]!;
  }

  delay(): number {
    const [from, to] = this.latency;
    return from + this.random() * (to - from);
  }

  dial(options: DialOptions): Dialing {
    const address = `${options.host}:${options.port}`;
    let cancel: (reason: Error) => void = () => {};
    const opened = new Promise<Socket>((resolve, reject) => {
      let over = false;
      const end = (act: () => void): void => {
        if (over) return;
        over = true;
        limit.cancel();
        act();
      };
      const fail = (text: string, code: string): void => end(() => reject(Object.assign(new Error(text), { code })));
      const limit = this.after(options.connectTimeout ?? 10_000, () => fail('connect ETIMEDOUT', 'ETIMEDOUT'));
      cancel = (reason) => end(() => reject(reason));
      this.after(this.delay(), () => {
        if (over) return;
        const wire = new Wire(this, address);
        const peer = this.#hosts.get(address)?.accept(wire);
        if (peer === undefined) fail(`connect ECONNREFUSED ${address}`, 'ECONNREFUSED');
        else end(() => resolve(wire.open(peer) as unknown as Socket));
      });
    });
    return { opened, cancel };
  }
}

/** One direction: what passes keeps its order. */
class Way {
  readonly #world: SimulatedWorld;
  readonly #deliver: (bytes: Buffer) => void;
  #free = 0;
  #cut = false;
  waiting = 0;

  constructor(world: SimulatedWorld, deliver: (bytes: Buffer) => void) {
    this.#world = world;
    this.#deliver = deliver;
  }

  /** Nothing passes for `ms` from now. */
  stall(ms: number): void {
    this.#free = Math.max(this.#free, this.#world.now() + ms);
  }

  send(bytes: Buffer): void {
    for (const piece of this.#pieces(bytes)) this.#pass(() => this.#deliver(piece), piece.length);
  }

  /** Runs once everything sent before has arrived. */
  after(act: () => void): void {
    this.#pass(act, 0);
  }

  cut(): void {
    this.#cut = true;
  }

  #pass(act: () => void, length: number): void {
    const world = this.#world;
    this.#free = Math.max(this.#free, world.now() + world.delay());
    this.waiting += length;
    world.after(this.#free - world.now(), () => {
      this.waiting -= length;
      if (!this.#cut) act();
    });
  }

  // Most chunks arrive whole, some in pieces.
  #pieces(bytes: Buffer): Buffer[] {
    if (bytes.length < 2 || this.#world.random() < 0.8) return [bytes];
    const at = this.#world.between(1, bytes.length - 1);
    return [bytes.subarray(0, at), bytes.subarray(at)];
  }
}

/** How a connection ended: by a decision of the client's, or by what others did to it. */
export type Ending = 'client' | 'others';

/** A connection: the client's socket, the server's peer, and the two ways between them. */
export class Wire {
  readonly address: string;
  ended: Ending | undefined;
  /** Spoils the next byte that goes to the client. */
  spoilNext = false;
  readonly #world: SimulatedWorld;
  readonly #up: Way;
  readonly #down: Way;
  readonly #socket: SimulatedSocket;
  #peer: Peer | undefined;

  constructor(world: SimulatedWorld, address: string) {
    this.#world = world;
    this.address = address;
    this.#socket = new SimulatedSocket(this);
    this.#up = new Way(world, (bytes) => this.#peer?.receive(bytes));
    this.#down = new Way(world, (bytes) => this.#socket.arrived(bytes));
  }

  open(peer: Peer): SimulatedSocket {
    this.#peer = peer;
    this.#world.wires.add(this);
    return this.#socket;
  }

  fromClient(bytes: Buffer): void {
    if (this.ended === undefined) this.#up.send(bytes);
  }

  fromServer(bytes: Buffer): void {
    if (this.ended !== undefined) return;
    if (this.spoilNext) {
      this.spoilNext = false;
      // A letter in place of a type byte: no reply begins with one.
      this.#down.send(Buffer.concat([Buffer.from('q'), bytes.subarray(1)]));
    } else this.#down.send(bytes);
  }

  stall(ms: number): void {
    this.#up.stall(ms);
    this.#down.stall(ms);
  }

  get upWaiting(): number {
    return this.#up.waiting;
  }

  /** The client has closed its socket: what it wrote before may still arrive. */
  closedByClient(): void {
    if (this.#end('client')) this.#up.after(() => this.#forget());
  }

  /** The client writes no more; the server closes when it has answered what it has. */
  finishedByClient(): void {
    this.#up.after(() => this.#down.after(() => this.closedByServer()));
  }

  /** The server closes: the client notices it behind what was sent before. */
  closedByServer(): void {
    if (this.ended !== undefined) return;
    this.#down.after(() => {
      this.#end('others');
      this.#socket.lost();
    });
    this.#forget();
  }

  /** The network takes it: what is under way is lost. */
  cut(): void {
    if (!this.#end('others')) return;
    this.#up.cut();
    this.#down.cut();
    this.#forget();
    this.#world.after(this.#world.delay(), () => this.#socket.lost(this.#world.random() < 0.5));
  }

  #end(how: Ending): boolean {
    if (this.ended !== undefined) return false;
    this.ended = how;
    return true;
  }

  #forget(): void {
    this.#world.wires.delete(this);
    const peer = this.#peer;
    this.#peer = undefined;
    peer?.gone();
  }
}

/** As much of a socket as a connection uses. */
class SimulatedSocket extends EventEmitter {
  readonly connecting = false;
  readonly writableLength = 0;
  readonly writableNeedDrain = false;
  bytesWritten = 0;
  destroyed = false;
  readonly #wire: Wire;
  #corked: Buffer[] | undefined;

  constructor(wire: Wire) {
    super();
    this.#wire = wire;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  resume(): this {
    return this;
  }

  cork(): void {
    this.#corked = [];
  }

  uncork(): void {
    const corked = this.#corked ?? [];
    this.#corked = undefined;
    if (corked.length > 0) this.write(Buffer.concat(corked));
  }

  write(bytes: Buffer | string): boolean {
    // The caller's memory is written again.
    const copy = Buffer.from(bytes as Buffer);
    if (this.#corked !== undefined) this.#corked.push(copy);
    else if (!this.destroyed) {
      this.bytesWritten += copy.length;
      this.#wire.fromClient(copy);
    }
    return true;
  }

  end(): this {
    if (!this.destroyed) this.#wire.finishedByClient();
    return this;
  }

  destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.#wire.closedByClient();
    return this;
  }

  arrived(bytes: Buffer): void {
    if (!this.destroyed) this.emit('data', Buffer.from(bytes));
  }

  lost(reset = false): void {
    if (this.destroyed) return;
    this.destroyed = true;
    if (reset) this.emit('error', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    else this.emit('end');
    this.emit('close');
  }
}
