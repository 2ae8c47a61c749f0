// What each option may be. A bad one throws OptionError at construction and names the option.

import { OptionError } from '../base/errors.ts';
import type { ClusterOptions, CommonRedisOptions, RedisOptions } from './options.ts';

type Check = (value: unknown) => boolean;

const nonNegative: Check = (value) => typeof value === 'number' && value >= 0;
const naturalNumber: Check = (value) => Number.isInteger(value) && (value as number) >= 0;
const aNumber: Check = (value) => typeof value === 'number';
const aFunction: Check = (value) => typeof value === 'function';
const aBoolean: Check = (value) => typeof value === 'boolean';
const aText: Check = (value) => typeof value === 'string';
const anObject: Check = (value) => typeof value === 'object' && value !== null;

type Rule = readonly [check: Check, expected: string];

const commonRules: Record<string, Rule> = {
  commandTimeout: [nonNegative, 'milliseconds'],
  connectTimeout: [nonNegative, 'milliseconds'],
  keepAlive: [nonNegative, 'milliseconds'],
  noDelay: [aBoolean, 'a boolean'],
  family: [(value) => value === 0 || value === 4 || value === 6 || value === 'IPv4' || value === 'IPv6', '0, 4 or 6'],
  username: [aText, 'a string'],
  password: [aText, 'a string'],
  connectionName: [aText, 'a string'],
  db: [naturalNumber, 'a whole number from 0'],
  // ioredis's profiles are certificates of one vendor, out of date.
  tls: [(value) => value === true || (anObject(value) && !('profile' in (value as object))), 'options of node:tls'],
  protocol: [(value) => value === 2 || value === 3, '2 or 3'],
  replyMapping: [(value) => value === 'legacy' || value === 'resp3', '"legacy" or "resp3"'],
  keyPrefix: [(value) => typeof value === 'string' || Buffer.isBuffer(value), 'a string or Buffer'],
  socketTimeout: [nonNegative, 'milliseconds'],
  blockingTimeout: [aNumber, 'milliseconds'],
  blockingTimeoutGrace: [nonNegative, 'milliseconds'],
  reconnectOnError: [(value) => value === null || aFunction(value), 'a function'],
  maxLoadingRetryTime: [nonNegative, 'milliseconds'],
  disconnectTimeout: [nonNegative, 'milliseconds'],
  quitTimeout: [nonNegative, 'milliseconds'],
  maxRetriesPerRequest: [(value) => value === null || naturalNumber(value), 'a whole number from 0, or null'],
  disableClientInfo: [aBoolean, 'a boolean'],
  clientInfoTag: [aText, 'a string'],
  stringNumbers: [aBoolean, 'a boolean'],
  autoResubscribe: [aBoolean, 'a boolean'],
  autoResendUnfulfilledCommands: [aBoolean, 'a boolean'],
  showFriendlyErrorStack: [aBoolean, 'a boolean'],
  enableAutoPipelining: [aBoolean, 'a boolean'],
  enableOfflineQueue: [aBoolean, 'a boolean'],
  enableReadyCheck: [aBoolean, 'a boolean'],
  lazyConnect: [aBoolean, 'a boolean'],
  resend: [(value) => value === 'all' || value === 'readonly', '"all" or "readonly"'],
  maxQueueLength: [naturalNumber, 'a whole number from 0'],
  maxQueueBytes: [nonNegative, 'bytes'],
  maxBulkLength: [nonNegative, 'bytes'],
  scripts: [anObject, 'an object of script definitions'],
};

const redisRules: Record<string, Rule> = {
  ...commonRules,
  host: [aText, 'a string'],
  port: [
    (value) => Number.isInteger(Number(value)) && Number(value) >= 1 && Number(value) <= 65535,
    'a port from 1 to 65535',
  ],
  path: [aText, 'a string'],
  retryStrategy: [(value) => value === null || aFunction(value), 'a function'],
  readOnly: [aBoolean, 'a boolean'],
  monitor: [aBoolean, 'a boolean'],
};

