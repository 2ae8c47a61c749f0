// Commands without keys, commands made by hand, nodes and messages.

import { setTimeout as pause } from 'node:timers/promises';
import { type Face, outcomeOf, type Row, row, script } from './harness.ts';

export const serverWords: readonly Row[] = [
  row(
    'ping echo',
    ['ping'],
    ['ping', 'x'],
    ['pingBuffer'],
    ['pingBuffer', 'x'],
    ['echo', 'x'],
    ['echo', 5],
    ['echoBuffer', 'ü'],
    ['echo'],
    ['echo', ''],
  ),
  row(
    'cluster',
    ['cluster', 'KEYSLOT', 'k'],
    ['cluster', 'keyslot', '{a}b'],
    ['cluster', 'COUNTKEYSINSLOT', 99999],
    ['cluster', 'NOPE'],
    ['cluster', 'COUNT-FAILURE-REPORTS', 'x'],
    ['cluster'],
    ['cluster', 'KEYSLOT', Buffer.from([255])],
  ),
  script('cluster slots', async ({ client }) => sortedRows(await firstMaster(client).cluster('SLOTS'))),
  script('cluster slots as Buffers', async ({ client }) => (await firstMaster(client).clusterBuffer('SLOTS')).length),
  script('cluster shards', async ({ client }) => {
    const shards = await firstMaster(client).cluster('SHARDS');
    return shards.map((shard: Face) => [
      shard[0],
      shard[1],
      shard[2],
      shard[3].map((node: Face) => node.filter((_: unknown, at: number) => at % 2 === 0)),
    ]);
  }),
  script('cluster nodes', async ({ client }) => typeof (await client.cluster('NODES'))),
  script('cluster info', async ({ client }) => (await client.cluster('INFO')).split('\r\n').slice(0, 6)),
  row(
    'config get',
    ['config', 'GET', 'maxmemory'],
    ['config', 'GET', 'nosuch'],
    ['configBuffer', 'GET', 'maxmemory'],
    ['config', 'NOPE'],
  ),
  row(
    'command info',
    ['command', 'INFO', 'get'],
    ['command', 'INFO', 'nosuch'],
    ['command', 'INFO', 'xread', 'set'],
    ['command', 'GETKEYS', 'mset', 'a', 1, 'b', 2],
    ['command', 'GETKEYSANDFLAGS', 'get', 'a'],
    ['command', 'COUNT'],
    ['command', 'NOPE'],
  ),
  row('command docs', ['command', 'DOCS', 'get'], ['command', 'DOCS', 'nosuch']),
  row(
    'acl',
    ['acl', 'WHOAMI'],
    ['acl', 'CAT', 'nosuch'],
    ['acl', 'GETUSER', 'default'],
    ['acl', 'GETUSER', 'nosuch'],
    ['acl', 'DRYRUN', 'default', 'get', 'x'],
    ['acl', 'LIST'],
  ),
  row(
    'client',
    ['client', 'GETNAME'],
    ['client', 'SETNAME', 'bad name'],
    ['client', 'NOPE'],
    ['client', 'KILL', '1.2.3.4:5'],
    ['client', 'NO-EVICT', 'OFF'],
    ['client', 'TRACKINGINFO'],
    ['client', 'GETREDIR'],
  ),
  row(
    'pubsub',
    ['pubsub', 'CHANNELS', 'none*'],
    ['pubsub', 'NUMSUB', 'a', 'b'],
    ['pubsub', 'NUMPAT'],
    ['pubsub', 'SHARDCHANNELS'],
    ['pubsub', 'SHARDNUMSUB', 'a'],
    ['publish', 'c', 'm'],
    ['spublish', 'c', 'm'],
    ['publish', 'c'],
  ),
  row(
    'slowlog latency',
    ['slowlog', 'LEN'].slice(0, 1) as ['slowlog'],
    ['latency', 'LATEST'],
    ['latency', 'HISTORY', 'x'],
    // Some versions draw by chance; this is a line of text everywhere.
    ['lolwut', 'VERSION', 1],
    ['lolwut', 'VERSION', 'NOPE'],
  ),
  row('select', ['select', 0], ['select', 1], ['select', 'x']),
  row('not in a cluster', ['swapdb', 0, 1], ['move', 'k', 1]),
  row('config get of a map', ['module', 'LIST'], ['object', 'HELP', 'x'], ['debug', 'NOPE']),
  script('dbsize of every master', async ({ client }) => {
    await client.set('a', 1);
    const sizes = await Promise.all(client.nodes('master').map((node: Face) => node.dbsize()));
    return sizes.sort();
  }),
  script('time is two texts', async ({ client }) => (await client.time()).map((part: unknown) => typeof part)),
  script('info is text', async ({ client }) => [
    typeof (await client.info()),
    Buffer.isBuffer(await client.infoBuffer('server')),
    (await client.info('nosuch')).length,
  ]),
  script('role of a master', async ({ client }) =>
    (await firstMaster(client).role()).map((part: unknown) => typeof part),
  ),
  script('scan of a node', async ({ client }) => {
    await client.mset('{t}a', 1, '{t}b', 2);
    const found = await Promise.all(client.nodes('master').map((node: Face) => node.scan(0, 'COUNT', 100)));
    return [found.flatMap((page: Face) => page[1]).sort(), found.map((page: Face) => page[0])];
  }),
  script('keys of a node', async ({ client }) => {
    await client.mset('{t}a', 1, '{t}b', 2);
    const found = await Promise.all(client.nodes('master').map((node: Face) => node.keys('*')));
    return found.flat().sort();
  }),
];

