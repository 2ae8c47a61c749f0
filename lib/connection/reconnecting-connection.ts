// Keeps one address connected: dials, shakes hands, dials again after a loss with backoff, and holds what must wait
// meanwhile. Where it stands is one state; the calls it holds are in one queue.
//
//   idle -> dialing -> up -> (lost) backoff -> dialing ...        any -> ended
//
// Invariant: every call given to send() either went to a connection, is in the queue, or was refused by `false`.

import type { Backlog } from '../base/backlog.ts';
import { errorOfNode, RedisError } from '../base/errors.ts';
import type { Timer, World } from '../base/world.ts';
import type { Push } from '../wire/reply.ts';
import { type Call, type CommandSender, directSink } from './call.ts';
import { ConnectAttempt } from './connect-attempt.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import type { CredentialSource } from './credentials.ts';
import { Departure } from './departure.ts';
import type { Socket } from './dial.ts';
import { keepAuthenticated } from './keep-authenticated.ts';
import type { ReachOptions } from './reach.ts';
import { RetiredConnections } from './retired.ts';
import { limitSilence } from './socket-timeout.ts';
import { WaitingCalls, type WaitLimits } from './waiting-calls.ts';
import { type SilenceLimits, Watch } from './watch.ts';

/** What a dial, a handshake and a connection go by, and the address they belong to. */
export interface LatestOptions extends ReachOptions, ConnectionOptions {
  readonly address: string;
}

export interface ReconnectingOptions extends ReachOptions, ConnectionOptions, WaitLimits {
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
  /** Milliseconds without a byte, while calls wait, after which the socket is dropped; default never. */
  readonly socketTimeout?: number | undefined;
  /** A connection lost within so many ms counts as a dial that failed: the next waits longer. Default 0. */
  readonly steadyAfter?: number | undefined;
  /** Milliseconds that a peer has to answer and to close after leave(); then its socket is destroyed. Default 2000. */
  readonly disconnectTimeout?: number | undefined;
  /** False while AUTH on the live connection would be taken for something else: in a transaction that is open. */
  readonly mayAuthenticate?: (() => boolean) | undefined;
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
/** Milliseconds after which an ASK is not followed any more: its slot may have been moved to and fro meanwhile. */
const askLasts = 500;

export class ReconnectingConnection implements CommandSender {
  address: string;
  #options: ReconnectingOptions;
  readonly #world: World;
  readonly #events: ReconnectingEvents;
  readonly #waiting: WaitingCalls;
  #state: ReconnectingState = 'idle';
  #connection: Connection | undefined;
  /** Looks after `#connection`. */
  #watch: Watch | undefined;
  /** While dialing. */
  #attempt: ConnectAttempt<ReconnectingOptions> | undefined;
  /** The source of its credentials is not to look after `#connection` any more. */
  #leaveSource: () => void = () => {};
  /** Given up, but still owing answers. */
  readonly #retired = new RetiredConnections();
  #times = 0;
  #upAt = 0;
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
    this.#waiting = new WaitingCalls(options, () => this.#connection);
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
    return (this.#connection?.inFlight ?? 0) + this.#waiting.size;
  }

  /** What waits here, beneath the client's. */
  get backlog(): Backlog {
    return this.#waiting.backlog;
  }

  /** The connection that is open now, through its handshake or not. */
  get #current(): Connection | undefined {
    return this.#connection ?? this.#attempt?.connection;
  }

