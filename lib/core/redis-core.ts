// The life of a client of one server: when it connects, becomes ready, quits and gives up. The public class (facade/redis)
// adds names; what becomes of a call is redis-calls.
// Owns: the connection of now, the subscriptions that outlive it, and when the parts start and stop.
// Does not know: bytes, and what commands mean.
// Invariant: after `end` nothing waits, no socket is open and no timer runs.

import type { EventEmitter } from 'node:events';
import { Backlog } from '../base/backlog.ts';
import { AbortError, MaxRetriesPerRequestError, RedisError } from '../base/errors.ts';
import { nextTick, queueMicrotask } from '../base/turns.ts';
import type { Timer, World } from '../base/world.ts';
import { isInGroup } from '../command/groups.ts';
import { Call, ownCall } from '../connection/call.ts';
import { ReconnectingConnection, type ReconnectingState } from '../connection/reconnecting-connection.ts';
import { credentialSourceOf, warn } from '../options/derive.ts';
import type { RedisOptions } from '../options/options.ts';
import { Subscriptions } from '../pubsub/subscriptions.ts';
import type { NodeAddress } from '../topology/seeds.ts';
import type { ReplyError } from '../wire/reply.ts';
import { ConnectTracer } from './diagnostics.ts';
import { defaultQuitTimeout, quitTimeoutError } from './drain.ts';
import { Lifecycle, type Status } from './lifecycle.ts';
import { waitUntilLoaded } from './ready-check.ts';
import { ReadyWaiters } from './ready-waiters.ts';
import { RedisCalls } from './redis-calls.ts';
import type { SharedRedisCore } from './redis-client.ts';
import { RedisDialer } from './redis-dialer.ts';
import { closedText, endOf, isCrowded, refusalAt, refusalIn } from './redis-errors.ts';
import { emitMonitorLine, heldSubscriptions, reselect, startMonitoring } from './redis-setup.ts';

export class RedisCore implements SharedRedisCore {
  readonly client: EventEmitter;
  readonly options: RedisOptions;
  readonly world: World;
  readonly lifecycle: Lifecycle;
  readonly backlog: Backlog;
  /** What the client's methods stand on. */
  readonly calls: RedisCalls;
  subscriptions: Subscriptions;
  connection: ReconnectingConnection;
  quitLate: Error | undefined;
  readonly #dialer: RedisDialer;
  readonly #connects = new ConnectTracer();
  /** The connection of now, or the one just lost, has been through its handshake. */
  #wasUp = false;
  #connections = 0;
  readonly #waiters = new ReadyWaiters();
  /** connect() was called in this tick. */
  #fresh = false;
  /** QUIT is on its way: the server will close the connection, and no other follows. */
  #quitting = false;
  /** Of a lazy client whose disconnect(true) was called. */
  #waking: Timer | undefined;

  constructor(client: EventEmitter, options: RedisOptions, world: World) {
    this.client = client;
    this.options = options;
    this.world = world;
    this.backlog = new Backlog(options);
    const credentials = credentialSourceOf(options, world, (error) => this.lifecycle.reportError(error));
    this.#dialer = new RedisDialer(options, credentials);
    this.connection = this.#makeConnection();
    this.lifecycle = new Lifecycle(client, {
      get offlineQueue() {
        return options.enableOfflineQueue ?? true;
      },
      offlineMessage: "Stream isn't writeable and enableOfflineQueue options is false",
      backlog: this.backlog,
      send: (request) => this.calls.send(request),
      early: (request) => request instanceof Call && isInGroup('HANDSHAKE_COMMANDS', request.name),
      wake: () => void this.connect().catch(() => undefined),
      log: (line) => world.log(line),
    });
    this.subscriptions = new Subscriptions(client);
    this.calls = new RedisCalls(this);
    if (options.lazyConnect) this.lifecycle.become('wait');
  }

  get status(): Status {
    return this.lifecycle.status;
  }

  get connectionNumber(): number {
    return this.connection.state === 'up' ? this.#connections : 0;
  }

  connect(): Promise<void> {
    const { status } = this;
    if (status === 'connecting' || status === 'connect' || status === 'ready') {
      return Promise.reject(new RedisError('Redis is already connecting/connected', { code: 'ERR_CONNECTED' }));
    }
    const ready = this.#waiters.next();
    if (this.connection.state === 'ended') {
      this.connection = this.#makeConnection();
      this.calls.dispatcher.sender = this.connection;
    }
    this.#waking?.cancel();
    this.#fresh = true;
    nextTick(() => {
      this.#fresh = false;
    });
    this.connection.open();
    return ready;
  }

