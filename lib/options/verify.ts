// What each option may be. A bad one throws OptionError at construction and names the option; one that is odd and
// means something all the same ("5000" for a number, "false" for a boolean, Infinity for no limit) is put right in the
// client's own options, so that everything behind reads the kinds that the typings promise.

import { OptionError } from '../base/errors.ts';
import { shownOption } from '../base/secrets.ts';
import type { Seed } from '../topology/seeds.ts';
import { defaultRedisOptions, fillClusterDefaults } from './defaults.ts';
import { checkNames } from './names.ts';
import type { ClusterNode, ClusterOptions, CommonRedisOptions, RedisOptions } from './options.ts';

/** The value to use, or `refused`. */
type Reader = (value: unknown) => unknown;

const refused: unique symbol = Symbol('refused');

/** "" counts as a number nowhere. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : undefined;
}

function numeric(check: (value: number) => boolean): Reader {
  return (value) => {
    const number = numberOf(value);
    return number !== undefined && check(number) ? number : refused;
  };
}

const amount = (value: number): boolean => value >= 0;
const natural = (value: number): boolean => Number.isInteger(value) && value >= 0;

/** 0 and false turn it off. */
const nonNegative: Reader = (value) => (value === false || value === 'false' ? 0 : numeric(amount)(value));
/** Infinity is no limit; as 0, which means the same, it never meets a timer. */
const timeLimit: Reader = (value) => (value === Number.POSITIVE_INFINITY ? 0 : nonNegative(value));
/** false: no bound of one's own, so the default. */
const bound =
  (read: Reader): Reader =>
  (value) =>
    value === false || value === 'false' ? undefined : read(value);
const countLimit: Reader = bound(numeric((value) => natural(value) || value === Number.POSITIVE_INFINITY));
const aNumber: Reader = numeric((value) => !Number.isNaN(value));
const portNumber: Reader = numeric((value) => Number.isInteger(value) && value >= 1 && value <= 65_535);

const flags: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  false: false,
  no: false,
  off: false,
};

const aBoolean: Reader = (value) => {
  if (typeof value === 'boolean') return value;
  const number = numberOf(value);
  if (number !== undefined && !Number.isNaN(number)) return number !== 0;
  const word = String(value).toLowerCase();
  return typeof value === 'string' && Object.hasOwn(flags, word) ? flags[word] : refused;
};

/** Numbers come out of configuration files that quote nothing; false stands for none. */
const aText: Reader = (value) => {
  if (typeof value === 'string') return value;
  if (value === false) return null;
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : refused;
};

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
const isFunction = (value: unknown): boolean => typeof value === 'function';
/** false and 0 stand for none, as null does. */
const isNone = (value: unknown): boolean => value === false || value === 'false' || value === 0;
const aFunction: Reader = (value) => (isNone(value) ? null : isFunction(value) ? value : refused);
const anObject: Reader = (value) => (isNone(value) ? undefined : isObject(value) ? value : refused);
const oneOf =
  (...values: readonly unknown[]): Reader =>
  (value) =>
    isNone(value) ? undefined : values.includes(value) ? value : refused;

// The vendor profiles that ioredis once had are certificates of one vendor, out of date.
const tls: Reader = (value) => {
  if (isNone(value)) return undefined;
  if (value === true || value === 'true' || value === 1) return true;
  return isFunction(value) || (isObject(value) && !('profile' in (value as object))) ? value : refused;
};

const family: Reader = (value) => {
  if (value === 'IPv4' || value === 'IPv6') return value;
  if (isNone(value)) return 0;
  return numeric((number) => number === 0 || number === 4 || number === 6)(value);
};

const database: Reader = (value) => (isNone(value) ? 0 : numeric(natural)(value));
const hostName: Reader = (value) => (isNone(value) ? undefined : typeof value === 'string' ? value : refused);

/** `false` and Infinity: commands wait as long as it takes. */
const retries: Reader = (value) =>
  value === false || value === 'false' || value === Number.POSITIVE_INFINITY ? null : numeric(natural)(value);

const keepNull: ReadonlySet<Reader> = new Set([aText, aFunction, anObject, tls, retries]);

type Rule = readonly [read: Reader, expected: string];
type Rules = Readonly<Record<string, Rule>>;

const milliseconds: Rule = [timeLimit, 'milliseconds'];
const flag: Rule = [aBoolean, 'a boolean'];
const text: Rule = [aText, 'a string'];
const callable: Rule = [aFunction, 'a function'];
const count: Rule = [countLimit, 'a whole number from 0'];
const bytes: Rule = [bound(numeric(amount)), 'bytes'];
/** Milliseconds that something must be waited for: it cannot be turned off. */
const duration: Rule = [bound(numeric(amount)), 'milliseconds'];

