// Every option is checked at construction: what is wrong is named, with what was expected.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Cluster, type ClusterOptions, OptionError, Redis, type RedisOptions } from '../../../lib/index.ts';
import { checkNames } from '../../../lib/options/names.ts';

const lazy = { lazyConnect: true };

/** Option -> values that are refused. */
const wrongForNodes: Readonly<Record<string, readonly unknown[]>> = {
  commandTimeout: [-1, '100 ms', Number.NaN, true],
  connectTimeout: [-1, 'soon'],
  keepAlive: [-1, 'always'],
  noDelay: ['perhaps', {}],
  family: [5, 'IPv5'],
  username: [true, {}],
  password: [true, {}],
  connectionName: [true, []],
  tls: ['RedisCloudFixed', 7, { profile: 'RedisCloudFixed' }],
  protocol: [1, 4, '5', 'resp3'],
  replyMapping: ['resp2', true],
  keyPrefix: [true, ['a']],
  socketTimeout: [-5],
  blockingTimeout: ['x'],
  blockingTimeoutGrace: [-1],
  reconnectOnError: [true, 'READONLY'],
  maxLoadingRetryTime: [-1],
  maxRetriesPerRequest: [-1, 1.5, 'many', true],
  disableClientInfo: ['never'],
  clientInfoTag: [true],
  stringNumbers: ['some'],
  autoResubscribe: ['nope'],
  autoResendUnfulfilledCommands: [{}],
  showFriendlyErrorStack: [[]],
  enableOfflineQueue: [[]],
  enableReadyCheck: ['sure'],
  resend: ['none', true],
  maxQueueLength: [-1, 1.5],
  maxQueueBytes: [-1, '1 GB'],
  maxBulkLength: [-1],
  scripts: ['return 1'],
  db: [-1, 1.5, 'main', true],
};

const wrongForRedis: Readonly<Record<string, readonly unknown[]>> = {
  ...wrongForNodes,
  host: [127],
  port: [0, 65_536, 'http', 1.5],
  db: [-1, 1.5, 'main'],
  path: [1],
  retryStrategy: [100],
  readOnly: ['replica'],
  monitor: [{}],
  lazyConnect: ['later'],
  sentinels: [[{ host: 'a', port: 1 }]],
  Connector: [class {}],
  himportFieldsets: [{}, 'user'],
};

