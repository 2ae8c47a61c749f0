// One node. On its own it keeps its connection alive by retryStrategy; inside a cluster (`cluster.nodes()`) it shares
// the cluster's connection to that node. Commands go to this node and nowhere else: a MOVED is an error here.

import { AbortError, RedisError } from '../base/errors.ts';
import { type World, worldOf } from '../base/world.ts';
import { type Callback, nodeify } from '../batch/pipeline.ts';
import type { BatchResult } from '../batch/scatter.ts';
import { Call, CallFlag, type Parcel } from '../connection/call.ts';
import type { Keeper, KeeperState } from '../connection/keeper.ts';
import { limitBlocking } from '../core/blocking-timeout.ts';
import { type SharedHooks, SharedLink } from '../core/node-core.ts';
import { type NodeLink, RedisCore } from '../core/redis-core.ts';
import { defaultRedisOptions, redisOptionsOf } from '../options/defaults.ts';
import type {
  RedisOptions,
  RedisOptionsWithReplyMapping,
  ReplyMappingFromOptions,
  ReplyMappingMode,
} from '../options/options.ts';
import { checkRedisOptions } from '../options/verify.ts';
import { ScanStream, type ScanStreamOptions } from '../scan/scan-stream.ts';
import { Client, type ClientHands } from './client.ts';
import { CallMaker, wordOf } from './commands/call-maker.ts';
import { Command } from './compat/command.ts';

/** Marks the constructor call that wraps a cluster's own connection. */
export const sharedKeeper: unique symbol = Symbol('shared keeper');

/** Of those that the cluster's nodes() gives. */
const sharedLinks = new WeakMap<object, SharedLink>();

/** A cluster's connection has changed: its Redis emits what ioredis's would. */
export function tellState(redis: object, keeper: Keeper, state: KeeperState, reason: Error | undefined): void {
  const link = sharedLinks.get(redis);
  if (link?.keeper === keeper) link.onState(state, reason);
}

/** The cluster has let go of the node; `announce` is called between its `close` and `end`. */
export function tellEnd(redis: object, announce: () => void): void {
  sharedLinks.get(redis)?.onEnd(announce);
}

/**
 * A client of one server: `new Redis()`, `new Redis(port, host, options)`, `new Redis('redis://host:6379/0')`. Keeps its
 * connection alive by `retryStrategy`, and what is asked meanwhile waits. Also what `cluster.nodes()` gives: then it
 * shares the cluster's connection to that node. A MOVED is an error here: `Cluster` follows them.
 */
export class Redis<Mapping extends ReplyMappingMode = 'legacy'> extends Client<Mapping> {
  /** What options are when the constructor is not told; ioredis's, with null for nothing. */
  static readonly defaultOptions: Readonly<Record<string, unknown>> = defaultRedisOptions;

  /** What the constructor was given, with ioredis's defaults for the rest. */
  readonly options: RedisOptions;
  /** Distinguishes a Cluster from a Redis, as with ioredis. */
  readonly isCluster: boolean = false;
  readonly #world: World;
  readonly #link: NodeLink;

