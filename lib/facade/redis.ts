// One node. On its own it keeps its connection alive by retryStrategy; inside a cluster (`cluster.nodes()`) it shares
// the cluster's connection to that node. Commands go to this node and nowhere else: a MOVED is an error here.

import { EventEmitter } from 'node:events';
import { AbortError, MaxRetriesPerRequestError, RedisError } from '../base/errors.ts';
import { RealWorld, type World } from '../base/world.ts';
import { type Callback, nodeify } from '../batch/pipeline.ts';
import type { BatchResult } from '../batch/scatter.ts';
import type { Script } from '../command/script.ts';
import { Call, CallFlag, ownCall, type Parcel } from '../connection/call.ts';
import { Keeper, type KeeperState } from '../connection/keeper.ts';
import { Subscriptions } from '../pubsub/subscriptions.ts';
import { Deadlines } from '../router/deadlines.ts';
import { SingleRouter } from '../router/single.ts';
import type { Encoding } from '../wire/decoder.ts';
import type { Push } from '../wire/reply.ts';
import { limitBlocking } from './blocking-timeout.ts';
import { Chain, type CommandWords } from './chain.ts';
import { Command } from './command.ts';
import {
  addScript,
  answer,
  CallMaker,
  installCommands,
  scriptOf,
  takeCallback,
  type Word,
  wordOf,
} from './commander.ts';
import { Lifecycle, type Status } from './lifecycle.ts';
import { parseMonitorLine } from './monitor.ts';
import { ConnectTracer, commandTracing, traceCommand, tracedSubmit, traceInUnit } from './observe.ts';
import { verifyRedisOptions } from './option-checks.ts';
import {
  keeperOptionsOf,
  type RedisOptions,
  redisOptionsOf,
  resendsWritten,
  type ScriptDefinition,
} from './options.ts';
import { waitUntilLoaded } from './ready-check.ts';
import { installScanStreams, type KeyScanStreams, ScanStream } from './scan-stream.ts';
import type { ChainableCommander, RedisCommander } from './surface.generated/index.ts';
import type { ScanStreamOptions } from './types.ts';

const sharedStatus: Record<KeeperState, Status> = {
  idle: 'wait',
  dialing: 'connecting',
  up: 'ready',
  resting: 'reconnecting',
  ended: 'end',
};

/** Marks the constructor call that wraps a cluster's own connection. */
export const sharedKeeper: unique symbol = Symbol('shared keeper');

