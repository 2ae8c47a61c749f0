// What `client.options` holds: the arguments of the constructors in one object, and a default for whatever was left
// out. Names and values are ioredis's, Sentinel's left out; what each option may be is for option-checks.ts.

import { lookup, resolveSrv } from 'node:dns';
import { OptionError } from '../base/errors.ts';
import { shownOption } from '../base/secrets.ts';
import { RealWorld } from '../base/world.ts';
import { parseKey, parseLocation } from '../topology/seeds.ts';
import { fieldsetsOf } from './fieldsets.ts';
import type { ClusterOptions, RedisOptions } from './options.ts';

const world = new RealWorld();

const queueLimits = { maxQueueLength: Number.POSITIVE_INFINITY, maxQueueBytes: Number.POSITIVE_INFINITY };

/** `Redis.defaultOptions`. null: nothing, as ioredis writes it. */
export const defaultRedisOptions: Readonly<Record<string, unknown>> = {
  host: 'localhost',
  port: 6379,
  family: 0,
  connectTimeout: 10_000,
  disconnectTimeout: 2000,
  retryStrategy: (times: number): number => Math.min(2 ** (times - 1) * 50, 5000) + Math.floor(world.random() * 200),
  keepAlive: 30_000,
  noDelay: true,
  connectionName: null,
  disableClientInfo: false,
  username: null,
  password: null,
  db: 0,
  enableOfflineQueue: true,
  enableReadyCheck: true,
  autoResubscribe: true,
  autoResendUnfulfilledCommands: true,
  lazyConnect: false,
  keyPrefix: '',
  reconnectOnError: null,
  readOnly: false,
  stringNumbers: false,
  protocol: 3,
  replyMapping: 'legacy',
  maxRetriesPerRequest: 20,
  maxLoadingRetryTime: 10_000,
  enableAutoPipelining: false,
  autoPipeliningIgnoredCommands: [],
  blockingTimeoutGrace: 100,
  ...queueLimits,
};

/** Milliseconds before attempt `times`, as ioredis has it; the connect loop adds jitter. */
export function defaultClusterRetryStrategy(times: number): number {
  return Math.min(100 + times * 2, 2000);
}

const defaultClusterOptions: Readonly<Record<string, unknown>> = {
  clusterRetryStrategy: defaultClusterRetryStrategy,
  clusterNodeRetryStrategy: null,
  enableOfflineQueue: true,
  enableReadyCheck: true,
  scaleReads: 'master',
  maxRedirections: 16,
  retryDelayOnMoved: 0,
  retryDelayOnFailover: 100,
  retryDelayOnClusterDown: 100,
  retryDelayOnTryAgain: 100,
  slotsRefreshTimeout: 1000,
  useSRVRecords: false,
  resolveSrv,
  dnsLookup: lookup,
  enableAutoPipelining: false,
  autoPipeliningIgnoredCommands: [],
  shardedSubscribers: false,
  ...queueLimits,
};

/** Gives `target` what it has not: undefined counts as not given, null does not. */
function fill(target: Record<string, unknown>, source: object): void {
  for (const [name, value] of Object.entries(source)) if (target[name] === undefined) target[name] = value;
}

export function fillClusterDefaults(options: ClusterOptions): void {
  fill(options as Record<string, unknown>, { ...defaultClusterOptions, autoPipeliningIgnoredCommands: [] });
}

/** Options that the object names even where they are not given (null included): some are read at every call. */
const namedClusterOptions = {
  redisOptions: undefined,
  clientSideCache: undefined,
  natMap: undefined,
  availabilityZone: undefined,
  scripts: undefined,
};

const initialClusterOptions = { ...namedClusterOptions, ...defaultClusterOptions };

