// Clients from creation to end: statuses, events, errors of clients that are closed, lazy, misconfigured or alone.
// These scripts make their own clients; the one they are given is not touched.

import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../kit/until.ts';
import { type Face, outcomeOf, type Row, type Script, type Setting, script } from './harness.ts';

const names = ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'end', 'error', 'wait', 'disconnecting'];

/** Runs with a client made for it, which is gone afterwards. */
function alone(
  name: string,
  options: Readonly<Record<string, unknown>>,
  act: (client: Face, setting: Setting) => unknown,
  seeds?: readonly unknown[],
): Row {
  const run: Script = async (setting) => {
    const client = new setting.library.Cluster(seeds ?? setting.cluster.seeds, options);
    client.on('error', () => undefined);
    try {
      return await act(client, setting);
    } finally {
      leave(client);
    }
  };
  return script(name, run);
}

// ioredis starts over when a socket of a client that has ended closes late, and keeps the process alive for ever.
function leave(client: Face): void {
  if (!Object.isFrozen(client.options) && 'manuallyClosing' in client) client.options.clusterRetryStrategy = () => null;
  client.disconnect();
}

/** Events in order, and whether they came with an error. */
function watch(client: Face): [string, boolean][] {
  const seen: [string, boolean][] = [];
  for (const name of names) client.on(name, (error: unknown) => seen.push([name, error instanceof Error]));
  return seen;
}

async function reached(client: Face, status: 'ready' | 'end'): Promise<void> {
  // ioredis's status goes back from end to close when it has several nodes.
  await until(`status ${status}`, () => client.status === status || (status === 'end' && client.status === 'close'));
  await pause(20);
}

/** Whether `end` comes: in ioredis a late socket may turn it into another try. */
function endOf(client: Face): Promise<unknown> {
  return outcomeOf(() => new Promise((resolve) => client.once('end', () => resolve('ended'))));
}

const nowhere = [{ host: '127.0.0.1', port: 1 }];
const lazy = { lazyConnect: true };
const once = { clusterRetryStrategy: () => null };

