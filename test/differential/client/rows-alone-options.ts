// Options that are assigned while a client lives, added commands, and counts under stringNumbers: a client of one server.

import { setTimeout as pause } from 'node:timers/promises';
import { ready, until } from '../../kit/until.ts';
import { type Face, outcomeOf } from './harness.ts';
import type { Alone, AloneRow } from './rows-alone.ts';

const soon = { retryStrategy: () => 5 };

async function cutAndBack(client: Face, cut: () => Promise<void>): Promise<void> {
  const back = new Promise((resolve) => client.once('ready', resolve));
  await cut();
  await back;
}

const short = (error: Error): string => error.message;

const rows: Readonly<Record<string, AloneRow['run']>> = {
  'commandTimeout given later': async ({ make }) => {
    const client = make();
    await client.ping();
    client.options.commandTimeout = 40;
    return client.blpop('none', 1).catch(short);
  },
  'commandTimeout taken away': async ({ make, ask }) => {
    const client = make({ commandTimeout: 40 });
    await ready(client);
    client.options.commandTimeout = undefined;
    const waiting = client.blpop('list', 5).catch(short);
    await pause(120);
    await ask('rpush', 'list', 'x');
    return waiting;
  },
  'commandTimeout raised: each call has the one it was made with': async ({ make, ask }) => {
    const [one, two] = [make({ commandTimeout: 40 }), make({ commandTimeout: 5000 })];
    await Promise.all([ready(one), ready(two)]);
    const early = [one.blpop('none', 1).catch(short), two.blpop('list', 5).catch(short)];
    await pause(5);
    one.options.commandTimeout = 5000;
    two.options.commandTimeout = 40;
    const late = [one.get('k').catch(short), two.blpop('none', 1).catch(short)];
    await pause(200);
    await ask('rpush', 'list', 'x');
    return [await Promise.all(early), await Promise.all(late)];
  },
  'commandTimeout given later, in pipelines and transactions': async ({ make, ask }) => {
    const client = make();
    await client.ping();
    client.options.commandTimeout = 60;
    await ask('client', 'pause', '300', 'ALL');
    const texts = (results: [Error | null][]): unknown => results.map(([error]) => error?.message);
    return Promise.all([
      client.pipeline().get('a').get('b').exec().then(texts),
      client.multi().get('a').exec().then(texts, short),
      client.get('c').catch(short),
    ]);
  },
  'keyPrefix given later': async ({ make, ask }) => {
    const client = make({ scripts: { put: { lua: "return redis.call('set', KEYS[1], 1)", numberOfKeys: 1 } } });
    await client.set('a', 1);
    client.options.keyPrefix = 'p:';
    await client.set('a', 1);
    await client.pipeline().set('b', 1).exec();
    await client.multi().set('c', 1).exec();
    await client.call('set', 'd', 1);
    client.options.keyPrefix = 'q:';
    await client.set('a', 1);
    client.options.keyPrefix = '';
    await client.set('e', 1);
    return ((await ask('keys', '*')) as unknown[]).map(String).sort();
  },
  'offline queue turned off and on': async ({ make, cut }) => {
    const client = make({ retryStrategy: () => 60 });
    await client.ping();
    client.options.enableOfflineQueue = false;
    await cut();
    await until('it is down', () => client.status === 'reconnecting');
    const refused = await outcomeOf(() => client.get('k'));
    client.options.enableOfflineQueue = true;
    return [refused, await client.get('k')];
  },
  'retryStrategy assigned': async ({ make, cut }) => {
    const client = make();
    await client.ping();
    const asked: number[] = [];
    client.options.retryStrategy = (times: number) => asked.push(times) && null;
    await cut();
    await until('it ends', () => client.status === 'end');
    return asked;
  },
  'maxRetriesPerRequest assigned': async ({ make }) => {
    const client = make({ host: '127.0.0.1', port: 1, retryStrategy: () => 1 });
    client.options.maxRetriesPerRequest = 2;
    return client.get('k').catch(short);
  },
  'connectionName and db of the next connection': async ({ make, cut }) => {
    const client = make(soon);
    await client.ping();
    client.options.connectionName = 'renamed';
    client.options.db = 5;
    await cutAndBack(client, cut);
    return [await client.client('GETNAME'), /db=0/.test(await client.client('INFO'))];
  },
  'another address for the next connection': async ({ make, port }) => {
    const client = make({ port: 1, retryStrategy: () => 5 });
    const value = client.set('k', 1);
    client.options.port = port;
    return value;
  },
  'a password that changes': async ({ make, ask, cut }) => {
    await ask('acl', 'setuser', 'app', 'on', '>first', '~*', '&*', '+@all');
    const client = make({ ...soon, username: 'app', password: 'first' });
    await client.ping();
    await ask('acl', 'setuser', 'app', '>second', '<first');
    client.options.password = 'second';
    await cutAndBack(client, cut);
    const who = await client.acl('WHOAMI');
    await ask('acl', 'deluser', 'app');
    return who;
  },
  'autoResubscribe turned off': async ({ make, cut, ask }) => {
    const client = make(soon);
    await client.subscribe('a');
    client.options.autoResubscribe = false;
    await cutAndBack(client, cut);
    await client.ping();
    return ask('pubsub', 'numsub', 'a');
  },
  'blockingTimeout given later': async ({ make }) => {
    const client = make();
    await client.ping();
    client.options.blockingTimeout = 50;
    return client.blpop('none', 0);
  },
  'friendly stacks turned on': async ({ make }) => {
    const client = make();
    await client.ping();
    client.options.showFriendlyErrorStack = true;
    const error = await client.set('k').catch((reason: Error) => reason);
    return /rows-alone-options/.test(String(error.stack).split('\n')[1]!);
  },
  'commands that were added': async ({ make }) => {
    const client = make({ keyPrefix: 'p:' });
    client.addBuiltinCommand('nosuch');
    client.addBuiltinCommand('objectz');
    const other = make();
    return [
      typeof client.pipeline().nosuch,
      typeof client.multi().objectzBuffer,
      typeof client.duplicate({ lazyConnect: true }).nosuch,
      typeof other.pipeline().nosuch,
      [...client.addedBuiltinSet],
      await client
        .pipeline()
        .nosuch('a')
        .set('b', 1)
        .exec()
        .then((results: [Error | null, unknown][]) => results.map(([error, value]) => error?.message ?? value)),
      await outcomeOf(() => client.multi().nosuch('a').exec()),
      client.getBuiltinCommands().includes('nosuch'),
    ];
  },
  ...Object.fromEntries(
    [2, 3].flatMap((protocol) =>
      [true, false].map((stringNumbers) => [
        `counts of subscriptions, stringNumbers ${stringNumbers}, RESP${protocol}`,
        async ({ make, ask }: Alone) => {
          const client = make({ protocol, stringNumbers });
          const heard: unknown[] = [];
          for (const name of ['message', 'pmessage', 'smessage', 'messageBuffer', 'pmessageBuffer', 'smessageBuffer']) {
            client.on(name, (...args: unknown[]) => heard.push([name, args]));
          }
          const counts = [
            await client.subscribe('1'),
            await client.subscribe(2, '3'),
            await client.psubscribe('1*', '2*'),
            await client.ssubscribe('1'),
            await client.subscribeBuffer('4'),
            await client.call('subscribe', '5'),
            await new Promise((resolve) => client.subscribe('6', (...got: unknown[]) => resolve(got))),
          ];
          await ask('publish', '1', '12');
          await ask('publish', '2', '');
          await ask('spublish', '1', '1.5');
          await client.ping();
          await until('all is heard', () => heard.length >= 10);
          counts.push(
            await client.unsubscribe('1', '2'),
            await client.punsubscribe('1*', '2*'),
            await client.sunsubscribe('1'),
            await client.unsubscribe('3', '4', '5', '6'),
          );
          return [counts, heard, await client.incr('n'), await client.pipeline().incr('n').exec()];
        },
      ]),
    ),
  ),
};

export const optionRows: readonly AloneRow[] = Object.entries(rows).map(([name, run]) => ({ name, run }));
