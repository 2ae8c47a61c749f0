// Credentials and certificates that change, on real servers: each connect asks for them, and connections in use
// authenticate again before what they were given expires.

import { deepEqual, equal, match, ok, rejects, throws } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { Cluster, type Credentials, Redis, type RedisOptions } from '../../../lib/index.ts';
import { makeCertificates } from '../../kit/certificates.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../kit/real-cluster.ts';
import { type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';

/** Users token1, token2, ... of the server, one for each answer of the provider; the server's log shows who came. */
class Tokens {
  count = 0;
  /** Milliseconds that each is good for; undefined: for ever. */
  life: number | undefined;
  fail: Error | undefined;

  readonly provider = async (): Promise<Credentials> => {
    await undefined;
    this.count++;
    if (this.fail !== undefined) throw this.fail;
    const expiresAt = this.life === undefined ? undefined : Date.now() + this.life;
    return { username: `token${this.count}`, password: `secret${this.count}`, expiresAt };
  };
}

const users = 40;

async function addUsers(ask: (...words: string[]) => Promise<unknown>): Promise<void> {
  for (let at = 1; at <= users; at++) {
    await ask('ACL', 'SETUSER', `token${at}`, 'on', `>secret${at}`, '~*', '&*', '+@all');
  }
}

describe('credentialsProvider of a Redis', function () {
  this.timeout(30_000);
  let node: RealNode;
  let admin: RespClient;
  let clients: Redis[] = [];

  const make = (options: RedisOptions): Redis => {
    const client = new Redis({ port: node.port, host: node.host, ...options });
    clients.push(client);
    return client;
  };
  const names = async (): Promise<string[]> => {
    const list = String(await admin.call('CLIENT', 'LIST'));
    return [...list.matchAll(/ user=(token\d+) /g)].map(([, name]) => name!).sort();
  };

  before(async function () {
    needRedisServer(this, 'credentialsProvider of a Redis');
    node = await startRealNode(['--requirepass', 'admin']);
    admin = await RespClient.connect(node.port);
    await admin.call('AUTH', 'admin');
    await addUsers((...words) => admin.call(...(words as [string])));
  });
  afterEach(() => {
    for (const client of clients) client.disconnect();
    clients = [];
  });
  after(async () => {
    admin?.close();
    await node?.stop();
  });

  for (const protocol of [2, 3] as const) {
    it(`is asked at each connect (RESP${protocol})`, async () => {
      const tokens = new Tokens();
      const client = make({ credentialsProvider: tokens.provider, protocol, retryStrategy: () => 1100 });
      equal(await client.acl('WHOAMI'), 'token1');
      await admin.call('CLIENT', 'KILL', 'USER', 'token1');
      equal(await client.acl('WHOAMI'), 'token2');
    });

    it(`authenticates again before the end, while commands go on (RESP${protocol})`, async () => {
      const tokens = new Tokens();
      tokens.life = 500;
      const client = make({ credentialsProvider: tokens.provider, protocol });
      const seen = new Set<unknown>();
      const ids = new Set<unknown>();
      while (seen.size < 4) {
        const [who, id] = await Promise.all([client.acl('WHOAMI'), client.client('ID')]);
        seen.add(who);
        ids.add(id);
      }
      equal(ids.size, 1, 'one connection');
    });
  }

  it('duplicates, subscribers and blocking connections have it, too', async () => {
    const tokens = new Tokens();
    tokens.life = 800;
    const client = make({ credentialsProvider: tokens.provider });
    const other = client.duplicate();
    const subscriber = client.duplicate();
    clients.push(other, subscriber);
    await Promise.all([client.ping(), other.ping(), subscriber.subscribe('news')]);
    const first = await names();
    equal(first.length, 3);
    await until('all are somebody else', async () => {
      const now = await names();
      return now.length === 3 && now.every((name) => !first.includes(name));
    });
    const heard = new Promise((resolve) => subscriber.once('message', (...words) => resolve(words)));
    await client.publish('news', 'x');
    deepEqual(await heard, ['news', 'x']);
    const popped = other.blpop('empty', 0);
    const count = tokens.count;
    await until('renewed behind a call that blocks', () => tokens.count > count + 6);
    await client.rpush('empty', 'x');
    deepEqual(await popped, ['empty', 'x']);
    equal(await other.ping(), 'PONG');
  });

  it('a subscriber of RESP2 keeps its connection and its messages', async () => {
    const tokens = new Tokens();
    tokens.life = 400;
    const client = make({ credentialsProvider: tokens.provider, protocol: 2 });
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error));
    await client.subscribe('news');
    const { count } = tokens;
    await until('renewed', () => tokens.count >= count + 2);
    const heard = new Promise((resolve) => client.once('message', (...words) => resolve(words)));
    await admin.call('PUBLISH', 'news', 'x');
    deepEqual(await heard, ['news', 'x']);
    deepEqual(errors, []);
  });

  it('never in the midst of a transaction: EXEC has its own answers only', async () => {
    const tokens = new Tokens();
    tokens.life = 300;
    const client = make({ credentialsProvider: tokens.provider });
    await client.multi({ pipeline: false });
    await client.set('a', 1);
    const { count } = tokens;
    await until('renewal was due', () => tokens.count > count);
    await client.set('b', 2);
    deepEqual(await client.exec(), [
      [null, 'OK'],
      [null, 'OK'],
    ]);
    await until('sent after it', async () => (await client.acl('WHOAMI')) !== 'token1');
  });

  it('a monitor is left in peace', async () => {
    const tokens = new Tokens();
    tokens.life = 300;
    const client = make({ credentialsProvider: tokens.provider });
    const monitor = await client.monitor();
    clients.push(monitor);
    const lines: string[][] = [];
    monitor.on('monitor', (_time: string, args: string[]) => lines.push(args));
    const { count } = tokens;
    await until('renewed', () => tokens.count > count + 2);
    await client.set('seen', 'yes');
    await until('still there', () => lines.some((line) => line[1] === 'seen'));
  });

  it('a provider that throws is reported, asked again, and what waits is served then', async () => {
    const tokens = new Tokens();
    tokens.fail = new Error('the vault is sealed');
    const client = make({ credentialsProvider: tokens.provider, retryStrategy: () => 50 });
    const errors: (Error & { code?: string })[] = [];
    client.on('error', (error) => errors.push(error));
    const waiting = client.ping();
    await until('three reports', () => errors.length >= 3);
    for (const { code, message } of errors) {
      equal(code, 'ERR_CREDENTIALS');
      equal(message, 'credentialsProvider failed: the vault is sealed');
    }
    tokens.count = 0;
    tokens.fail = undefined;
    equal(await waiting, 'PONG');
  });

  it('maxRetriesPerRequest bounds the wait for it, and the cause says why', async () => {
    const client = make({
      credentialsProvider: () => Promise.reject(new Error('no')),
      retryStrategy: () => 10,
      maxRetriesPerRequest: 2,
    });
    client.on('error', () => undefined);
    await rejects(client.ping(), (error: Error) => {
      equal(error.name, 'MaxRetriesPerRequestError');
      match(String((error.cause as Error).message), /credentialsProvider failed: no/);
      return true;
    });
  });

  it('a client that gives up reports to those who waited that it was the provider', async () => {
    const credentialsProvider = (): Credentials => {
      throw new Error('the vault is sealed');
    };
    const client = make({ credentialsProvider, retryStrategy: null });
    client.on('error', () => undefined);
    await rejects(client.ping(), {
      code: 'ERR_CREDENTIALS',
      message: 'credentialsProvider failed: the vault is sealed',
    });
  });

  it('refused credentials are reported without them, and the next answer is used', async () => {
    const answers = [{ password: 'wrong-secret' }, { username: 'token7', password: 'secret7' }];
    const client = make({
      credentialsProvider: () => answers.shift() ?? { password: 'none' },
      retryStrategy: () => 20,
    });
    const errors: (Error & { code?: string; command?: unknown })[] = [];
    client.on('error', (error) => errors.push(error));
    await until('connected', () => client.status === 'ready');
    equal(await client.acl('WHOAMI'), 'token7');
    equal(errors[0]!.code, 'WRONGPASS');
    ok(!/wrong-secret/.test(JSON.stringify(errors.map((one) => [one.message, one.stack, one.command]))));
  });

  it('disconnect while the provider is asked ends the client', async () => {
    let answer: (credentials: Credentials) => void = () => undefined;
    const client = make({
      credentialsProvider: () =>
        new Promise<Credentials>((resolve) => {
          answer = resolve;
        }),
    });
    const waiting = client.ping();
    waiting.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.disconnect();
    await rejects(waiting, /Connection is closed/);
    answer({ password: 'admin' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    equal(client.status, 'end');
  });

  it('a server without a password takes the client all the same', async () => {
    const open = await startRealNode();
    try {
      const tokens = { life: 300, count: 0 };
      const client = make({
        port: open.port,
        credentialsProvider: () => ({ password: `p${++tokens.count}`, expiresAt: Date.now() + tokens.life }),
      });
      const errors: Error[] = [];
      client.on('error', (error) => errors.push(error));
      await until('renewed', () => tokens.count >= 3);
      equal(await client.ping(), 'PONG');
      deepEqual(errors, []);
    } finally {
      await open.stop();
    }
  });
});

describe('options that exclude credentialsProvider', () => {
  const credentialsProvider = (): Credentials => ({ password: 'x' });
  const refused = (make: () => unknown, text: RegExp): void =>
    throws(make, (error: Error & { code?: string }) => {
      equal(error.code, 'ERR_INVALID_OPTION');
      match(error.message, text);
      ok(!/hush/.test(error.message));
      return true;
    });

  it('password, username, URLs, and what is no function', () => {
    refused(() => new Redis({ lazyConnect: true, credentialsProvider, password: 'hush' }), /exclude each other/);
    refused(() => new Redis({ lazyConnect: true, credentialsProvider, username: 'hush' }), /exclude each other/);
    refused(() => new Redis('redis://me:hush@h:1', { lazyConnect: true, credentialsProvider }), /exclude each other/);
    refused(() => new Redis({ lazyConnect: true, credentialsProvider: 'hush' as never }), /Expected a function/);
    const redisOptions = { credentialsProvider };
    refused(() => new Cluster([1], { redisOptions: { ...redisOptions, password: 'hush' } }), /redisOptions.password/);
    refused(() => new Cluster(['redis://:hush@h:1'], { redisOptions }), /startup node h:1/);
    refused(() => new Cluster([{ port: 1, username: 'hush' }], { redisOptions }), /startup node/);
  });
});

describe('credentialsProvider of a Cluster', function () {
  this.timeout(60_000);
  let cluster: RealCluster;

  before(async function () {
    needRedisServer(this, 'credentialsProvider of a Cluster');
    cluster = await startRealCluster({
      config: { requirepass: 'admin', masterauth: 'admin' },
      admin: { password: 'admin' },
    });
    for (const node of cluster.nodes) await addUsers((...words) => node.ask(...words));
  });
  after(() => cluster?.stop());

  const usersOf = async (): Promise<string[]> => {
    const lists = await Promise.all(cluster.nodes.map((node) => node.ask('client', 'list')));
    return lists.flatMap((list) => [...String(list).matchAll(/ user=(token\d+) /g)].map(([, name]) => name!));
  };

  it('reaches nodes, subscribers, blocking connections, node objects and duplicates, and all are renewed', async () => {
    const tokens = new Tokens();
    tokens.life = 1500;
    const client = new Cluster(cluster.seeds.slice(0, 1), {
      scaleReads: 'all',
      redisOptions: { credentialsProvider: tokens.provider },
    });
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error)).on('node error', (error) => errors.push(error));
    const copy = client.duplicate();
    try {
      await Promise.all(Array.from({ length: 60 }, (_, at) => client.set(`k${at}`, at)));
      await Promise.all(client.nodes().map((node) => node.ping()));
      await client.subscribe('news');
      await client.ssubscribe('shard');
      await copy.ping();
      const popped = client.blpop('{q}empty', 0);
      const alone = client.nodes('master')[0]!.duplicate();
      await alone.ping();
      const before = await usersOf();
      ok(before.length >= 9, before.join());
      const first = new Set(before);
      await until('only the blocked one is who it was', async () => {
        return (await usersOf()).filter((name) => first.has(name)).length <= 1;
      });
      await client.rpush('{q}empty', 'x');
      deepEqual(await popped, ['{q}empty', 'x']);
      await until('and then nobody', async () => (await usersOf()).every((name) => !first.has(name)));
      const heard = new Promise((resolve) => client.once('message', (...words) => resolve(words)));
      await client.publish('news', 'x');
      deepEqual(await heard, ['news', 'x']);
      deepEqual(errors, []);
      alone.disconnect();
    } finally {
      client.disconnect();
      copy.disconnect();
    }
  });

  it('a provider slower than slotsRefreshTimeout is waited for', async () => {
    const client = new Cluster(cluster.seeds, {
      slotsRefreshTimeout: 300,
      redisOptions: {
        credentialsProvider: async () => {
          await new Promise((resolve) => setTimeout(resolve, 700));
          return { username: 'token3', password: 'secret3' };
        },
      },
    });
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error));
    try {
      equal(await client.set('k', 1), 'OK');
      deepEqual(errors, []);
    } finally {
      client.disconnect();
    }
  });

  it('one that throws at first is reported and tried again', async () => {
    let left = 2;
    const client = new Cluster(cluster.seeds, {
      clusterRetryStrategy: () => 20,
      redisOptions: {
        credentialsProvider: () => {
          if (left-- > 0) throw new Error('not yet');
          return { username: 'token3', password: 'secret3' };
        },
      },
    });
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error));
    try {
      equal(await client.set('k', 1), 'OK');
      ok(errors.every(({ message }) => message === 'credentialsProvider failed: not yet'));
      equal(errors.length, 2);
    } finally {
      client.disconnect();
    }
  });
});

