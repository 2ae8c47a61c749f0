// Errors that hint at the way out: the message stays the server's, the hint is beside it and in the stack.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Cluster, type ClusterOptions, Redis, type RedisOptions, slotOf } from '../../../lib/index.ts';
import { makeCertificates, missingOpenssl } from '../../kit/certificates.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../kit/real-cluster.ts';
import { startRealNode } from '../../kit/redis-server.ts';

type Hinted = Error & { hint?: string };

describe('errors that hint at the way out', function () {
  this.timeout(60_000);
  let real: RealCluster;
  const clients: (Cluster | Redis)[] = [];

  before(async function () {
    needRedisServer(this, 'errors that hint at the way out');
    real = await startRealCluster({ replicas: 1 });
  });
  after(() => real?.stop());
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect();
  });

  const watched = <T extends Cluster | Redis>(client: T): T => {
    client.on('error', () => undefined);
    clients.push(client);
    return client;
  };
  const single = (options: RedisOptions): Redis => watched(new Redis({ retryStrategy: null, ...options }));
  const cluster = (options: ClusterOptions = {}): Cluster => watched(new Cluster(real.seeds, options));

  async function errorOf(promise: Promise<unknown>): Promise<Hinted> {
    try {
      await promise;
    } catch (error) {
      return error as Hinted;
    }
    throw new Error('no error');
  }

  function shows(error: Hinted, message: RegExp, hint: RegExp): void {
    assert.match(error.message, message);
    assert.match(String(error.hint), hint);
    assert.ok(!error.message.includes(error.hint!));
    assert.ok(String(error.stack).includes(`hint: ${error.hint}`), error.stack);
    assert.ok(inspect(error).includes(error.hint!));
    assert.ok(!Object.keys(error).includes('hint'));
  }

  it('CROSSSLOT names the keys and the option, in calls, pipelines and transactions', async () => {
    const client = cluster();
    const hint = new RegExp(
      `^a \\(slot ${slotOf('a')}\\), b \\(slot ${slotOf('b')}\\) are in different slots: .*\\{hash tag\\}.*crossSlot: 'split'`,
    );
    const message = /^CROSSSLOT Keys in request don't hash to the same slot$/;
    shows(await errorOf(client.mget('a', 'b')), message, hint);
    const results = await client.pipeline().mget('a', 'b').exec();
    shows(results![0]![0] as Hinted, message, hint);
    shows(
      await errorOf(client.multi().set('a', 1).set('b', 1).exec()),
      /same slots allocation group$/,
      /in different slots/,
    );
    shows(await errorOf(cluster({ showFriendlyErrorStack: true }).mget('a', 'b')), message, hint);
  });

  it('MOVED on a Redis and on one of nodes() names the owner and Cluster', async () => {
    const owner = await real.ownerOf(slotOf('a'));
    const other = real.masters.find(({ port }) => port !== owner.port)!;
    const hint = new RegExp(`^slot ${slotOf('a')} is served by 127.0.0.1:${owner.port}\\. .*new Cluster\\(`);
    shows(await errorOf(single({ port: other.port }).get('a')), /^MOVED \d+ \S+$/, hint);
    const client = cluster();
    await client.ping();
    const node = client.nodes('master').find(({ options }) => options.port === other.port)!;
    shows(await errorOf(node.get('a')), /^MOVED \d+ \S+$/, hint);
  });

  it('a server without cluster support, a missing and a wrong password', async () => {
    const node = await startRealNode();
    const locked = await startRealNode(['--requirepass', 'p']);
    const { port } = locked;
    try {
      const plain = watched(new Cluster([node.port], { lazyConnect: true, clusterRetryStrategy: null }));
      shows(
        await errorOf(plain.connect()),
        /^None of startup nodes/,
        /cluster support disabled.*no cluster: use new Redis\(/,
      );
      const options = { lazyConnect: true, clusterRetryStrategy: null } as const;
      const missing = watched(new Cluster([port], options));
      shows(await errorOf(missing.connect()), /^None of startup nodes/, /NOAUTH.*redisOptions: \{ password \}/);
      const wrong = watched(new Cluster([port], { ...options, redisOptions: { password: 'x' } }));
      shows(
        await errorOf(wrong.connect()),
        /^None of startup nodes/,
        /WRONGPASS.*redisOptions: \{ username, password \}/,
      );
      shows(
        await errorOf(single({ port, protocol: 2, enableReadyCheck: false }).get('a')),
        /^NOAUTH/,
        /new Redis\(\{ password \}\)/,
      );
      // What the hint adds is no part of the message, and no secret.
      assert.ok(!inspect(await errorOf(wrong.connect())).includes("'x'"));
    } finally {
      await Promise.all([node.stop(), locked.stop()]);
    }
  });

  it('TLS to a plain port', async () => {
    const silent: Server = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const talking: Server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('-ERR Protocol error: invalid bulk length\r\n');
    });
    await new Promise<void>((resolve) => talking.listen(0, '127.0.0.1', resolve));
    try {
      for (const server of [silent, talking]) {
        const { port } = server.address() as { port: number };
        const redis = single({ port, tls: {}, connectTimeout: 300, lazyConnect: true });
        let reported: Hinted | undefined;
        redis.on('error', (error) => {
          reported = error as Hinted;
        });
        await errorOf(redis.connect());
        await new Promise((resolve) => setImmediate(resolve));
        assert.match(String(reported?.hint), /is it a plain one\? Leave tls out/);
      }
      // A cluster waits for the map, no longer than that.
      const { port } = silent.address() as { port: number };
      const options = { lazyConnect: true, clusterRetryStrategy: null, slotsRefreshTimeout: 100 } as const;
      const secret = watched(new Cluster([port], { ...options, redisOptions: { tls: {} } }));
      shows(
        await errorOf(secret.connect()),
        /None of startup nodes/,
        /is the port a plain one\? Then leave redisOptions.tls/,
      );
      const mute = watched(new Cluster([port], options));
      shows(await errorOf(mute.connect()), /None of startup nodes/, /within slotsRefreshTimeout \(100 ms\)/);
    } finally {
      silent.close();
      talking.close();
    }
  });

  it('plain words to a TLS port, and a certificate of an unknown authority', async function () {
    const missing = missingOpenssl();
    if (missing !== undefined) this.skip();
    const tls = await startRealCluster({
      masters: 1,
      replicas: 0,
      tls: true,
      prepare: async (dir) => {
        await makeCertificates(dir);
        return {
          'tls-cert-file': join(dir, 'node.crt'),
          'tls-key-file': join(dir, 'node.key'),
          'tls-ca-cert-file': join(dir, 'ca.crt'),
          'tls-auth-clients': 'no',
        };
      },
      admin: { tls: { rejectUnauthorized: false } },
    });
    try {
      const options = { lazyConnect: true, clusterRetryStrategy: null } as const;
      const plain = watched(new Cluster(tls.seeds, options));
      shows(await errorOf(plain.connect()), /None of startup nodes/, /if the port is for TLS, set tls: \{\}/);
      const unknown = watched(new Cluster(tls.seeds, { ...options, redisOptions: { tls: {} } }));
      shows(await errorOf(unknown.connect()), /None of startup nodes/, /set tls: \{ ca \}/);
    } finally {
      await tls.stop();
    }
  });
});
