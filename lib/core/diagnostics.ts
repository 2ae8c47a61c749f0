// What the outside may listen to, by node:diagnostics_channel. Three tracing channels carry ioredis's names and context
// shapes, so that tools made for it see this client as well; the rest are plain channels of our own. A channel nobody
// listens to costs one check of hasSubscribers: nothing is built for it.

import { type Channel, channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import { Call, type RoutableRequest } from '../connection/call.ts';
import type { ReconnectingConnection, ReconnectingState } from '../connection/reconnecting-connection.ts';
import { parseKey } from '../topology/seeds.ts';

/** `ioredis:command`: from the call to its settling, queueing, redirects and retries included. */
export interface CommandContext {
  command: string;
  /** Values are shown as "?" unless the command's arguments are known to be harmless. */
  args: string[];
  database: number;
  /** The node that owned the key when the call was made; empty while the map is unknown. */
  serverAddress: string;
  serverPort: number | undefined;
}

/** `ioredis:batch` (MULTI) and `lingcache:batch` (pipelines): from exec() to the results. */
export interface BatchContext {
  batchMode: 'MULTI' | 'PIPELINE';
  batchSize: number;
  database: number;
  serverAddress: string;
  serverPort: number | undefined;
}

/** `ioredis:connect`: one attempt to reach a node, from dialing to the end of the handshake. */
export interface ConnectContext {
  serverAddress: string;
  serverPort: number | undefined;
  /** Counts the attempts of one client. */
  connectionEpoch: number;
}

/** `lingcache:redirect`: a call goes round again. */
export interface RedirectMessage {
  kind: 'moved' | 'ask' | 'retry';
  /** -1 for a command without keys. */
  slot: number;
  /** `host:port` that refused it; empty when a lost connection is the reason. */
  from: string;
  /** Where MOVED or ASK sent it. */
  to: string | undefined;
  error: Error;
  /** How often the call has been put on a connection. */
  attempts: number;
  /** How often its bytes have left for a server. */
  writes: number;
}

/** `lingcache:refresh`: a round of asking for the slot map is over. */
export interface RefreshMessage {
  reason: string;
  changed: boolean;
  error: Error | undefined;
  /** Entries and fields of the replies that could not be used, and why; absent when all could. At most nine texts. */
  leftOut?: readonly string[];
}

/** `lingcache:cache`: the near cache dropped answers before their time, or looked a read up. */
export type CacheMessage =
  | { cause: 'changed' | 'flushed' | 'ended' | 'redirected'; entries: number }
  | { outcome: 'hit' | 'joined' | 'miss'; command: string; slot: number };

type Tracing<Context extends object> = TracingChannel<unknown, Context>;

export const commandTracing: Tracing<CommandContext> = tracingChannel('ioredis:command');
const batchTracing: Tracing<BatchContext> = tracingChannel('ioredis:batch');
const pipelineTracing: Tracing<BatchContext> = tracingChannel('lingcache:batch');
const connectTracing: Tracing<ConnectContext> = tracingChannel('ioredis:connect');
export const redirectChannel: Channel<unknown, RedirectMessage> = channel('lingcache:redirect') as Channel<
  unknown,
  RedirectMessage
>;
export const refreshChannel: Channel<unknown, RefreshMessage> = channel('lingcache:refresh') as Channel<
  unknown,
  RefreshMessage
>;
export const cacheChannel: Channel<unknown, CacheMessage> = channel('lingcache:cache') as Channel<
  unknown,
  CacheMessage
>;

/** How many leading arguments of a command may be shown; -1 = all. What is not listed shows none (AUTH, scripts' ARGV). */
const shown: readonly (readonly [count: number, names: ReadonlySet<string>])[] = [
  [
    -1,
    new Set(
      `bitcount bitpos dbsize decr decrby del exists expire expireat expiretime geodist geopos get getbit getdel getex
      getrange hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hscan hstrlen hvals incr incrby
      incrbyfloat info keys lindex llen lpop lrange lrem ltrim mget persist pexpire pexpireat ping pttl randomkey rename
      renamenx rpop scan scard sdiff sinter sismember smembers smismember spop srandmember srem sscan strlen
      subscribe ssubscribe psubscribe unsubscribe sunsubscribe punsubscribe sunion touch ttl type unlink wait xack xdel
      xlen xpending xrange xread xreadgroup xrevrange xtrim zcard zcount zincrby zlexcount zmscore zrange zrangebylex
      zrangebyscore zrank zrem zrevrange zrevrangebyscore zrevrank zscan zscore`.split(/\s+/),
    ),
  ],
  [2, new Set(['hset', 'hsetnx', 'hmset', 'lset', 'linsert'])],
  [
    1,
    new Set(
      `append getset lpush lpushx mset msetnx pfadd pfcount psetex publish restore rpush rpushx sadd set setbit setex
      setnx setrange smove spublish xadd zadd`.split(/\s+/),
    ),
  ],
];

/** Arguments as text, values as "?". */
export function sanitizeArgs(name: string, args: readonly unknown[]): string[] {
  const lower = name.toLowerCase();
  const count = shown.find(([, names]) => names.has(lower))?.[0] ?? 0;
  return args.map((argument, at) => (count === -1 || at < count ? String(argument) : '?'));
}

/** `address` is `host:port`, or undefined while nobody knows. */
function serverOf(address: string | undefined): Pick<CommandContext, 'serverAddress' | 'serverPort'> {
  if (address === undefined) return { serverAddress: '', serverPort: undefined };
  if (address.includes('/')) return { serverAddress: address, serverPort: undefined };
  const { host, port } = parseKey(address);
  return { serverAddress: host, serverPort: port };
}

/** Where a command goes. */
export interface Destination {
  /** `host:port`; undefined while nobody knows. */
  readonly address: string | undefined;
  readonly database: number;
}

function contextOf(call: Call, { address, database }: Destination): CommandContext {
  const { name, argv } = call;
  return { command: name, args: sanitizeArgs(name, argv.slice(1)), database, ...serverOf(address) };
}

/** Traces a call with a promise of its own; only to be used when commandTracing.hasSubscribers. */
export function traceCommand(call: Call, to: Destination, run: () => Promise<unknown>): Promise<unknown> {
  return commandTracing.tracePromise(run, contextOf(call, to));
}

/** Traces a call of a batch, which has no promise of its own; `run` sends it. */
function traceGrouped(call: Call, to: Destination, run: () => void): void {
  const settling = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      call.onSettled((_call, error, value) => {
        if (error === null) resolve(value);
        else reject(error);
      });
      run();
    });
  commandTracing.tracePromise(settling, contextOf(call, to)).catch(() => undefined);
}