  disconnect(reconnect: boolean): void {
    const { connection, status } = this;
    if (status === 'end') return;
    this.#waking?.cancel();
    if (this.#fresh) {
      // Between the event that says connecting and the one that says end, what waits is rejected.
      if (!reconnect) nextTick(queueMicrotask, () => this.#abandon(connection));
      return;
    }
    if (reconnect && status === 'wait') {
      this.#wakeLater();
      return;
    }
    // The status stays what it is until the connection is closed, and what comes meanwhile waits for what is next.
    if (connection.state === 'up' || status === 'connect') this.lifecycle.pause();
    void connection.leave(this.#reasonToClose(), reconnect);
  }

  // Left in the tick in which connect() was called: there never was a connection to close.
  #abandon(connection: ReconnectingConnection): void {
    if (connection !== this.connection || connection.state === 'ended') return;
    const reason = this.#reasonToClose();
    this.#refuseWaiters(reason);
    this.lifecycle.failHeldNow(() => this.#reasonToClose());
    this.lifecycle.become('end');
    connection.close(reason);
  }

  // As ioredis has it: a client that never connected closes, and connects after the first pause of its strategy.
  #wakeLater(): void {
    this.lifecycle.become('close');
    const delay = this.#retryDelay();
    if (delay === null) {
      this.connection.close(this.#reasonToClose());
      return;
    }
    this.lifecycle.become('reconnecting', delay);
    this.#waking = this.world.after(delay, () => void this.connect().catch(() => undefined), true);
  }

  #reasonToClose(): AbortError {
    return new AbortError(closedText, { code: 'ERR_CLOSED', node: this.connection.address });
  }

  async quit(): Promise<'OK'> {
    const { call, answer } = ownCall(['quit']);
    const ended = this.lifecycle.ended;
    call.moment = this.calls.dispatcher.moment;
    this.calls.submitOwn(call);
    try {
      await answer;
    } catch (error) {
      // Lost with its connection: then that is gone too, as it was meant to be.
      if (ended || !this.lifecycle.ended) throw error;
    }
    return 'OK';
  }

  // QUIT goes behind everything that waits; with nothing waiting there is no connection to say it on.
  submitQuit(call: Call): void {
    if (this.status === 'wait' && this.lifecycle.held === 0) void this.connect().catch(() => undefined);
    const { status, held, paused } = this.lifecycle;
    const connected = status === 'ready' && !paused;
    if (connected || held > 0 || status === 'end' || this.options.enableOfflineQueue === false) {
      this.#quitting ||= connected;
      const deadline = this.#limitQuit();
      call.onSettled((_call, error) => {
        deadline?.cancel();
        if (error === null) this.#onQuit();
      });
      this.lifecycle.submit(call);
      return;
    }
    this.disconnect(false);
    call.settle(call.encoding === 'buffer' ? Buffer.from('OK') : 'OK');
  }

  #limitQuit(): Timer | undefined {
    const limit = this.options.quitTimeout ?? defaultQuitTimeout;
    return limit > 0 ? this.world.after(limit, () => this.#closeLate(limit), true) : undefined;
  }

  // The server closes now. One that does not is left.
  #onQuit(): void {
    this.lifecycle.pause();
    void this.connection.leave(this.#reasonToClose());
  }

  // quit() has waited long enough: what has no answer is rejected.
  #closeLate(limit: number): void {
    if (this.status === 'end') return;
    const { connection } = this;
    const { held } = this.lifecycle;
    const awaited =
      connection.load > 0 ? `${connection.address} (${connection.load} unanswered)` : `a connection (${held} held)`;
    this.quitLate = quitTimeoutError(limit, awaited, connection.address);
    connection.close(this.quitLate);
  }

  depart(): void {
    if (!this.#fresh) this.connection.close(this.#reasonToClose());
  }

  #makeConnection(): ReconnectingConnection {
    const options = {
      ...this.#dialer.dialOptions(),
      latest: () => this.#dialer.dialOptions(),
      retryDelay: () => this.#retryDelay(),
      holdWhileDown: false,
      backlog: this.backlog,
      // Among the lines of a monitor no reply can be recognized.
      mayAuthenticate: () => !this.calls.session.inTransaction && !this.options.monitor,
    };
    return new ReconnectingConnection(options.address, options, this.world, {
      onState: (connection, state, reason) => {
        this.#connects.onState(connection, state, reason);
        if (connection === this.connection) this.#onState(state, reason);
      },
      onOpen: (connection) => {
        if (connection !== this.connection) return;
        this.calls.session.connected(this.options.db ?? 0);
        this.lifecycle.become('connect');
      },
      onPush: (_connection, push) => this.subscriptions.receive(push),
      onStray: (line) => this.options.monitor === true && emitMonitorLine(this.client, line),
    });
  }

