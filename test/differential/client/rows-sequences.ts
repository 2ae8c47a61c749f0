// What a client of one server does in which order: events, callbacks and promises of clients that connect, lose their
// connection, are asked to leave, or are asked for something at an odd moment. The whole list is compared.

import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../kit/until.ts';
import type { Face } from './harness.ts';
import type { Alone, AloneRow } from './rows-alone.ts';

const events = [
  'wait',
  'connecting',
  'connect',
  'ready',
  'select',
  'error',
  'close',
  'reconnecting',
  'end',
  'disconnecting',
  'monitoring',
];

type Options = Readonly<Record<string, unknown>>;

/** One client, and the list of what happened to it. */
class Recorder {
  readonly client: Face;
  readonly log: string[] = [];
  readonly #alone: Alone;

  constructor(alone: Alone, options: Options) {
    this.#alone = alone;
    this.client = alone.make({ ...soon, ...options });
    for (const name of events) this.client.on(name, (value: unknown) => this.say(`${name}${detail(name, value)}`));
  }

  say(line: string): void {
    this.log.push(line);
  }

  /** Notes how a promise ends. */
  note(label: string, promise: Promise<unknown>): Promise<void> {
    return promise.then(
      (value) => this.say(`${label}: ${text(value)}`),
      (error: Error) => this.say(`${label} rejected: ${error.message}`),
    );
  }

  /** A callback that notes what it gets. */
  back(label: string): (error: unknown, value: unknown) => void {
    return (error, value) => this.say(`${label} called back: ${error instanceof Error ? error.message : text(value)}`);
  }

  /** Runs once, inside the event's listener. */
  inside(event: string, act: () => void): void {
    this.client.once(event, () => {
      this.say(`(in ${event})`);
      act();
    });
  }

  status(): void {
    this.say(`status ${this.client.status}`);
  }

  saw(line: string, times = 1): Promise<unknown> {
    return until(`${line} is seen`, () => this.log.filter((one) => one === line).length >= times, 5000);
  }

  /** Connected and served, with the list empty. */
  async warm(): Promise<void> {
    await this.client.ping();
    await this.saw('ready');
    this.log.length = 0;
  }

  cut(): Promise<void> {
    return this.#alone.cut();
  }

  ask(...argv: string[]): Promise<unknown> {
    return this.#alone.ask(...argv);
  }

  alone(): Alone {
    return this.#alone;
  }
}

// How long a client waits before it connects again is its own affair.
function detail(name: string, value: unknown): string {
  if (value === undefined || name === 'reconnecting') return '';
  return ` ${value instanceof Error ? value.message : text(value)}`;
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, part) => (part instanceof Error ? part.message : part)) ?? 'undefined';
}

const soon = { retryStrategy: () => 5 };
const slow = { retryStrategy: () => 2000 };
const lazy = { lazyConnect: true };
const nobody = { host: '127.0.0.1', port: 1 };

/** A row: what happened, in order, until a line is seen and a little longer. */
function sequence(
  name: string,
  options: Options,
  act: (on: Recorder) => unknown,
  last: string | readonly [line: string, times: number] = 'end',
): AloneRow {
  return {
    name,
    run: async (alone) => {
      const recorder = new Recorder(alone, options);
      const given = await act(recorder);
      await (typeof last === 'string' ? recorder.saw(last) : recorder.saw(...last));
      await pause(30);
      return [recorder.log, given ?? null];
    },
  };
}

