// One node. On its own it keeps its connection alive by retryStrategy; inside a cluster (`cluster.nodes()`) it shares
// the cluster's connection to that node. Commands go to this node and nowhere else: a MOVED is an error here.

import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { AbortError } from '../base/errors.ts';
import { worldOf } from '../base/world.ts';
import type { BatchResult } from '../batch/batch-results.ts';
import { type Callback, nodeify } from '../batch/pipeline.ts';
import type { NodeBackend } from '../core/client-backend.ts';
import { RedisCore } from '../core/redis-core.ts';
import { defaultRedisOptions, redisOptionsOf } from '../options/defaults.ts';
import type {
  RedisOptions,
  RedisOptionsWithReplyMapping,
  ReplyMappingFromOptions,
  ReplyMappingMode,
} from '../options/options.ts';
import { checkRedisOptions } from '../options/verify.ts';
import { ScanStream, type ScanStreamOptions } from '../scan/scan-stream.ts';
import { Client } from './client.ts';
import { CommandBuilder, specOf } from './commands/command-builder.ts';
import { installInternals } from './compat/redis-internals.ts';

/** Marks the constructor call that makes a Redis of a cluster's nodes(). */
export const nodeOfCluster: unique symbol = Symbol('node of a cluster');

/**
 * A client of one server: `new Redis()`, `new Redis(port, host, options)`, `new Redis('redis://host:6379/0')`. Keeps its
 * connection alive by `retryStrategy`, and what is asked meanwhile waits. Also what `cluster.nodes()` gives: then it
 * shares the cluster's connection to that node. A MOVED is an error here: `Cluster` follows them.
 */
export class Redis<Mapping extends ReplyMappingMode = 'legacy'> extends Client<Mapping> {
  /** Options that the constructor is not given; ioredis's, with null for nothing. */
  static readonly defaultOptions: Readonly<Record<string, unknown>> = defaultRedisOptions;

  /** What the constructor was given, with ioredis's defaults for the rest. */
  readonly options: RedisOptions;
  /** Distinguishes a Cluster from a Redis, as with ioredis. */
  readonly isCluster: boolean = false;
  readonly #backend: NodeBackend;

  static {
    installInternals(Redis.prototype, (client) => client.#backend);
  }

  constructor(port: number, host: string, options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(path: string, options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(port: number, options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(port: number, host: string);
  constructor(options: RedisOptionsWithReplyMapping<Mapping>);
  constructor(port: number);
  constructor(path: string);
  constructor();
  /** The cluster's way to make one over a connection of its own. */
  constructor(mark: typeof nodeOfCluster, backend: (client: EventEmitter) => NodeBackend, options: RedisOptions);
  constructor(...args: unknown[]) {
    super();
    const shared = args[0] === nodeOfCluster;
    this.options = shared ? (args[2] as RedisOptions) : redisOptionsOf(args);
    if (shared) this.#backend = (args[1] as (client: EventEmitter) => NodeBackend)(this);
    else {
      checkRedisOptions(this.options);
      const world = worldOf(args.findLast((arg) => typeof arg === 'object' && arg !== null) ?? {});
      this.#backend = new RedisCore(this, this.options, world).calls;
    }
    const builder = new CommandBuilder(this.options, this.#backend.dispatcher, this.options);
    Client.attach(this, this.#backend, builder, this.options.scripts ?? {});
    if (!shared && !this.options.lazyConnect) this.connect().catch(() => undefined);
  }

  /** Resolves at `ready`; rejects when the first attempt fails (reconnection goes on by retryStrategy). */
  connect(callback?: Callback<void>): Promise<void> {
    const connecting = this.#backend.connect();
    if (callback !== undefined) nodeify(connecting, callback);
    return connecting;
  }

  /**
   * Closes the connection without waiting: what was written is still answered, what waits is rejected. `reconnect`:
   * connects again by retryStrategy, and what waits goes on waiting.
   */
  override disconnect(reconnect = false): void {
    this.#backend.disconnect(reconnect);
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

  /** The socket of the connection, as ioredis has it: to look at, to unref(), to destroy() in tests. Undefined while there is none. */
  get stream(): Socket | undefined {
    return this.#backend.socket;
  }

  /** What the connection is for just now. A RESP2 connection that is subscribed takes no other commands. */
  get mode(): 'normal' | 'subscriber' | 'monitor' {
    if (this.options.monitor) return 'monitor';
    return this.#backend.subscribed ? 'subscriber' : 'normal';
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
    const run = this.execute(specOf('exec'), ['exec'], 'utf8') as Promise<unknown[] | null>;
    const wrapped = run.then(
      (results) =>
        results?.map(
          (value): BatchResult => (value instanceof Error ? ([value] as unknown as BatchResult) : [null, value]),
        ) ?? null,
    );
    if (callback !== undefined) nodeify(wrapped, callback);
    return wrapped;
  }
}
