// How the life of a single client begins and ends beside a scripted server: credentials that are not needed or not taken,
// checks that are refused, subscriptions issued early, a socket that its user takes hold of. On ioredis and on lingcache.

import { deepEqual, ok } from 'node:assert/strict';
import type { Socket } from 'node:net';
import { bulk, FakeNode } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';
import { type Face, libraries } from './harness.ts';

interface Stage {
  readonly Redis: Face;
  readonly node: FakeNode;
  /** What console.warn was given, in words that both have. */
  readonly warnings: string[];
  make(options?: Readonly<Record<string, unknown>>): Face;
}

type Say = (argv: readonly string[], socket: Socket, node: FakeNode) => string | undefined;

interface Row {
  readonly name: string;
  readonly say?: Say;
  readonly handshake?: (argv: readonly string[], node: FakeNode) => string | undefined;
  readonly act: (stage: Stage) => Promise<unknown>;
}

const nothingNeeded = [
  'ERR Client sent AUTH, but no password is set',
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
];

/** An event of a client, by name, as often as it comes. */
function eventsOf(client: Face, names: readonly string[]): string[] {
  const seen: string[] = [];
  for (const name of names) {
    client.on(name, (argument: unknown) => {
      seen.push(argument instanceof Error ? `${name} ${argument.name}: ${argument.message}` : name);
    });
  }
  return seen;
}

const confirmed = (kind: string, names: readonly string[]): string =>
  names.map((name, at) => `*3\r\n${bulk(kind)}${bulk(name)}:${at + 1}\r\n`).join('');

const oldServer = ([name]: readonly string[]): string | undefined =>
  name === 'hello' ? '-ERR unknown command `HELLO`\r\n' : undefined;

const rows: readonly Row[] = [
  // A password that is a part of the server's own words, too.
  ...nothingNeeded.flatMap((text) =>
    ['pass', 'password', 'user', 'something else'].map(
      (password): Row => ({
        name: `"${text.slice(0, 40)}..." to the password "${password}"`,
        say: ([name]) => (name === 'auth' ? `-${text}\r\n` : undefined),
        act: async ({ make, warnings }) => {
          const client = make({ password, protocol: 2 });
          const events = eventsOf(client, ['error', 'ready']);
          return [await client.get('k'), events, warnings];
        },
      }),
    ),
  ),
  {
    name: 'a password that is refused, and nobody tries again',
    say: ([name]) => (name === 'auth' ? '-ERR invalid password\r\n' : undefined),
    act: async ({ make }) => {
      const client = make({ password: 'pass', protocol: 2, retryStrategy: null });
      const events = eventsOf(client, ['error', 'ready', 'close', 'end']);
      // Its command is the one that waited; with ioredis AUTH and the password.
      const reason = await client.get('k').catch((error: Error) => [error.name, error.message]);
      await until('the end', () => events.includes('end'));
      return [reason, events];
    },
  },
  {
    name: 'INFO refused by an ACL',
    say: ([name]) =>
      name === 'info' ? "-NOPERM this user has no permissions to run the 'info' command\r\n" : undefined,
    act: async ({ make, warnings }) => [await make().get('k'), warnings.map((text) => text.split('. More')[0])],
  },
  ...([2, 3] as const).map(
    (protocol): Row => ({
      name: `disconnect() at "connect", with a server that knows no HELLO (protocol ${protocol})`,
      handshake: oldServer,
      act: async ({ make }) => {
        const client = make({ protocol });
        const events = eventsOf(client, ['connecting', 'connect', 'ready', 'error', 'close', 'reconnecting', 'end']);
        client.once('connect', () => client.disconnect());
        await until('the end', () => events.includes('end'), 5000);
        return [events, client.status];
      },
    }),
  ),
  {
    name: 'subscriptions issued before the client is ready are written once, and again after a loss',
    handshake: oldServer,
    say: ([name, ...names]) => (/subscribe$/.test(name!) ? confirmed(name!, names) : undefined),
    act: async ({ make, node }) => {
      const client = make();
      const counts = await Promise.all([client.subscribe('a', 'b'), client.psubscribe('c*')]);
      const ready = new Promise((resolve) => client.once('ready', resolve));
      node.cut();
      await ready;
      await until('subscribed again', () => node.count('psubscribe') >= 2);
      return [counts, node.commands.filter((text) => /subscribe/.test(text)), client.mode];
    },
  },
  {
    name: 'a pipeline of which reconnectOnError sends a command again',
    say: ([name], _socket, node) => (name === 'set' && node.count('set') === 1 ? '-READONLY replica\r\n' : undefined),
    act: async ({ make, node }) => {
      const client = make({ reconnectOnError: () => 2 });
      await new Promise((resolve) => client.once('ready', resolve));
      const results = await client.pipeline().set('a', 1).get('b').exec();
      return [results, node.commands.filter((text) => /^(set|get)/.test(text))];
    },
  },
  {
    name: 'stream: the socket, and what becomes of a client whose socket is destroyed',
    act: async ({ make, node }) => {
      const client = make();
      const before = client.stream?.remotePort === undefined;
      await new Promise((resolve) => client.once('ready', resolve));
      const events = eventsOf(client, ['error', 'close', 'reconnecting', 'ready']);
      const { remotePort, writable } = client.stream;
      client.stream.destroy(new Error('boom'));
      await until('ready again', () => events.includes('ready'));
      return [before, remotePort === node.port, writable, events.map((text) => text.replace('RedisError', 'Error'))];
    },
  },
];

async function outcomeOn(Redis: Face, row: Row): Promise<unknown> {
  const node = await FakeNode.start(() => undefined);
  node.answer = (argv, socket) =>
    row.say?.(argv, socket, node) ?? (argv[0] === 'info' ? bulk('loading:0\r\n') : '+OK\r\n');
  node.handshake = (argv) => row.handshake?.(argv, node);
  const clients: Face[] = [];
  const warnings: string[] = [];
  const { warn } = console;
  console.warn = (text: unknown) => {
    const common = /does not require a password, but a password was supplied|Skipping the ready check.*/.exec(
      String(text),
    );
    warnings.push(common?.[0] ?? String(text));
  };
  try {
    return await row.act({
      Redis,
      node,
      warnings,
      make: (options = {}) => {
        const client = new Redis({ host: '127.0.0.1', port: node.port, retryStrategy: () => 5, ...options });
        client.on('error', () => undefined);
        clients.push(client);
        return client;
      },
    });
  } finally {
    console.warn = warn;
    for (const client of clients) {
      client.options.retryStrategy = null;
      client.disconnect();
    }
    await node.close();
  }
}

describe('the life of a client beside a scripted server, of ioredis and of lingcache', () => {
  for (const row of rows) {
    it(row.name, async () => {
      const theirs = await outcomeOn(libraries[0]!.Redis, row);
      ok(theirs !== undefined);
      deepEqual(await outcomeOn(libraries[1]!.Redis, row), theirs);
    });
  }
});