  /** The dial under way has taken so long that nobody should wait for it. */
  get #slow(): boolean {
    return this.#attempt?.slow ?? false;
  }

  /** The socket that is open now, through its handshake or not. */
  get socket(): Socket | undefined {
    return this.#current?.socket;
  }

  /** Whom a further connection to this node asks for its credentials. */
  get credentials(): CredentialSource | undefined {
    return this.#options.credentials;
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
    return this.#watch?.holds ?? this.#slow;
  }

  /** Milliseconds for which the peer has shown no sign of life, on this connection or another; 0: it is well. */
  get muteFor(): number {
    return this.#watch?.muteFor ?? this.#attempt?.muteFor ?? 0;
  }

  /** Milliseconds that an open connection has had nothing to do; 0 otherwise. */
  get idleFor(): number {
    const connection = this.#connection;
    return connection === undefined || connection.inFlight > 0 ? 0 : this.#world.now() - connection.movedAt;
  }

  /** Owes answers for longer than it should, whatever the reason: others are better asked. */
  get doubtful(): boolean {
    return this.#watch?.doubtful ?? this.#slow;
  }

  /** New calls would be held back, on this connection or one that still owes answers. */
  get holdsBack(): boolean {
    return this.#retired.holds || this.silent;
  }

  /** Calls that connections given up still owe answers for. */
  get owed(): number {
    return this.#retired.owed;
  }

  /** Ended, and still owed answers. */
  get draining(): boolean {
    return this.#state === 'ended' && this.#retired.size > 0;
  }

  /** Starts dialing when idle; one that waits to dial again does so at once. */
  open(): void {
    if (this.#state === 'idle' || this.#state === 'backoff') this.#dial();
  }

  /** Sends or queues a call; false when the address is down and calls may not wait for it. */
  send(call: Call): boolean {
    const connection = this.#connection;
    if (connection !== undefined) {
      if (this.#watch!.holds) return false;
      if (!connection.writable && this.#waiting.refuses([call], this.address)) return true;
      if (connection.write(call)) return true;
    }
    return !this.#slow && this.#hold(call, false);
  }

  /** As send(), with ASKING before it in the same write. */
  sendAsking(call: Call): boolean {
    if (this.silent) return false;
    if (this.#connection?.writable === false && this.#waiting.refuses([call], this.address)) return true;
    if (this.#connection?.writeAsking(call)) return true;
    return this.#hold(call, true);
  }

  /** Several calls next to each other on one connection, nothing between them; all or none are refused. */
  sendAll(calls: readonly Call[], asking: boolean): boolean {
    if (this.silent || ((this.#connection?.ending ?? true) && !this.#mayHold())) return false;
    if (this.#connection?.writable !== true && this.#waiting.refuses(calls, this.address)) return true;
    for (let at = 0; at < calls.length; at++) {
      const call = calls[at]!;
      const behindAsking = asking && at === 0;
      const connection = this.#connection;
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
    this.#current?.write(ask([readOnly ? 'readonly' : 'readwrite']));
    // What made it useless as a replica may be no hindrance to a master, and everybody waits for one.
    if (this.#state === 'backoff') this.#dial();
  }

  /** Replaces the connection: a new one is dialed, the old one closes when its calls are answered. */
  renew(): void {
    const watch = this.#watch;
    if (watch === undefined || this.#state !== 'up' || this.#leaving) return;
    this.#connection = undefined;
    this.#leaveSource();
    this.#waiting.forgetBehind();
    this.#watch = undefined;
    this.#retire(watch);
    this.#dial();
  }

  #retire(watch: Watch): void {
    if (watch.connection.closed) return;
    this.#retired.add(watch);
    watch.connection.end();
  }

  // As renew(), but as a loss like any other: the next dial waits as retryDelay has it, and what comes meanwhile is held.
  #turnOver(connection: Connection, reason: Error): void {
    if (connection !== this.#connection) return;
    connection.end(reason);
    if (connection.closed) return;
    // Who blocks there is not waited for, nor taken away: it is answered on the old connection when its time comes.
    this.#world.after(turnOverLimit, () => {
      const watch = this.#watch;
      if (connection !== this.#connection || watch === undefined) return;
      this.#departed();
      this.#retired.add(watch);
      this.#lost(reason);
    });
  }

  /** Every call it holds, sent or waiting. */
  forEachCall(visit: (call: Call) => void): void {
    this.#connection?.forEachCall(visit);
    this.#retired.forEachCall(visit);
    this.#waiting.forEach(visit);
  }

  /**
   * Looks whether the peer shows signs of life while calls wait; to be repeated. In doubt no new calls are given to it,
   * and a second connection asks. What was written stays where it is: it may be executing.
   */
  checkSilence(limits: SilenceLimits): void {
    this.#retired.look(limits);
    if (this.#watch === undefined) this.#checkDial(limits.silence);
    else this.#watch.look(limits);
  }

  /** Hands back the reads that wait for an answer, when they have another place to go. */
  giveUpReads(): void {
    const reason = this.#mute('The node is silent.');
    // With nothing but reads on it the connection itself can go: nothing is done twice that matters.
    if (this.#connection?.readsOnly) this.#connection.destroy(reason);
    else this.#connection?.giveUpReads(reason);
  }

  /** The peer is known to be dead, and others have taken over: what is still waited for will not come. */
  abandon(reason: Error): void {
    this.#retired.abandon(reason);
  }

  // A peer that was frozen before it was first dialed is as silent as one that froze later.
  #checkDial(limit: number): void {
    if (!this.#attempt?.look(limit)) return;
    this.#events.onSilence?.(this, true);
    this.#loseQueue(this.#mute(`No handshake within ${limit}ms.`));
  }

  #mute(what: string): Error {
    return new RedisError(`Socket timeout. ${what}`, { code: 'ERR_SILENT', node: this.address });
  }

  /** Drops the socket as if the peer had closed it; it is dialed again by the rules. */
  drop(reason: Error): void {
    this.#connection?.destroy(reason);
  }

  /**
   * Closes the connection as its user asks, without taking back what was given to it: calls that were written leave
   * and are answered, no more are taken, and when the peer has closed, or after `disconnectTimeout`, this ends
   * (or, with `again`, dials by its rules). Before a socket is open it ends at once, or goes on with `again`.
   * Resolves when the connection is gone.
   */
  leave(reason: Error, again = false): Promise<void> {
    const connection = this.#current;
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
    if (this.load > 0 && this.#connection !== undefined) return [this.leave(reason), ...owing];
    this.close(reason, true);
    return owing;
  }

  /** As leave(), for the connections that were replaced and still owe answers: what resolves when they are gone. */
  leaveRetired(reason: Error): Promise<void>[] {
    return this.#retired.leave(reason, this.#options.disconnectTimeout ?? 2000, this.#world);
  }

  /** Ends for good: at once, or once everything in flight is answered (`gently`, see `draining`). */
  close(reason: Error, gently = false): void {
    if (this.#state === 'ended') return;
    const watch = this.#watch;
    this.#departed();
    this.#timer?.cancel();
    this.#become('ended', reason);
    this.#attempt?.cancel(reason);
    this.#attempt = undefined;
    this.#loseQueue(reason);
    if (watch !== undefined) this.#retire(watch);
    if (!gently) this.abandon(reason);
  }

  #mayHold(): boolean {
    const { holdWhileDown } = this.#options;
    switch (this.#state) {
      case 'up':
        return this.#connection?.ending === true && !this.#leaving;
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
    this.#attempt = new ConnectAttempt(this.address, this.#options, this.#world, {
      readOnly: () => this.#readOnly,
      connect: (socket, attempt) => this.#connect(socket, attempt),
      onOpen: () => this.#events.onOpen?.(this),
      questions: () => this.#waiting.early(this.#mayReadEarly),
      onUp: (connection, protocol, attempt) => this.#up(connection, protocol, attempt),
      onFailed: (error) => this.#lost(error),
    });
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
        if (this.#retired.closed(connection)) return;
        const up = connection === this.#connection;
        if (up || connection === attempt.connection) this.#departed();
        if (up) this.#lost(reason);
        else attempt.closed(reason);
      },
      onPush: (push) => this.#events.onPush?.(this, push),
      onBehind: () => this.#waiting.noteBehind(),
      onDrain: () => {
        this.#waiting.noteBehind();
        this.#events.onDrain?.(this);
      },
      onHeard: () => this.#watchOf(connection)?.heard(),
      onRenew: (reason) => this.#turnOver(connection, reason),
      onStray: (reply) => this.#events.onStray?.(reply) ?? false,
    });
    return connection;
  }

  #watchOf(connection: Connection): Watch | undefined {
    return connection === this.#connection ? this.#watch : this.#retired.watchOf(connection);
  }

  #up(connection: Connection, protocol: 2 | 3, attempt: ConnectAttempt<ReconnectingOptions>): void {
    const { terms, begunAt } = attempt;
    connection.protocol = protocol;
    this.#attempt = undefined;
    this.#connection = connection;
    this.generation++;
    const watch = new Watch(connection, terms.options, this.#world, (held) => {
      if (this.#watch === watch) this.#events.onSilence?.(this, held);
    });
    this.#watch = watch;
    this.#upAt = this.#world.now();
    this.lastError = undefined;
    limitSilence(connection, this.#options.socketTimeout ?? 0, this.#world);
    const { credentials, options } = terms;
    if (options.credentials !== undefined && credentials !== undefined) {
      const mayAuthenticate = options.mayAuthenticate ?? (() => true);
      this.#leaveSource = keepAuthenticated(connection, options.credentials, credentials, mayAuthenticate);
    }
    this.#events.onReady?.(this);
    const waiting = this.#waiting.take();
    const answered = attempt.answered(protocol, waiting);
    const waited = waiting.filter((call) => !call.settled && !answered.has(call));
    // All of them, or none: a transaction's ASK is about its first call, and what is behind one keeps its place.
    const late = this.#upAt - begunAt > askLasts && waited.some((call) => call.asking);
    for (const call of waited) {
      if (late && call.sink !== directSink) call.sink.onLost(call, this.#lateAsk());
      else if (call.asking) connection.writeAsking(call);
      else connection.write(call);
    }
    // Announced only now: what listeners send comes behind what has waited here.
    if (this.#connection === connection) this.#become('up');
  }

  #lateAsk(): Error {
    return new RedisError(`The ASK is older than ${askLasts}ms: connecting took that long.`, {
      code: 'ERR_LATE_ASK',
      node: this.address,
    });
  }

  #departed(): void {
    this.#connection = undefined;
    this.#leaveSource();
    this.#watch = undefined;
    this.#waiting.forgetBehind();
    this.#departure.over();
  }

  #lost(reason: Error): void {
    if (this.ended) return;
    this.lastError = errorOfNode(this.address, reason);
    this.#attempt = undefined;
    const wasUp = this.#state === 'up';
    if (wasUp && this.#world.now() - this.#upAt >= (this.#options.steadyAfter ?? 0)) this.#times = 0;
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