function firstMaster(client: Face): Face {
  return byPort(client.nodes('master'))[0];
}

function byPort(nodes: Face[]): Face[] {
  return nodes.sort((one, other) => one.options.port - other.options.port);
}

function sortedRows(rows: Face[]): Face[] {
  return rows.sort((one, other) => one[0] - other[0]);
}

export const handMade: readonly Row[] = [
  script('text reply', ({ client, library: { Command } }) =>
    client.sendCommand(new Command('set', ['k', 'v'], { replyEncoding: 'utf8' })),
  ),
  script('Buffer reply', ({ client, library: { Command } }) =>
    client.sendCommand(new Command('echo', ['x'], { replyEncoding: null })),
  ),
  script('default encoding', ({ client, library: { Command } }) => client.sendCommand(new Command('echo', ['x']))),
  script('its own promise', async ({ client, library: { Command } }) => {
    const command = new Command('echo', ['x'], { replyEncoding: 'utf8' });
    client.sendCommand(command);
    return command.promise;
  }),
  script(
    'callback',
    ({ client, library: { Command } }) =>
      new Promise((resolve) =>
        client.sendCommand(new Command('echo', ['x'], { replyEncoding: 'utf8' }, (...got: unknown[]) => resolve(got))),
      ),
  ),
  script('error', ({ client, library: { Command } }) =>
    outcomeOf(() => client.sendCommand(new Command('set', ['k'], { replyEncoding: 'utf8' }))),
  ),
  script('name and args', ({ library: { Command } }) => {
    const command = new Command('set', ['k', ['v', 1], null]);
    return [command.name, command.args];
  }),
  script('shapes', async ({ client, library: { Command } }) => {
    await client.call('hset', '{t}h', 'a', 1);
    return client.sendCommand(new Command('hgetall', ['{t}h'], { replyEncoding: 'utf8' }));
  }),
  script('own key prefix', async ({ client, library: { Command } }) => {
    await client.sendCommand(new Command('set', ['k', 'v'], { replyEncoding: 'utf8', keyPrefix: 'own:' }));
    return client.sendCommand(new Command('get', ['own:k'], { replyEncoding: 'utf8' }));
  }),
  script('own key prefix as Buffer', async ({ client, library: { Command } }) =>
    client.sendCommand(new Command('set', ['k', 'v'], { replyEncoding: 'utf8', keyPrefix: Buffer.from('own:') })),
  ),
  script('flags', ({ library: { Command } }) => [
    Object.keys(Command.FLAGS).sort(),
    Command.checkFlag('ENTER_SUBSCRIBER_MODE', 'subscribe'),
    Command.checkFlag('ENTER_SUBSCRIBER_MODE', 'get'),
    Command.checkFlag('WILL_DISCONNECT', 'QUIT'),
  ]),
  script('argument transformer', async ({ client, library: { Command } }) => {
    Command.setArgumentTransformer('rpush', (args: unknown[]) => [...args, 'added']);
    try {
      await client.rpush('l', 'x');
      return await client.lrange('l', 0, -1);
    } finally {
      Command.setArgumentTransformer('rpush', undefined);
    }
  }),
  script('reply transformer', async ({ client, library: { Command } }) => {
    Command.setReplyTransformer('llen', (reply: unknown) => ({ length: reply }));
    try {
      return await client.llen('l');
    } finally {
      Command.setReplyTransformer('llen', undefined);
    }
  }),
  script('getBuiltinCommands', ({ client }) =>
    ['get', 'set', 'monitor', 'sentinel', 'xread'].map((name) => client.getBuiltinCommands().includes(name)),
  ),
  script('createBuiltinCommand', ({ client }) => Object.keys(client.createBuiltinCommand('get')).sort()),
  script('addBuiltinCommand', async ({ client }) => {
    client.addBuiltinCommand('nosuchword');
    return [await outcomeOf(() => client.nosuchword('a')), await outcomeOf(() => client.nosuchwordBuffer('a'))];
  }),
];

