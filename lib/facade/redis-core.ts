// The connection of a Redis of one's own: kept alive by retryStrategy, told what its predecessor knew, with the commands
// that wait for it. The public face (redis.ts) adds names; this file knows when to connect, to send and to give up.

import type { EventEmitter } from 'node:events';
import { AbortError, MaxRetriesPerRequestError, RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { Call, CallFlag, type Lane, ownCall, type Parcel } from '../connection/call.ts';
import { Keeper, type KeeperState } from '../connection/keeper.ts';
import { Subscriptions } from '../pubsub/subscriptions.ts';
import { Deadlines, failAsTimedOut } from '../router/deadlines.ts';
import { SingleRouter } from '../router/single.ts';
import { lossOf } from '../router/verdict.ts';
import { ReplyError } from '../wire/reply.ts';
import { ConnectionState } from './connection-state.ts';
import { defaultQuitTimeout, outlasts, quitTimeoutError } from './drain.ts';
import { Fieldsets } from './himport.ts';
import { Lifecycle, type Status } from './lifecycle.ts';
import { parseMonitorLine } from './monitor.ts';
import { ConnectTracer } from './observe.ts';
import type { RedisOptions } from './options.ts';
import { waitUntilLoaded } from './ready-check.ts';
import { keeperOptionsOf, resendsWritten } from './settings.ts';
import { limitsBlocking, secondOf, Unblocker } from './unblock.ts';

/** What a Redis needs of its connection, whoever owns that. */
export interface NodeLink {
  readonly router: SingleRouter;
  readonly keeper: Keeper;
  readonly status: Status;
  readonly subscriptions: Subscriptions;
  /** Sends, or holds until there is a connection. */
  submit(parcel: Parcel): void;
  /** Resolves at `ready`. */
  connect(): Promise<void>;
  disconnect(reconnect: boolean): void;
  quit(): Promise<'OK'>;
  /** A blocking call is about to be sent whose caller may leave it. */
  note(call: Call): void;
  /** The caller of a blocking call has left. */
  release(call: Call): void;
}

export const closedText = 'Connection is closed.';

export class RedisCore implements NodeLink {
  readonly router: SingleRouter;
  subscriptions: Subscriptions;
  /** Another one after the client has ended and connects again. */
  keeper: Keeper;
  readonly #client: EventEmitter;
  readonly #options: RedisOptions;
  readonly #world: World;
  readonly #lifecycle: Lifecycle;
  readonly #state: ConnectionState;
  readonly #deadlines: Deadlines | undefined;
  readonly #fieldsets: Fieldsets | undefined;
  readonly #connects = new ConnectTracer();
  readonly #unblocker: Unblocker;
  /** Blocking calls may be given up by a limit of the options. */
  readonly #mayGiveUp: boolean;
  #times = 0;
  /** Attempts to connect since it was last ready. */
  #retries = 0;
  /** The connection of now, or the one just lost, has been through its handshake. */
  #wasUp = false;
  #connections = 0;
  /** Milliseconds until the next attempt to connect, as the strategy has it. */
  #delay = 0;
  /** While the client is closed because quit() has waited too long. */
  #quitLate: Error | undefined;
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(client: EventEmitter, options: RedisOptions, world: World) {
    this.#client = client;
    this.#options = options;
    this.#world = world;
    this.keeper = this.#makeKeeper();
    this.#unblocker = new Unblocker(
      () => this.keeper,
      secondOf(() => this.keeper, options, world),
      world,
    );
    this.#mayGiveUp = limitsBlocking(options);
    this.router = new SingleRouter(
      laneOf(() => this.keeper),
      world,
      {
        resendWritten: resendsWritten(options),
        loadingDeadline: options.maxLoadingRetryTime ?? 10_000,
        hold: (parcel) => this.#hold(parcel),
      },
    );
    this.#lifecycle = new Lifecycle(client, {
      offlineQueue: options.enableOfflineQueue ?? true,
      offlineMessage: "Stream isn't writeable and enableOfflineQueue options is false",
      maxQueueLength: options.maxQueueLength ?? 1_000_000,
      maxQueueBytes: options.maxQueueBytes ?? 512 * 1024 * 1024,
      send: (parcel) => this.#send(parcel),
      wake: () => void this.connect().catch(() => undefined),
      log: (line) => world.log(line),
    });
    this.subscriptions = new Subscriptions(client);
    this.#state = new ConnectionState(
      options.db ?? 0,
      () => (this.keeper.state === 'up' ? this.#connections : 0),
      (db) => client.emit('select', db),
    );
    const timeout = options.commandTimeout;
    if (timeout !== undefined && timeout > 0) {
      this.#deadlines = new Deadlines(timeout, world, (visit) => this.#visitAll(visit), {
        expire: (parcel) => {
          failAsTimedOut(parcel);
          if ((parcel.flags & CallFlag.blocking) !== 0) this.release(parcel as Call);
        },
        swept: () => this.#lifecycle.forgetSettled(),
      });
    }
    if (options.himportFieldsets?.length) this.#fieldsets = new Fieldsets(options.himportFieldsets);
    if (options.lazyConnect) this.#lifecycle.become('wait');
  }

  get status(): Status {
    return this.#lifecycle.status;
  }

  submit(parcel: Parcel): void {
    this.#deadlines?.start();
    const error = parcel instanceof Call ? this.#admit(parcel) : undefined;
    if (error === undefined) this.#lifecycle.submit(parcel);
    else parcel.fail(error);
  }

  note(call: Call): void {
    this.#unblocker.note(call);
  }

  release(call: Call): void {
    this.#unblocker.release(call);
  }

  #send(parcel: Parcel): void {
    if (this.#mayGiveUp && (parcel.flags & CallFlag.blocking) !== 0) this.#unblocker.note(parcel as Call);
    this.router.send(parcel);
  }

  #admit(call: Call): Error | undefined {
    this.#fieldsets?.watch(
      call,
      () => [this.keeper],
      (second) => this.#lifecycle.submit(second),
    );
    return this.#state.admit(call);
  }

  connect(): Promise<void> {
    const { status } = this;
    if (status === 'connecting' || status === 'connect' || status === 'ready') {
      return Promise.reject(new RedisError('Redis is already connecting/connected', { code: 'ERR_CONNECTED' }));
    }
    const ready = new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
    if (this.keeper.state === 'ended') this.keeper = this.#makeKeeper();
    this.keeper.open();
    return ready;
  }

  disconnect(reconnect: boolean): void {
    const reason = new AbortError(closedText, { code: 'ERR_CLOSED', node: this.keeper.address });
    if (reconnect) {
      this.keeper.drop(reason);
      return;
    }
    if (this.status === 'end') return;
    this.#lifecycle.become('disconnecting');
    this.keeper.close(reason);
    this.router.close(reason);
  }

  async quit(): Promise<'OK'> {
    const { status, held } = this.#lifecycle;
    if (status === 'end') throw new AbortError(closedText, { code: 'ERR_CLOSED' });
    const { call, answer: parting } = ownCall(['quit']);
    // Behind everything that waits; with nothing waiting there is nobody to say it to.
    if (this.keeper.state === 'up') this.keeper.send(call);
    else if (held > 0 && status !== 'wait') this.#lifecycle.submit(call);
    else call.resolve('OK');
    const limit = this.#options.quitTimeout ?? defaultQuitTimeout;
    if (await outlasts(parting, limit, this.#world)) this.#closeLate(limit);
    else this.disconnect(false);
    return 'OK';
  }

  // quit() has waited long enough: what has no answer is told so.
  #closeLate(limit: number): void {
    if (this.status === 'end') return;
    const { keeper } = this;
    const { held } = this.#lifecycle;
    const awaited = keeper.load > 0 ? `${keeper.address} (${keeper.load} unanswered)` : `a connection (${held} held)`;
    const reason = quitTimeoutError(limit, awaited, keeper.address);
    this.#lifecycle.become('disconnecting');
    this.#quitLate = reason;
    keeper.close(reason);
    this.router.close(reason);
    this.#quitLate = undefined;
  }

  #makeKeeper(): Keeper {
    const { path } = this.#options;
    const [host, port] = [this.#options.host ?? 'localhost', this.#options.port ?? 6379];
    const options = {
      ...keeperOptionsOf(this.#options, undefined),
      host,
      port,
      readOnly: this.#options.readOnly,
      retryDelay: () => this.#retryDelay(),
      holdWhileDown: false,
    };
    return new Keeper(path ?? `${host}:${port}`, options, this.#world, {
      onState: (keeper, state, reason) => {
        this.#connects.onState(keeper, state, reason);
        if (keeper === this.keeper) this.#onState(state, reason);
      },
      onPush: (_keeper, push) => this.subscriptions.receive(push),
      onStray: (reply) => this.#onMonitorLine(reply),
    });
  }

  // Counted until ready, as ioredis does: a server that lets us in and cuts us off is none that can be used.
  #retryDelay(): number | null {
    if (this.#lifecycle.status === 'disconnecting') return null;
    const strategy = this.#options.retryStrategy;
    const delay = typeof strategy === 'function' ? strategy(++this.#retries) : null;
    if (typeof delay !== 'number') return null;
    this.#delay = delay;
    return delay;
  }

  // What could not be sent: waits for the next connection, or fails where nothing will come.
  #hold(parcel: Parcel): void {
    const refusal = this.#quitLate === undefined ? this.#state.refusal(parcel) : lossOf(parcel, this.#quitLate);
    if (refusal === undefined) this.#lifecycle.submit(parcel);
    else parcel.fail(refusal);
  }

  #onState(state: KeeperState, reason?: Error): void {
    if (reason !== undefined) this.#refuseWaiters(reason);
    switch (state) {
      case 'dialing':
        this.#lifecycle.become('connecting');
        break;
      case 'up':
        this.#wasUp = true;
        this.#lifecycle.become('connect');
        void this.#getReady(++this.#connections);
        break;
      case 'resting':
        this.#onResting(reason!);
        break;
      case 'ended':
        this.#report(reason!);
        this.#lifecycle.become('close');
        this.#lifecycle.become('end');
        this.#lifecycle.failHeld((parcel) => endOf(parcel, reason!));
        break;
      default:
    }
  }

  // Loaded first, then subscribed, then everybody else's turn. A connection that is lost meanwhile starts anew.
  async #getReady(connection: number): Promise<void> {
    const send = (call: Call): boolean => this.keeper.send(call);
    // Not within the keeper's own event: it is still putting its affairs in order.
    await undefined;
    if (this.#options.enableReadyCheck ?? true) {
      const { maxLoadingRetryTime = 10_000, connectTimeout = 10_000 } = this.#options;
      const late = (): void => this.#dropUnready(connection);
      await waitUntilLoaded(send, this.#world, maxLoadingRetryTime, connectTimeout, late);
    }
    if (connection !== this.#connections || this.keeper.state !== 'up') return;
    this.#reselect(send);
    this.#fieldsets?.prepare(this.keeper).catch((error: Error) => this.#lifecycle.reportError(error));
    if (this.#options.autoResubscribe ?? true) this.subscriptions.restore(send);
    else this.subscriptions = new Subscriptions(this.#client);
    this.#times = 0;
    this.#retries = 0;
    this.#lifecycle.become('ready');
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
    if (this.#options.monitor) this.#startMonitoring(send);
  }

  // It let us in and says nothing: no better than one that lets nobody in.
  #dropUnready(connection: number): void {
    if (connection !== this.#connections) return;
    const { address } = this.keeper;
    this.keeper.drop(new RedisError('connect ETIMEDOUT', { code: 'ETIMEDOUT', node: address }));
  }

  // The handshake selects the database of the options; commands may have changed it since.
  #reselect(send: (call: Call) => boolean): void {
    const { db } = this.#state;
    if (db === (this.#options.db ?? 0)) return;
    const { call, answer: selected } = ownCall(['select', String(db)]);
    if (!send(call)) return;
    selected.then(
      () => this.#client.emit('select', db),
      (error: Error) => this.#lifecycle.reportError(error),
    );
  }

  #startMonitoring(send: (call: Call) => boolean): void {
    const { call, answer: begun } = ownCall(['monitor']);
    if (!send(call)) return;
    begun.then(
      () => this.#lifecycle.become('monitoring'),
      (error: Error) => this.#lifecycle.reportError(error),
    );
  }

  #onMonitorLine(line: Buffer): boolean {
    const seen = this.#options.monitor ? parseMonitorLine(line.toString()) : undefined;
    if (seen === undefined) return false;
    this.#client.emit('monitor', seen.time, seen.args, seen.source, seen.database);
    return true;
  }

  #onResting(reason: Error): void {
    this.#report(reason);
    this.#lifecycle.become('close');
    this.#lifecycle.become('reconnecting', this.#delay);
    const { maxRetriesPerRequest: limit = 20 } = this.#options;
    const refused = refusalIn(reason);
    // Commands do not wait for a server that will have none of this client.
    if (refused !== undefined && !this.#wasUp) this.#lifecycle.failHeld(() => new ReplyError(refused.message));
    else if (limit !== null && ++this.#times % (limit + 1) === 0) {
      const detail = { node: this.keeper.address, cause: reason };
      this.#lifecycle.failHeld(() => new MaxRetriesPerRequestError(limit, detail));
    }
    this.#wasUp = false;
  }

  /** The error event is for failures: not for a connection that was closedText, by whichever side and for whatever reply. */
  #report(reason: Error): void {
    if (reason.message === closedText || (this.#wasUp && refusalIn(reason) !== undefined)) return;
    this.#lifecycle.reportError(reason);
  }

  #refuseWaiters(cause: Error): void {
    const error = new RedisError(closedText, { code: 'ERR_CLOSED', node: this.keeper.address, cause });
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #visitAll(visit: (parcel: Parcel) => void): void {
    this.#lifecycle.forEachHeld(visit);
    this.router.forEachParked(visit);
    this.keeper.forEachCall(visit as (call: Call) => void);
  }
}

/** The server's own word in the reason of a loss: of the handshake, or one that reconnectOnError took for a reason. */
function refusalIn({ cause }: Error): ReplyError | undefined {
  return cause instanceof ReplyError ? cause : undefined;
}

/** What a call is told that was still held when the client ended. */
function endOf(parcel: Parcel, reason: Error): Error {
  if ((reason as { code?: unknown }).code === 'ERR_QUIT_TIMEOUT') return lossOf(parcel, reason);
  return new AbortError(closedText, { code: 'ERR_CLOSED', cause: reason });
}

/** Sends on whatever keeper there is just now. */
function laneOf(keeper: () => Keeper): Lane {
  return {
    get address() {
      return keeper().address;
    },
    send: (call) => keeper().send(call),
    sendAsking: (call) => keeper().sendAsking(call),
    sendAll: (calls, asking) => keeper().sendAll(calls, asking),
  };
}
