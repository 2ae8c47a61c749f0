// One client of one server: connections that are lost, refused, selected, watched and opened again.

import { setTimeout as pause } from 'node:timers/promises';
import { RespClient } from '../../kit/resp-client.ts';
import { ready, until } from '../../kit/until.ts';
import { type Face, type Library, outcomeOf, outcomeOfScript } from './harness.ts';

/** What a row gets: a library, a server of its own kind, and a way to make clients that are gone afterwards. */
export interface Alone {
  readonly library: Library;
  readonly port: number;
  /** A client of the server with these options on top; or of elsewhere. */
  make(options?: Readonly<Record<string, unknown>>): Face;
  /** Takes on a client made otherwise. */
  keep(client: Face): Face;
  /** The server closes every connection but the caller's. */
  cut(): Promise<void>;
  /** What a client of the test's own says to the server. */
  ask(...argv: string[]): Promise<unknown>;
}

export interface AloneRow {
  readonly name: string;
  readonly run: (alone: Alone) => unknown;
}

const events = ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'end', 'error', 'monitoring'];

function watch(client: Face): unknown[] {
  const seen: unknown[] = [];
  for (const name of events) {
    client.on(name, (value: unknown) => seen.push(value === undefined ? name : [name, brief(value)]));
  }
  return seen;
}

function brief(value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}

const reached = (client: Face, status: string): Promise<unknown> =>
  until(`status ${status}`, () => client.status === status);

/** Lost its connection and has another. */
async function cutAndBack(client: Face, cut: () => Promise<void>): Promise<void> {
  const back = new Promise((resolve) => client.once('ready', resolve));
  await cut();
  await back;
}

const nobody = { host: '127.0.0.1', port: 1 };
const soon = { retryStrategy: () => 5 };

