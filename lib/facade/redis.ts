// One node. On its own it keeps its connection alive by retryStrategy; inside a cluster (`cluster.nodes()`) it shares
// the cluster's connection to that node. Commands go to this node and nowhere else: a MOVED is an error here.

import { AbortError, MaxRetriesPerRequestError, RedisError } from '../base/errors.ts';
import { RealWorld, type World } from '../base/world.ts';
import { type Callback, nodeify } from '../batch/pipeline.ts';
import type { BatchResult } from '../batch/scatter.ts';
import { Call, CallFlag, type Lane, ownCall, type Parcel } from '../connection/call.ts';
import { Keeper, type KeeperState } from '../connection/keeper.ts';
import { Subscriptions } from '../pubsub/subscriptions.ts';
import { Deadlines } from '../router/deadlines.ts';
import { SingleRouter } from '../router/single.ts';
import { type Push, ReplyError } from '../wire/reply.ts';
import { limitBlocking } from './blocking-timeout.ts';
import { Client, type ClientHands } from './client.ts';
import { Command } from './command.ts';
import { CallMaker, wordOf } from './commander.ts';
import { ConnectionState } from './connection-state.ts';
import { defaultRedisOptions, redisOptionsOf } from './defaults.ts';
import { Lifecycle, type Status } from './lifecycle.ts';
import { parseMonitorLine } from './monitor.ts';
import { ConnectTracer } from './observe.ts';
import { verifyRedisOptions } from './option-checks.ts';
import {
  keeperOptionsOf,
  type RedisOptions,
  type RedisOptionsWithReplyMapping,
  type ReplyMappingFromOptions,
  resendsWritten,
} from './options.ts';
import { waitUntilLoaded } from './ready-check.ts';
import { ScanStream } from './scan-stream.ts';
import type { ReplyMappingMode, ScanStreamOptions } from './types.ts';

const sharedStatus: Record<KeeperState, Status> = {
  idle: 'wait',
  dialing: 'connecting',
  up: 'ready',
  resting: 'reconnecting',
  ended: 'end',
};

const closed = 'Connection is closed.';

/** Marks the constructor call that wraps a cluster's own connection. */
export const sharedKeeper: unique symbol = Symbol('shared keeper');

export class Redis<Mapping extends ReplyMappingMode = 'legacy'> extends Client<Mapping> {
  /** What options are when the constructor is not told; ioredis's, with null for nothing. */
  static readonly defaultOptions: Readonly<Record<string, unknown>> = defaultRedisOptions;

