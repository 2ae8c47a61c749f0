// Every option is checked at construction: what is wrong is named, with what was expected.

import assert from 'node:assert/strict';
import { Cluster, type ClusterOptions, OptionError, Redis, type RedisOptions } from '../../../lib/index.ts';

const lazy = { lazyConnect: true };

/** Option -> values that are refused. */
const wrongForNodes: Readonly<Record<string, readonly unknown[]>> = {
  commandTimeout: [-1, '100', Number.NaN],
  connectTimeout: [-1, 'soon'],
  keepAlive: [-1, true],
  noDelay: [1, 'yes'],
  family: [5, 'IPv5'],
  username: [7],
  password: [7, {}],
  connectionName: [7],
  tls: ['RedisCloudFixed', false, { profile: 'RedisCloudFixed' }],
  protocol: [1, 4, '3'],
  replyMapping: ['resp2', true],
  keyPrefix: [7, ['a']],
  socketTimeout: [-5],
  blockingTimeout: ['x'],
  blockingTimeoutGrace: [-1],
  reconnectOnError: [true, 'READONLY'],
  maxLoadingRetryTime: [-1],
  maxRetriesPerRequest: [-1, 1.5, '20'],
  disableClientInfo: ['no'],
  clientInfoTag: [1],
  stringNumbers: [1],
  autoResubscribe: ['false'],
  autoResendUnfulfilledCommands: [0],
  showFriendlyErrorStack: [1],
  enableOfflineQueue: [1],
  enableReadyCheck: ['yes'],
  resend: ['none', true],
  maxQueueLength: [-1, 1.5],
  maxQueueBytes: [-1, '1 GB'],
  maxBulkLength: [-1],
  scripts: ['return 1'],
};

const wrongForRedis: Readonly<Record<string, readonly unknown[]>> = {
  ...wrongForNodes,
  host: [127],
  port: [0, 65_536, 'http', 1.5],
  db: [-1, 1.5, 'main'],
  path: [1],
  retryStrategy: [100],
  readOnly: ['yes'],
  monitor: [1],
  lazyConnect: ['yes'],
  sentinels: [[{ host: 'a', port: 1 }]],
  Connector: [class {}],
  himportFieldsets: [{}, 'user'],
};

const wrongForCluster: Readonly<Record<string, readonly unknown[]>> = {
  clusterRetryStrategy: [100],
  clusterNodeRetryStrategy: ['never'],
  enableOfflineQueue: [1],
  enableReadyCheck: [1],
  scaleReads: ['replica', 1],
  lazyConnect: [1],
  crossSlot: ['merge', true],
  fanOut: ['all'],
  clientSideCache: [true],
  shardedSubscribers: [1],
  availabilityZone: [1],
  replicaCheckInterval: [-1],
  maxRedirections: [-1, 1.5],
  retryDelayOnMoved: [-1],
  retryDelayOnFailover: ['100'],
  retryDelayOnClusterDown: [-1],
  retryDelayOnTryAgain: [-1],
  retryDeadline: [-1],
  silenceTimeout: [-1],
  maxBlockingConnections: [0, 1.5],
  slotsRefreshTimeout: [-1],
  slotsRefreshInterval: ['5 s'],
  redisOptions: ['redis://a', 1],
  dnsLookup: ['8.8.8.8'],
  useSRVRecords: [1],
  resolveSrv: [true],
  natMap: ['a:1'],
  keyPrefix: [1],
  resend: ['once'],
  maxQueueLength: [-1],
  maxQueueBytes: [-1],
  scripts: [1],
  himportFieldsets: ['user'],
};

function refusalOf(make: () => unknown): OptionError | undefined {
  try {
    make();
  } catch (error) {
    if (error instanceof OptionError) return error;
    throw error;
  }
  return undefined;
}

function complaints(
  wrong: Readonly<Record<string, readonly unknown[]>>,
  named: (option: string) => string,
  make: (option: string, value: unknown) => unknown,
): string[] {
  return Object.entries(wrong).flatMap(([option, values]) =>
    values
      .filter((value) => !refusalOf(() => make(option, value))?.message.includes(named(option)))
      .map((value) => `${named(option)}: ${JSON.stringify(value)}`),
  );
}

const same = (option: string): string => option;

describe('option checks', () => {
  it('refuse what a Redis cannot take, and name it', () => {
    const make = (option: string, value: unknown): unknown => new Redis({ ...lazy, [option]: value } as RedisOptions);
    assert.deepEqual(complaints(wrongForRedis, same, make), []);
  });

  it('refuse what a Cluster cannot take, and name it', () => {
    const make = (option: string, value: unknown): unknown =>
      new Cluster([7000], { ...lazy, [option]: value } as ClusterOptions);
    assert.deepEqual(complaints(wrongForCluster, same, make), []);
  });

  it('refuse what the nodes of a Cluster cannot take, and name it', () => {
    const make = (option: string, value: unknown): unknown =>
      new Cluster([7000], { ...lazy, redisOptions: { [option]: value } } as ClusterOptions);
    assert.deepEqual(
      complaints(wrongForNodes, (option) => `redisOptions.${option}`, make),
      [],
    );
    assert.match(String(refusalOf(() => make('db', 1))), /a cluster has database 0 only/);
  });

  it('refuse limits of the near cache that are none', () => {
    const make = (option: string, value: unknown): unknown =>
      new Cluster([7000], { ...lazy, clientSideCache: { [option]: value } });
    const wrong = { maxEntries: [0, 1.5], maxBytes: [0, -1], ttl: [0, -1, '1 s'] };
    assert.deepEqual(
      complaints(wrong, (option) => `clientSideCache.${option}`, make),
      [],
    );
  });

  it('let null and undefined stand for nothing', () => {
    const names = Object.keys(wrongForRedis).filter((name) => name !== 'himportFieldsets');
    for (const name of names) {
      for (const value of [null, undefined]) {
        assert.equal(
          refusalOf(() => new Redis({ ...lazy, [name]: value } as RedisOptions)),
          undefined,
          name,
        );
      }
    }
  });

  it('say what was given and what was expected', () => {
    assert.equal(
      refusalOf(() => new Redis({ ...lazy, protocol: 4 as 3 }))?.message,
      'Invalid option protocol 4. Expected 2 or 3',
    );
    const error = refusalOf(() => new Cluster(['http://a'], lazy));
    assert.match(String(error), /startupNodes\[0\].*redis:\/\/ or rediss:\/\//);
  });
});