const leaving: readonly AloneRow[] = [
  sequence('disconnect', {}, async (on) => {
    await on.warm();
    on.client.disconnect();
    on.status();
  }),
  sequence('a write, then disconnect', {}, async (on) => {
    await on.warm();
    void on.note('set', on.client.set('k', 1));
    on.client.disconnect();
    await on.saw('end');
    return on.ask('get', 'k');
  }),
  sequence('a write with a callback, then disconnect', {}, async (on) => {
    await on.warm();
    on.client.set('k', 1, on.back('set'));
    on.client.disconnect();
  }),
  sequence('a pipeline and a transaction, then disconnect', {}, async (on) => {
    await on.warm();
    void on.note('pipeline', on.client.pipeline().set('k', 1).get('k').exec());
    void on.note('multi', on.client.multi().incr('k').get('k').exec());
    on.client.disconnect();
    await on.saw('end');
    return on.ask('get', 'k');
  }),
  sequence('a message, then disconnect', {}, async (on) => {
    await on.warm();
    void on.note('publish', on.client.publish('k', 1));
    on.client.disconnect();
  }),
  sequence('commands around disconnect', {}, async (on) => {
    await on.warm();
    void on.note('before', on.client.set('k', 1));
    on.client.disconnect();
    void on.note('after', on.client.set('k', 2));
    await on.saw('end');
    void on.note('at the end', on.client.set('k', 3));
    return on.ask('get', 'k');
  }),
  sequence('commands after disconnect, offline queue off', { enableOfflineQueue: false, ...soon }, async (on) => {
    await on.saw('ready');
    void on.note('before', on.client.set('k', 1));
    on.client.disconnect();
    void on.note('after', on.client.set('k', 2));
  }),
  sequence('disconnect twice', {}, async (on) => {
    await on.warm();
    on.client.disconnect();
    on.client.disconnect();
    await on.saw('end');
    on.client.disconnect();
  }),
  sequence('disconnect, then connect at once', {}, async (on) => {
    await on.warm();
    on.client.disconnect();
    void on.note('connect', on.client.connect());
  }),
  sequence('disconnect in the tick of its creation', {}, (on) => {
    void on.note('get', on.client.get('k'));
    on.client.disconnect();
    on.status();
  }),
  sequence(
    'disconnect(true) in the tick of its creation',
    {},
    async (on) => {
      on.client.disconnect(true);
      await until('it has made up its mind', () => ['end', 'ready'].includes(on.client.status));
      on.say('last');
    },
    'last',
  ),
  sequence('disconnect of a lazy client', lazy, (on) => {
    on.client.disconnect();
    on.status();
  }),
  sequence('disconnect of a lazy client that was just woken', lazy, (on) => {
    void on.note('get', on.client.get('k'));
    on.client.disconnect();
    on.status();
  }),
  sequence('disconnect in connect', {}, (on) => {
    void on.note('held', on.client.set('k', 1));
    on.inside('connect', () => on.client.disconnect());
  }),
  sequence('disconnect in ready', {}, (on) => {
    on.inside('ready', () => {
      void on.note('set', on.client.set('k', 1));
      on.client.disconnect();
    });
  }),
  sequence('disconnect in a reply', {}, async (on) => {
    await on.warm();
    // Said within the reply: whether the second answer is in the same chunk decides nothing then.
    void on.client.set('k', 1).then(() => {
      on.say('first');
      on.client.disconnect();
    });
    void on.note('second', on.client.get('k'));
  }),
  sequence('disconnect in a callback', {}, async (on) => {
    await on.warm();
    on.client.set('k', 1, () => {
      on.say('callback');
      on.client.disconnect();
    });
    void on.note('second', on.client.get('k'));
  }),
  sequence('disconnect while a call blocks', {}, async (on) => {
    await on.warm();
    void on.note('blpop', on.client.blpop('none', 0));
    void on.note('behind', on.client.get('k'));
    await pause(10);
    on.client.disconnect();
  }),
  sequence('disconnect of a subscriber', {}, async (on) => {
    await on.client.subscribe('news');
    on.log.length = 0;
    on.client.disconnect();
    on.status();
  }),
  sequence(
    'disconnect(true)',
    {},
    async (on) => {
      await on.warm();
      void on.note('before', on.client.incr('n'));
      on.client.disconnect(true);
      on.status();
      void on.note('after', on.client.incr('n'));
    },
    'ready',
  ),
  sequence('disconnect(true) in ready', {}, (on) => on.inside('ready', () => on.client.disconnect(true)), ['ready', 2]),
  sequence(
    'disconnect(true) in connect',
    {},
    (on) => {
      void on.note('held', on.client.get('k'));
      on.inside('connect', () => on.client.disconnect(true));
    },
    'ready',
  ),
  sequence(
    'disconnect(true) of a lazy client',
    lazy,
    (on) => {
      on.client.disconnect(true);
      on.status();
    },
    'ready',
  ),
  sequence('disconnect(true), then disconnect', {}, async (on) => {
    await on.warm();
    on.client.disconnect(true);
    on.client.disconnect();
  }),
  sequence('disconnect in close', slow, async (on) => {
    await on.warm();
    on.inside('close', () => on.client.disconnect());
    void on.cut();
    await on.saw('close');
    await pause(20);
    on.status();
    on.say('end');
  }),
  sequence('disconnect in reconnecting', slow, async (on) => {
    await on.warm();
    on.inside('reconnecting', () => on.client.disconnect());
    void on.cut();
    await on.saw('reconnecting');
    await pause(20);
    on.say('end');
  }),
  sequence('disconnect in end', {}, async (on) => {
    await on.warm();
    on.inside('end', () => on.client.disconnect());
    on.client.disconnect();
  }),
  sequence(
    'connect in end',
    {},
    async (on) => {
      await on.warm();
      on.inside('end', () => void on.note('connect', on.client.connect()));
      on.client.disconnect();
    },
    'ready',
  ),
  sequence('disconnect in error', { ...nobody, ...slow }, async (on) => {
    void on.note('get', on.client.get('k'));
    on.inside('error', () => on.client.disconnect());
  }),
];