export const lifecycle: readonly Row[] = [
  alone('status when created', {}, (client) => client.status),
  alone('lazy status', lazy, (client) => client.status),
  alone('lazy wakes at the first command', lazy, async (client) => [await client.set('k', 1), client.status]),
  alone('lazy, connect', lazy, async (client) => [await client.connect(), client.status]),
  alone('lazy, connect twice', lazy, async (client) => {
    const first = client.connect();
    const second = await outcomeOf(() => client.connect());
    return [await first, second];
  }),
  alone('connect while ready', {}, async (client) => {
    await client.ping();
    return outcomeOf(() => client.connect());
  }),
  alone('events of a life', lazy, async (client) => {
    const seen = watch(client);
    await client.connect();
    await pause(5);
    const quitting = await client.quit();
    await reached(client, 'end');
    return [quitting, seen];
  }),
  alone('events of disconnect', lazy, async (client) => {
    await client.connect();
    await pause(5);
    const seen = watch(client);
    client.disconnect();
    const at = client.status;
    await reached(client, 'end');
    return [at, seen];
  }),
  alone('disconnect while connecting', {}, async (client) => {
    const waiting = outcomeOf(() => client.get('k'));
    const ended = endOf(client);
    client.disconnect();
    return [await waiting, await ended, client.status];
  }),
  alone('connect, then disconnect', lazy, async (client) => {
    const connecting = outcomeOf(() => client.connect());
    client.disconnect();
    return [((await connecting) as Face).rejected !== undefined, client.status];
  }),
  alone('disconnect of a lazy client', lazy, async (client) => {
    client.disconnect();
    await pause(10);
    return client.status;
  }),
  alone('quit of a lazy client', lazy, async (client) => {
    const quitting = await outcomeOf(() => client.quit());
    await pause(10);
    return [quitting, client.status];
  }),
  alone('quit with callback', {}, async (client) => {
    await client.ping();
    return new Promise((resolve) => client.quit((...got: unknown[]) => resolve(got)));
  }),
  alone('quit twice', {}, async (client) => {
    await client.ping();
    const both = await Promise.all([outcomeOf(() => client.quit()), outcomeOf(() => client.quit())]);
    return [both[0], ['OK', 'Connection is closed.'].includes(String((both[1] as Face)?.rejected?.message ?? both[1]))];
  }),
  alone('quit answers what was asked before', {}, async (client) => {
    await client.ping();
    const values = Promise.all(Array.from({ length: 100 }, (_, at) => client.set(`k${at}`, at)));
    const quitting = await client.quit();
    return [quitting, new Set(await values).size];
  }),
  alone('command after quit', {}, async (client) => {
    const ended = endOf(client);
    await client.quit();
    return [await ended, await outcomeOf(() => client.get('k'))];
  }),
  alone('command after disconnect', {}, async (client) => {
    await client.ping();
    client.disconnect();
    await reached(client, 'end');
    return [await outcomeOf(() => client.get('k')), await outcomeOf(() => client.call('get', 'k'))];
  }),
  alone('pipeline after disconnect', {}, async (client) => {
    await client.ping();
    client.disconnect();
    await reached(client, 'end');
    return outcomeOf(() => client.pipeline().get('{t}a').exec());
  }),
  alone('transaction after disconnect', {}, async (client) => {
    await client.ping();
    client.disconnect();
    await reached(client, 'end');
    return outcomeOf(() => client.multi().get('{t}a').exec());
  }),
  alone('quit after the end', {}, async (client) => {
    await client.ping();
    client.disconnect();
    await reached(client, 'end');
    return outcomeOf(() => client.quit());
  }),
  alone('connect after the end', {}, async (client) => {
    await client.ping();
    client.disconnect();
    await reached(client, 'end');
    await client.connect();
    return [client.status, await client.set('k', 1)];
  }),
  alone('disconnect and reconnect', {}, async (client) => {
    await client.ping();
    const seen = watch(client);
    client.disconnect(true);
    await reached(client, 'ready');
    return [await client.set('k', 1), seen];
  }),
  alone('commands while reconnecting', {}, async (client) => {
    await client.ping();
    client.disconnect(true);
    return client.set('k', 1);
  }),
  alone('no offline queue', { ...lazy, enableOfflineQueue: false }, async (client) => {
    const connecting = client.connect();
    const early = await outcomeOf(() => client.get('k'));
    await connecting;
    return [early, await client.get('k')];
  }),
  alone('no offline queue, when created', { enableOfflineQueue: false }, (client) => outcomeOf(() => client.get('k'))),
  alone('held commands keep their order', {}, (client) =>
    Promise.all([client.set('k', 1), client.incr('k'), client.get('k'), client.append('k', 'x'), client.get('k')]),
  ),
  alone('held pipeline', {}, (client) => client.pipeline().set('{t}a', 1).get('{t}a').exec()),
  alone('held transaction', {}, (client) => client.multi().set('{t}a', 1).get('{t}a').exec()),
  alone('held subscribe', {}, (client) => client.subscribe('a', 'b')),
  alone(
    'nobody home',
    { ...lazy, ...once },
    async (client) => {
      const seen = watch(client);
      const outcome = (await outcomeOf(() => client.connect())) as Face;
      await reached(client, 'end');
      return [outcome.rejected.message.startsWith('None of startup nodes is available'), client.status, seen];
    },
    nowhere,
  ),
  alone(
    'nobody home: the error event',
    { ...lazy, ...once },
    async (client) => {
      const errors: Face[] = [];
      client.on('error', (error: unknown) => errors.push(error));
      await outcomeOf(() => client.connect());
      await reached(client, 'end');
      return errors.map((error) => [
        error.name,
        error.message.startsWith('Failed to refresh slots cache.'),
        error.lastNodeError instanceof Error,
      ]);
    },
    nowhere,
  ),
  alone(
    'nobody home: held commands',
    once,
    async (client) => {
      const outcome = (await outcomeOf(() => client.get('k'))) as Face;
      return [Object.keys(outcome), client.status];
    },
    nowhere,
  ),
  alone('retry strategy: calls', {}, async (client, setting) => {
    const calls: unknown[] = [];
    const other = new setting.library.Cluster(nowhere, {
      clusterRetryStrategy(times: number, reason: Error) {
        calls.push([times, reason instanceof Error]);
        return times < 3 ? 1 : null;
      },
    });
    other.on('error', () => undefined);
    await reached(other, 'end');
    client.disconnect();
    return calls;
  }),
  alone('retry strategy may name other nodes', { clusterRetryStrategy: () => null }, async (client, setting) => {
    client.disconnect();
    const { seeds } = setting.cluster;
    const other = new setting.library.Cluster(nowhere, {
      clusterRetryStrategy(this: { startupNodes: unknown }) {
        this.startupNodes = seeds;
        return 1;
      },
    });
    other.on('error', () => undefined);
    try {
      return await other.set('k', 1);
    } finally {
      leave(other);
    }
  }),
  alone('one of the seeds is there', lazy, async (client, setting) => {
    const other = new setting.library.Cluster([...nowhere, setting.cluster.seeds[4]], {});
    other.on('error', () => undefined);
    client.disconnect();
    try {
      return [await other.set('k', 1), other.nodes('master').length];
    } finally {
      leave(other);
    }
  }),
  ...(['url', 'host:port', 'port', 'object', 'object with text port'] as const).map((form, at) =>
    script(`seed as ${form}`, async ({ library, cluster }) => {
      const { host, port } = cluster.seeds[0]!;
      const seed = [`redis://${host}:${port}/0`, `${host}:${port}`, port, { port }, { host, port: String(port) }][at];
      const client = new library.Cluster([seed], {});
      try {
        return await client.set('k', 1);
      } finally {
        leave(client);
      }
    }),
  ),
  script('no seeds', async ({ library }) => {
    const outcome = (await outcomeOf(async () => {
      const client = new library.Cluster([], lazy);
      await client.connect();
    })) as Face;
    return outcome.rejected.message;
  }),
  script('bad scaleReads', ({ library }) => outcomeOf(() => new library.Cluster([1], { ...lazy, scaleReads: 'king' }))),
  script('bad seed', ({ library }) => outcomeOf(() => new library.Cluster([true], lazy))),
  script('scaleReads from replicas', async ({ library, cluster }) => {
    const outcomes: unknown[] = [];
    for (const scaleReads of ['slave', 'all']) {
      const client = new library.Cluster(cluster.seeds, { scaleReads });
      await client.set('k', 'v');
      await client.nodes('master')[0].wait(1, 100);
      outcomes.push(await client.del('k'), await client.exists('nosuch'));
      leave(client);
    }
    return outcomes;
  }),
  alone(
    'scripts option',
    { scripts: { twice: { lua: 'return ARGV[1] + ARGV[1]', numberOfKeys: 1 }, free: { lua: 'return #KEYS' } } },
    async (client) => [
      await client.twice('k', 4),
      await client.free(1, 'k'),
      await client.twiceBuffer('k', 5),
      await client.pipeline().twice('k', 1).exec(),
    ],
  ),
  alone(
    'scripts with a prefix',
    { keyPrefix: 'p:', scripts: { key: { lua: 'return KEYS', numberOfKeys: 2 } } },
    (client) => client.key('{t}a', '{t}b', 'c'),
  ),
  alone('friendly stack', { showFriendlyErrorStack: true }, async (client) => {
    const error = await client.set('k').catch((reason: Error) => reason);
    const [first, second] = String(error.stack).split('\n');
    return [first, /rows-lifecycle/.test(String(second)), error.name];
  }),
  alone('friendly stack of redisOptions', { redisOptions: { showFriendlyErrorStack: true } }, async (client) => {
    const error = await client.set('k').catch((reason: Error) => reason);
    return [error.message, error.name];
  }),
  alone('duplicate keeps options', { ...lazy, keyPrefix: 'd:', scaleReads: 'all' }, async (client) => {
    const copy = client.duplicate();
    try {
      const same = [copy.status, copy.options.keyPrefix, copy.options.scaleReads];
      return [same, await copy.set('k', 1)];
    } finally {
      copy.disconnect();
    }
  }),
  alone('+node for every node', lazy, async (client, { cluster }) => {
    const added: string[] = [];
    client.on('+node', (node: Face) => added.push(`${node.options.host}:${node.options.port}`));
    await client.connect();
    return cluster.seeds.every(({ host, port }) => added.includes(`${host}:${port}`));
  }),
  alone('-node for every node', {}, async (client, { cluster }) => {
    await client.ping();
    const removed: string[] = [];
    client.on('-node', (node: Face) => removed.push(`${node.options.host}:${node.options.port}`));
    client.disconnect();
    await until('all are removed', () => removed.length >= cluster.seeds.length);
    return [...new Set(removed)].sort().length;
  }),
  alone('messages survive a reconnection', {}, async (client) => {
    const heard: unknown[] = [];
    client.on('message', (...args: unknown[]) => heard.push(args));
    await client.subscribe('again');
    client.disconnect(true);
    await reached(client, 'ready');
    for (let tries = 0; tries < 200 && heard.length === 0; tries++) {
      await client.publish('again', 'x');
      await pause(10);
    }
    return heard[0];
  }),
];

