// What ioredis's README and typings say of a client of a cluster, item by item, where no other file has a row for it.

import { setTimeout as pause } from 'node:timers/promises';
import { ready, until } from '../../kit/until.ts';
import { type Face, outcomeOf, type Row, type Setting, script } from './harness.ts';

/** Runs with a client made for it, which is gone afterwards. */
function own(
  name: string,
  options: Readonly<Record<string, unknown>>,
  act: (client: Face, setting: Setting) => unknown,
  seeds?: (setting: Setting) => readonly unknown[],
): Row {
  return script(name, async (setting) => {
    const client = new setting.library.Cluster(seeds?.(setting) ?? setting.cluster.seeds, { ...options });
    client.on('error', () => undefined);
    try {
      return await act(client, setting);
    } finally {
      client.options.clusterRetryStrategy = () => null;
      client.disconnect();
    }
  });
}

const keys = Array.from({ length: 12 }, (_, at) => `key:${at}`);

/** Positions of nodes in the cluster's own order. */
const placesOf = (nodes: readonly Face[], { cluster }: Setting): number[] =>
  nodes.map((node) => cluster.nodes.findIndex(({ port }) => port === node.options.port)).sort((a, b) => a - b);

export const documentedOfCluster: readonly Row[] = [
  own('README: set and get', {}, async (client) => [
    await client.set('foo', 'bar'),
    await client.get('foo'),
    await new Promise((resolve) => client.get('foo', (...got: unknown[]) => resolve(got))),
  ]),
  own('README: options of nodes', { redisOptions: { connectionName: 'me', db: 0 } }, async (client) => {
    await client.ping();
    const [node] = client.nodes('master');
    return [
      await node.client('GETNAME'),
      node.options.connectionName,
      node.options.db,
      node.options.enableOfflineQueue,
    ];
  }),
  own('nodes by role', {}, async (client, setting) => {
    await client.ping();
    return [client.nodes(), client.nodes('master'), client.nodes('slave')].map((nodes) => placesOf(nodes, setting));
  }),
  own('nodes: flushdb of every master', {}, async (client) => {
    await Promise.all(keys.map((key) => client.set(key, 1)));
    const flushed = await Promise.all(client.nodes('master').map((node: Face) => node.flushdb()));
    const sizes = await Promise.all(client.nodes('master').map((node: Face) => node.dbsize()));
    return [flushed, sizes];
  }),
  own('nodes: pipelines, transactions and scripts of one node', {}, async (client) => {
    await client.set('foo', 'bar');
    const outcomes: unknown[] = [];
    for (const node of client.nodes('master')) {
      outcomes.push(await outcomeOf(() => node.pipeline().ping().echo('x').exec()));
      outcomes.push(await outcomeOf(() => node.multi().ping().exec()));
      outcomes.push(await outcomeOf(() => node.eval('return ARGV[1]', 0, 'x')));
    }
    return outcomes;
  }),
  own('nodes: replicas read and do not write', {}, async (client, { cluster }) => {
    await client.set('foo', 'bar');
    await Promise.all(cluster.masters.map((node) => node.ask('wait', '1', '2000')));
    const reads = await Promise.allSettled(client.nodes('slave').map((node: Face) => node.get('foo')));
    const writes = await Promise.allSettled(client.nodes('slave').map((node: Face) => node.set('foo', 'x')));
    const outcomeOf = (one: Face): unknown =>
      one.status === 'fulfilled' ? one.value : one.reason.message.split(' ')[0];
    return [reads.map(outcomeOf).sort(), writes.map(outcomeOf).sort()];
  }),
  ...(['slave', 'all', 'master'] as const).map((scaleReads) =>
    own(`scaleReads ${scaleReads}`, { scaleReads }, async (client, { cluster }) => {
      await Promise.all(keys.map((key) => client.set(key, key)));
      await Promise.all(cluster.masters.map((node) => node.ask('wait', '1', '2000')));
      return [await Promise.all(keys.map((key) => client.get(key))), await client.getset('key:0', 'new')];
    }),
  ),
  script('scaleReads: a function and what it is given', async ({ library, cluster }) => {
    const given: unknown[] = [];
    const client = new library.Cluster(cluster.seeds, {
      scaleReads: (nodes: Face[], command: Face) => {
        given.push([nodes.length, command.name, command.args, nodes[0].options.readOnly, nodes[1].options.readOnly]);
        return nodes[1];
      },
    });
    client.on('error', () => undefined);
    try {
      await client.set('foo', 'bar');
      await Promise.all(cluster.masters.map((node) => node.ask('wait', '1', '2000')));
      return [await client.get('foo'), await client.mget('foo'), given];
    } finally {
      client.disconnect();
    }
  }),
  own('README: a pipeline and a transaction of one slot', {}, async (client) => [
    await client.pipeline().set('{t}a', 1).incr('{t}a').exec(),
    await client.multi().set('{t}a', 1).incr('{t}a').exec(),
    await client.multi([['get', '{t}a']]).exec(),
  ]),
  own('README: pub/sub', {}, async (client, { library, cluster }) => {
    const pub = new library.Cluster(cluster.seeds);
    const seen: unknown[] = [];
    client.on('message', (...args: unknown[]) => seen.push(args));
    client.on('pmessage', (...args: unknown[]) => seen.push(args));
    const counts = [await client.subscribe('news'), await client.psubscribe('new?')];
    await pub.publish('news', 'highlights');
    await until('both are heard', () => seen.length >= 2);
    const left = [await client.unsubscribe('news'), await client.punsubscribe('new?')];
    pub.disconnect();
    return [counts, seen.map((one) => JSON.stringify(one)).sort(), left];
  }),
  own('shardedSubscribers', { shardedSubscribers: true }, async (client) => {
    await client.ping();
    const seen: unknown[] = [];
    client.on('smessage', (...args: unknown[]) => seen.push(args));
    const count = await client.ssubscribe('shard');
    await until('it is heard', async () => {
      await client.spublish('shard', 'hi');
      await pause(10);
      return seen.length > 0;
    });
    return [count, (seen[0] as unknown[]).slice(0, 2), await client.sunsubscribe('shard')];
  }),
  own('README: events', { lazyConnect: true }, async (client) => {
    const seen: string[] = [];
    for (const event of [
      'wait',
      'connecting',
      'connect',
      'ready',
      'close',
      'end',
      'error',
      'reconnecting',
      'node error',
    ])
      client.on(event, () => seen.push(event));
    await client.connect();
    await client.ping();
    const quit = await client.quit();
    await until('the end', () => seen.includes('end') || seen.includes('close'));
    return [seen.slice(0, 3), quit, client.status === 'end' || client.status === 'close'];
  }),
  script('natMap', async ({ library, cluster }) => {
    const outcomes: unknown[] = [];
    const names = new Map(cluster.nodes.map(({ host, port }, at) => [`${host}:${port}`, at]));
    const maps: unknown[] = [
      Object.fromEntries([...names.keys()].map((key) => [key, { host: 'localhost', port: Number(key.split(':')[1]) }])),
      (key: string) => ({ host: 'localhost', port: Number(key.split(':')[1]) }),
      () => null,
    ];
    for (const natMap of maps) {
      const client = new library.Cluster([{ host: '127.0.0.1', port: cluster.nodes[0]!.port }], { natMap });
      client.on('error', () => undefined);
      await Promise.all(keys.map((key) => client.set(key, 1)));
      outcomes.push([...new Set(client.nodes('master').map((node: Face) => node.options.host))]);
      client.disconnect();
    }
    return outcomes;
  }),
  own(
    'dnsLookup',
    {
      dnsLookup: (_name: string, back: (error: null, address: string) => void) => back(null, '127.0.0.1'),
    },
    (client) => client.set('foo', 'bar'),
    ({ cluster }) => [{ host: 'a.name', port: cluster.nodes[0]!.port }],
  ),
  own(
    'startup nodes as numbers, texts and URLs',
    {},
    (client) => client.set('foo', 'bar'),
    ({ cluster }) => {
      const [one, two, three] = cluster.nodes.map(({ port }) => port);
      return [one, `127.0.0.1:${two}`, `redis://127.0.0.1:${three}`];
    },
  ),
  own('keyPrefix everywhere', { keyPrefix: 'p:' }, async (client) => [
    await client.set('{t}k', 1),
    await client.pipeline().get('{t}k').exec(),
    await client.multi().get('{t}k').exec(),
    await client.eval('return KEYS', 2, '{t}a', '{t}b'),
    await client.mget('{t}k', '{t}none'),
  ]),
  own('enableAutoPipelining', { enableAutoPipelining: true }, async (client) => {
    await client.ping();
    const all = await Promise.all(keys.map((key) => client.set(key, key)));
    const bad = await outcomeOf(() => client.lpush('key:1', 1));
    return [all, bad, await Promise.all(keys.map((key) => client.get(key)))];
  }),
  own('refreshSlotsCache calls back', {}, async (client) => {
    await client.ping();
    const refreshed = new Promise((resolve) => client.once('refresh', (...args: unknown[]) => resolve(args)));
    const back = await new Promise((resolve) => client.refreshSlotsCache((...args: unknown[]) => resolve(args)));
    return [await refreshed, back];
  }),
  own('slotsRefreshInterval', { slotsRefreshInterval: 30 }, async (client) => {
    await client.ping();
    let refreshes = 0;
    client.on('refresh', () => refreshes++);
    await until('it refreshes', () => refreshes >= 2);
    return true;
  }),
  own('commandTimeout of redisOptions', { redisOptions: { commandTimeout: 80 } }, async (client) => {
    await ready(client);
    return outcomeOf(() => client.blpop('none', 0));
  }),
  own('scan streams of keys', {}, async (client) => {
    await client.hset('h', Object.fromEntries(keys.map((key) => [key, 1])));
    await client.sadd('s', ...keys);
    await client.zadd('z', ...keys.flatMap((key, at) => [at, key]));
    const counts: number[] = [];
    for (const stream of [client.hscanStream('h'), client.sscanStream('s'), client.zscanBufferStream('z')]) {
      let count = 0;
      for await (const page of stream) count += page.length;
      counts.push(count);
    }
    return counts;
  }),
  own('scan streams of every master', {}, async (client) => {
    await Promise.all(keys.map((key) => client.set(key, 1)));
    const found: string[] = [];
    for (const node of client.nodes('master'))
      for await (const page of node.scanStream({ match: 'key:*' })) found.push(...page);
    return found.sort();
  }),
  own('sendCommand with a Command', {}, async (client, { library }) => {
    const command = new library.Command('set', ['k', 1], { replyEncoding: 'utf8' });
    return [await client.sendCommand(command), command.getSlot?.(), await client.get('k')];
  }),
  own(
    'redisOptions refused: a wrong password',
    { redisOptions: { username: 'nobody', password: 'wrong' } },
    async (client) => {
      const seen: unknown[] = [];
      client.on('node error', (error: Error) => seen.push(error.message));
      const held = outcomeOf(() => client.get('k'));
      await until('it is said', () => seen.length > 0);
      // Asked before it is asked to give up: a round may end in these 5 ms.
      const state = await Promise.race([held, pause(5, 'held')]);
      client.options.clusterRetryStrategy = () => null;
      return [seen[0], state === 'held'];
    },
  ),
];