const quitting: readonly AloneRow[] = [
  sequence('quit', {}, async (on) => {
    await on.warm();
    void on.note('quit', on.client.quit());
  }),
  sequence('quit with a callback', {}, async (on) => {
    await on.warm();
    on.client.quit(on.back('quit'));
  }),
  sequence('quitBuffer', {}, async (on) => {
    await on.warm();
    const answer = await on.client.quitBuffer();
    on.say(`a Buffer: ${Buffer.isBuffer(answer)} ${String(answer)}`);
  }),
  sequence('QUIT by call()', {}, async (on) => {
    await on.warm();
    void on.note('quit', on.client.call('quit'));
  }),
  sequence('QUIT in a pipeline', {}, async (on) => {
    await on.warm();
    void on.note('pipeline', on.client.pipeline().set('k', 1).quit().exec());
  }),
  sequence('quit twice', {}, async (on) => {
    await on.warm();
    void on.note('first', on.client.quit());
    void on.note('second', on.client.quit());
  }),
  sequence('quit after the end', {}, async (on) => {
    await on.warm();
    void on.note('quit', on.client.quit());
    await on.saw('end');
    await on.note('again', on.client.quit());
    on.client.quit(on.back('again'));
  }),
  sequence('quit, then disconnect', {}, async (on) => {
    await on.warm();
    void on.note('set', on.client.set('k', 1));
    void on.note('quit', on.client.quit());
    on.client.disconnect();
  }),
  sequence('commands around quit', {}, async (on) => {
    await on.warm();
    void on.note('before', on.client.set('k', 1));
    void on.note('quit', on.client.quit());
    void on.note('after', on.client.set('k', 2));
    await on.saw('end');
    return on.ask('get', 'k');
  }),
  sequence('quit of a lazy client', lazy, (on) => {
    void on.note('quit', on.client.quit());
    on.status();
  }),
  sequence('quit of a lazy client, with a callback', lazy, (on) => {
    on.client.quit(on.back('quit'));
  }),
  sequence('quitBuffer of a lazy client', lazy, (on) => {
    void on.note('quit', on.client.quitBuffer());
  }),
  sequence('quit in the tick of its creation', {}, (on) => {
    void on.note('quit', on.client.quit());
    on.status();
  }),
  sequence('quit in the tick of its creation, with a callback', {}, (on) => {
    on.client.quit(on.back('quit'));
  }),
  sequence('quit behind held commands', {}, async (on) => {
    void on.note('set', on.client.set('k', 1));
    void on.note('quit', on.client.quit());
    await on.saw('end');
    return on.ask('get', 'k');
  }),
  sequence('quit behind held commands, a lazy client', lazy, async (on) => {
    void on.note('set', on.client.set('k', 1));
    void on.note('quit', on.client.quit());
    await on.saw('end');
    return on.ask('get', 'k');
  }),
  sequence('quit in connect', {}, (on) => {
    on.inside('connect', () => void on.note('quit', on.client.quit()));
  }),
  sequence('quit in ready', {}, (on) => {
    on.inside('ready', () => void on.note('quit', on.client.quit()));
  }),
  sequence('quit in close', slow, async (on) => {
    await on.warm();
    on.inside('close', () => void on.note('quit', on.client.quit()));
    void on.cut();
    await on.saw('quit: "OK"');
    await pause(20);
    on.say('end');
  }),
  sequence('quit while reconnecting', slow, async (on) => {
    await on.warm();
    void on.cut();
    await on.saw('reconnecting');
    on.client.quit(on.back('quit'));
    await on.saw('quit called back: "OK"');
    await pause(20);
    on.say('end');
  }),
  sequence('quit, offline queue off, not ready', { enableOfflineQueue: false }, async (on) => {
    await on.note('quit', on.client.quit());
    await on.saw('ready');
    await on.note('quit', on.client.quit());
  }),
  ...[2, 3].map((protocol) =>
    sequence(`quit of a subscriber, RESP${protocol}`, { protocol }, async (on) => {
      await on.client.subscribe('news');
      await on.saw('ready');
      on.log.length = 0;
      on.client.quit(on.back('quit'));
    }),
  ),
];