/** One node, used without its cluster. */
export const single: readonly Row[] = (
  [
    ['set and MOVED', {}, async (client) => [await outcomeOf(() => client.set('x', 1)), typeof (await client.info())]],
    ['status when created', {}, (client) => client.status],
    ['lazy', lazy, async (client) => [client.status, await client.connect(), client.status]],
    ['ping forms', {}, async (client) => [await client.ping(), await client.ping('x'), await client.pingBuffer()]],
    ['quit', {}, async (client) => [await client.quit(), await outcomeOf(() => client.ping())]],
    [
      'disconnect',
      {},
      async (client) => {
        await client.ping();
        client.disconnect();
        return outcomeOf(() => client.ping());
      },
    ],
    [
      'events of a life',
      lazy,
      async (client) => {
        const seen = watch(client);
        await client.connect();
        await pause(5);
        await client.quit();
        await reached(client, 'end');
        return seen;
      },
    ],
    ['connection name', { connectionName: 'me' }, (client) => client.client('GETNAME')],
    ['no offline queue', { enableOfflineQueue: false }, (client) => outcomeOf(() => client.ping())],
    [
      'duplicate',
      {},
      async (client) => {
        const copy = client.duplicate({ connectionName: 'copy' });
        const name = await copy.client('GETNAME');
        copy.disconnect();
        return [name, copy.options.connectionName];
      },
    ],
    [
      'subscriber mode, RESP2',
      { protocol: 2 },
      async (client) => [
        await client.subscribe('a'),
        await outcomeOf(() => client.get('k')),
        await client.unsubscribe('a'),
      ],
    ],
    [
      'subscriber mode, RESP3',
      {},
      async (client) => [await client.subscribe('a'), await client.ping(), await client.unsubscribe('a')],
    ],
    ['pipeline', {}, (client) => client.pipeline().ping().echo('x').exec()],
    ['multi', {}, (client) => client.multi().ping().echo('x').exec()],
    [
      'multi with pipeline: false',
      {},
      async (client) => [await client.multi({ pipeline: false }), await client.ping(), await client.exec()],
    ],
    [
      'commandTimeout',
      { commandTimeout: 50 },
      (client) =>
        outcomeOf(() =>
          client.blpop('none', 1).catch((error: Error) => {
            throw new Error(error.message.startsWith('MOVED') ? 'Command timed out' : error.message);
          }),
        ),
    ],
  ] as [string, object, (client: Face) => unknown][]
).map(([name, options, act]) =>
  script(name, async ({ library, cluster }) => {
    const client = new library.Redis({ ...cluster.seeds[0], ...options });
    client.on('error', () => undefined);
    try {
      return await act(client);
    } finally {
      client.disconnect();
    }
  }),
);
