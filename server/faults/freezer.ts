// Stops one node of a program as SIGSTOP stops a process: its clock, its sockets and its bus, from outside.
// Owns: what the node's timers, its sockets and the bus had to say meanwhile.
// Does not know: what a node is; it wraps the world and the bus that a node is given.
// Invariant: while frozen no timer of the node runs, nothing is read from its sockets and nothing leaves them; thawed,
// all of it goes on in the order in which it came.

import type { Socket } from 'node:net';
import type { NotingWorld, Timer, World } from '../../lib/base/world.ts';
import type { Bus, BusAddress, BusLink, Delivery, LinkEvents, OpenBus } from '../bus/bus.ts';

/** What the bus may bring to a node that is frozen; more is lost, as what a full socket does not take. */
const mostWaiting = 10_000;

export class Freezer {
  /** The world for the node to live in. */
  readonly world: World;
  #frozen = false;
  readonly #due = new Set<() => void>();
  readonly #arrived: (() => void)[] = [];
  readonly #sockets = new Map<Socket, FrozenSocket | undefined>();

  constructor(world: World) {
    this.world = new FreezableWorld(world, this);
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  freeze(): void {
    if (this.#frozen) return;
    this.#frozen = true;
    for (const socket of this.#sockets.keys()) this.#sockets.set(socket, new FrozenSocket(socket));
  }

  /** Goes on: timers that fell due first, then what arrived. */
  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    for (const run of this.#take(this.#due)) this.#goOn(run, this.#due);
    const arrived = this.#arrived.splice(0);
    for (const [at, run] of arrived.entries()) {
      if (this.#frozen) this.#arrived.push(...arrived.slice(at));
      if (this.#frozen) break;
      run();
    }
    if (this.#frozen) return;
    for (const [socket, held] of this.#sockets) {
      held?.release();
      this.#sockets.set(socket, undefined);
    }
  }

  /** The node is closed, its sockets with it: what waits for it is dropped, and the next one in its place begins unfrozen. */
  forget(): void {
    this.#frozen = false;
    this.#due.clear();
    this.#arrived.length = 0;
    for (const [socket, held] of this.#sockets) {
      if (held === undefined) continue;
      // Before it can answer anything.
      socket.destroy();
      held.release();
    }
    this.#sockets.clear();
  }

  /** Runs `timer` now, or once thawed. Gives back what forgets it. */
  tick(run: () => void): void {
    if (this.#frozen) this.#due.add(run);
    else run();
  }

  cancel(run: () => void): void {
    this.#due.delete(run);
  }

  onSocket(socket: Socket): void {
    this.#sockets.set(socket, this.#frozen ? new FrozenSocket(socket) : undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** A bus whose deliveries wait while frozen. */
  bus(open: OpenBus): OpenBus {
    return (address, onInbound) => new FreezableBus(open(address, this.#gated(onInbound)), (run) => this.#gate(run));
  }

  #gated(onInbound: (delivery: Delivery) => void): (delivery: Delivery) => void {
    return (delivery) => this.#gate(() => onInbound(delivery));
  }

  #gate(run: () => void): void {
    if (!this.#frozen) run();
    else if (this.#arrived.length < mostWaiting) this.#arrived.push(run);
  }

  #take(set: Set<() => void>): (() => void)[] {
    const all = [...set];
    set.clear();
    return all;
  }

  /** What runs now may freeze the node again. */
  #goOn(run: () => void, waiting: Set<() => void>): void {
    if (this.#frozen) waiting.add(run);
    else run();
  }
}

class FreezableWorld implements World {
  readonly #world: World;
  readonly #freezer: Freezer;

  constructor(world: World, freezer: Freezer) {
    this.#world = world;
    this.#freezer = freezer;
    // Worlds with one level of the log are known by the lack of it.
    if ('note' in world) Object.assign(this, { note: (line: string) => (world as NotingWorld).note(line) });
  }

  now(): number {
    return this.#world.now();
  }

  wallClock(): number {
    return this.#world.wallClock();
  }

  after(ms: number, run: () => void, hold?: boolean): Timer {
    return this.#cancellable(run, (fire) => this.#world.after(ms, fire, hold));
  }

  deadline(ms: number, run: () => void): Timer {
    return this.#cancellable(run, (fire) => this.#world.deadline(ms, fire));
  }

  random(): number {
    return this.#world.random();
  }

  log(line: string): void {
    this.#world.log(line);
  }

  onSocket(socket: Socket): void {
    this.#world.onSocket?.(socket);
    this.#freezer.onSocket(socket);
  }

  #cancellable(run: () => void, set: (fire: () => void) => Timer): Timer {
    const freezer = this.#freezer;
    // Of its own, so that one function that is set twice is two timers.
    const due = (): void => run();
    const timer = set(() => freezer.tick(due));
    return {
      cancel: () => {
        timer.cancel();
        freezer.cancel(due);
      },
    };
  }
}

/** What a stopped process does not see of its peer. */
const signs = new Set<string | symbol>(['end', 'error', 'close']);

/**
 * A socket that is neither read nor written to: what its owner asks of it, and what becomes of its peer, is done and
 * shown when it is released.
 */
class FrozenSocket {
  readonly #socket: Socket;
  readonly #seen: [event: string | symbol, args: unknown[]][] = [];
  #flows: boolean;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#flows = socket.readableFlowing !== false;
    socket.pause();
    socket.cork();
    const emit = socket.emit.bind(socket) as Emit;
    Object.assign(socket, {
      resume: () => this.#setFlow(true),
      pause: () => this.#setFlow(false),
      emit: (event: string | symbol, ...args: unknown[]) =>
        signs.has(event) ? this.#seen.push([event, args]) > 0 : emit(event, ...args),
    });
  }

  release(): void {
    const socket = this.#socket;
    // Those of its class again.
    for (const name of ['resume', 'pause', 'emit']) Reflect.deleteProperty(socket, name);
    socket.uncork();
    if (this.#flows && !socket.destroyed) socket.resume();
    for (const [event, args] of this.#seen) socket.emit(event as string, ...args);
  }

  #setFlow(flows: boolean): Socket {
    this.#flows = flows;
    return this.#socket;
  }
}

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

class FreezableBus implements Bus {
  readonly #bus: Bus;
  readonly #gate: (run: () => void) => void;

  constructor(bus: Bus, gate: (run: () => void) => void) {
    this.#bus = bus;
    this.#gate = gate;
  }

  get overflows(): number {
    return this.#bus.overflows;
  }

  connect(address: BusAddress, events: LinkEvents): BusLink {
    const gate = this.#gate;
    const link = this.#bus.connect(address, {
      onOpen: () => gate(() => link.open && events.onOpen?.()),
      onMessage: (delivery) => gate(() => link.open && events.onMessage(delivery)),
      onClose: () => gate(() => events.onClose()),
    });
    return link;
  }

  close(): void {
    this.#bus.close();
  }
}
