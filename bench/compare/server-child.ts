// node server-child.js NAME FOLDER: starts one server for tests, asks it a few things, prints one line of JSON.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import type * as Bundled from '../../server/index.ts';

interface Started {
  readonly client: Redis;
  close(): unknown;
}

const [name = '', folder = ''] = process.argv.slice(2);
const load = createRequire(join(folder, 'index.js'));
/** Measured on top of what the process takes by itself. */
const started = performance.now();
const cpuBefore = process.cpuUsage();

/** A cluster of three where the server has clusters. */
const starts: Readonly<Record<string, () => Promise<Started>>> = {
  lingcache: async () => {
    // As users load it: the built package.
    const { startCluster } = createRequire(join(process.cwd(), 'package.json'))('lingcache/server') as typeof Bundled;
    const cluster = await startCluster({ masters: 3, replicas: 0 });
    return { client: new Redis(cluster.seeds[0]!), close: () => cluster.close() };
  },
  'js-redis-server': async () => {
    const { createRedisMock } = load('js-redis-server') as {
      createRedisMock(options: object): Promise<{ addresses(): { host: string; port: number }[]; close(): unknown }>;
    };
    const mock = await createRedisMock({ cluster: { masters: 3 } });
    return { client: new Redis(mock.addresses()[0]!), close: () => mock.close() };
  },
  'redis-memory-server': async () => {
    const { RedisMemoryServer } = load('redis-memory-server') as {
      RedisMemoryServer: new (
        options: object,
      ) => { getHost(): Promise<string>; getPort(): Promise<number>; stop(): unknown };
    };
    // Without the path of one it downloads the sources and compiles them.
    const server = new RedisMemoryServer({ binary: { systemBinary: installedServer() } });
    const [host, port] = [await server.getHost(), await server.getPort()];
    return { client: new Redis({ host, port }), close: () => server.stop() };
  },
  'ioredis-mock': async () => {
    const Mock = load('ioredis-mock') as new () => Redis;
    return { client: new Mock(), close: () => undefined };
  },
};

function installedServer(): string {
  const places = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'redis-server'));
  const found = places.find((path) => existsSync(path));
  if (found === undefined) throw new Error('redis-memory-server needs a redis-server on the path');
  return found;
}

const words = (reply: unknown): string => JSON.stringify(reply).slice(0, 60);
const sockets = (client: Redis): boolean => 'stream' in client && client.stream !== undefined;

async function ask(client: Redis, command: string, ...args: string[]): Promise<string> {
  // ioredis-mock has methods only.
  if (typeof client.call !== 'function') return 'no such method';
  return client.call(command, ...args).then(words, (error: Error) => `error: ${error.message.slice(0, 50)}`);
}

async function factsOf(client: Redis): Promise<Record<string, string>> {
  const yes = (reply: string, pattern: RegExp): string => (pattern.test(reply) ? 'yes' : 'no');
  const replies = await Promise.all(['a', 'b', 'c'].map((key) => ask(client, 'get', key)));
  return {
    'TCP socket': sockets(client) ? 'yes' : 'no',
    'CLUSTER SLOTS': yes(await ask(client, 'cluster', 'slots'), /^\[\[/),
    MOVED: yes(replies.join(' '), /MOVED/),
    'SETSLOT, ASK': yes(await ask(client, 'cluster', 'setslot', '3300', 'stable'), /OK/),
    'CLUSTER FAILOVER': yes(
      await ask(client, 'cluster', 'failover'),
      /should send CLUSTER FAILOVER to a replica|master is unknown|OK/i,
    ),
    EVAL: yes(await ask(client, 'eval', 'return 1', '0'), /^1$/),
  };
}

const { client, close } = await starts[name]!();
client.on('error', () => undefined);
await client.ping();
const startMs = performance.now() - started;
const startCpu = process.cpuUsage(cpuBefore);
// Of the client's own node, whatever the slot: `b` is in slot 3300, of the first third.
await client.set('b', 'x');
const burst = async (): Promise<unknown> => Promise.all(Array.from({ length: 50 }, () => client.get('b')));
for (let at = 0; at < 100; at++) await burst();
const before = process.cpuUsage();
const bursts = 400;
for (let at = 0; at < bursts; at++) await burst();
const { user, system } = process.cpuUsage(before);
const commands = Number(await ask(client, 'command', 'count')) || 0;
console.log(
  JSON.stringify({
    startMs,
    startCpuMs: (startCpu.user + startCpu.system) / 1000,
    nsPerGet: ((user + system) * 1000) / (bursts * 50),
    commands,
    facts: await factsOf(client),
  }),
);
client.disconnect();
await close();
process.exit(0);
