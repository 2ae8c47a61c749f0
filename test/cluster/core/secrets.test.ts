// No password leaves by an error, an event or a channel: every way to fail is gone with a password that is easy to find.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from '../../../lib/index.ts';
import { type Answer, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';

const secret = 'hunter2-marker';

/** Everything that somebody could have got hold of. */
class SecretFinder {
  readonly heard: { readonly where: string; readonly what: unknown }[] = [];
  readonly #channels: string[] = [];
  readonly #note = (message: unknown, name: string | symbol): void => this.hear(String(name), message);

  constructor() {
    for (const name of ['ioredis:command', 'ioredis:batch', 'ioredis:connect', 'lingcache:batch']) {
      for (const step of ['start', 'end', 'asyncStart', 'asyncEnd', 'error']) this.#listen(`tracing:${name}:${step}`);
    }
    for (const name of ['lingcache:redirect', 'lingcache:refresh', 'lingcache:cache']) this.#listen(name);
  }

  hear(where: string, what: unknown): void {
    // Clients have their options, which whoever made them knows.
    if (!(what instanceof EventEmitter)) this.heard.push({ where, what });
  }

  watch<T extends EventEmitter>(client: T): T {
    const { emit } = client;
    client.on('error', () => undefined);
    client.emit = (event: string, ...args: unknown[]): boolean => {
      for (const what of args) this.hear(`event ${event}`, what);
      return emit.call(client, event, ...args);
    };
    return client;
  }

  async fails(where: string, run: () => unknown): Promise<void> {
    try {
      const value = await run();
      this.hear(where, value);
    } catch (error) {
      this.hear(where, error);
    }
  }

  close(): void {
    for (const name of this.#channels) unsubscribe(name, this.#note);
  }

  check(least: number): void {
    assert.ok(this.heard.length >= least, `only ${this.heard.length} things were heard`);
    for (const { where, what } of this.heard) {
      const text = `${inspect(what, { depth: 10, showHidden: true })} ${String(what)} ${(what as Error | null)?.stack}`;
      assert.ok(!text.includes(secret), `${where}: ${text}`);
    }
  }

  #listen(name: string): void {
    subscribe(name, this.#note);
    this.#channels.push(name);
  }
}

/** Says no to everything, and repeats all it was asked, as servers do. */
function echo(argv: readonly string[]): Answer {
  const args = argv.slice(1).map((word) => `'${word}'`);
  return `-ERR unknown command '${argv[0]}', with args beginning with: ${args.join(' ')} \r\n`;
}

const commands: readonly (readonly [string, ...string[]])[] = [
  ['auth', secret],
  ['AUTH', 'default', secret],
  ['hello', '3', 'AUTH', 'default', secret, 'SETNAME', 'me'],
  ['config', 'SET', 'requirepass', secret],
  ['CONFIG', 'set', 'maxmemory', '1', 'masterauth', secret, 'tls-key-file-pass', secret],
  ['acl', 'SETUSER', 'joe', 'on', `>${secret}`, `<${secret}`, `#${secret}`, '~*'],
  ['migrate', '127.0.0.1', '1', 'key', '0', '10', 'COPY', 'AUTH', secret],
  ['migrate', '127.0.0.1', '1', '', '0', '10', 'AUTH2', 'user', secret, 'KEYS', 'a'],
  ['sentinel', 'SET', 'main', 'auth-pass', secret],
  ['sentinel', 'CONFIG', 'SET', 'sentinel-pass', secret],
  ['module', 'LOADEX', '/m.so', 'CONFIG', 'm.password', secret],
];

describe('client: no secret leaves', () => {
  let finder: SecretFinder;
  let node: FakeNode;
  const clients: (Redis | Cluster)[] = [];

  beforeEach(() => {
    finder = new SecretFinder();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    finder.close();
    await node?.close();
  });

  const redis = (options: RedisOptions): Redis => {
    const client = finder.watch(new Redis({ retryStrategy: () => 20, ...options, lazyConnect: true }));
    clients.push(client);
    return client;
  };
  const cluster = (options: ClusterOptions): Cluster => {
    const client = finder.watch(new Cluster([node.key], { ...options, lazyConnect: true }));
    clients.push(client);
    return client;
  };

  it('when commands that carry one are refused, alone, in a pipeline and in a transaction', async () => {
    node = await FakeNode.start((argv) => {
      if (argv[0] === 'info') return '$0\r\n\r\n';
      return argv[0] === 'multi' ? '+OK\r\n' : argv[0] === 'exec' ? '-EXECABORT discarded\r\n' : echo(argv);
    });
    const client = redis({
      port: node.port,
      enableReadyCheck: false,
      reconnectOnError: (error) => {
        finder.hear('reconnectOnError', error);
        return false;
      },
    });
    for (const [name, ...args] of commands) {
      await finder.fails(name, () => client.call(name, ...args));
      await finder.fails(`${name}, pipeline`, () => client.pipeline([[name, ...args]]).exec());
      await finder.fails(`${name}, transaction`, () => client.multi([[name, ...args]]).exec());
    }
    finder.check(commands.length * 3);
    const errors = finder.heard.map(({ what }) => what as Error & { command?: { name: string; args: string[] } });
    const refused = errors.find(({ command }) => command?.name === 'migrate')!;
    assert.deepEqual(refused.command!.args, ['127.0.0.1', '1', 'key', '0', '10', 'COPY', 'AUTH', '[redacted]']);
    assert.match(refused.message, /'COPY' 'AUTH' '\[redacted\]'/);
  });

  it('when a transaction is carried out and one of its commands is refused then', async () => {
    const answers = ['+OK\r\n', '+QUEUED\r\n', `*1\r\n${String(echo(['acl', 'setuser', 'joe', `>${secret}`]))}`];
    node = await FakeNode.start(() => answers.shift());
    const client = redis({ port: node.port, enableReadyCheck: false });
    await finder.fails('exec', () => client.multi().acl('SETUSER', 'joe', `>${secret}`).exec());
    finder.check(1);
    assert.match(inspect(finder.heard, { depth: 10 }), /redacted/);
  });

  for (const protocol of [2, 3] as const) {
    it(`when the handshake is refused, RESP${protocol}`, async () => {
      node = new FakeNode(echo);
      await node.listen();
      const client = redis({ port: node.port, username: 'joe', password: secret, protocol, maxRetriesPerRequest: 1 });
      await finder.fails('get', () => client.get('k'));
      await finder.fails('connect', () => client.connect());
      const many = cluster({
        redisOptions: { username: 'joe', password: secret, protocol },
        clusterRetryStrategy: () => null,
      });
      await finder.fails('cluster', () => many.get('k'));
      await finder.fails('cluster connect', () => many.connect());
      finder.check(6);
    });
  }

  it('when the server is lost, silent or slow in the middle of one', async () => {
    let cut = 0;
    node = await FakeNode.start((argv, socket) => {
      if (argv[0] === 'cluster') {
        return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [node] }]) : clusterOk;
      }
      if (argv[0] === 'auth' || argv[0] === 'config') {
        cut++;
        socket.destroy();
        return undefined;
      }
      return argv[0] === 'ping' ? '+PONG\r\n' : undefined;
    });
    const options = { commandTimeout: 300, enableReadyCheck: false };
    const client = redis({ port: node.port, maxRetriesPerRequest: 1, ...options });
    const many = cluster({ redisOptions: options, retryDeadline: 300 });
    await Promise.all([
      finder.fails('auth', () => client.auth(secret)),
      finder.fails('acl', () => client.acl('SETUSER', 'joe', `>${secret}`)),
      finder.fails('cluster auth', () => many.call('config', 'SET', 'requirepass', secret)),
      finder.fails('cluster acl', () => many.call('acl', 'SETUSER', 'joe', `>${secret}`)),
    ]);
    assert.ok(cut > 0);
    const waiting = finder.fails('closed', () => client.call('auth', secret));
    client.disconnect();
    await waiting;
    await finder.fails('ended', () => client.call('auth', secret));
    const full = redis({ port: node.port, maxQueueLength: 0 });
    await finder.fails('full', () => full.call('auth', secret));
    const signal = AbortSignal.abort(new Error('enough'));
    await finder.fails('cancelled', () => client.withAbortSignal(signal).call('auth', secret));
    finder.check(8);
    await until('the cluster has been seen', () => node.count('cluster', 'slots') > 0);
  });

  it('when an option or an address is wrong', async () => {
    node = await FakeNode.start(echo);
    const urls = [
      `redis://:${secret}@127.0.0.1:99999`,
      `redis://joe:${secret}@h:port/0`,
      `http://joe:${secret}@h:1`,
      `joe:${secret}@h:port`,
      `redis://:a@b@${secret}@h:x`,
      `redis://h:x?password=${secret}`,
      `redis://:${secret}@[::1`,
    ];
    for (const url of urls) {
      await finder.fails(url.replace(secret, '*'), () => new Redis(url));
      await finder.fails(`cluster ${url.replace(secret, '*')}`, () => new Cluster([url]));
      await finder.fails(`port ${url.replace(secret, '*')}`, () => new Cluster([{ port: url }]));
    }
    const bad: RedisOptions[] = [
      { password: [secret] as never },
      { password: { secret } as never },
      { tls: { profile: 'x', key: secret } as never },
      { host: { secret } as never },
      { port: `redis://:${secret}@h` as never },
    ];
    for (const options of bad) {
      await finder.fails(Object.keys(options)[0]!, () => new Redis({ lazyConnect: true, ...options }));
      // Where a node is has no meaning in redisOptions, and is no mistake there.
      await finder.fails(`redisOptions.${Object.keys(options)[0]!}`, () => cluster({ redisOptions: options }));
    }
    for (const { where, what } of finder.heard) {
      if (!where.startsWith('tracing'))
        assert.equal((what as { code?: string } | null)?.code, 'ERR_INVALID_OPTION', where);
    }
    finder.check(urls.length * 3);
  });
});