const commonRules: Rules = {
  commandTimeout: milliseconds,
  connectTimeout: milliseconds,
  keepAlive: [(value) => (value === true || value === 'true' ? 30_000 : nonNegative(value)), 'milliseconds'],
  noDelay: flag,
  family: [family, '0, 4 or 6'],
  username: text,
  password: text,
  credentialsProvider: callable,
  connectionName: text,
  db: [database, 'a whole number from 0'],
  tls: [tls, 'options of node:tls or a function that gives them'],
  protocol: [
    (value) => (isNone(value) ? undefined : numeric((number) => number === 2 || number === 3)(value)),
    '2 or 3',
  ],
  replyMapping: [oneOf('legacy', 'resp3'), '"legacy" or "resp3"'],
  keyPrefix: [(value) => (Buffer.isBuffer(value) ? value : aText(value)), 'a string or Buffer'],
  socketTimeout: milliseconds,
  blockingTimeout: [(value) => (isNone(value) ? 0 : aNumber(value)), 'milliseconds'],
  blockingTimeoutGrace: duration,
  reconnectOnError: callable,
  maxLoadingRetryTime: duration,
  disconnectTimeout: duration,
  quitTimeout: milliseconds,
  maxRetriesPerRequest: [retries, 'a whole number from 0, Infinity or null'],
  disableClientInfo: flag,
  clientInfoTag: text,
  stringNumbers: flag,
  autoResubscribe: flag,
  autoResendUnfulfilledCommands: flag,
  showFriendlyErrorStack: flag,
  enableAutoPipelining: flag,
  enableOfflineQueue: flag,
  enableReadyCheck: flag,
  lazyConnect: flag,
  resend: [oneOf('all', 'readonly'), '"all" or "readonly"'],
  maxResends: count,
  maxQueueLength: count,
  maxQueueBytes: bytes,
  maxBulkLength: bytes,
  scripts: [anObject, 'an object of script definitions'],
};

const redisRules: Rules = {
  ...commonRules,
  host: [hostName, 'a string'],
  port: [portNumber, 'a port from 1 to 65535'],
  path: [hostName, 'a string'],
  retryStrategy: callable,
  readOnly: flag,
  monitor: flag,
  followRedirects: flag,
};

const clusterRules: Rules = {
  clusterRetryStrategy: callable,
  clusterNodeRetryStrategy: callable,
  enableOfflineQueue: flag,
  enableReadyCheck: flag,
  lazyConnect: flag,
  crossSlot: [oneOf('error', 'split'), '"error" or "split"'],
  fanOut: flag,
  clientSideCache: [anObject, 'an object'],
  shardedSubscribers: flag,
  availabilityZone: text,
  replicaCheckInterval: milliseconds,
  maxRedirections: count,
  retryDelayOnMoved: [nonNegative, 'milliseconds'],
  retryDelayOnFailover: [nonNegative, 'milliseconds'],
  retryDelayOnClusterDown: [nonNegative, 'milliseconds'],
  retryDelayOnTryAgain: [nonNegative, 'milliseconds'],
  retryDeadline: duration,
  quitTimeout: milliseconds,
  silenceTimeout: milliseconds,
  maxBlockingConnections: [numeric((value) => natural(value) && value >= 1), 'a whole number from 1'],
  slotsRefreshTimeout: duration,
  slotsRefreshInterval: milliseconds,
  redisOptions: [anObject, 'an object'],
  dnsLookup: callable,
  useSRVRecords: flag,
  resolveSrv: callable,
  enableAutoPipelining: flag,
  showFriendlyErrorStack: flag,
  natMap: [(value) => (isFunction(value) ? value : anObject(value)), 'an object or a function'],
  redirectAllow: [
    (value) => (isFunction(value) || Array.isArray(value) ? value : refused),
    'an array of networks and host names, or a function',
  ],
  keyPrefix: commonRules['keyPrefix']!,
  db: commonRules['db']!,
  resend: commonRules['resend']!,
  maxResends: count,
  maxQueueLength: count,
  maxQueueBytes: bytes,
  scripts: commonRules['scripts']!,
};

const cacheRules: Rules = {
  maxEntries: [numeric((value) => natural(value) && value >= 1), 'a whole number from 1'],
  maxBytes: [numeric((value) => natural(value) && value >= 1), 'bytes, from 1'],
  ttl: [numeric((value) => value > 0), 'milliseconds, more than 0'],
};