const connecting: readonly AloneRow[] = [
  sequence('a life', {}, async (on) => {
    on.status();
    await on.client.ping();
    await on.saw('ready');
    on.status();
    void on.note('quit', on.client.quit());
  }),
  sequence(
    'connect',
    lazy,
    (on) => {
      on.status();
      void on.note('connect', on.client.connect());
      on.status();
    },
    'connect: undefined',
  ),
  sequence(
    'connect with a callback',
    lazy,
    (on) => on.client.connect(on.back('connect')),
    'connect called back: undefined',
  ),
  sequence(
    'connect twice',
    lazy,
    (on) => {
      void on.note('first', on.client.connect());
      void on.note('second', on.client.connect());
      on.inside('connect', () => void on.note('in connect', on.client.connect()));
      on.inside('ready', () => void on.note('in ready', on.client.connect()));
    },
    'first: undefined',
  ),
  sequence('connect to nobody', { ...nobody, ...lazy, retryStrategy: null }, (on) => {
    void on.note('connect', on.client.connect());
  }),
  sequence(
    'connect to nobody, once more',
    { ...nobody, ...lazy, retryStrategy: (times: number) => (times < 2 ? 5 : null) },
    (on) => {
      void on.note('connect', on.client.connect());
      void on.note('get', on.client.get('k'));
    },
  ),
  sequence(
    'nobody, and commands that wait',
    { ...nobody, maxRetriesPerRequest: 1, retryStrategy: (times: number) => (times < 3 ? 5 : null) },
    (on) => {
      on.client.get('k', on.back('get'));
      void on.note('set', on.client.set('k', 1));
    },
  ),
  ...([null, undefined, () => null, () => undefined, () => 'soon', () => Number.NaN] as const).map(
    (retryStrategy, at) =>
      sequence(
        `retryStrategy ${['null', 'undefined', 'gives null', 'gives nothing', 'gives text', 'gives NaN'][at]}`,
        { retryStrategy },
        async (on) => {
          await on.warm();
          void on.note('blpop', on.client.blpop('none', 0));
          await pause(10);
          void on.cut();
          await on.saw('close');
        },
        at === 5 || at === 1 ? 'ready' : 'end',
      ),
  ),
  sequence(
    'a lost connection',
    {},
    async (on) => {
      await on.warm();
      void on.note('blpop', on.client.blpop('list', 0));
      await pause(10);
      void on.cut();
      await on.saw('ready');
      await on.ask('rpush', 'list', 'x');
      await on.saw('blpop: ["list","x"]');
    },
    'ready',
  ),
];

