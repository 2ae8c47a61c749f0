// Keeps one address connected: dials, shakes hands, dials again after a loss with backoff, and holds what must wait
// meanwhile. Where it stands is one state; the calls it holds are in one queue.
//
//   idle -> dialing -> up -> (lost) resting -> dialing ...        any -> ended
//
// Invariant: every call given to send() either went to a connection, is in the queue, or was refused by `false`.

import { AbortError, errorOfNode, QueueFullError, RedisError } from '../base/errors.ts';
import { Fifo } from '../base/fifo.ts';
import type { Timer, World } from '../base/world.ts';
import type { Push } from '../wire/reply.ts';
import type { Call, Lane } from './call.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { type Dialing, type DialOptions, dial, type Socket } from './dial.ts';
import { type HandshakeOptions, shakeHands } from './handshake.ts';
import { probe } from './probe.ts';

/** What a dial, a handshake and a connection go by, and the address they belong to. */
export interface LatestOptions extends DialOptions, HandshakeOptions, ConnectionOptions {
  readonly address: string;
}

export interface KeeperOptions extends DialOptions, HandshakeOptions, ConnectionOptions {
  /** Asked before each dial: what it gives is used from then on. Default: options stay as they are. */
  readonly latest?: (() => LatestOptions) | undefined;
  /** Milliseconds before dial number `times` (from 1) after a loss, or null to stay down. */
  readonly retryDelay: (times: number) => number | null;
  /** True: calls wait while the address is down (single node). False: send() refuses and the router looks elsewhere. */
  readonly holdWhileDown: boolean;
  /** Most calls that wait for a connection; default 1,000,000. */
  readonly maxQueueLength?: number | undefined;
  /** Most bytes that wait for a slow socket; default 512 MiB. */
  readonly maxQueueBytes?: number | undefined;
  /** Milliseconds without a byte, while calls wait, after which the socket is dropped; default never. */
  readonly socketTimeout?: number | undefined;
  /** Milliseconds that a peer has to answer and to close after leave(); then its socket is destroyed. Default 2000. */
  readonly disconnectTimeout?: number | undefined;
}

export type KeeperState = 'idle' | 'dialing' | 'up' | 'resting' | 'ended';

export interface KeeperEvents {
  onState(keeper: Keeper, state: KeeperState, reason?: Error): void;
  /** A socket is open; the handshake begins. */
  onOpen?(keeper: Keeper): void;
  /** The socket was behind and takes writes again. */
  onDrain?(keeper: Keeper): void;
  /** Calls wait and no bytes come (`silent` true), or bytes came again. */
  onSilence?(keeper: Keeper, silent: boolean): void;
  onPush?(keeper: Keeper, push: Push): void;
  /** As ConnectionEvents.onStray. */
  onStray?(reply: Buffer): boolean;
}

export class Keeper implements Lane {
  address: string;
  #options: KeeperOptions;
  readonly #world: World;
  readonly #events: KeeperEvents;
  readonly #queue = new Fifo<Call>();
  readonly #maxQueue: number;
  readonly #maxBytes: number;
  #state: KeeperState = 'idle';
  #connection: Connection | undefined;
  #dialing: Dialing | undefined;
  #probing = false;
  /** Open, but still shaking hands. */
  #young: Connection | undefined;
  #retired = new Set<Connection>();
  #times = 0;
  #dialedAt = 0;
  /** This dial has taken so long that nobody should wait for it. */
  #slow = false;
  #timer: Timer | undefined;
  #readOnly: boolean;
  /** The connection is half-closed and the last one: the keeper ends with it. */
  #leaving = false;
  /** Runs out when the peer of a half-closed connection does not close it. */
  #lingering: Timer | undefined;
  /** Who waits for a half-closed connection to be gone. */
  #departures: (() => void)[] = [];
  /** Why the last dial or connection failed. */
  lastError: Error | undefined;

