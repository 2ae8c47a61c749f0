// What `client.options` holds after the same constructor arguments, on ioredis and on lingcache. No server is asked.

import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { lookup, resolveSrv } from 'node:dns';
import * as ioredis from 'ioredis';
import * as lingcache from '../../../lib/index.ts';
import type { Face } from './harness.ts';

const lazy = { lazyConnect: true };

/** Options of ioredis for Sentinel, which lingcache does not speak. */
const sentinel = new Set([
  'enableTLSForSentinelMode',
  'failoverDetector',
  'name',
  'natMap',
  'role',
  'sentinelMaxConnections',
  'sentinelReconnectStrategy',
  'sentinelRetryStrategy',
  'sentinels',
  'updateSentinels',
]);
/** Options of lingcache alone. */
const own = new Set(['maxQueueBytes', 'maxQueueLength']);

/** Without what was left undefined, and with functions by name: each library has its own. */
function plain(options: object, without: ReadonlySet<string>): Record<string, unknown> {
  const kept = Object.entries(options).filter(([name, value]) => value !== undefined && !without.has(name));
  return Object.fromEntries(
    kept.map(([name, value]) => {
      if (typeof value === 'function') return [name, 'a function'];
      return [name, name === 'redisOptions' ? plain(value, new Set()) : value];
    }),
  );
}

const none: ReadonlySet<string> = new Set();

const redisArguments: readonly (readonly unknown[])[] = [
  [lazy],
  [6380, lazy],
  [6380, 'example.com', lazy],
  [6380, '127.0.0.1', { ...lazy, db: 3, username: 'u', password: 'p' }],
  ['example.com', lazy],
  ['example.com:6380', lazy],
  ['6380', lazy],
  ['/tmp/redis.sock', lazy],
  ['/tmp/redis.sock?db=2&keyPrefix=p:', lazy],
  ['redis://example.com', lazy],
  ['redis://:secret@example.com:6380/4', lazy],
  ['redis://user:s%40cret@example.com/0', lazy],
  ['redis://user@example.com', lazy],
  ['redis://[::1]:6380', lazy],
  ['//example.com:6380/1', lazy],
  ['redis://example.com?family=6', lazy],
  ['redis://example.com:1?connectionName=me&username=late', lazy],
  ['rediss://example.com:6380', lazy],
  ['rediss://example.com:6380', { ...lazy, tls: { servername: 'other' } }],
  ['redis://first:1@example.com:6380/1', { ...lazy, host: 'late', port: 1, db: 5, username: 'late' }],
  [{ ...lazy, port: '6380', db: '7' }],
  [{ ...lazy, host: undefined, password: null, retryStrategy: null, maxRetriesPerRequest: null }],
  [null, lazy],
  [undefined, 'example.com', lazy],
  [{ ...lazy, protocol: 2, stringNumbers: true, enableOfflineQueue: false, autoResubscribe: false }],
  [{ ...lazy, replyMapping: 'resp3', keyPrefix: 'p:', readOnly: true, connectTimeout: 1, keepAlive: 0 }],
  [{ ...lazy, himportFieldsets: [{ name: 'user', fields: ['name'] }] }],
  [{ ...lazy, somethingElse: { kept: true } }],
];

const clusterOptions: readonly object[] = [
  lazy,
  { ...lazy, scaleReads: 'all', maxRedirections: 3, slotsRefreshInterval: 7 },
  { ...lazy, clusterRetryStrategy: null, clusterNodeRetryStrategy: () => 1 },
  { ...lazy, redisOptions: { password: 'p', keyPrefix: 'p:', tls: {} } },
  { ...lazy, keyPrefix: 'own:', redisOptions: { keyPrefix: 'p:' } },
  { ...lazy, enableOfflineQueue: false, retryDelayOnTryAgain: 5, dnsLookup: () => undefined, natMap: {} },
  { ...lazy, scaleReads: () => [], redisOptions: { showFriendlyErrorStack: true }, somethingElse: 1 },
];