/** How a batch sends its calls: each traced when somebody listens. */
export function tracedSubmit(
  submit: (request: RoutableRequest) => void,
  destinationOf: (call: Call) => Destination,
): (request: RoutableRequest) => void {
  return (request) => {
    if (!commandTracing.hasSubscribers || !(request instanceof Call)) submit(request);
    else traceGrouped(request, destinationOf(request), () => submit(request));
  };
}

/** Traces a call inside a transaction, which travels with its unit; its answer is QUEUED. */
export function traceInUnit(call: Call, to: Destination): void {
  if (commandTracing.hasSubscribers) traceGrouped(call, to, () => {});
}

/** Traces exec() when somebody listens. */
export function traceBatch<T>(
  mode: BatchContext['batchMode'],
  size: number,
  database: () => number,
  run: () => Promise<T>,
): Promise<T> {
  const tracing = mode === 'MULTI' ? batchTracing : pipelineTracing;
  if (!tracing.hasSubscribers) return run();
  const context: BatchContext = { batchMode: mode, batchSize: size, database: database(), ...serverOf(undefined) };
  return tracing.tracePromise(run, context) as Promise<T>;
}

/** Publishes `ioredis:connect` out of the states of connections. */
export class ConnectTracer {
  readonly #attempts = new Map<ReconnectingConnection, ConnectContext & { error?: unknown; result?: unknown }>();
  #epoch = 0;

  onState(connection: ReconnectingConnection, state: ReconnectingState, reason: Error | undefined): void {
    if (state === 'dialing') {
      this.#epoch++;
      if (!connectTracing.hasSubscribers) return;
      const context = { ...serverOf(connection.address), connectionEpoch: this.#epoch };
      this.#attempts.set(connection, context);
      connectTracing.start.publish(context);
      connectTracing.end.publish(context);
      return;
    }
    const context = this.#attempts.get(connection);
    if (context === undefined) return;
    this.#attempts.delete(connection);
    if (state === 'up') context.result = undefined;
    else {
      context.error = reason;
      connectTracing.error.publish(context as ConnectContext & { error: unknown });
    }
    connectTracing.asyncStart.publish(context as ConnectContext & { error: unknown; result: unknown });
    connectTracing.asyncEnd.publish(context as ConnectContext & { error: unknown; result: unknown });
  }
}
