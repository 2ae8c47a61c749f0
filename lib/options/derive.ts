// The options of users as the floors below take them.

import type { ConnectionOptions } from 'node:tls';
import type { World } from '../base/world.ts';
import { CredentialSource } from '../connection/credentials.ts';
import type { TlsOptionsFunction } from '../connection/reach.ts';
import type { ReconnectingOptions } from '../connection/reconnecting-connection.ts';
import type { RouterOptions } from '../router/router.ts';
import type { SeedOptions } from '../topology/seeds.ts';
import type { ClusterOptions, CommonRedisOptions, RedisOptions } from './options.ts';

/** As ioredis does, so that what catches its warnings catches ours. */
export function warn(text: string): void {
  console.warn(text);
}

/** What a node's connection needs, out of the options of a node and those its seed brought along. */
export function connectionOptionsOf(
  options: RedisOptions,
  seed: SeedOptions | undefined,
): Omit<ReconnectingOptions, 'host' | 'port' | 'retryDelay' | 'holdWhileDown'> {
  return {
    path: options.path || undefined,
    family: seed?.family ?? familyOf(options.family),
    connectTimeout: options.connectTimeout,
    // Booleans have been put right by option-checks.
    keepAlive: options.keepAlive as number | undefined,
    noDelay: options.noDelay,
    tls: tlsOf(options.tls, seed?.tls),
    protocol: options.protocol,
    username: ownOr(seed?.username, options.username) || undefined,
    password: ownOr(seed?.password, options.password) || undefined,
    connectionName: options.connectionName ?? undefined,
    db: options.db,
    maxQueueLength: options.maxQueueLength,
    maxQueueBytes: options.maxQueueBytes,
    socketTimeout: options.socketTimeout,
    disconnectTimeout: options.disconnectTimeout,
    reconnectOnError: options.reconnectOnError ?? undefined,
    clientInfo: !(options.disableClientInfo ?? false),
    clientInfoTag: options.clientInfoTag,
    warn,
    mapping: options.replyMapping === 'resp3' ? 'objects' : undefined,
    stringNumbers: options.stringNumbers,
    maxBulkLength: options.maxBulkLength,
  };
}

/** A startup node's null is none, as in ioredis; what it leaves out is that of all. */
function ownOr<V>(own: V | null | undefined, all: V): V | null {
  return own === undefined ? all : own;
}

type TlsOption<Kind> = Kind | boolean | null | undefined;

// A rediss:// seed says that there is TLS; redisOptions.tls says how, or that there is (true).
function tlsOf(
  own: TlsOption<ConnectionOptions | TlsOptionsFunction>,
  seed: TlsOption<ConnectionOptions>,
): ConnectionOptions | TlsOptionsFunction | undefined {
  if (!own && !seed) return undefined;
  if (typeof own !== 'function') return { ...objectOf(own), ...objectOf(seed) };
  return async () => {
    const given = await own();
    // What is none is judged where it is used.
    return typeof given === 'object' && given !== null ? { ...given, ...objectOf(seed) } : given;
  };
}

function objectOf(tls: TlsOption<ConnectionOptions>): ConnectionOptions {
  return typeof tls === 'object' ? (tls ?? {}) : {};
}

/** The source of credentials of one client; undefined where it has no provider. `options` are read at each use. */
export function credentialSourceOf(
  options: CommonRedisOptions,
  world: World,
  onError: (error: Error) => void,
): CredentialSource | undefined {
  if (typeof options.credentialsProvider !== 'function') return undefined;
  const provider = options.credentialsProvider;
  return new CredentialSource(
    {
      provider: () => options.credentialsProvider ?? provider,
      limit: () => options.connectTimeout ?? 10_000,
      onError,
    },
    world,
  );
}

function familyOf(family: unknown): number | undefined {
  if (family === 'IPv4') return 4;
  if (family === 'IPv6') return 6;
  return family as number | undefined;
}

/** Whether a command of unknown outcome is sent again although it may change something. */
export function resendsWritten(options: CommonRedisOptions): boolean {
  return options.resend === undefined ? (options.autoResendUnfulfilledCommands ?? true) : options.resend === 'all';
}

/** How often a single node's client sends a command again whose connection was lost after it was written. */
export function maxResendsOf(options: CommonRedisOptions): number {
  return options.maxResends ?? options.maxRetriesPerRequest ?? 20;
}

/** ioredis's default, which options show where none is given: no limit then but the deadline. */
const unlimitedRedirections = 16;

/** How long, how often and after which pauses a cluster's router tries a call again. */
export function retryRulesOf(
  options: ClusterOptions,
): Pick<
  RouterOptions,
  | 'maxRedirections'
  | 'retryDeadline'
  | 'moved'
  | 'tryAgain'
  | 'clusterDown'
  | 'failover'
  | 'resendWritten'
  | 'maxResends'
> {
  const { redisOptions = {}, maxRedirections } = options;
  return {
    maxResends: options.maxResends ?? redisOptions.maxResends ?? 16,
    maxRedirections: (maxRedirections ?? unlimitedRedirections) === unlimitedRedirections ? Infinity : maxRedirections!,
    retryDeadline: retryDeadlineOf(options),
    moved: options.retryDelayOnMoved ?? 0,
    tryAgain: options.retryDelayOnTryAgain ?? 100,
    clusterDown: options.retryDelayOnClusterDown ?? 100,
    failover: options.retryDelayOnFailover ?? 100,
    resendWritten: resendsWritten({ ...redisOptions, resend: options.resend ?? redisOptions.resend }),
  };
}

const defaultRetryDeadline = 15_000;

/** Milliseconds that a cluster's call may go on being refused or lost, and a node without a sign of life. */
export function retryDeadlineOf({ retryDeadline, redisOptions }: ClusterOptions): number {
  if (retryDeadline !== undefined) return retryDeadline;
  const { commandTimeout = 0 } = redisOptions ?? {};
  // A call has one deadline: commandTimeout ends it, and this stands behind.
  return commandTimeout > 0 ? commandTimeout + behindTimeout : defaultRetryDeadline;
}

/** Milliseconds; more than commandTimeout's sweeps are apart. */
const behindTimeout = 250;

/** Milliseconds that a call waits to be sent at all. 0 of `retryDeadline` forbids further tries, not the first. */
export function waitDeadlineOf(options: ClusterOptions): number {
  return retryDeadlineOf(options) || defaultRetryDeadline;
}

/** Milliseconds before a cluster dials a node again for the `times`-th time; null: not any more. */
export function redialDelay(
  strategy: ClusterOptions['clusterNodeRetryStrategy'],
  times: number,
  world: World,
): number | null {
  if (typeof strategy === 'function') {
    const delay = strategy(times);
    return typeof delay === 'number' ? delay : null;
  }
  // At once after a loss: most losses are one broken socket, not a dead node.
  if (times === 1) return 0;
  return Math.min(50 * 2 ** (times - 2), 2000) * (0.75 + world.random() * 0.5);
}

/**
 * Milliseconds between refreshes that nothing asked for; 0: none. Without them a near cache may answer for long
 * without asking anybody who could say that a slot has moved, and a replica that joins while all is well is not seen.
 */
export function refreshPeriodOf({
  slotsRefreshInterval,
  clientSideCache,
  scaleReads = 'master',
}: ClusterOptions): number {
  return slotsRefreshInterval ?? (clientSideCache === undefined && scaleReads === 'master' ? 0 : 5000);
}