  // After QUIT the server closes the connection, and no other follows. What the user's strategy sends waits for it.
  #retryDelay(): number | null {
    this.lifecycle.pause();
    return this.#quitting ? null : this.#dialer.retryDelay();
  }

  // Refused calls of the connection before may still come in, with the same address.
  moveTo(primary: NodeAddress): boolean {
    if (this.options.enableOfflineQueue === false || this.#quitting) return false;
    if (this.connection.state !== 'up' || this.connection.address === primary.key) return true;
    this.#dialer.primary = primary;
    this.connection.renew();
    return true;
  }

  #onState(state: ReconnectingState, reason?: Error): void {
    if (reason !== undefined) this.#refuseWaiters(reason);
    switch (state) {
      case 'dialing':
        this.#quitting = false;
        this.quitLate = undefined;
        this.lifecycle.become('connecting');
        break;
      case 'up':
        this.#wasUp = true;
        void this.#getReady(++this.#connections);
        break;
      case 'backoff':
        this.#onBackoff(reason!);
        break;
      case 'ended':
        if (this.status === 'end') break;
        this.#report(reason!);
        if (this.status !== 'reconnecting') this.lifecycle.become('close');
        this.lifecycle.become('end');
        this.calls.dispatcher.close(reason!);
        this.lifecycle.failHeld((request) => endOf(request, reason!));
        break;
      default:
    }
  }

  // Loaded first, then subscribed, then everybody else's turn. A connection that is lost meanwhile starts anew.
  async #getReady(generation: number): Promise<void> {
    const send = (call: Call): boolean => this.connection.send(call);
    // Not within the connection's own event, which it has not finished handling.
    await undefined;
    let refused: ReplyError | undefined;
    if (this.options.enableReadyCheck ?? true) {
      const { maxLoadingRetryTime = 10_000, connectTimeout = 10_000 } = this.options;
      const late = (reason?: Error): void => this.#dropUnready(generation, reason);
      refused = await waitUntilLoaded(send, this.world, maxLoadingRetryTime, connectTimeout, late, warn);
    }
    if (generation !== this.#connections || this.connection.state !== 'up' || this.lifecycle.paused) return;
    if (refused !== undefined) {
      this.#refuse(refused);
      return;
    }
    this.#dialer.attempts = 0;
    reselect(send, this.calls.session, this.lifecycle);
    this.calls.fieldsets?.prepare(this.connection).catch((error: Error) => this.lifecycle.reportError(error));
    const held = heldSubscriptions(this.lifecycle);
    if (this.options.autoResubscribe ?? true) this.subscriptions.restore(send, (label) => held.has(label));
    else this.subscriptions = new Subscriptions(this.client);
    this.lifecycle.become('ready');
    const settle = this.#waiters.take();
    // Behind the event.
    nextTick(() => settle());
    if (this.options.monitor) this.#monitor(send, generation);
  }

  #monitor(send: (call: Call) => boolean, generation: number): void {
    const { connectTimeout = 10_000 } = this.options;
    startMonitoring(send, this.lifecycle, this.world, connectTimeout, () => this.#dropUnready(generation));
  }

  // It let us in and says nothing: no better than one that lets nobody in.
  #dropUnready(generation: number, reason?: Error): void {
    if (generation !== this.#connections) return;
    const { address } = this.connection;
    this.connection.drop(reason ?? new RedisError('connect ETIMEDOUT', { code: 'ETIMEDOUT', node: address }));
  }

  // The server is there and refuses this client: what waits is rejected, and another attempt follows.
  #refuse(refusal: ReplyError): void {
    this.lifecycle.failHeldNow(() => refusalAt(this.connection.address, refusal));
    this.lifecycle.reportError(refusal);
    this.disconnect(true);
  }

  #onBackoff(reason: Error): void {
    const { connection } = this;
    // Where nobody lets us in any more, the address of the options is asked again: it knows, or is, the primary.
    if (!this.#wasUp) this.#dialer.primary = undefined;
    this.#report(reason);
    // A listener has ended the client.
    if (connection !== this.connection || connection.state !== 'backoff') return;
    const refused = refusalIn(reason);
    // Commands do not wait for a server that will have none of this client.
    if (refused !== undefined && !this.#wasUp && !isCrowded(refused))
      this.lifecycle.failHeldNow(() => refusalAt(connection.address, refused));
    this.lifecycle.become('close');
    this.lifecycle.become('reconnecting', this.#dialer.delay);
    const { maxRetriesPerRequest: limit = 20 } = this.options;
    if (limit !== null && limit >= 0 && this.#dialer.attempts % (limit + 1) === 0) {
      const detail = { node: this.connection.address, cause: reason };
      this.lifecycle.failHeld(() => new MaxRetriesPerRequestError(limit, detail));
    }
    this.#wasUp = false;
  }

  /** The error event is for failures: not for a connection that was closed, by whichever side and for whatever reply. */
  #report(reason: Error): void {
    if (reason.message === closedText || reason === this.quitLate || (this.#wasUp && refusalIn(reason) !== undefined))
      return;
    // A refusal of the handshake is the server's own, as with ioredis.
    const refused = refusalIn(reason);
    this.lifecycle.reportError(refused === undefined ? reason : refusalAt(this.connection.address, refused));
  }

  #refuseWaiters(cause: Error): void {
    const error = new RedisError(closedText, { code: 'ERR_CLOSED', node: this.connection.address, cause });
    const settle = this.#waiters.take();
    nextTick(() => settle(error));
  }
}