  constructor(port: number, host: string, options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(path: string, options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(port: number, options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(port: number, host: string);
  constructor(options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(port: number);
  constructor(path: string);
  constructor();
  /** The cluster's way to wrap a connection of its own. */
  constructor(shared: typeof sharedKeeper, keeper: Keeper, options: RedisOptions, hooks: SharedHooks);
  constructor(...args: unknown[]) {
    super();
    this.#world = worldOf(args.findLast((arg) => typeof arg === 'object' && arg !== null) ?? {});
    const keeper = args[0] === sharedKeeper ? (args[1] as Keeper) : undefined;
    this.options = keeper === undefined ? redisOptionsOf(args) : (args[2] as RedisOptions);
    if (keeper === undefined) checkRedisOptions(this.options);
    this.#link =
      keeper === undefined
        ? new RedisCore(this, this.options, this.#world)
        : this.#share(keeper, args[3] as SharedHooks);
    Client.equip(this, this.#hands(), this.options.scripts ?? {});
    if (keeper === undefined && !this.options.lazyConnect) this.connect().catch(() => undefined);
  }

  #share(keeper: Keeper, hooks: SharedHooks): SharedLink {
    const link = new SharedLink(this, keeper, hooks, this.options, this.#world);
    sharedLinks.set(this, link);
    return link;
  }

  /** Resolves at `ready`; rejects when the first attempt fails (reconnection goes on by retryStrategy). */
  connect(callback?: Callback<void>): Promise<void> {
    const connecting = this.#link.connect();
    if (callback !== undefined) nodeify(connecting, callback);
    return connecting;
  }

  /**
   * Closes the connection without waiting: what was written is still answered, what waits is rejected. `reconnect`:
   * connects again by retryStrategy, and what waits goes on waiting.
   */
  override disconnect(reconnect = false): void {
    this.#link.disconnect(reconnect);
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
      const monitor = new Redis<Mapping>({
        ...this.options,
        monitor: true,
        lazyConnect: false,
        himportFieldsets: undefined,
      } as never);
      // Nobody else holds the client yet: what fails to begin is closed here.
      const fail = (error: Error): void => {
        monitor.disconnect();
        reject(error);
      };
      const closed = (): void => fail(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }));
      monitor.once('error', fail);
      monitor.once('close', closed);
      monitor.once('monitoring', () => {
        monitor.off('error', fail);
        monitor.off('close', closed);
        resolve(monitor);
      });
    });
    if (callback !== undefined) nodeify(begun, callback);
    return begun;
  }

  /** What the connection is for just now. A RESP2 connection that is subscribed takes no other commands. */
  get mode(): 'normal' | 'subscriber' | 'monitor' {
    if (this.options.monitor) return 'monitor';
    const { keeper, subscriptions, subscribe } = this.#link;
    return keeper.protocol === 2 && subscriptions.size > 0 && subscribe === undefined ? 'subscriber' : 'normal';
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
    const run = this.execute(wordOf('exec'), ['exec'], 'utf8') as Promise<unknown[] | null>;
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
    const link = this.#link;
    call.moment = link.router.moment;
    if (call instanceof Call) {
      const refusal = this.#refusal(call) ?? (call.slot < 0 ? link.refuse(call) : undefined);
      if (refusal !== undefined) {
        call.fail(refusal);
        return;
      }
      if ((call.flags & CallFlag.blocking) !== 0)
        limitBlocking(call, this.options, this.#world, this.status === 'ready', (late) => link.release(late));
    }
    link.submit(call);
  };

  /** Why the connection takes no such call just now: it is a monitor, or a RESP2 one that hears messages only. */
  #refusal(call: Call): RedisError | undefined {
    if (this.options.monitor) {
      return new RedisError("Connection is in monitoring mode, can't process commands.", { code: 'ERR_MONITOR_MODE' });
    }
    if (this.mode !== 'subscriber') return undefined;
    if (Command.checkFlag('VALID_IN_SUBSCRIBER_MODE', call.name)) return undefined;
    const why = 'Connection in subscriber mode, only subscriber commands may be used';
    return new RedisError(why, { code: 'ERR_SUBSCRIBER_MODE' });
  }

  #hands(): ClientHands {
    const { options } = this;
    const link = this.#link;
    return {
      maker: new CallMaker(options, link.router, options),
      dispatcher: link.router,
      get friendly() {
        return options.showFriendlyErrorStack ?? false;
      },
      cluster: false,
      refuse: link.refuse,
      status: () => link.status,
      submit: this.#submit,
      subscribe: (call) => {
        if (link.subscribe !== undefined) {
          link.subscribe(call);
          return;
        }
        link.subscriptions.prepare(call);
        this.#submit(call);
      },
      submitBatch: this.#submit,
      addressFor: () => link.keeper.address,
      database: () => link.db,
      watch: (call, exec) => link.watch?.(call, exec),
      mayRelease: (call) => link.note(call),
      release: (call) => link.release(call),
      openTransaction: () => this.execute(wordOf('multi'), ['multi'], 'utf8') as Promise<'OK'>,
      quit: () => link.quit(),
      depart: () => link.depart(),
    };
  }
}