describe('options of ioredis and of lingcache', () => {
  redisArguments.forEach((args, at) => {
    it(`new Redis, form ${at}: ${JSON.stringify(args)}`, () => {
      const [theirs, ours] = [ioredis, lingcache].map(({ Redis }) => new (Redis as Face)(...args).options);
      deepEqual(plain(ours, own), plain(theirs, sentinel));
    });
  });

  clusterOptions.forEach((options, at) => {
    it(`new Cluster, form ${at}: ${Object.keys(options)}`, () => {
      const [theirs, ours] = [ioredis, lingcache].map(({ Cluster }) => new (Cluster as Face)([7000], options).options);
      deepEqual(plain(ours, own), plain(theirs, none));
    });
  });

  it('Redis.defaultOptions', () => {
    deepEqual(
      plain((lingcache.Redis as Face).defaultOptions, own),
      plain((ioredis.Redis as Face).defaultOptions, sentinel),
    );
  });

  it('a client has its own options: neither the defaults nor those it was given', () => {
    const given = { ...lazy };
    const redis = new lingcache.Redis(given);
    redis.options.autoPipeliningIgnoredCommands?.push('get');
    redis.options.connectTimeout = 1;
    deepEqual(given, lazy);
    const other = new lingcache.Redis(lazy);
    deepEqual([other.options.autoPipeliningIgnoredCommands, other.options.connectTimeout], [[], 10_000]);
  });

  it('default strategies give what those of ioredis give', () => {
    const [theirs, ours] = [ioredis, lingcache].map(({ Cluster }) => new (Cluster as Face)([7000], lazy).options);
    for (const times of [1, 2, 10, 949, 950, 5000]) {
      equal(ours.clusterRetryStrategy(times), theirs.clusterRetryStrategy(times));
    }
    const strategies = [ioredis, lingcache].map(({ Redis }) => new (Redis as Face)(lazy).options.retryStrategy);
    for (const strategy of strategies) {
      for (const [times, least] of [
        [1, 50],
        [3, 200],
        [20, 5000],
      ] as const) {
        const delay = strategy(times);
        ok(delay >= least && delay < least + 200, `${delay} after ${times}`);
      }
    }
    deepEqual([ours.dnsLookup, ours.resolveSrv], [lookup, resolveSrv]);
  });

  it('refuses what ioredis refuses', () => {
    for (const { Redis } of [ioredis, lingcache]) {
      throws(() => new (Redis as Face)(true), { message: 'Invalid argument true' });
      throws(() => new (Redis as Face)({ ...lazy, protocol: 2, replyMapping: 'resp3' }), {
        message: 'The "resp3" replyMapping is only supported with protocol 3',
      });
    }
  });

  // What ioredis ignores without a word is refused only where somebody meant something by it: `commandTimeout: true`.
  it('takes what stands for nothing, and numbers and booleans as text, where ioredis does', () => {
    const nothing: readonly unknown[] = [null, undefined, '', false];
    const more: Readonly<Record<string, readonly unknown[]>> = {
      number: ['5', '0', 0, '1000'],
      boolean: ['true', 'false', 0, 1, '0', '1'],
      string: [5, 'x'],
    };
    const constructs = (make: () => Face): boolean => {
      try {
        const client = make();
        client.on('error', () => undefined);
        client.disconnect();
        return true;
      } catch {
        return false;
      }
    };
    const refused = (defaults: object, further: readonly string[], make: (library: unknown, options: object) => Face) =>
      [...Object.entries(defaults), ...further.map((name) => [name, undefined] as const)].flatMap(([name, usual]) => {
        if (sentinel.has(name)) return [];
        const values = [...nothing, ...(more[typeof usual] ?? [])].filter((value) => {
          const [theirs, ours] = [ioredis, lingcache].map((library) =>
            constructs(() => make(library, { ...lazy, [name]: value })),
          );
          return theirs && !ours;
        });
        return values.length === 0 ? [] : [`${name}: ${values.map(String).join(', ')}`];
      });
    const redisNames = [
      'path',
      'tls',
      'commandTimeout',
      'socketTimeout',
      'blockingTimeout',
      'clientInfoTag',
      'scripts',
    ];
    const { defaultOptions } = ioredis.Redis as Face;
    deepEqual(
      refused(defaultOptions, redisNames, (library, options) => new (library as Face).Redis(options)),
      // What names no port, host, family, protocol or mapping.
      ['port: false, 0, 0', 'host: 5', 'family: 5, 1000', 'protocol: 5, 0, 1000', 'replyMapping: 5, x'],
    );
    const { options: usual } = new ioredis.Cluster([7000], lazy);
    deepEqual(
      refused(
        usual,
        ['redisOptions', 'natMap', 'scripts'],
        (library, options) => new (library as Face).Cluster([7000], options),
      ),
      [],
    );
  });

  it('what is set on options later counts, as there', async () => {
    const calls = await Promise.all(
      [ioredis, lingcache].map(async ({ Redis }) => {
        const redis: Face = new (Redis as Face)({ ...lazy, host: '127.0.0.1', port: 1 });
        redis.on('error', () => undefined);
        const seen: number[] = [];
        redis.options.retryStrategy = (times: number) => {
          seen.push(times);
          return times < 3 ? 1 : null;
        };
        await redis.get('k').catch(() => undefined);
        return seen;
      }),
    );
    deepEqual(calls[1], calls[0]);
  });
});
