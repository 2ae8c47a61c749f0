// Keeps one address connected: dials, shakes hands, dials again after a loss with backoff, and holds what must wait
// meanwhile.
//
//   idle -> dialing -> up -> (lost) backoff -> dialing ...        any -> ended
//
// Owns: where it stands, which is one state, and when it dials again. Does not know: slots, what a refusal means, how the
// silence of a server is judged (peer).
// Invariant: every call given to send() either went to a connection, is in the queue, or was refused by `false`.

import type { Backlog } from '../base/backlog.ts';
import { errorOfNode } from '../base/errors.ts';
import type { Timer, World } from '../base/world.ts';
import type { Push } from '../wire/reply.ts';
import type { Call, CommandSender } from './call.ts';
import { ConnectAttempt } from './connect-attempt.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import type { CredentialSource } from './credentials.ts';
import { Departure } from './departure.ts';
import type { Socket } from './dial.ts';
import type { LiveConnection, LiveOptions } from './live-connection.ts';
import { Peer, type PeerHealth } from './peer.ts';
import type { ReachOptions } from './reach.ts';
import { WaitingCalls, type WaitLimits } from './waiting-calls.ts';

/** What a dial, a handshake and a connection go by, and the address they belong to. */
export interface LatestOptions extends ReachOptions, ConnectionOptions {
  readonly address: string;
}

export interface ReconnectingOptions extends LiveOptions, ConnectionOptions, WaitLimits {
  /** Asked before each dial: what it gives is used from then on. Default: options stay as they are. */
  readonly latest?: (() => LatestOptions) | undefined;
  /** Milliseconds before dial number `times` (from 1) after a loss, or null to stay down. */
  readonly retryDelay: (times: number) => number | null;
  /** True: calls wait while the address is down (single node). False: send() refuses and the router looks elsewhere. */
  readonly holdWhileDown: boolean;
  /**
   * Reads that wait may leave with the handshake; not where something else has to be said before the first of them.
   * Default false.
   */
  readonly earlyReads?: boolean | undefined;
  /** A connection lost within so many ms counts as a dial that failed: the next waits longer. Default 0. */
  readonly steadyAfter?: number | undefined;
  /** Milliseconds that a peer has to answer and to close after leave(); then its socket is destroyed. Default 2000. */
  readonly disconnectTimeout?: number | undefined;
}

export type ReconnectingState = 'idle' | 'dialing' | 'up' | 'backoff' | 'ended';

export interface ReconnectingEvents {
  onState(connection: ReconnectingConnection, state: ReconnectingState, reason?: Error): void;
  /** A socket is open; the handshake begins. */
  onOpen?(connection: ReconnectingConnection): void;
  /** Through its handshake; what is sent from within comes before everything that has waited. */
  onReady?(connection: ReconnectingConnection): void;
  /** The socket was behind and takes writes again. */
  onDrain?(connection: ReconnectingConnection): void;
  /** Calls wait, no bytes come, and new ones are held back (`silent` true), or no longer. */
  onSilence?(connection: ReconnectingConnection, silent: boolean): void;
  onPush?(connection: ReconnectingConnection, push: Push): void;
  /** As ConnectionEvents.onStray. */
  onStray?(reply: Buffer): boolean;
}

/** Milliseconds that a connection is given to answer what it has, when reconnectOnError asks for another. */
const turnOverLimit = 5000;

export class ReconnectingConnection implements CommandSender {
  address: string;
  #options: ReconnectingOptions;
  readonly #world: World;
  readonly #events: ReconnectingEvents;
  readonly #waiting: WaitingCalls;
  readonly #peer: Peer;
  #state: ReconnectingState = 'idle';
  #times = 0;
  #timer: Timer | undefined;
  #readOnly: boolean;
  /** Connections it has had so far, the one of now included. */
  generation = 0;
  /** The connection is half-closed and the last one: this ends with it. */
  #leaving = false;
  readonly #departure: Departure;
  /** Why the last dial or connection failed. */
  lastError: Error | undefined;