const wrongForCluster: Readonly<Record<string, readonly unknown[]>> = {
  clusterRetryStrategy: [100],
  clusterNodeRetryStrategy: ['never'],
  enableOfflineQueue: [[]],
  enableReadyCheck: [{}],
  scaleReads: ['replica', 1],
  lazyConnect: ['later'],
  crossSlot: ['merge', true],
  fanOut: ['all'],
  clientSideCache: [true],
  shardedSubscribers: ['many'],
  availabilityZone: [true],
  replicaCheckInterval: [-1],
  maxRedirections: [-1, 1.5],
  retryDelayOnMoved: [-1],
  retryDelayOnFailover: ['soon'],
  retryDelayOnClusterDown: [-1],
  retryDelayOnTryAgain: [-1],
  retryDeadline: [-1],
  silenceTimeout: [-1],
  maxBlockingConnections: [0, 1.5],
  slotsRefreshTimeout: [-1],
  slotsRefreshInterval: ['5 s'],
  redisOptions: ['redis://a', 1],
  dnsLookup: ['8.8.8.8'],
  useSRVRecords: ['maybe'],
  resolveSrv: [true],
  natMap: ['a:1'],
  keyPrefix: [true],
  db: [-1, 1.5, 'main'],
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

  it('put right what is odd and means something', () => {
    const redis = (options: object): Record<string, unknown> =>
      new Redis({ ...lazy, ...options } as RedisOptions).options as Record<string, unknown>;
    for (const [name, value, meant] of [
      ['tls', false, undefined],
      ['tls', '', undefined],
      ['tls', 'true', true],
      ['keepAlive', true, 30_000],
      ['keepAlive', false, 0],
      ['db', '3', 3],
      ['db', '', 0],
      ['port', '6380', 6380],
      ['commandTimeout', '250', 250],
      ['commandTimeout', Number.POSITIVE_INFINITY, 0],
      ['commandTimeout', false, 0],
      ['maxRetriesPerRequest', Number.POSITIVE_INFINITY, null],
      ['maxRetriesPerRequest', false, null],
      ['maxRetriesPerRequest', '7', 7],
      ['protocol', '2', 2],
      ['family', '6', 6],
      ['lazyConnect', 'true', true],
      ['enableReadyCheck', 'false', false],
      ['enableOfflineQueue', 0, false],
      ['password', 12_345, '12345'],
      ['connectionName', false, null],
      ['retryStrategy', false, null],
    ] as const) {
      assert.deepEqual(redis({ [name]: value })[name], meant, `${name}: ${String(value)}`);
    }
    const given = { password: 5, db: '0', maxRetriesPerRequest: Number.POSITIVE_INFINITY } as const;
    const cluster = new Cluster([7000], {
      ...lazy,
      maxRedirections: '9',
      redisOptions: given,
    } as unknown as ClusterOptions);
    assert.deepEqual(cluster.options.redisOptions, { password: '5', db: 0, maxRetriesPerRequest: null });
    assert.equal(cluster.options.maxRedirections, 9);
    assert.deepEqual(given, { password: 5, db: '0', maxRetriesPerRequest: Number.POSITIVE_INFINITY });
  });

  it('take a slip of the pen for what it is, and leave what others add alone', async () => {
    const slips: readonly [() => unknown, RegExp][] = [
      [() => new Redis({ ...lazy, hots: 'a' } as RedisOptions), /hots: did you mean `host`\?/],
      [() => new Redis({ ...lazy, pasword: 'a' } as RedisOptions), /did you mean `password`\?/],
      [() => new Redis({ ...lazy, maxRetriesPerRequests: 1 } as RedisOptions), /did you mean `maxRetriesPerRequest`\?/],
      [() => new Redis({ lazyconnect: true } as RedisOptions), /did you mean `lazyConnect`\?/],
      [() => new Cluster([7000], { ...lazy, redisOption: {} } as ClusterOptions), /did you mean `redisOptions`\?/],
      [() => new Cluster([7000], { ...lazy, scaleRead: 'all' } as ClusterOptions), /did you mean `scaleReads`\?/],
      [() => new Cluster([{ hots: 'a' } as object], lazy), /did you mean `host`\?/],
      [
        () => new Cluster([7000], { ...lazy, redisOptions: { usernmae: 'a' } } as ClusterOptions),
        /did you mean `username`\?/,
      ],
    ];
    for (const [make, message] of slips) assert.match(String(refusalOf(make)?.message), message);
    const warnings: string[] = [];
    const note = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', note);
    for (let times = 0; times < 2; times++) {
      new Redis({ ...lazy, onClientReady: () => undefined, ssl: true } as RedisOptions);
      new Cluster([7000], { ...lazy, password: 'a', redisOptions: { scaleReads: 'all' } } as ClusterOptions);
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', note);
    assert.deepEqual(warnings, [
      'Unknown option onClientReady is ignored.',
      'Unknown option ssl is ignored: here it is tls.',
      'Option password of a Cluster is ignored: it belongs in redisOptions.',
      'Option scaleReads in redisOptions is ignored: it belongs beside redisOptions.',
    ]);
  });

  it('know every option of the typings, ours and those of ioredis', async () => {
    const peer = 'node_modules/ioredis/built';
    const namesIn = (file: string, pattern: RegExp): string[] =>
      [...readFileSync(file, 'utf8').matchAll(pattern)].map(([, name]) => name!);
    const ours = readFileSync('lib/options/options.ts', 'utf8');
    const body = (name: string): string => new RegExp(`interface ${name} .*?\\n}`, 's').exec(ours)![0];
    const fields = (text: string): string[] => [...text.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name!);
    const theirs = /^ {4}(\w+)\?:/gm;
    const forRedis = new Set([
      ...fields(body('CommonRedisOptions')),
      ...fields(body('RedisOptions')),
      ...namesIn(`${peer}/redis/RedisOptions.d.ts`, theirs),
      ...namesIn(`${peer}/connectors/StandaloneConnector.d.ts`, theirs),
    ]);
    const forCluster = new Set([
      ...fields(body('ClusterOptions')),
      ...namesIn(`${peer}/cluster/ClusterOptions.d.ts`, theirs),
    ]);
    assert.ok(forRedis.size > 45 && forCluster.size > 35, `${forRedis.size} and ${forCluster.size}`);
    const warnings: string[] = [];
    const note = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', note);
    checkNames(Object.fromEntries([...forRedis].map((name) => [name, 1])), 'redis');
    checkNames(Object.fromEntries([...forCluster].map((name) => [name, 1])), 'cluster');
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', note);
    assert.deepEqual(warnings, []);
  });

  it('a cluster client has one database, by whichever of its names', () => {
    const dbOf = (...args: readonly unknown[]): unknown =>
      new (Cluster as unknown as new (...args: readonly unknown[]) => Cluster)(...args).options.redisOptions?.db;
    assert.equal(dbOf([7000], { ...lazy, db: 3 }), 3);
    assert.equal(dbOf(['redis://h/3', 'redis://i/3', 'h:7'], lazy), 3);
    assert.equal(dbOf([{ host: 'h', db: '3' }], { ...lazy, redisOptions: { password: 'p' } }), 3);
    assert.equal(dbOf(['redis://h/3'], { ...lazy, db: '4' }), 4);
    assert.equal(dbOf(['redis://h/3'], { ...lazy, redisOptions: { db: 0 } }), 0);
    for (const model of [
      new Cluster([7000], { ...lazy, db: 9 }),
      new Cluster(['redis://h/9'], lazy),
      new Cluster([7000], { ...lazy, redisOptions: { db: 9 } }),
    ]) {
      assert.equal(model.duplicate().options.redisOptions?.db, 9);
      for (const db of [0, 3]) {
        assert.equal(model.duplicate([], { redisOptions: { db } }).options.redisOptions?.db, db);
        assert.equal(model.duplicate([], { db }).options.redisOptions?.db, db);
      }
    }
    assert.equal(dbOf([7000], lazy), undefined);
    for (const args of [
      [['redis://h/3', 'redis://i/4'], lazy],
      [[7000], { ...lazy, db: 3, redisOptions: { db: 4 } }],
    ] as const) {
      assert.match(
        String(refusalOf(() => dbOf(...args))),
        /one database for all nodes, and .* says [34], .* says [34]/,
      );
    }
  });

  it('a Cluster without startup nodes is one that cannot connect yet; what is no list is refused', async () => {
    for (const none of [[], null, undefined, '']) {
      const cluster = new Cluster(none as never, { ...lazy, clusterRetryStrategy: null });
      await assert.rejects(cluster.connect(), { message: '`startupNodes` should contain at least one node.' });
      assert.equal(cluster.status, 'end');
    }
    assert.match(
      String(refusalOf(() => new Cluster('h:1' as never, lazy))),
      /`startupNodes` should be an array: new Cluster\(\["h:1"\]\)/,
    );
  });

  it('refuse arguments of the wrong kind in the wrong place', () => {
    const make = (...args: readonly unknown[]): unknown =>
      new (Redis as unknown as new (...all: readonly unknown[]) => Redis)(...args);
    assert.match(String(refusalOf(() => make(['h:1'], lazy))), /a list of nodes is for new Cluster/);
    const cluster = new Cluster([7000], lazy);
    for (const wrong of ['h:1', 7000, null, () => []]) {
      assert.match(String(refusalOf(() => cluster.duplicate(wrong as never))), /duplicate\(startupNodes, options\)/);
    }
    // ioredis takes what is no list for nothing, and BullMQ counts on it.
    for (const args of [[undefined, lazy], [{ connectionName: 'copy' }, lazy], [{}]]) {
      assert.equal(
        refusalOf(() => cluster.duplicate(...(args as [])).disconnect()),
        undefined,
      );
    }
  });

  it('say what was given and what was expected', () => {
    assert.equal(
      refusalOf(() => new Redis({ ...lazy, protocol: 4 as 3 }))?.message,
      'Invalid option protocol 4. Expected 2 or 3',
    );
    assert.equal(
      refusalOf(() => new Redis({ ...lazy, maxRetriesPerRequest: Number.NEGATIVE_INFINITY }))?.message,
      'Invalid option maxRetriesPerRequest -Infinity. Expected a whole number from 0, Infinity or null',
    );
    const error = refusalOf(() => new Cluster(['http://a'], lazy));
    assert.match(String(error), /startupNodes\[0\].*redis:\/\/ or rediss:\/\//);
  });
});