  /** What the constructor was given, with ioredis's defaults for the rest. */
  readonly options: RedisOptions;
  readonly isCluster: boolean = false;
  /** Another one after the client has ended and connects again. */
  #keeper: Keeper;
  readonly #shared: boolean;
  readonly #router: SingleRouter;
  readonly #lifecycle: Lifecycle;
  readonly #world: World;
  #subscriptions: Subscriptions;
  readonly #state: ConnectionState;
  readonly #deadlines: Deadlines | undefined;
  readonly #connects = new ConnectTracer();
  #times = 0;
  /** The connection of now, or the one just lost, has been through its handshake. */
  #wasUp = false;
  #connections = 0;
  /** Milliseconds until the next attempt to connect, as the strategy has it. */
  #delay = 0;
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(port: number, host: string, options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(path: string, options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(port: number, options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(port: number, host: string);
  constructor(options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(port: number);
  constructor(path: string);
  constructor();
  /** The cluster's way to wrap a connection of its own. */
  constructor(shared: typeof sharedKeeper, keeper: Keeper, options: RedisOptions);
  constructor(...args: unknown[]) {
    super();
    const shared = args[0] === sharedKeeper ? (args[1] as Keeper) : undefined;
    this.options = shared === undefined ? redisOptionsOf(args) : (args[2] as RedisOptions);
    if (shared === undefined) verifyRedisOptions(this.options);
    this.#world = new RealWorld();
    this.#shared = shared !== undefined;
    this.#keeper = shared ?? this.#makeKeeper();
    this.#router = new SingleRouter(
      laneOf(() => this.#keeper),
      this.#world,
      {
        resendWritten: resendsWritten(this.options),
        loadingDeadline: this.options.maxLoadingRetryTime ?? 10_000,
        hold: (parcel) => this.#hold(parcel),
      },
    );
    this.#lifecycle = new Lifecycle(this, {
      offlineQueue: this.options.enableOfflineQueue ?? true,
      offlineMessage: "Stream isn't writeable and enableOfflineQueue options is false",
      maxQueueLength: this.options.maxQueueLength ?? 1_000_000,
      maxQueueBytes: this.options.maxQueueBytes ?? 512 * 1024 * 1024,
      send: (parcel) => this.#router.send(parcel),
      wake: () => void this.connect().catch(() => undefined),
    });
    this.#subscriptions = new Subscriptions(this);
    this.#state = new ConnectionState(
      this.options.db ?? 0,
      () => (this.#keeper.state === 'up' ? this.#connections : 0),
      (db) => this.emit('select', db),
    );
    const timeout = this.options.commandTimeout;
    if (timeout !== undefined && timeout > 0)
      this.#deadlines = new Deadlines(timeout, this.#world, (visit) => this.#visitAll(visit));
    Client.equip(this, this.#hands(), this.options.scripts);
    if (this.#shared) return;
    if (this.options.lazyConnect) this.#lifecycle.become('wait');
    else this.connect().catch(() => undefined);
  }

  /** Resolves at `ready`; rejects when the first attempt fails (reconnection goes on by retryStrategy). */
  connect(callback?: Callback<void>): Promise<void> {
    const connecting = this.#connect();
    if (callback !== undefined) nodeify(connecting, callback);
    return connecting;
  }

  override disconnect(reconnect = false): void {
    const reason = new AbortError(closed, { code: 'ERR_CLOSED', node: this.#keeper.address });
    if (this.#shared || reconnect) {
      this.#keeper.drop(reason);
      return;
    }
    if (this.#lifecycle.status === 'end') return;
    this.#lifecycle.become('disconnecting');
    this.#keeper.close(reason);
    this.#router.close(reason);
  }

  /** A client with the same options, `override` on top. */
  duplicate<Override extends Partial<RedisOptions> | undefined = undefined>(
    override?: Override,
  ): Redis<ReplyMappingFromOptions<Mapping, Override>> {
    return new Redis({ ...this.options, ...override } as never);
  }

  /**
   * Every command the server executes, as it happens: resolves with a client of its own that emits
   * `monitor` (time, args, source, database) and takes no commands; disconnect() ends it.
   */
  monitor(callback?: Callback<Redis<Mapping>>): Promise<Redis<Mapping>> {
    const begun = new Promise<Redis<Mapping>>((resolve, reject) => {
      const monitor = new Redis<Mapping>({ ...this.options, monitor: true, lazyConnect: false } as never);
      // Nobody else holds the client yet: what fails to begin is closed here.
      const fail = (error: Error): void => {
        monitor.disconnect();
        reject(error);
      };
      monitor.once('error', fail);
      monitor.once('monitoring', () => {
        monitor.off('error', fail);
        resolve(monitor);
      });
    });
    if (callback !== undefined) nodeify(begun, callback);
    return begun;
  }

  /** What the connection is for just now. A RESP2 connection that is subscribed takes no other commands. */
  get mode(): 'normal' | 'subscriber' | 'monitor' {
    if (this.options.monitor) return 'monitor';
    return this.#subscriptions.size > 0 && this.#keeper.protocol === 2 ? 'subscriber' : 'normal';
  }

  /** ioredis's older name of disconnect(). */
  end(): void {
    this.disconnect();
  }

  /** The keys of this node as a stream of pages. */
  scanStream(options: ScanStreamOptions = {}): ScanStream {
    return new ScanStream({ ...options, redis: this, command: 'scan' });
  }

  /** scanStream() with keys as Buffers. */
  scanBufferStream(options: ScanStreamOptions = {}): ScanStream {
    return new ScanStream({ ...options, redis: this, command: 'scanBuffer' });
  }

  /** Ends a MULTI sent by `multi({ pipeline: false })`: `[error, result][]`, or null when a watched key changed. */
  override async exec(callback?: Callback<BatchResult[] | null>): Promise<BatchResult[] | null> {
    const run = this.execute(wordOf('exec'), [], 'utf8') as Promise<unknown[] | null>;
    const wrapped = run.then(
      (results) =>
        results?.map(
          (value): BatchResult => (value instanceof Error ? ([value] as unknown as BatchResult) : [null, value]),
        ) ?? null,
    );
    if (callback !== undefined) nodeify(wrapped, callback);
    return wrapped;
  }

  readonly #submit = (call: Parcel): void => {
    (call as { startedAt: number }).startedAt = this.#router.now();
    this.#deadlines?.start();
    const refusal = call instanceof Call ? this.#refusal(call) : undefined;
    if (refusal !== undefined) {
      call.fail(refusal);
      return;
    }
    if (call instanceof Call && (call.flags & CallFlag.blocking) !== 0) limitBlocking(call, this.options, this.#world);
    if (this.#shared) this.#router.send(call);
    else {
      const error = call instanceof Call ? this.#state.admit(call) : undefined;
      if (error === undefined) this.#lifecycle.submit(call);
      else call.fail(error);
    }
  };

  /** Why the connection takes no such call just now: it is a monitor, or a RESP2 one that hears messages only. */
  #refusal(call: Call): RedisError | undefined {
    if (this.options.monitor) {
      return new RedisError("Connection is in monitoring mode, can't process commands.", { code: 'ERR_MONITOR_MODE' });
    }
    if (this.#keeper.protocol === 3 || this.mode !== 'subscriber') return undefined;
    if (Command.checkFlag('VALID_IN_SUBSCRIBER_MODE', call.name)) return undefined;
    const why = 'Connection in subscriber mode, only subscriber commands may be used';
    return new RedisError(why, { code: 'ERR_SUBSCRIBER_MODE' });
  }

  #hands(): ClientHands {
    const { options } = this;
    return {
      maker: new CallMaker(options.keyPrefix, this.#router, options),
      dispatcher: this.#router,
      friendly: options.showFriendlyErrorStack ?? false,
      cluster: false,
      status: () => (this.#shared ? sharedStatus[this.#keeper.state] : this.#lifecycle.status),
      submit: this.#submit,
      subscribe: (call) => {
        this.#subscriptions.prepare(call);
        this.#submit(call);
      },
      submitBatch: this.#submit,
      addressFor: () => this.#keeper.address,
      watch: () => undefined,
      // The connection is shared with everybody else's calls: the answer comes when it comes.
      release: () => undefined,
      openTransaction: () => this.execute(wordOf('multi'), [], 'utf8') as Promise<'OK'>,
      quit: () => this.#quit(),
    };
  }

  async #quit(): Promise<'OK'> {
    const { status, held } = this.#lifecycle;
    if (!this.#shared && status === 'end') throw new AbortError(closed, { code: 'ERR_CLOSED' });
    const { call, answer: parting } = ownCall(['quit']);
    // Behind everything that waits; with nothing waiting there is nobody to say it to.
    if (this.#keeper.state === 'up') this.#keeper.send(call);
    else if (held > 0 && status !== 'wait') this.#lifecycle.submit(call);
    else call.resolve('OK');
    await parting.catch(() => undefined);
    this.disconnect();
    return 'OK';
  }

  #connect(): Promise<void> {
    const { status } = this;
    if (status === 'connecting' || status === 'connect' || status === 'ready') {
      return Promise.reject(new RedisError('Redis is already connecting/connected', { code: 'ERR_CONNECTED' }));
    }
    const ready = new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
    if (this.#keeper.state === 'ended') this.#keeper = this.#makeKeeper();
    this.#keeper.open();
    return ready;
  }

  #makeKeeper(): Keeper {
    const { host = 'localhost', port = 6379, path } = this.options;
    const options = {
      ...keeperOptionsOf(this.options, undefined),
      host,
      port,
      readOnly: this.options.readOnly,
      retryDelay: (times: number) => this.#retryDelay(times),
      holdWhileDown: false,
    };
    return new Keeper(path ?? `${host}:${port}`, options, this.#world, {
      onState: (keeper, state, reason) => {
        this.#connects.onState(keeper, state, reason);
        if (keeper === this.#keeper) this.#onState(state, reason);
      },
      onPush: (_keeper, push) => this.onPush(push),
      onStray: (reply) => this.#onMonitorLine(reply),
    });
  }

  #retryDelay(times: number): number | null {
    if (this.#lifecycle.status === 'disconnecting') return null;
    const strategy = this.options.retryStrategy;
    const delay = typeof strategy === 'function' ? strategy(times) : null;
    if (typeof delay !== 'number') return null;
    this.#delay = delay;
    return delay;
  }

  /** Push frames of the connection: messages, and the confirmations of subscriptions. */
  onPush(push: Push): void {
    this.#subscriptions.receive(push);
  }

  // What could not be sent: waits for the next connection, or fails where nothing will come.
  #hold(parcel: Parcel): void {
    if (this.#shared) parcel.fail(parcel.lastError ?? new AbortError(closed, { node: this.#keeper.address }));
    else {
      const refusal = this.#state.refusal(parcel);
      if (refusal === undefined) this.#lifecycle.submit(parcel);
      else parcel.fail(refusal);
    }
  }

  #onState(state: KeeperState, reason?: Error): void {
    if (reason !== undefined) this.#refuseWaiters(reason);
    switch (state) {
      case 'dialing':
        this.#lifecycle.become('connecting');
        break;
      case 'up':
        this.#times = 0;
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
        this.#lifecycle.failHeld(new AbortError(closed, { code: 'ERR_CLOSED', cause: reason }));
        break;
      default:
    }
  }

  // Loaded first, then subscribed, then everybody else's turn. A connection that is lost meanwhile starts anew.
  async #getReady(connection: number): Promise<void> {
    const send = (call: Call): boolean => this.#keeper.send(call);
    // Not within the keeper's own event: it is still putting its affairs in order.
    await undefined;
    if (this.options.enableReadyCheck ?? true) {
      await waitUntilLoaded(send, this.#world, this.options.maxLoadingRetryTime ?? 10_000);
    }
    if (connection !== this.#connections || this.#keeper.state !== 'up') return;
    this.#reselect(send);
    if (this.options.autoResubscribe ?? true) this.#subscriptions.restore(send);
    else this.#subscriptions = new Subscriptions(this);
    this.#lifecycle.become('ready');
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
    if (this.options.monitor) this.#startMonitoring(send);
  }

  // The handshake selects the database of the options; commands may have changed it since.
  #reselect(send: (call: Call) => boolean): void {
    const { db } = this.#state;
    if (db === (this.options.db ?? 0)) return;
    const { call, answer: selected } = ownCall(['select', String(db)]);
    if (!send(call)) return;
    selected.then(
      () => this.emit('select', db),
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
    const seen = this.options.monitor ? parseMonitorLine(line.toString()) : undefined;
    if (seen === undefined) return false;
    this.emit('monitor', seen.time, seen.args, seen.source, seen.database);
    return true;
  }

  #onResting(reason: Error): void {
    this.#report(reason);
    this.#lifecycle.become('close');
    this.#lifecycle.become('reconnecting', this.#delay);
    const { maxRetriesPerRequest: limit = 20 } = this.options;
    const refused = refusalIn(reason);
    // Commands do not wait for a server that will have none of this client.
    if (refused !== undefined && !this.#wasUp) this.#lifecycle.failHeld(refused);
    else if (limit !== null && ++this.#times % (limit + 1) === 0) {
      this.#lifecycle.failHeld(new MaxRetriesPerRequestError(limit, { node: this.#keeper.address, cause: reason }));
    }
    this.#wasUp = false;
  }

  /** The error event is for failures: not for a connection that was closed, by whichever side and for whatever reply. */
  #report(reason: Error): void {
    if (reason.message === closed || (this.#wasUp && refusalIn(reason) !== undefined)) return;
    this.#lifecycle.reportError(reason);
  }

  #refuseWaiters(cause: Error): void {
    const error = new RedisError(closed, { code: 'ERR_CLOSED', node: this.#keeper.address, cause });
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #visitAll(visit: (parcel: Parcel) => void): void {
    this.#lifecycle.forEachHeld(visit);
    this.#router.forEachParked(visit);
    this.#keeper.forEachCall(visit as (call: Call) => void);
  }
}

/** The server's own word in the reason of a loss: of the handshake, or one that reconnectOnError took for a reason. */
function refusalIn({ cause }: Error): ReplyError | undefined {
  return cause instanceof ReplyError ? cause : undefined;
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