// The command methods are put on the prototype by installCommands; this gives them their types.
export interface Redis extends RedisCommander<{ type: 'default' }>, KeyScanStreams {}

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods come from installCommands, users may merge their own
export class Redis extends EventEmitter {
  readonly options: RedisOptions;
  readonly isCluster: boolean = false;
  readonly #keeper: Keeper;
  readonly #shared: boolean;
  readonly #router: SingleRouter;
  readonly #lifecycle: Lifecycle;
  readonly #maker: CallMaker;
  readonly #world: World;
  readonly #subscriptions: Subscriptions;
  readonly #deadlines: Deadlines | undefined;
  readonly #connects = new ConnectTracer();
  #times = 0;
  #connections = 0;
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(port: number, host: string, options: RedisOptions);
  constructor(path: string, options: RedisOptions);
  constructor(port: number, options: RedisOptions);
  constructor(port: number, host: string);
  constructor(options: RedisOptions);
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
    this.#router = new SingleRouter(this.#keeper, this.#world, {
      resendWritten: resendsWritten(this.options),
      loadingDeadline: this.options.maxLoadingRetryTime ?? 10_000,
      hold: (parcel) => this.#hold(parcel),
    });
    this.#lifecycle = new Lifecycle(this, {
      offlineQueue: this.options.enableOfflineQueue ?? true,
      offlineMessage: "Stream isn't writeable and enableOfflineQueue options is false",
      maxQueueLength: this.options.maxQueueLength ?? 1_000_000,
      maxQueueBytes: this.options.maxQueueBytes ?? 512 * 1024 * 1024,
      send: (parcel) => this.#router.send(parcel),
      wake: () => void this.connect().catch(() => undefined),
    });
    this.#maker = new CallMaker(this.options.keyPrefix, this.#router, this.options);
    this.#subscriptions = new Subscriptions(this);
    const timeout = this.options.commandTimeout;
    if (timeout !== undefined && timeout > 0)
      this.#deadlines = new Deadlines(timeout, this.#world, (visit) => this.#visitAll(visit));
    for (const [name, script] of Object.entries(this.options.scripts ?? {})) this.defineCommand(name, script);
    if (this.#shared) return;
    if (this.options.lazyConnect) this.#lifecycle.become('wait');
    else this.connect().catch(() => undefined);
  }

  get status(): Status {
    return this.#shared ? sharedStatus[this.#keeper.state] : this.#lifecycle.status;
  }

  /** ioredis's is a plain property, and consumers set it after quit(); the client knows better, so it is not changed. */
  set status(_told: Status) {}

  /** Resolves at `ready`; rejects when the first attempt fails (reconnection goes on by retryStrategy). */
  connect(callback?: Callback<void>): Promise<void> {
    const connecting = this.#connect();
    if (callback !== undefined) nodeify(connecting, callback);
    return connecting;
  }

  /** Closes the socket now; pending commands are rejected with "Connection is closed.". */
  disconnect(reconnect = false): void {
    const reason = new AbortError('Connection is closed.', { code: 'ERR_CLOSED', node: this.#keeper.address });
    if (this.#shared || reconnect) {
      this.#keeper.drop(reason);
      return;
    }
    if (this.#lifecycle.status === 'end') return;
    this.#lifecycle.become('disconnecting');
    this.#keeper.close(reason);
    this.#router.close(reason);
  }

  /** QUIT: everything sent before is answered, then the connection closes. Resolves with "OK". */
  async quit(callback?: Callback<'OK'>): Promise<'OK'> {
    const quitting = this.#quit();
    if (callback !== undefined) nodeify(quitting, callback);
    return quitting;
  }

  /** A client with the same options, `override` on top. */
  duplicate(override: Partial<RedisOptions> = {}): Redis {
    return new Redis({ ...this.options, ...override });
  }

  /** Collects commands and sends them as one batch; `exec()` gives `[error, result][]` in call order. */
  pipeline(commands?: readonly CommandWords[]): ChainableCommander {
    return this.#chain(false, commands);
  }

  /** A transaction; `{ pipeline: false }` sends MULTI at once instead, and exec() ends it. */
  multi(options: { pipeline: false }): Promise<'OK'>;
  multi(options: { pipeline: true }): ChainableCommander;
  multi(commands?: readonly CommandWords[], options?: { pipeline?: boolean }): ChainableCommander;
  multi(commands?: readonly CommandWords[] | { pipeline?: boolean }, options?: { pipeline?: boolean }): unknown {
    const settings = Array.isArray(commands) ? options : ((commands as { pipeline?: boolean } | undefined) ?? options);
    if (settings?.pipeline === false) return this.execute(wordOf('multi'), [], 'utf8');
    return this.#chain(true, Array.isArray(commands) ? commands : undefined);
  }

  /**
   * Every command the server executes, as it happens: resolves with a client of its own that emits
   * `monitor` (time, args, source, database) and takes no commands; disconnect() ends it.
   */
  monitor(callback?: Callback<Redis>): Promise<Redis> {
    const begun = new Promise<Redis>((resolve, reject) => {
      const monitor = this.duplicate({ monitor: true, lazyConnect: false });
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
  async exec(callback?: Callback<BatchResult[] | null>): Promise<BatchResult[] | null> {
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

  /** Adds `name` and `nameBuffer`: EVALSHA of the script, with EVAL where the server does not know it. */
  defineCommand(name: string, definition: ScriptDefinition): void {
    const script = scriptOf(definition);
    this.#scripts.set(name, script);
    addScript(this, name, script);
  }

  /** Sends a Command made by hand and returns its promise. */
  sendCommand(command: Command): Promise<unknown> {
    const call = command.toCall(this.#maker);
    if ((call.flags & CallFlag.subscribing) !== 0) this.#subscriptions.prepare(call);
    this.#submit(call);
    return command.promise;
  }

  execute(word: Word, args: unknown[], encoding: Encoding): unknown {
    const callback = takeCallback(args);
    const call = this.#maker.make(word, args, encoding);
    const subscribing = (word.flags & CallFlag.subscribing) !== 0;
    if (subscribing) this.#subscriptions.prepare(call);
    const submit = subscribing || this.#maySend(word) ? this.#submit : refuse;
    return this.#answer(call, callback, submit);
  }

  executeScript(script: Script, args: unknown[], encoding: Encoding): unknown {
    const callback = takeCallback(args);
    const call = this.#maker.makeScript(script, args, encoding);
    return this.#answer(call, callback, this.#submit);
  }

  #answer(call: Call, callback: Callback<unknown> | undefined, submit: (call: Call) => void): Promise<unknown> {
    const friendly = this.options.showFriendlyErrorStack ?? false;
    if (!commandTracing.hasSubscribers) return answer(call, callback, friendly, submit);
    return traceCommand(call, this.#keeper.address, () => answer(call, callback, friendly, submit));
  }

  /** A RESP2 connection that is subscribed hears messages only; RESP3 tells messages from replies. */
  #maySend(word: Word): boolean {
    if (this.#subscriptions.size === 0 || this.#keeper.protocol === 3) return true;
    return Command.checkFlag('VALID_IN_SUBSCRIBER_MODE', word.name);
  }

  readonly #scripts = new Map<string, Script>();

  readonly #submit = (call: Parcel): void => {
    (call as { startedAt: number }).startedAt = this.#router.now();
    this.#deadlines?.start();
    if (this.options.monitor) {
      const why = "Connection is in monitoring mode, can't process commands.";
      call.fail(new RedisError(why, { code: 'ERR_MONITOR_MODE' }));
      return;
    }
    if (call instanceof Call && (call.flags & CallFlag.blocking) !== 0) limitBlocking(call, this.options, this.#world);
    if (this.#shared) this.#router.send(call);
    else this.#lifecycle.submit(call);
  };

  #chain(transaction: boolean, commands: readonly CommandWords[] | undefined): Chain {
    const { address } = this.#keeper;
    const host = {
      dispatcher: this.#router,
      submit: tracedSubmit(this.#submit, () => address),
      watch: (call: Call) => traceInUnit(call, address),
    };
    return new Chain(host, this.#maker, this.#scripts, transaction, false).addBatch(commands ?? []);
  }

  async #quit(): Promise<'OK'> {
    if (this.#lifecycle.status === 'end') throw new AbortError('Connection is closed.', { code: 'ERR_CLOSED' });
    if (this.#keeper.state === 'up') {
      const { call, answer: parting } = ownCall(['quit']);
      this.#keeper.send(call);
      await parting.catch(() => undefined);
    }
    this.disconnect();
    return 'OK';
  }

  #connect(): Promise<void> {
    const { status } = this;
    if (status === 'connecting' || status === 'connect' || status === 'ready') {
      return Promise.reject(new RedisError('Redis is already connecting/connected', { code: 'ERR_CONNECTED' }));
    }
    const ready = new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
    this.#keeper.open();
    return ready;
  }

  #makeKeeper(): Keeper {
    const { host = '127.0.0.1', port = 6379, path } = this.options;
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
        this.#onState(state, reason);
      },
      onPush: (_keeper, push) => this.onPush(push),
      onStray: (reply) => this.#onMonitorLine(reply),
    });
  }

  #retryDelay(times: number): number | null {
    if (this.#lifecycle.status === 'disconnecting') return null;
    const strategy = this.options.retryStrategy;
    if (strategy === undefined) return Math.min(2 ** (times - 1) * 50, 5000) + Math.floor(this.#world.random() * 200);
    const delay = typeof strategy === 'function' ? strategy(times) : null;
    return typeof delay === 'number' ? delay : null;
  }

  /** Push frames of the connection: messages, and the confirmations of subscriptions. */
  onPush(push: Push): void {
    this.#subscriptions.receive(push);
  }

  // What could not be sent: waits for the next connection, or fails where nothing will come.
  #hold(parcel: Parcel): void {
    if (this.#shared)
      parcel.fail(parcel.lastError ?? new AbortError('Connection is closed.', { node: this.#keeper.address }));
    else this.#lifecycle.submit(parcel);
  }

  #onState(state: KeeperState, reason?: Error): void {
    const waiters = reason === undefined ? [] : this.#waiters.splice(0);
    switch (state) {
      case 'dialing':
        this.#lifecycle.become('connecting');
        break;
      case 'up':
        this.#times = 0;
        this.#lifecycle.become('connect');
        void this.#getReady(++this.#connections);
        break;
      case 'resting':
        for (const waiter of waiters) waiter.reject(reason!);
        this.#onResting(reason!);
        break;
      case 'ended':
        for (const waiter of waiters) waiter.reject(reason!);
        this.#lifecycle.become('close');
        this.#lifecycle.become('end');
        this.#lifecycle.failHeld(new AbortError('Connection is closed.', { code: 'ERR_CLOSED', cause: reason }));
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
    if (this.options.autoResubscribe ?? true) this.#subscriptions.restore(send);
    this.#lifecycle.become('ready');
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
    if (this.options.monitor) this.#startMonitoring(send);
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
    this.#lifecycle.become('close');
    this.#lifecycle.reportError(reason);
    this.#lifecycle.become('reconnecting');
    const limit = this.options.maxRetriesPerRequest === undefined ? 20 : this.options.maxRetriesPerRequest;
    if (limit !== null && ++this.#times % (limit + 1) === 0) {
      this.#lifecycle.failHeld(new MaxRetriesPerRequestError(limit, { node: this.#keeper.address, cause: reason }));
    }
  }

  #visitAll(visit: (parcel: Parcel) => void): void {
    this.#lifecycle.forEachHeld(visit);
    this.#router.forEachParked(visit);
    this.#keeper.forEachCall(visit as (call: Call) => void);
  }
}

function refuse(call: Call): void {
  const why = 'Connection in subscriber mode, only subscriber commands may be used';
  call.fail(new RedisError(why, { code: 'ERR_SUBSCRIBER_MODE' }));
}

installCommands(Redis.prototype);
installScanStreams(Redis.prototype);