const atOddMoments: readonly AloneRow[] = [
  sequence(
    'commands in connect',
    {},
    (on) => {
      void on.note('early', on.client.set('k', 1));
      on.inside('connect', () => void on.note('in connect', on.client.get('k')));
      on.inside('ready', () => void on.note('in ready', on.client.append('k', 2)));
    },
    'in ready: 2',
  ),
  sequence(
    'select in connect, offline queue off',
    { enableOfflineQueue: false },
    async (on) => {
      on.inside('connect', () => void on.note('select', on.client.select(3)));
      await on.saw('ready');
      await on.note('set', on.client.set('k', 'v'));
      return [/db=3/.test(await on.client.client('INFO')), await on.ask('get', 'k')];
    },
    'ready',
  ),
  sequence(
    'select in connect, no ready check, offline queue off',
    { enableOfflineQueue: false, enableReadyCheck: false },
    async (on) => {
      on.inside('connect', () => void on.client.select(3));
      await on.saw('ready');
      await on.note('set', on.client.set('k', 'v'));
      return [/db=3/.test(await on.client.client('INFO')), await on.ask('get', 'k')];
    },
    'ready',
  ),
  sequence(
    'get in connect, offline queue off',
    { enableOfflineQueue: false },
    (on) => on.inside('connect', () => void on.note('get', on.client.get('k'))),
    'ready',
  ),
  sequence(
    'select in connect, and commands held before',
    {},
    async (on) => {
      void on.note('held', on.client.set('k', 'v'));
      on.inside('connect', () => void on.note('select', on.client.select(3)));
      await on.saw('held: "OK"');
      await on.saw('select: "OK"');
      return [/db=3/.test(await on.client.client('INFO')), await on.ask('get', 'k')];
    },
    'ready',
  ),
  sequence(
    'select, then a lost connection',
    {},
    async (on) => {
      await on.warm();
      void on.note('select', on.client.select(2));
      await on.saw('select: "OK"');
      void on.cut();
      await on.saw('ready');
      await on.note('set', on.client.set('k', 1));
      return [/db=2/.test(await on.client.client('INFO')), await on.ask('get', 'k')];
    },
    'ready',
  ),
  sequence(
    'select inside a transaction, then a lost connection',
    {},
    async (on) => {
      await on.warm();
      void on.note('exec', on.client.multi().select(2).set('k', 1).exec());
      await on.saw('exec: [[null,"OK"],[null,"OK"]]');
      void on.cut();
      await on.saw('ready');
      return [await on.client.get('k'), await on.ask('get', 'k')];
    },
    'ready',
  ),
  sequence('callbacks and promises of neighbours', {}, async (on) => {
    await on.warm();
    // All answers in one chunk, however busy the machine is.
    await on.ask('client', 'pause', '60', 'ALL');
    on.client.set('a', 1, on.back('a'));
    void on.note('b', on.client.set('b', 1));
    on.client.get('a', on.back('a again'));
    void on.note('c', on.client.get('nosuch'));
    on.client.incr('a', on.back('a once more'));
    void on.note('wrong', on.client.lpush('a', 1));
    on.client.lpush('a', 1, on.back('wrong'));
    await on.note('last', on.client.ping());
    on.say('end');
  }),
  sequence('callbacks of a pipeline and of its commands', {}, async (on) => {
    await on.warm();
    on.client.get('before', on.back('before'));
    const pipeline = on.client.pipeline();
    pipeline.set('a', 1, on.back('a')).incr('a', on.back('b')).lpush('a', 1, on.back('c'));
    void on.note('exec', pipeline.exec(on.back('exec')));
    await pause(20);
    on.say('end');
  }),
  sequence('callbacks of a transaction and of its commands', {}, async (on) => {
    await on.warm();
    const multi = on.client.multi();
    multi.set('a', 1, on.back('a')).incr('a', on.back('b')).lpush('a', 1, on.back('c'));
    void on.note('exec', multi.exec(on.back('exec')));
    await pause(20);
    on.say('end');
  }),
  sequence('a callback that throws', {}, async (on) => {
    await on.warm();
    const thrown = await new Promise((resolve) => {
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const listener of listeners) process.on('uncaughtException', listener);
        resolve(error.message);
      });
      on.client.set('a', 1, () => {
        throw new Error('of the user');
      });
    });
    on.say(`thrown: ${String(thrown)}`);
    await on.note('next', on.client.get('a'));
    on.say('end');
  }),
];