  constructor(address: string, options: KeeperOptions, world: World, events: KeeperEvents) {
    this.address = address;
    this.#options = options;
    this.#world = world;
    this.#events = events;
    this.#maxQueue = options.maxQueueLength ?? 1_000_000;
    this.#maxBytes = options.maxQueueBytes ?? 512 * 1024 * 1024;
    this.#readOnly = options.readOnly ?? false;
  }

  get state(): KeeperState {
    return this.#state;
  }

  /** Calls sent and unanswered, and calls waiting for the connection. */
  get load(): number {
    return (this.#connection?.inFlight ?? 0) + this.#queue.size;
  }

  get protocol(): 2 | 3 {
    return this.#connection?.protocol ?? this.#options.protocol ?? 3;
  }

  /** The socket is behind: what is written now waits in memory until it drains. */
  get needsDrain(): boolean {
    return this.#connection !== undefined && !this.#connection.writable;
  }

  /** The peer owes answers, or a handshake, and says nothing; calls given to send() are refused until it speaks. */
  get silent(): boolean {
    return this.#connection?.silent ?? this.#slow;
  }

  /** Starts dialing when idle; a resting keeper dials at once. */
  open(): void {
    if (this.#state === 'idle' || this.#state === 'resting') this.#dial();
  }

  /** Sends or queues a call; false when the address is down and calls may not wait for it. */
  send(call: Call): boolean {
    const connection = this.#connection;
    if (connection !== undefined) {
      if (connection.silent) return false;
      if (!connection.writable && connection.pendingBytes > this.#maxBytes) {
        call.fail(this.#full(`${connection.pendingBytes} bytes wait for a slow socket (maxQueueBytes)`));
        return true;
      }
      if (connection.write(call)) return true;
    }
    return !this.#slow && this.#hold(call, false);
  }

  /** As send(), with ASKING before it in the same write. */
  sendAsking(call: Call): boolean {
    if (this.silent) return false;
    if (this.#connection?.writeAsking(call)) return true;
    return this.#hold(call, true);
  }

  /** Several calls next to each other on one connection, nothing between them. */
  sendAll(calls: readonly Call[], asking: boolean): boolean {
    if (this.silent || (this.#connection === undefined && !this.#mayHold())) return false;
    for (let at = 0; at < calls.length; at++) {
      if (asking && at === 0) this.sendAsking(calls[at]!);
      else this.send(calls[at]!);
    }
    return true;
  }

  /** Changes whether a replica is asked to answer reads; takes effect at once. */
  setReadOnly(readOnly: boolean, ask: (argv: readonly string[]) => Call): void {
    if (this.#readOnly === readOnly) return;
    this.#readOnly = readOnly;
    // One that still shakes hands has said its role already.
    (this.#connection ?? this.#young)?.write(ask([readOnly ? 'readonly' : 'readwrite']));
    // What made it useless as a replica may be no hindrance to a master, and everybody waits for one.
    if (this.#state === 'resting') this.#dial();
  }

  /** Replaces the connection: a new one is dialed, the old one closes when its calls are answered or after 5 s. */
  renew(): void {
    const old = this.#connection;
    if (old === undefined || this.#state !== 'up' || this.#leaving) return;
    this.#connection = undefined;
    this.#retired.add(old);
    old.end();
    this.#world.after(5000, () => old.destroy(new AbortError('Connection is closed.', { node: this.address })));
    this.#dial();
  }

  /** Every call it holds, sent or waiting. */
  forEachCall(visit: (call: Call) => void): void {
    this.#connection?.forEachCall(visit);
    for (const retired of this.#retired) retired.forEachCall(visit);
    this.#queue.forEach(visit);
  }

  /**
   * Looks whether the peer has been silent for `limit` ms while calls wait. If so, calls are no longer given to it
   * and a second connection asks: a peer that answers there, or cannot be reached at all, has lost this socket,
   * which is then dropped; one that is silent there too is busy or frozen, and others know better what to do.
   * With `replaceable` the socket is dropped without asking: its calls, reads all, have another place to go.
   */
  checkSilence(limit: number, replaceable = false): void {
    const connection = this.#connection;
    if (connection === undefined) this.#checkDial(limit);
    if (connection === undefined || this.#probing || connection.silence < limit) return;
    if (!connection.silent) {
      connection.silent = true;
      this.#events.onSilence?.(this, true);
    }
    if (replaceable) {
      connection.destroy(this.#mute(`Expecting data, but didn't receive any in ${limit}ms.`));
      return;
    }
    this.#probing = true;
    probe(this.address, this.#options, limit, this.#world).then(
      (verdict) => {
        this.#probing = false;
        if (verdict !== undefined && connection.silent) connection.destroy(verdict);
      },
      () => {
        this.#probing = false;
      },
    );
  }

  // A peer that was frozen before it was first dialed is as silent as one that froze later.
  #checkDial(limit: number): void {
    if (this.#state !== 'dialing' || this.#slow || this.#world.now() - this.#dialedAt < limit) return;
    this.#slow = true;
    this.#events.onSilence?.(this, true);
    this.#loseQueue(this.#mute(`No handshake within ${limit}ms.`));
  }

  #mute(what: string): Error {
    return new RedisError(`Socket timeout. ${what}`, { code: 'ERR_SILENT', node: this.address });
  }

  /** Drops the socket as if the peer had closed it; the keeper dials again by its rules. */
  drop(reason: Error): void {
    this.#connection?.destroy(reason);
  }

  /**
   * Closes the connection as its user asks, without taking back what was given to it: calls that were written leave
   * and are answered, no more are taken, and when the peer has closed, or after `disconnectTimeout`, the keeper ends
   * (or, with `again`, dials by its rules). Before a socket is open it ends at once, or goes on with `again`.
   * Resolves when the connection is gone.
   */
  leave(reason: Error, again = false): Promise<void> {
    const connection = this.#connection ?? this.#young;
    if (connection === undefined) {
      if (!again) this.close(reason);
      return Promise.resolve();
    }
    this.#leaving ||= !again;
    connection.halfClose(reason);
    const limit = this.#options.disconnectTimeout ?? 2000;
    this.#lingering ??= this.#world.after(limit, () => connection.destroy(reason));
    return new Promise((resolve) => this.#departures.push(resolve));
  }

  /** leave(), or close() when no call is under way: the promise of the former, in a list, or an empty one. */
  leaveIfBusy(reason: Error): Promise<void>[] {
    if (this.load > 0 && this.#connection !== undefined) return [this.leave(reason)];
    this.close(reason);
    return [];
  }

  /** Ends for good: at once, or once everything in flight is answered (`gently`). */
  close(reason: Error, gently = false): void {
    if (this.#state === 'ended') return;
    const connection = this.#connection;
    this.#departed();
    this.#timer?.cancel();
    this.#become('ended', reason);
    this.#dialing?.cancel(reason);
    this.#young?.destroy(reason);
    this.#loseQueue(reason);
    const closing = connection === undefined ? [...this.#retired] : [connection, ...this.#retired];
    for (const one of closing) {
      if (!gently) one.destroy(reason);
      else {
        this.#retired.add(one);
        one.end();
        this.#world.after(5000, () => one.destroy(reason));
      }
    }
  }

  #mayHold(): boolean {
    return (
      this.#state === 'dialing' || this.#state === 'idle' || (this.#state === 'resting' && this.#options.holdWhileDown)
    );
  }

  #hold(call: Call, asking: boolean): boolean {
    if (!this.#mayHold()) return false;
    if (this.#queue.size >= this.#maxQueue) {
      call.fail(this.#full(`${this.#queue.size} calls wait for the connection (maxQueueLength)`));
      return true;
    }
    call.asking = asking;
    this.#queue.push(call);
    if (this.#state === 'idle') this.#dial();
    return true;
  }

  #full(what: string): Error {
    return new QueueFullError(`Command queue is full: ${what}.`, { node: this.address });
  }

  #dial(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#dialedAt = this.#world.now();
    this.#slow = false;
    this.#become('dialing');
    this.#takeLatest();
    this.#dialing = dial(this.#options, this.#world);
    this.#dialing.opened.then(
      (socket) => this.#opened(socket),
      (error: Error) => this.#lost(error),
    );
  }

  #takeLatest(): void {
    const { latest } = this.#options;
    if (latest === undefined) return;
    const { address, ...options } = latest();
    this.address = address;
    this.#options = { ...this.#options, ...options };
    this.#readOnly = options.readOnly ?? false;
  }

  #opened(socket: Socket): void {
    this.#dialing = undefined;
    if (this.#state !== 'dialing') {
      socket.destroy();
      return;
    }
    let shaken = false;
    const connection: Connection = new Connection(socket, this.address, this.#options, this.#world, {
      onClose: (reason) => {
        if (this.#retired.delete(connection)) return;
        if (this.#connection === connection || this.#young === connection) this.#departed();
        if (shaken) this.#lost(reason);
      },
      onPush: (push) => this.#events.onPush?.(this, push),
      onDrain: () => this.#events.onDrain?.(this),
      onHeard: () => this.#events.onSilence?.(this, false),
      onStray: (reply) => this.#events.onStray?.(reply) ?? false,
    });
    this.#young = connection;
    this.#events.onOpen?.(this);
    const deadline = this.#world.after(this.#options.connectTimeout ?? 10_000, () =>
      connection.destroy(new RedisError('connect ETIMEDOUT', { code: 'ETIMEDOUT', node: this.address })),
    );
    shakeHands(connection, { ...this.#options, readOnly: this.#readOnly }).then(
      (protocol) => {
        deadline.cancel();
        this.#young = undefined;
        shaken = true;
        if (this.#state !== 'dialing')
          connection.destroy(new AbortError('Connection is closed.', { node: this.address }));
        else if (connection.closed)
          this.#lost(this.lastError ?? new RedisError('Connection is closed.', { node: this.address }));
        else this.#up(connection, protocol);
      },
      (error: Error) => {
        deadline.cancel();
        this.#young = undefined;
        connection.destroy(error);
        if (this.#state === 'dialing') this.#lost(error);
      },
    );
  }

  #up(connection: Connection, protocol: 2 | 3): void {
    connection.protocol = protocol;
    this.#connection = connection;
    this.#times = 0;
    this.#slow = false;
    this.lastError = undefined;
    this.#watchSocket(connection);
    this.#become('up');
    for (const call of this.#queue.drain()) {
      if (call.settled) continue;
      if (call.asking) connection.writeAsking(call);
      else connection.write(call);
    }
  }

  // A look every quarter: late by no more than that.
  #watchSocket(connection: Connection): void {
    const limit = this.#options.socketTimeout ?? 0;
    if (limit <= 0 || connection.closed) return;
    this.#world.after(Math.max(1, limit / 4), () => {
      if (connection.silence >= limit) {
        const message = `Socket timeout. Expecting data, but didn't receive any in ${limit}ms.`;
        connection.destroy(new RedisError(message, { code: 'ERR_SOCKET_TIMEOUT', node: this.address }));
      } else this.#watchSocket(connection);
    });
  }

  #departed(): void {
    this.#connection = undefined;
    this.#lingering?.cancel();
    this.#lingering = undefined;
    for (const departure of this.#departures.splice(0)) departure();
  }

  #lost(reason: Error): void {
    if (this.#state === 'ended') return;
    this.lastError = errorOfNode(this.address, reason);
    this.#slow = false;
    const delay = this.#leaving ? null : this.#options.retryDelay(++this.#times);
    if (delay === null) {
      this.#become('ended', this.lastError);
      this.#loseQueue(this.lastError);
      return;
    }
    this.#timer = this.#world.after(delay, () => this.#dial(), true);
    this.#become('resting', this.lastError);
    if (!this.#options.holdWhileDown) this.#loseQueue(this.lastError);
  }

  #loseQueue(reason: Error): void {
    for (const call of this.#queue.drain()) call.sink.onLost(call, reason);
  }

  #become(state: KeeperState, reason?: Error): void {
    this.#state = state;
    this.#events.onState(this, state, reason);
  }
}