export const nodes: readonly Row[] = [
  script('counts by role', ({ client }) =>
    ['all', 'master', 'slave', undefined].map((role) => client.nodes(role).length),
  ),
  script('bad role', ({ client }) => outcomeOf(() => client.nodes('king'))),
  script('options', ({ client }) => byPort(client.nodes()).map((node) => [node.options.host, node.options.port])),
  script('options of a node, defaults included', ({ client }) => {
    const names = `retryStrategy enableOfflineQueue lazyConnect readOnly connectTimeout db protocol family keyPrefix
      maxRetriesPerRequest connectionName autoResubscribe password`.split(/\s+/);
    return byPort(client.nodes()).map(({ options }) => names.map((name) => [name, options[name]]));
  }),
  script('status of masters', async ({ client }) => {
    await Promise.all(client.nodes('master').map((node: Face) => node.ping()));
    return client.nodes('master').map((node: Face) => node.status);
  }),
  script('the same object each time', ({ client }) => new Set([client, client].map((one) => firstMaster(one))).size),
  script('classes', ({ client, library: { Cluster, Redis } }) => [
    client instanceof Cluster,
    client.nodes()[0] instanceof Redis,
    client.isCluster,
    client.nodes()[0].isCluster,
  ]),
  script('MOVED is an error on a node', async ({ client, cluster }) => {
    const wrong = client.nodes('master').map((node: Face) => outcomeOf(() => node.get('{t}k')));
    const outcomes = (await Promise.all(wrong)) as Face[];
    return outcomes
      .map((one) => (one === null ? null : String(one.rejected.message).slice(0, 6)))
      .sort()
      .concat(cluster.masters.length as never);
  }),
  script('slots table', ({ client }) => [
    client.slots.length,
    client.slots[0].length,
    client.slots[0][0],
    client.slots[16383][0],
    [...client.slots[5000]].sort(),
  ]),
  script('status', ({ client }) => [client.status, client.isCluster, client.autoPipelineQueueSize]),
  script(
    'refreshSlotsCache',
    ({ client }) => new Promise((resolve) => client.refreshSlotsCache((...got: unknown[]) => resolve(got))),
  ),
  script('duplicate', async ({ client }) => {
    const copy = client.duplicate();
    try {
      await client.set('k', 'v');
      return [await copy.get('k'), copy.options.keyPrefix];
    } finally {
      copy.disconnect();
    }
  }),
  script('duplicate with options', async ({ client, cluster }) => {
    const copy = client.duplicate([cluster.seeds[1]], {
      keyPrefix: 'other:',
      lazyConnect: true,
      redisOptions: { connectionName: 'copy' },
    });
    try {
      const before = copy.status;
      await copy.set('k', 'v');
      return [
        before,
        copy.options.redisOptions.connectionName,
        copy.options.keyPrefix,
        await copy.nodes('master')[0].client('GETNAME'),
      ];
    } finally {
      copy.disconnect();
    }
  }),
  script("duplicate with a Redis's options, as BullMQ calls it of any client", async ({ client }) => {
    const copy = client.duplicate({ connectionName: 'copy' });
    try {
      await client.set('k', 'v');
      return [await copy.get('k'), await copy.nodes('master')[0].client('GETNAME')];
    } finally {
      copy.disconnect();
    }
  }),
  script('connect twice', ({ client }) => outcomeOf(() => client.connect())),
];