  constructor(address: string, options: ReconnectingOptions, world: World, events: ReconnectingEvents) {
    this.address = address;
    this.#options = options;
    this.#world = world;
    this.#events = events;
    this.#departure = new Departure(world);
    this.#peer = new Peer(world, (silent) => this.#events.onSilence?.(this, silent));
    this.#waiting = new WaitingCalls(options, () => this.#peer.live?.connection);
    this.#readOnly = options.readOnly ?? false;
  }

  get state(): ReconnectingState {
    return this.#state;
  }

  get ended(): boolean {
    return this.#state === 'ended';
  }

  /** Calls sent and unanswered, and calls waiting for the connection. */
  get load(): number {
    return (this.#peer.live?.connection.inFlight ?? 0) + this.#waiting.size;
  }

  /** What waits here, beneath the client's. */
  get backlog(): Backlog {
    return this.#waiting.backlog;
  }

  /** Whom a further connection to this node asks for its credentials. */
  get credentials(): CredentialSource | undefined {
    return this.#options.credentials;
  }

  get protocol(): 2 | 3 {
    return this.#peer.live?.connection.protocol ?? this.#options.protocol ?? 3;
  }

  /** The socket is behind: what is written now waits in memory until it drains. */
  get needsDrain(): boolean {
    return this.#peer.live?.connection.writable === false;
  }

  /** Ended, and still owed answers. */
  get draining(): boolean {
    return this.#state === 'ended' && this.#peer.owing;
  }

  /** The server at this address: whether it is well, and what it owes. */
  get peer(): PeerHealth {
    return this.#peer;
  }

  /** Starts dialing when idle; one that waits to dial again does so at once. */
  open(): void {
    if (this.#state === 'idle' || this.#state === 'backoff') this.#dial();
  }

  /** Sends or queues a call; false when the address is down and calls may not wait for it. */
  send(call: Call): boolean {
    const { live } = this.#peer;
    if (live !== undefined) {
      if (live.watch.holds) return false;
      const { connection } = live;
      if (!connection.writable && this.#waiting.refuses([call], this.address)) return true;
      if (connection.write(call)) return true;
    }
    return !this.#peer.silent && this.#hold(call, false);
  }

  /** As send(), with ASKING before it in the same write. */
  sendAsking(call: Call): boolean {
    if (this.#peer.silent) return false;
    const connection = this.#peer.live?.connection;
    if (connection?.writable === false && this.#waiting.refuses([call], this.address)) return true;
    if (connection?.writeAsking(call)) return true;
    return this.#hold(call, true);
  }

  /** Several calls next to each other on one connection, nothing between them; all or none are refused. */
  sendAll(calls: readonly Call[], asking: boolean): boolean {
    const peer = this.#peer;
    if (peer.silent || ((peer.live?.connection.ending ?? true) && !this.#mayHold())) return false;
    if (peer.live?.connection.writable !== true && this.#waiting.refuses(calls, this.address)) return true;
    for (let at = 0; at < calls.length; at++) {
      const call = calls[at]!;
      const behindAsking = asking && at === 0;
      const connection = peer.live?.connection;
      if (behindAsking ? connection?.writeAsking(call) : connection?.write(call)) continue;
      if (this.#mayHold()) this.#enqueue(call, behindAsking);
    }
    return true;
  }

  /** Changes whether a replica is asked to answer reads; takes effect at once. */
  setReadOnly(readOnly: boolean, ask: (argv: readonly string[]) => Call): void {
    if (this.#readOnly === readOnly) return;
    this.#readOnly = readOnly;
    // One that still shakes hands has said its role already.
    this.#peer.connection?.write(ask([readOnly ? 'readonly' : 'readwrite']));
    // What made it useless as a replica may be no hindrance to a master, and everybody waits for one.
    if (this.#state === 'backoff') this.#dial();
  }

  /** Replaces the connection: a new one is dialed, the old one closes when its calls are answered. */
  renew(): void {
    if (this.#state !== 'up' || this.#leaving) return;
    const live = this.#peer.release();
    if (live === undefined) return;
    this.#waiting.forgetBehind();
    this.#peer.retire(live);
    this.#dial();
  }

  // As renew(), but as a loss like any other: the next dial waits as retryDelay has it, and what comes meanwhile is held.
  #turnOver(connection: Connection, reason: Error): void {
    if (connection !== this.#peer.live?.connection) return;
    connection.end(reason);
    if (connection.closed) return;
    // Who blocks there is not waited for, nor taken away: it is answered on the old connection when its time comes.
    this.#world.after(turnOverLimit, () => {
      const { live } = this.#peer;
      if (live?.connection !== connection) return;
      this.#departed();
      this.#peer.retire(live);
      this.#lost(reason, live);
    });
  }

  /** Every call it holds, sent or waiting. */
  forEachCall(visit: (call: Call) => void): void {
    this.#peer.forEachCall(visit);
    this.#waiting.forEach(visit);
  }

  /** Drops the socket as if the peer had closed it; it is dialed again by the rules. */
  drop(reason: Error): void {
    this.#peer.live?.connection.destroy(reason);
  }

  /**
   * Closes the connection as its user asks, without taking back what was given to it: calls that were written leave
   * and are answered, no more are taken, and when the peer has closed, or after `disconnectTimeout`, this ends
   * (or, with `again`, dials by its rules). Before a socket is open it ends at once, or goes on with `again`.
   * Resolves when the connection is gone.
   */
  leave(reason: Error, again = false): Promise<void> {
    const { connection } = this.#peer;
    if (connection === undefined) {
      if (!again) this.close(reason);
      return Promise.resolve();
    }
    this.#leaving ||= !again;
    return this.#departure.begin(connection, reason, this.#options.disconnectTimeout);
  }

  /** leave(), or close() when no call is under way; what resolves when all that owed answers is gone. */
  leaveIfBusy(reason: Error): Promise<void>[] {
    const owing = this.leaveRetired(reason);
    if (this.load > 0 && this.#peer.live !== undefined) return [this.leave(reason), ...owing];
    this.close(reason, true);
    return owing;
  }

  /** As leave(), for the connections that were replaced and still owe answers: what resolves when they are gone. */
  leaveRetired(reason: Error): Promise<void>[] {
    return this.#peer.leaveRetired(reason, this.#options.disconnectTimeout ?? 2000);
  }

  /** Ends for good: at once, or once everything in flight is answered (`gently`, see `draining`). */
  close(reason: Error, gently = false): void {
    if (this.#state === 'ended') return;
    const live = this.#departed();
    this.#timer?.cancel();
    this.#become('ended', reason);
    this.#peer.cancelDial(reason);
    this.#loseQueue(reason);
    if (live !== undefined) this.#peer.retire(live);
    if (!gently) this.#peer.abandon(reason);
  }

  #mayHold(): boolean {
    const { holdWhileDown } = this.#options;
    switch (this.#state) {
      case 'up':
        return this.#peer.live?.connection.ending === true && !this.#leaving;
      case 'backoff':
        return holdWhileDown;
      default:
        return this.#state !== 'ended';
    }
  }

  #hold(call: Call, asking: boolean): boolean {
    if (!this.#mayHold()) return false;
    if (!this.#waiting.refuses([call], this.address)) this.#enqueue(call, asking);
    return true;
  }

  #enqueue(call: Call, asking: boolean): void {
    this.#waiting.push(call, asking);
    if (this.#state === 'idle') this.#dial();
  }

  #dial(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#become('dialing');
    // A listener has ended it.
    if (this.#state !== 'dialing') return;
    this.#takeLatest();
    const dialed = new ConnectAttempt(this.address, this.#options, this.#world, {
      readOnly: () => this.#readOnly,
      connect: (socket, attempt) => this.#connect(socket, attempt),
      onOpen: () => this.#events.onOpen?.(this),
      questions: () => this.#waiting.early(this.#mayReadEarly),
      onUp: (connection, protocol, attempt) => this.#up(connection, protocol, attempt),
      onFailed: (error) => this.#lost(error),
      onSlow: (reason) => {
        this.#events.onSilence?.(this, true);
        this.#loseQueue(reason);
      },
    });
    this.#peer.dialing(dialed);
  }

  // What reconnectOnError is asked about is an answer to its caller; one that is asked again is not.
  get #mayReadEarly(): boolean {
    const { earlyReads = false, reconnectOnError } = this.#options;
    return earlyReads && reconnectOnError === undefined;
  }

  #takeLatest(): void {
    const { latest } = this.#options;
    if (latest === undefined) return;
    const { address, ...options } = latest();
    this.address = address;
    this.#options = { ...this.#options, ...options };
    if ('readOnly' in options) this.#readOnly = options.readOnly ?? false;
  }

  #connect(socket: Socket, attempt: ConnectAttempt<ReconnectingOptions>): Connection {
    const connection: Connection = new Connection(socket, this.address, this.#options, this.#world, {
      onClose: (reason) => {
        if (this.#peer.retiredClosed(connection)) return;
        const { live } = this.#peer;
        const up = connection === live?.connection;
        if (up || connection === attempt.connection) this.#departed();
        if (up) this.#lost(reason, live);
        else attempt.closed(reason);
      },
      onPush: (push) => this.#events.onPush?.(this, push),
      onBehind: () => this.#waiting.noteBehind(),
      onDrain: () => {
        this.#waiting.noteBehind();
        this.#events.onDrain?.(this);
      },
      onHeard: () => this.#peer.heard(connection),
      onRenew: (reason) => this.#turnOver(connection, reason),
      onStray: (reply) => this.#events.onStray?.(reply) ?? false,
    });
    return connection;
  }

  #up(connection: Connection, protocol: 2 | 3, attempt: ConnectAttempt<ReconnectingOptions>): void {
    connection.protocol = protocol;
    const live = this.#peer.up(connection, attempt);
    this.generation++;
    this.lastError = undefined;
    this.#events.onReady?.(this);
    this.#waiting.leaveBy(connection, attempt, live.since);
    // Announced only now: what listeners send comes behind what has waited here.
    if (this.#peer.live === live) this.#become('up');
  }

  /** There is no live connection any more: given, when there was one. */
  #departed(): LiveConnection | undefined {
    const live = this.#peer.release();
    this.#waiting.forgetBehind();
    this.#departure.over();
    return live;
  }

  /** `live`: the connection that was lost; none where a dial has failed. */
  #lost(reason: Error, live?: LiveConnection): void {
    if (this.ended) return;
    this.lastError = errorOfNode(this.address, reason);
    this.#peer.dialFailed();
    const { steadyAfter = 0 } = this.#options;
    const wasUp = live !== undefined && this.#state === 'up';
    if (wasUp && this.#world.now() - live.since >= steadyAfter) this.#times = 0;
    const delay = this.#leaving ? null : this.#options.retryDelay(++this.#times);
    // The strategy is the user's, and may have ended it.
    if (this.ended) return;
    if (delay === null) {
      this.#become('ended', this.lastError);
      this.#loseQueue(this.lastError);
      return;
    }
    this.#timer = this.#world.after(delay, () => this.#dial(), true);
    this.#become('backoff', this.lastError);
    if (!this.#options.holdWhileDown) this.#loseQueue(this.lastError);
  }

  #loseQueue(reason: Error): void {
    for (const call of this.#waiting.take()) call.sink.onLost(call, reason);
  }

  #become(state: ReconnectingState, reason?: Error): void {
    this.#state = state;
    this.#events.onState(this, state, reason);
  }
}