const clusterRules: Record<string, Rule> = {
  clusterRetryStrategy: [aFunction, 'a function'],
  clusterNodeRetryStrategy: [(value) => value === null || aFunction(value), 'a function'],
  enableOfflineQueue: commonRules['enableOfflineQueue']!,
  enableReadyCheck: commonRules['enableReadyCheck']!,
  lazyConnect: commonRules['lazyConnect']!,
  crossSlot: [(value) => value === 'error' || value === 'split', '"error" or "split"'],
  fanOut: [aBoolean, 'a boolean'],
  clientSideCache: [anObject, 'an object'],
  shardedSubscribers: [aBoolean, 'a boolean'],
  availabilityZone: [aText, 'a string'],
  replicaCheckInterval: [nonNegative, 'milliseconds'],
  maxRedirections: [naturalNumber, 'a whole number from 0'],
  retryDelayOnMoved: [nonNegative, 'milliseconds'],
  retryDelayOnFailover: [nonNegative, 'milliseconds'],
  retryDelayOnClusterDown: [nonNegative, 'milliseconds'],
  retryDelayOnTryAgain: [nonNegative, 'milliseconds'],
  retryDeadline: [nonNegative, 'milliseconds'],
  quitTimeout: [nonNegative, 'milliseconds'],
  silenceTimeout: [nonNegative, 'milliseconds'],
  maxBlockingConnections: [(value) => Number.isInteger(value) && (value as number) >= 1, 'a whole number from 1'],
  slotsRefreshTimeout: [nonNegative, 'milliseconds'],
  slotsRefreshInterval: [nonNegative, 'milliseconds'],
  redisOptions: [anObject, 'an object'],
  dnsLookup: [aFunction, 'a function'],
  useSRVRecords: [aBoolean, 'a boolean'],
  resolveSrv: [aFunction, 'a function'],
  enableAutoPipelining: [aBoolean, 'a boolean'],
  showFriendlyErrorStack: [aBoolean, 'a boolean'],
  natMap: [(value) => aFunction(value) || anObject(value), 'an object or a function'],
  keyPrefix: commonRules['keyPrefix']!,
  resend: commonRules['resend']!,
  maxQueueLength: commonRules['maxQueueLength']!,
  maxQueueBytes: commonRules['maxQueueBytes']!,
  scripts: commonRules['scripts']!,
};

const cacheRules: Record<string, Rule> = {
  maxEntries: [(value) => Number.isInteger(value) && (value as number) >= 1, 'a whole number from 1'],
  maxBytes: [(value) => Number.isInteger(value) && (value as number) >= 1, 'bytes, from 1'],
  ttl: [(value) => typeof value === 'number' && value > 0, 'milliseconds, more than 0'],
};

function verify(options: object, rules: Record<string, Rule>, prefix = ''): void {
  for (const [name, [check, expected]] of Object.entries(rules)) {
    const value = (options as Record<string, unknown>)[name];
    // ioredis's own defaults are null here and there.
    if (value === undefined || value === null || check(value)) continue;
    throw new OptionError(
      `${prefix}${name}`,
      `Invalid option ${prefix}${name} ${JSON.stringify(value) ?? String(value)}. Expected ${expected}`,
    );
  }
}

const scalings = ['master', 'slave', 'all', 'nearest'];

export function verifyClusterOptions(options: ClusterOptions): void {
  verify(options, clusterRules);
  if (options.clientSideCache) verify(options.clientSideCache, cacheRules, 'clientSideCache.');
  const { scaleReads } = options;
  if (scaleReads !== undefined && typeof scaleReads !== 'function' && !scalings.includes(scaleReads)) {
    throw new OptionError(
      'scaleReads',
      `Invalid option scaleReads "${String(scaleReads)}". Expected "all", "master", "slave" or a custom function`,
    );
  }
  if (!options.redisOptions) return;
  verify(options.redisOptions, commonRules, 'redisOptions.');
  verifyMapping(options.redisOptions, 'redisOptions.');
  if (options.redisOptions.db) {
    throw new OptionError('redisOptions.db', 'Invalid option redisOptions.db: a cluster has database 0 only');
  }
}

export function verifyRedisOptions(options: RedisOptions): void {
  verify(options, redisRules);
  verifyMapping(options, '');
  for (const name of ['sentinels', 'Connector']) {
    if ((options as Record<string, unknown>)[name] == null) continue;
    throw new OptionError(name, `Invalid option ${name}: Sentinel and connectors of one's own are not supported`);
  }
}

function verifyMapping({ protocol, replyMapping }: CommonRedisOptions, prefix: string): void {
  if (replyMapping === 'resp3' && protocol === 2) {
    throw new OptionError(`${prefix}replyMapping`, 'The "resp3" replyMapping is only supported with protocol 3');
  }
}