/** Collects the events of a client while `act` runs and until `count` came. */
async function eventsOf(
  client: Face,
  names: readonly string[],
  count: number,
  act: () => Promise<unknown>,
  leave: readonly (string | Buffer)[] = [],
): Promise<unknown> {
  const events: unknown[] = [];
  const listeners = names.map((name) => [name, (...args: unknown[]) => events.push([name, ...args])] as const);
  for (const [name, listener] of listeners) client.on(name, listener);
  const result = await act();
  for (let waited = 0; waited < 2000 && events.length < count; waited += 5) await pause(5);
  for (const [name, listener] of listeners) client.off(name, listener);
  // The other library publishes on the same channels next.
  if (leave.length > 0) await client.unsubscribe(...leave);
  return [result, events];
}

export const messages: readonly Row[] = [
  script('subscribe and publish', ({ client }) =>
    eventsOf(client, ['message', 'messageBuffer'], 2, async () => {
      const counts = [await client.subscribe('news'), await client.subscribe('news', 'more')];
      await pause(20);
      await client.publish('news', 'héllo');
      return counts;
    }),
  ),
  script('unsubscribe', async ({ client }) => [
    await client.subscribe('a', 'b', 'c'),
    await client.unsubscribe('a'),
    await client.unsubscribe('b', 'c', 'news', 'more'),
    await client.unsubscribe(),
    await client.unsubscribe('x'),
  ]),
  script('psubscribe', ({ client }) =>
    eventsOf(client, ['pmessage', 'pmessageBuffer', 'message'], 2, async () => {
      const counts = [await client.psubscribe('pat*', 'x?')];
      await pause(20);
      await client.publish('pattern', 'one');
      await pause(20);
      return [counts, await client.punsubscribe('pat*'), await client.punsubscribe(), await client.punsubscribe()];
    }),
  ),
  // Not unsubscribe() without names while patterns are left: ioredis never settles it.
  script('both kinds count together', async ({ client }) => [
    await client.subscribe('a'),
    await client.psubscribe('b*'),
    await client.unsubscribe('a'),
    await client.punsubscribe('b*'),
  ]),
  script('binary message', ({ client }) =>
    eventsOf(
      client,
      ['messageBuffer'],
      1,
      async () => {
        await client.subscribe('bin');
        await pause(20);
        await client.publish('bin', Buffer.from([0, 255]));
      },
      ['bin'],
    ),
  ),
  script('binary channel', ({ client }) =>
    eventsOf(
      client,
      ['messageBuffer'],
      1,
      async () => {
        await client.subscribe(Buffer.from([255, 1]));
        await pause(20);
        await client.publish(Buffer.from([255, 1]), 'x');
      },
      [Buffer.from([255, 1])],
    ),
  ),
  script('array of channels', async ({ client }) => [
    await client.subscribe(['a', 'b']),
    await client.unsubscribe(['a', 'b', 'bin']),
    await client.unsubscribe(),
  ]),
  script('callback', ({ client }) =>
    new Promise((resolve) => client.subscribe('cb', (...got: unknown[]) => resolve(got))).then(async (got) => [
      got,
      await client.unsubscribe(),
    ]),
  ),
  script('subscribe nothing', async ({ client }) => outcomeOf(() => client.subscribe())),
  script('regular commands while subscribed', async ({ client }) => {
    await client.subscribe('a');
    const value = [await client.set('k', 1), await client.get('k')];
    await client.unsubscribe();
    return value;
  }),
  script('subscribe in a pipeline', ({ client }) =>
    outcomeOf(async () => {
      const got = await client.pipeline().subscribe('a').exec();
      return got;
    }),
  ),
];