const subscribing: readonly AloneRow[] = [2, 3].flatMap((protocol) => [
  sequence(`subscribe, messages, unsubscribe, RESP${protocol}`, { protocol }, async (on) => {
    const { client } = on;
    client.on('message', (...args: unknown[]) => on.say(`message ${text(args)}`));
    client.on('pmessage', (...args: unknown[]) => on.say(`pmessage ${text(args)}`));
    await on.warm();
    client.subscribe('a', 'b', on.back('subscribe'));
    void on.note('psubscribe', client.psubscribe('a*'));
    void on.note('ping', client.ping());
    await on.saw('psubscribe: 3');
    await on.ask('publish', 'a', '12');
    await on.saw('pmessage ["a*","a","12"]');
    on.say(`mode ${client.mode}`);
    client.unsubscribe('a', on.back('unsubscribe'));
    client.punsubscribe('a*', on.back('punsubscribe'));
    await on.note('unsubscribe', client.unsubscribe());
    on.say(`mode ${client.mode}`);
    on.say('end');
  }),
  sequence(`a subscriber that loses its connection, RESP${protocol}`, { protocol }, async (on) => {
    const { client } = on;
    client.on('message', (...args: unknown[]) => on.say(`message ${text(args)}`));
    await client.subscribe('a');
    await on.saw('ready');
    on.log.length = 0;
    void on.cut();
    await on.saw('ready');
    await until('subscribed again', async () => String(await on.ask('pubsub', 'numsub', 'a')) === 'a,1');
    await on.ask('publish', 'a', 'x');
    await on.saw('message ["a","x"]');
    on.say('end');
  }),
  sequence(`autoResubscribe off, RESP${protocol}`, { protocol, autoResubscribe: false }, async (on) => {
    const { client } = on;
    await client.subscribe('a');
    await on.saw('ready');
    on.log.length = 0;
    void on.cut();
    await on.saw('ready');
    on.say(`mode ${client.mode}`);
    await on.note('get', client.get('k'));
    await on.note('subscribe', client.subscribe('b'));
    on.say(`mode ${client.mode}`);
    on.say('end');
  }),
  sequence(`commands in subscriber mode, RESP${protocol}`, { protocol }, async (on) => {
    const { client } = on;
    await client.subscribe('a');
    await on.note('get', client.get('k'));
    client.get('k', on.back('get'));
    await on.note('pipeline', client.pipeline().ping().ping().exec());
    await on.note('unsubscribe', client.unsubscribe('a'));
    await on.note('get', client.get('k'));
    on.say('end');
  }),
]);

const monitoring: readonly AloneRow[] = [
  {
    name: 'monitor: its events',
    run: async (alone) => {
      // ioredis cannot distinguish a line of MONITOR from the answer to its own INFO: without the ready check there is none.
      const client = alone.make({ ...soon, enableReadyCheck: false });
      const monitor = alone.keep(await client.monitor());
      const log: string[] = [monitor.status];
      for (const name of events) monitor.on(name, () => log.push(name));
      monitor.disconnect();
      await until('it ends', () => log.includes('end'));
      await pause(20);
      return [log, monitor.status, client.status];
    },
  },
  {
    name: 'monitor: a lost connection',
    run: async (alone) => {
      const client = alone.make({ ...soon, enableReadyCheck: false });
      const monitor = alone.keep(await client.monitor());
      const log: string[] = [];
      // ioredis reports an error, or none, as its own handshake comes before MONITOR's answer or behind it.
      for (const name of events) if (name !== 'error') monitor.on(name, () => log.push(name));
      await alone.cut();
      await until('it monitors again', () => log.includes('monitoring'));
      // The other client connects again at the same time, and is heard as well.
      const heard = new Promise((resolve) => {
        monitor.on('monitor', (_: string, args: string[]) => void (args[0] === 'set' && resolve(args)));
      });
      await alone.ask('set', 'seen', 'x');
      return [log, await heard];
    },
  },
  {
    name: 'monitor: of a server that is not there',
    run: async (alone) => {
      const client = alone.make({ ...nobody, retryStrategy: null });
      const error = await client.monitor().catch((reason: Error) => reason);
      return error.message;
    },
  },
];

export const sequenceRows: readonly AloneRow[] = [
  ...leaving,
  ...quitting,
  ...connecting,
  ...atOddMoments,
  ...subscribing,
  ...monitoring,
];