/** What differs from `options` when read by the rules, undefined for nothing; throws OptionError at the first that cannot be used. */
function corrections(options: object, rules: Rules, prefix = ''): Record<string, unknown> | undefined {
  const corrected: Record<string, unknown> = {};
  for (const [name, [read, expected]] of Object.entries(rules)) {
    const value = (options as Record<string, unknown>)[name];
    // ioredis's own defaults are null here and there; where that means nothing of its own, it is the default.
    if (value === undefined || (value === null && keepNull.has(read))) continue;
    // Text is empty where a variable of the environment is not set.
    const used =
      value === null ? undefined : value === '' && read !== aText && name !== 'keyPrefix' ? undefined : read(value);
    if (used === refused) {
      throw new OptionError(
        `${prefix}${name}`,
        `Invalid option ${prefix}${name} ${shownOption(name, value)}. Expected ${expected}`,
      );
    }
    if (!Object.is(used, value)) corrected[name] = used;
  }
  return Object.keys(corrected).length === 0 ? undefined : corrected;
}

const scalings = ['master', 'slave', 'all', 'nearest'];

/** Checks the options of a Cluster and puts them right, in `options` itself. */
export function checkClusterOptions(options: ClusterOptions): void {
  checkNames(options, 'cluster');
  checkNodeOptions(options);
  Object.assign(options, corrections(options, clusterRules));
  options.availabilityZone ??= undefined;
  fillClusterDefaults(options);
  if (options.clientSideCache) {
    const cache = corrections(options.clientSideCache, cacheRules, 'clientSideCache.');
    if (cache !== undefined) options.clientSideCache = { ...options.clientSideCache, ...cache };
  }
  const { scaleReads } = options;
  if (scaleReads === null) options.scaleReads = 'master';
  else if (scaleReads !== undefined && typeof scaleReads !== 'function' && !scalings.includes(scaleReads)) {
    throw new OptionError(
      'scaleReads',
      `Invalid option scaleReads "${String(scaleReads)}". Expected "all", "master", "slave" or a custom function`,
    );
  }
}

function checkNodeOptions(options: ClusterOptions): void {
  const { redisOptions } = options;
  if (typeof redisOptions !== 'object' || redisOptions === null) return;
  checkNames(redisOptions, 'node');
  const corrected = corrections(redisOptions, commonRules, 'redisOptions.');
  if (corrected !== undefined) options.redisOptions = { ...redisOptions, ...corrected };
  verifyMapping({ ...redisOptions, ...corrected }, 'redisOptions.');
  verifyCredentials({ ...redisOptions, ...corrected }, 'redisOptions.');
}

/** Checks the options of a Redis and puts them right, in `options` itself. */
export function checkRedisOptions(options: RedisOptions): void {
  checkNames(options, 'redis');
  for (const [name, value] of Object.entries(corrections(options, redisRules) ?? {})) {
    (options as Record<string, unknown>)[name] = value === undefined ? defaultRedisOptions[name] : value;
  }
  verifyMapping(options, '');
  verifyCredentials(options, '');
  if (options.followRedirects && options.readOnly) {
    throw new OptionError(
      'followRedirects',
      'Options followRedirects and readOnly exclude each other: one leaves the replica',
    );
  }
  for (const name of ['sentinels', 'Connector']) {
    if (!(options as Record<string, unknown>)[name]) continue;
    throw new OptionError(name, `Invalid option ${name}: Sentinel and connectors of one's own are not supported`);
  }
}

/** Startup nodes as the constructor takes them: nothing at all is said by connect(), what is no list at once. */
export function checkStartupNodes(nodes: unknown): void {
  if (nodes === undefined || nodes === null || nodes === '') return;
  if (!Array.isArray(nodes)) {
    const why = `\`startupNodes\` should be an array: new Cluster([${shownOption('startupNodes', nodes)}])`;
    throw new OptionError('startupNodes', why);
  }
  for (const node of nodes as ClusterNode[]) if (typeof node === 'object' && node !== null) checkNames(node, 'node');
}

function verifyMapping({ protocol, replyMapping }: CommonRedisOptions, prefix: string): void {
  if (replyMapping === 'resp3' && protocol === 2) {
    throw new OptionError(`${prefix}replyMapping`, 'The "resp3" replyMapping is only supported with protocol 3');
  }
}

// Two ways to say who one is: nobody knows which was meant.
function verifyCredentials(options: CommonRedisOptions, prefix: string): void {
  if (!options.credentialsProvider) return;
  const name = (['username', 'password'] as const).find((one) => options[one]);
  if (name === undefined) return;
  const text = `Options credentialsProvider and ${prefix}${name} exclude each other: the provider gives user and password`;
  throw new OptionError(`${prefix}${name}`, text);
}

/** As verifyCredentials, of the startup nodes: their URLs may name a user. */
export function checkSeedCredentials(seeds: readonly Seed[], { redisOptions }: ClusterOptions): void {
  if (!redisOptions?.credentialsProvider) return;
  const seed = seeds.find(({ options }) => options.username || options.password);
  if (seed === undefined) return;
  const text = `Options redisOptions.credentialsProvider and the user or password of startup node ${seed.key} exclude each other`;
  throw new OptionError('startupNodes', text);
}