const rows: Readonly<Record<string, AloneRow['run']>> = {
  'URL and options': async ({ library, port, keep }) => {
    const client = keep(new library.Redis(`redis://127.0.0.1:${port}/2`, { connectionName: 'me', db: 3 }));
    await client.set('in', 2);
    return [await client.client('GETNAME'), /db=2/.test(await client.client('INFO')), client.options.db];
  },
  'URL with query': async ({ library, port, keep }) => {
    const client = keep(new library.Redis(`redis://127.0.0.1:${port}?db=1&connectionName=asked&keyPrefix=q:`));
    await client.set('k', 1);
    return [await client.client('GETNAME'), /db=1/.test(await client.client('INFO')), await client.keys('*')];
  },
  'createClient and end': async ({ library, port, keep }) => {
    const client = keep(library.Redis.createClient(port, '127.0.0.1'));
    const pong = await client.ping();
    client.end();
    await reached(client, 'end');
    return [pong, client.status];
  },
  'family 4 of a name': ({ make }) => make({ host: 'localhost', family: 4 }).ping(),
  'keepAlive, noDelay, disableClientInfo': ({ make }) =>
    make({ keepAlive: 0, noDelay: false, disableClientInfo: true }).ping(),
  'database after a reconnection': async ({ make, cut, ask }) => {
    const client = make({ ...soon, db: 1 });
    const selected: number[] = [];
    client.on('select', (db: number) => selected.push(db));
    await client.ping();
    const seen = watch(client);
    await client.select(4);
    await cutAndBack(client, cut);
    await client.set('where', 'here');
    const now = /db=4/.test(await client.client('INFO'));
    return [await client.get('where'), now, await ask('dbsize'), seen, selected];
  },
  'database selected in a pipeline': async ({ make, cut }) => {
    const client = make(soon);
    const results = await client.pipeline().select(2).set('k', 'v').exec();
    await cutAndBack(client, cut);
    return [results, await client.get('k')];
  },
  'database that does not exist': async ({ make, cut }) => {
    const client = make(soon);
    const refused = await outcomeOf(() => client.select(99));
    await client.ping();
    await client.select(0);
    await cutAndBack(client, cut);
    return [refused, await client.set('k', 1)];
  },
  'held commands keep their databases': async ({ make }) => {
    const client = make();
    return Promise.all([
      client.set('k', 'zero'),
      client.select(1),
      client.set('k', 'one'),
      client.select(0),
      client.get('k'),
    ]);
  },
  'connect after quit': async ({ make }) => {
    const client = make();
    await client.ping();
    const ended = new Promise((resolve) => client.once('end', resolve));
    await client.quit();
    await ended;
    const seen = watch(client);
    await client.connect();
    await pause(5);
    return [client.status, await client.ping(), seen];
  },
  'connect after disconnect': async ({ make }) => {
    const client = make();
    await client.ping();
    const ended = new Promise((resolve) => client.once('end', resolve));
    client.disconnect();
    await ended;
    return [await outcomeOf(() => client.get('k')), await client.connect(), await client.ping()];
  },
  'connect again while a call blocks': async ({ make }) => {
    const client = make();
    await client.ping();
    const blocked = outcomeOf(() => client.blpop('nothing', 5));
    await pause(20);
    const ended = new Promise((resolve) => client.once('end', resolve));
    client.disconnect();
    await ended;
    await client.connect();
    return [await blocked, await client.ping()];
  },
  'reconnections go on after connecting again': async ({ make, cut }) => {
    const client = make(soon);
    await client.ping();
    const ended = new Promise((resolve) => client.once('end', resolve));
    await client.quit();
    await ended;
    await client.connect();
    await cutAndBack(client, cut);
    return client.ping();
  },
  'connect while connecting': async ({ make }) => {
    const client = make({ lazyConnect: true });
    const first = client.connect();
    return [await outcomeOf(() => client.connect()), await first];
  },
  'connect with a callback': ({ make }) =>
    new Promise((resolve) => make({ lazyConnect: true }).connect((error: unknown) => resolve(brief(error)))),
  'quit with a callback': async ({ make }) => {
    const client = make();
    await client.ping();
    return new Promise((resolve) => client.quit((...got: unknown[]) => resolve(got)));
  },
  'quit before the first command': async ({ make }) => {
    const client = make({ lazyConnect: true });
    return outcomeOf(() => client.quit());
  },
  'nobody there: events and error': async ({ make }) => {
    const client = make({ ...nobody, retryStrategy: (times: number) => (times < 3 ? 1 : null) });
    const seen = watch(client);
    const outcome = await outcomeOf(() => client.get('k'));
    await reached(client, 'end');
    await pause(5);
    return [outcome, seen];
  },
  'nobody there: connect': ({ make }) =>
    outcomeOf(() => make({ ...nobody, lazyConnect: true, retryStrategy: null }).connect()),
  'retryStrategy gives no number': async ({ make, cut }) => {
    const client = make({ retryStrategy: () => undefined });
    await client.ping();
    const seen = watch(client);
    await cut();
    await reached(client, 'end');
    await pause(5);
    return [seen, await outcomeOf(() => client.ping())];
  },
  'retryStrategy: attempts count from 1 after each success': async ({ make, cut }) => {
    const times: number[] = [];
    const client = make({ retryStrategy: (attempt: number) => times.push(attempt) && 1 });
    for (let round = 0; round < 3; round++) {
      await client.ping();
      await cutAndBack(client, cut);
    }
    return times;
  },
  ...Object.fromEntries(
    [0, 1, 3].map((limit) => [
      `maxRetriesPerRequest ${limit}`,
      async ({ make }: Alone) => {
        let tries = 0;
        const client = make({ ...nobody, maxRetriesPerRequest: limit, retryStrategy: () => ++tries && 1 });
        const outcome = await outcomeOf(() => client.get('k'));
        return [outcome, tries];
      },
    ]),
  ),
  'maxRetriesPerRequest null waits': async ({ make }) => {
    let tries = 0;
    const client = make({ ...nobody, maxRetriesPerRequest: null, retryStrategy: () => ++tries && 1 });
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    client.get('k').then(settle, settle);
    await until('it tries', () => tries > 25);
    return settled;
  },
  ...Object.fromEntries(
    ([false, true, 0, 1] as const).map((wish) => [
      `reconnectOnError ${wish}`,
      async ({ make }: Alone) => {
        const asked: string[] = [];
        const client = make({
          ...soon,
          reconnectOnError: (error: Error) => asked.push(error.message.slice(0, 9)) && wish,
        });
        await client.set('text', 'x');
        const seen = watch(client);
        const outcome = await outcomeOf(() => client.incr('text'));
        if (wish) await until('it is ready', () => seen.includes('ready'));
        return [outcome, asked, seen, await client.get('text')];
      },
    ]),
  ),
  'reconnectOnError 2 sends again': async ({ make }) => {
    let asked = 0;
    const client = make({ ...soon, reconnectOnError: () => (++asked < 3 ? 2 : false) });
    await client.set('text', 'x');
    const seen = watch(client);
    return [await outcomeOf(() => client.incr('text')), asked, seen];
  },
  'reconnectOnError 2 repeats its own command alone': async ({ make }) => {
    const asked: unknown[] = [];
    const client = make({
      ...soon,
      reconnectOnError: (error: Error & { command?: { name: string } }) => {
        asked.push(error.command?.name);
        return asked.length < 3 ? 2 : false;
      },
    });
    await client.set('text', 'x');
    await client.del('n');
    const all = await Promise.all([
      outcomeOf(() => client.incr('n')),
      outcomeOf(() => client.sadd('text', 'member')),
      outcomeOf(() => client.incr('n')),
      outcomeOf(() => client.rpush('list', 'once')),
    ]);
    return [all, await client.get('n'), await client.llen('list'), asked.length];
  },
  'reconnectOnError 2 behind a select of its handler': async ({ make }) => {
    let asked = 0;
    const client = make({
      ...soon,
      reconnectOnError: () => {
        if (asked++ > 0) return false;
        void client.del('text');
        void client.select(3);
        return 2;
      },
    });
    await client.set('text', 'x');
    const outcome = await outcomeOf(() => client.sadd('text', 'member'));
    const here = await client.type('text');
    await client.select(3);
    const there = await client.exists('text');
    await client.select(0);
    return [outcome, here, there, await client.type('text')];
  },
  'offline queue off': async ({ make, cut }) => {
    const client = make({ enableOfflineQueue: false, retryStrategy: () => 100 });
    const early = await outcomeOf(() => client.get('k'));
    await reached(client, 'ready');
    const ready = await client.set('k', 1);
    await cut();
    await reached(client, 'reconnecting');
    return [early, ready, await outcomeOf(() => client.get('k'))];
  },
  'ready check off': async ({ make }) => {
    const client = make({ enableReadyCheck: false, lazyConnect: true });
    const seen = watch(client);
    await client.connect();
    await pause(5);
    return [seen, await client.ping()];
  },
  'readOnly of a master': ({ make }) => make({ readOnly: true }).set('k', 1),
  'wrong password': async ({ make }) => {
    const client = make({ username: 'nobody', password: 'wrong', retryStrategy: () => 20 });
    const seen = watch(client);
    const outcome = await outcomeOf(() => client.get('k'));
    await until('four are seen', () => seen.length >= 4);
    return [outcome, seen.slice(0, 3)];
  },
  'password where none is needed': ({ make }) => make({ password: 'spare' }).ping(),
  'password where none is needed, RESP2': ({ make }) => make({ password: 'spare', protocol: 2 }).ping(),
  monitor: async ({ make }) => {
    const client = make({ db: 2 });
    const monitor = await client.monitor();
    const lines: unknown[] = [];
    monitor.on('monitor', (time: string, args: string[], source: string, database: string) => {
      if (args[0] !== 'info') lines.push([typeof time, Number(time) > 0, args, /^127/.test(source), database]);
    });
    await client.set('k', 'with "quotes" and \u0000');
    await until('a line is seen', () => lines.length > 0);
    const refused = await outcomeOf(() => monitor.get('k'));
    const { status, mode } = monitor;
    monitor.disconnect();
    await reached(monitor, 'end');
    return [lines, refused, status, mode, client.mode, await client.get('k')];
  },
  'monitor with a callback': ({ make, keep }) =>
    new Promise((resolve) => {
      make().monitor((error: unknown, monitor: Face) => {
        keep(monitor);
        resolve([error ?? null, monitor.status]);
      });
    }),
  'duplicate with other options': async ({ make, keep, port }) => {
    const client = make({ db: 1, keyPrefix: 'p:', connectionName: 'one' });
    const copy = keep(client.duplicate({ db: 2, connectionName: 'two', lazyConnect: true }));
    const { status } = copy;
    await copy.set('k', 1);
    const { options } = copy;
    return [
      status,
      [options.db, options.keyPrefix, options.connectionName, options.port === port],
      /db=2/.test(await copy.client('INFO')),
      await copy.client('GETNAME'),
      await client.exists('k'),
    ];
  },
  ...Object.fromEntries(
    [2, 3].flatMap((protocol) =>
      [true, false].map((autoResubscribe) => [
        `autoResubscribe ${autoResubscribe}, RESP${protocol}`,
        async ({ make, cut, ask }: Alone) => {
          const client = make({ ...soon, protocol, autoResubscribe });
          const heard: unknown[] = [];
          client.on('message', (...args: unknown[]) => heard.push(args));
          client.on('pmessage', (...args: unknown[]) => heard.push(args));
          await client.subscribe('news');
          await client.psubscribe('ne*');
          await cutAndBack(client, cut);
          if (autoResubscribe)
            await until(
              'it has subscribed again',
              async () => String(await ask('pubsub', 'numsub', 'news')) === 'news,1',
            );
          else await pause(20);
          const subscribers = await ask('pubsub', 'numsub', 'news');
          await ask('publish', 'news', 'x');
          await until('messages are heard', () => !autoResubscribe || heard.length >= 2);
          const { mode } = client;
          return [subscribers, heard, mode, await outcomeOf(() => client.get('k')), await client.subscribe('more')];
        },
      ]),
    ),
  ),
  'subscriber mode: pipelines, scripts and hand-made commands, RESP2': async ({ make, library: { Command } }) => {
    const client = make({ protocol: 2, scripts: { one: { lua: 'return 1', numberOfKeys: 0 } } });
    await client.subscribe('a');
    const refused = [
      await outcomeOf(() => client.one()),
      await outcomeOf(() => client.sendCommand(new Command('get', ['k'], { replyEncoding: 'utf8' }))),
      await outcomeOf(() => client.pipeline().get('k').exec()),
    ];
    await client.unsubscribe('a');
    return [refused, client.mode, await client.ping()];
  },
  'blocking call lives through a reconnection': async ({ make, cut, ask }) => {
    const client = make(soon);
    await client.ping();
    const popped = outcomeOf(() => client.blpop('list', 2));
    await pause(20);
    await cutAndBack(client, cut);
    await pause(20);
    await ask('rpush', 'list', 'x');
    return popped;
  },
  'MULTI by itself': async ({ make }) => {
    const client = make();
    const begun = await client.multi({ pipeline: false });
    const queued = [await client.set('k', 1), await client.get('k')];
    return [begun, queued, await client.exec()];
  },
  'MULTI by itself, lost half-way': async ({ make, cut, ask }) => {
    const client = make(soon);
    await client.multi({ pipeline: false });
    await client.set('inside', 1);
    await cut();
    const rest = [outcomeOf(() => client.set('outside', 1)), outcomeOf(() => client.exec())];
    const failed = (await Promise.all(rest)).map((one) => typeof (one as Face).rejected);
    return [failed, await ask('exists', 'inside', 'outside')];
  },
  'quit lets commands go first': async ({ make, ask }) => {
    const client = make();
    const written = client.set('k', 'v');
    return [await client.quit(), await written, await ask('get', 'k')];
  },
  commandTimeout: async ({ make }) => {
    const client = make({ commandTimeout: 40 });
    await ready(client);
    return [await outcomeOf(() => client.blpop('nothing', 1)), await outcomeOf(() => make().ping())];
  },
  socketTimeout: async ({ make }) => {
    const client = make({ socketTimeout: 60, retryStrategy: () => null });
    await ready(client);
    const seen = watch(client);
    const outcome = await outcomeOf(() => client.blpop('nothing', 1));
    await reached(client, 'end');
    await pause(5);
    return [outcome, seen];
  },
  'disconnect while reconnecting': async ({ make, cut }) => {
    const client = make({ retryStrategy: () => 1000 });
    await client.ping();
    await cut();
    await reached(client, 'reconnecting');
    const held = outcomeOf(() => client.get('k'));
    client.disconnect();
    return [await held, client.status];
  },
  'disconnect(true)': async ({ make }) => {
    const client = make(soon);
    await client.ping();
    const seen = watch(client);
    client.disconnect(true);
    await until('it is ready', () => seen.includes('ready'));
    return [seen, await client.ping()];
  },
  'no listener for errors': async ({ make }) => {
    const client = make({ ...nobody, retryStrategy: null });
    client.removeAllListeners('error');
    return outcomeOf(() => client.ping());
  },
};

export const aloneRows: readonly AloneRow[] = Object.entries(rows).map(([name, run]) => ({ name, run }));

/** Runs a row on a library; its clients are gone afterwards. */
export async function runAlone(row: AloneRow, library: Library, port: number): Promise<unknown> {
  const clients: Face[] = [];
  const keep = (client: Face): Face => {
    clients.push(client);
    client.on('error', () => undefined);
    return client;
  };
  const peer = await RespClient.connect(port);
  try {
    await peer.call('FLUSHALL');
    return await outcomeOfScript(() =>
      row.run({
        library,
        port,
        make: (options = {}) => keep(new library.Redis({ host: '127.0.0.1', port, ...options })),
        keep,
        cut: async () => {
          for (const type of ['normal', 'pubsub']) await peer.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
        },
        ask: (...argv) => peer.call(...argv),
      }),
    );
  } finally {
    for (const client of clients) {
      client.options.retryStrategy = null;
      client.disconnect();
    }
    peer.close();
  }
}