/** The options of `new Cluster(nodes, options)`. `keyPrefix` may come from `redisOptions`. */
export function clusterOptionsOf(given: ClusterOptions): ClusterOptions {
  const options: Record<string, unknown> = { ...initialClusterOptions, autoPipeliningIgnoredCommands: [] };
  for (const [name, value] of Object.entries(given)) {
    const isGiven = value !== undefined && !(value === null && name in namedClusterOptions);
    if (isGiven || !(name in options)) options[name] = value;
  }
  options['himportFieldsets'] = fieldsetsOf(given.himportFieldsets);
  const prefix = given.redisOptions?.keyPrefix;
  if (prefix && !options['keyPrefix']) options['keyPrefix'] = prefix;
  return { ...options };
}

/** The options of a node's own client, as `nodes()` gives them. */
export function nodeOptionsOf(
  { redisOptions, clusterNodeRetryStrategy: strategy }: ClusterOptions,
  node: { readonly key: string; readonly role: 'master' | 'slave' },
): RedisOptions {
  const { host, port } = parseKey(node.key);
  const options: Record<string, unknown> = {
    retryStrategy: typeof strategy === 'function' ? strategy : null,
    enableOfflineQueue: true,
    host,
    port,
  };
  // The cluster's own key prefix is the cluster's: a node takes keys as they are, as with ioredis.
  fill(options, { ...redisOptions });
  fill(options, { lazyConnect: true });
  fill(options, { ...defaultRedisOptions, autoPipeliningIgnoredCommands: [] });
  // A node may change its role.
  return Object.defineProperty(options, 'readOnly', { enumerable: true, get: () => node.role === 'slave' });
}

/**
 * The options of `new Redis(...)`: port, path, URL and options objects in ioredis's orders. What comes first wins, so
 * later arguments do not override a URL's parts.
 */
export function redisOptionsOf(args: readonly unknown[]): RedisOptions {
  const options: Record<string, unknown> = {};
  let secure = false;
  args.forEach((argument, at) => {
    if (argument === undefined || argument === null) return;
    if (Array.isArray(argument)) {
      throw new OptionError('arguments', 'Invalid argument: a list of nodes is for new Cluster');
    }
    if (typeof argument === 'object') fill(options, argument);
    else if (typeof argument === 'number') options['port'] = argument;
    else if (typeof argument === 'string' && at > 0 && !argument.includes('//')) fill(options, { host: argument });
    else if (typeof argument === 'string') {
      fill(options, locationOf(argument));
      secure ||= argument.startsWith('rediss://');
    } else throw new OptionError('arguments', `Invalid argument ${shownOption('arguments', argument)}`);
  });
  if (secure) fill(options, { tls: true });
  fill(options, { ...defaultRedisOptions, autoPipeliningIgnoredCommands: [] });
  options['himportFieldsets'] = fieldsetsOf(options['himportFieldsets']);
  // A copy: an object that grew key by key is a hash table to V8, and some of these are read at every call.
  return { ...options } as RedisOptions;
}

/** A URL, `host:port` or socket path as options; its query names further ones (`?family=6&connectionName=me`). */
function locationOf(text: string): Record<string, unknown> {
  const at = text.indexOf('?');
  const place = at < 0 ? text : text.slice(0, at);
  const { tls: _, ...location } = parseLocation(place.startsWith('//') ? `redis:${place}` : place, 'url');
  const options: Record<string, unknown> = { ...location };
  // A URL that names one of the two names both.
  if (options['password'] !== undefined || options['username'] !== undefined) {
    fill(options, { username: '', password: '' });
  }
  if (at < 0) return options;
  const query = [...new URLSearchParams(text.slice(at + 1))].map(([name, value]) => [name, optionFrom(name, value)]);
  fill(options, Object.fromEntries(query) as object);
  return options;
}

/** Text of a URL as the kind of value that the option takes. */
function optionFrom(name: string, value: string): unknown {
  switch (typeof defaultRedisOptions[name]) {
    case 'number':
      return Number.isNaN(Number(value)) ? value : Number(value);
    case 'boolean':
      return value === 'true' || (value === 'false' ? false : value);
    default:
      return value;
  }
}