describe('tls as a function', function () {
  this.timeout(60_000);
  let cluster: RealCluster;
  let folder = '';
  const material = (): ConnectionOptions => {
    const read = (name: string): Buffer => readFileSync(join(folder, name));
    return { ca: read('ca.crt'), cert: read('node.crt'), key: read('node.key') };
  };

  before(async function () {
    needRedisServer(this, 'tls as a function');
    // The set-up connections get theirs once they have been made.
    const tls: ConnectionOptions = {};
    cluster = await startRealCluster({
      tls: true,
      replicas: 0,
      admin: { tls },
      prepare: async (dir) => {
        folder = dir;
        await makeCertificates(dir);
        Object.assign(tls, material());
        return {
          'tls-cert-file': join(dir, 'node.crt'),
          'tls-key-file': join(dir, 'node.key'),
          'tls-ca-cert-file': join(dir, 'ca.crt'),
          'tls-auth-clients': 'yes',
        };
      },
    });
  });
  after(() => cluster?.stop());

  it('is asked at each connect, and what it gives then is used', async () => {
    let asked = 0;
    let broken = false;
    const client = new Redis({
      ...cluster.seeds[0]!,
      retryStrategy: () => 20,
      tls: async () => {
        asked++;
        return broken ? { ...material(), ca: [] } : material();
      },
    });
    const errors: (Error & { code?: string })[] = [];
    client.on('error', (error) => errors.push(error));
    try {
      equal(await client.ping(), 'PONG');
      equal(asked, 1);
      broken = true;
      client.disconnect(true);
      await until('the other certificates are refused', () => errors.length >= 2);
      broken = false;
      equal(await client.ping(), 'PONG');
      ok(asked >= 4);
    } finally {
      client.disconnect();
    }
  });

  it('reaches every node of a cluster and its subscriber', async () => {
    let asked = 0;
    const client = new Cluster(
      cluster.seeds.slice(0, 1).map(({ host, port }) => `rediss://${host}:${port}`),
      {
        redisOptions: {
          tls: () => {
            asked++;
            return material();
          },
        },
      },
    );
    try {
      await Promise.all(Array.from({ length: 60 }, (_, at) => client.set(`k${at}`, at)));
      await client.subscribe('news');
      ok(asked >= 4, String(asked));
    } finally {
      client.disconnect();
    }
  });

  it('what it throws, or gives that is none, is the error of the connection', async () => {
    for (const [tls, text] of [
      [() => Promise.reject(new Error('no certificate yet')), /no certificate yet/],
      [() => 7 as never, /the function has to give options of node:tls/],
      [() => Promise.resolve(null as never), /the function has to give options of node:tls/],
    ] as const) {
      const client = new Redis({ ...cluster.seeds[0]!, lazyConnect: true, retryStrategy: null, tls });
      const errors: Error[] = [];
      client.on('error', (error) => errors.push(error));
      await rejects(client.connect());
      match(errors[0]!.message, text);
      client.disconnect();
    }
  });
});
