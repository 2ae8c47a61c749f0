// Credentials and TLS reach every node of a real cluster, those learned from its map included.

import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Cluster,
  type ClusterAllFailedError,
  type ClusterNode,
  type ClusterOptions,
  slotOf,
} from '../../../lib/index.ts';
import { makeCertificates } from '../../kit/certificates.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../kit/real-cluster.ts';
import { until } from '../../kit/until.ts';

/** Uses a client once, on every node of the cluster: a key of each master and a word to each node itself. */
async function reachesEveryNode(
  seeds: readonly ClusterNode[],
  options: ClusterOptions,
  expected: number,
): Promise<void> {
  const client = new Cluster(seeds, options);
  try {
    const writes = client.pipeline();
    for (let at = 0; at < 300; at++) writes.set(`k${at}`, at);
    const results = (await writes.exec()) as [Error | null, unknown][];
    deepEqual(
      results.filter(([error]) => error !== null),
      [],
    );
    const nodes = client.nodes();
    equal(nodes.length, expected);
    deepEqual(new Set(await Promise.all(nodes.map((node) => node.ping()))), new Set(['PONG']));
  } finally {
    client.disconnect();
  }
}

/** The error that connect() of a client with these options ends in. */
async function refusal(seeds: readonly ClusterNode[], options: ClusterOptions): Promise<ClusterAllFailedError> {
  const client = new Cluster(seeds, { ...options, lazyConnect: true, clusterRetryStrategy: () => null });
  try {
    await client.connect();
  } catch (error) {
    return error as ClusterAllFailedError;
  } finally {
    client.disconnect();
  }
  throw new Error('connect() should have failed');
}

describe('client on a real cluster with passwords', function () {
  this.timeout(40_000);
  const password = 'se:cr@t pässword';
  let cluster: RealCluster;

  before(async function () {
    needRedisServer(this, 'client on a real cluster with passwords');
    cluster = await startRealCluster({
      config: { requirepass: password, masterauth: password },
      admin: { password },
    });
    for (const node of cluster.nodes) {
      await node.ask('acl', 'setuser', 'app', 'on', '>app-password', '~*', '&*', '+@all');
      await node.ask(
        'acl',
        'setuser',
        'reader',
        'on',
        '>reader-password',
        '~*',
        '+@read',
        '+cluster',
        '+ping',
        '+hello',
      );
    }
  });
  after(() => cluster?.stop());

  it('password of redisOptions reaches every node', () =>
    reachesEveryNode(cluster.seeds.slice(0, 1), { redisOptions: { password } }, 6));

  it('password with RESP2 reaches every node', () =>
    reachesEveryNode(cluster.seeds.slice(0, 1), { redisOptions: { password, protocol: 2 } }, 6));

  it('ACL user of redisOptions reaches every node', () =>
    reachesEveryNode(cluster.seeds.slice(0, 1), { redisOptions: { username: 'app', password: 'app-password' } }, 6));

  it('credentials in the URLs of all seeds', () => {
    const urls = cluster.seeds.map(({ host, port }) => `redis://app:app-password@${host}:${port}`);
    return reachesEveryNode(urls, {}, 6);
  });

  it('an escaped password in a URL', () => {
    const urls = cluster.seeds.map(({ host, port }) => `redis://:${encodeURIComponent(password)}@${host}:${port}`);
    return reachesEveryNode(urls, {}, 6);
  });

  it('credentials of the seed objects', () =>
    reachesEveryNode(
      cluster.seeds.map((seed) => ({ ...seed, username: 'app', password: 'app-password' })),
      {},
      6,
    ));

  it('credentials of one seed are for that seed: nodes learned from it do not get them', async () => {
    const { host, port } = cluster.seeds[0]!;
    const client = new Cluster([`redis://app:app-password@${host}:${port}`], { retryDeadline: 300 });
    const refused = new Set<string>();
    client.on('node error', (error: Error, key: string) => {
      if (error.message.startsWith('NOAUTH')) refused.add(key);
    });
    try {
      const keys = Array.from({ length: 30 }, (_, at) => `k${at}`);
      const outcomes = await Promise.allSettled(keys.map((key) => client.set(key, 1)));
      outcomes.forEach((outcome, at) => {
        const own = client.slots[slotOf(keys[at]!)]![0] === `${host}:${port}`;
        equal(outcome.status, own ? 'fulfilled' : 'rejected');
        if (outcome.status === 'rejected') ok(/NOAUTH/.test(outcome.reason.message), outcome.reason.message);
      });
      ok(refused.size >= 2 && !refused.has(`${host}:${port}`));
    } finally {
      client.disconnect();
    }
  });

  it('subscriptions log in as well', async () => {
    const client = new Cluster(cluster.seeds.slice(0, 1), { redisOptions: { password } });
    try {
      const heard = new Promise((resolve) => client.once('message', (...args) => resolve(args)));
      await client.subscribe('secret');
      await client.publish('secret', 'x');
      deepEqual(await heard, ['secret', 'x']);
    } finally {
      client.disconnect();
    }
  });

  it('a password that changes is named by the code of calls that waited, and by the node', async () => {
    const user = ['acl', 'setuser', 'rotated', 'on', 'resetpass', '~*', '+@all'] as const;
    await Promise.all(cluster.nodes.map((node) => node.ask(...user, '>first')));
    const redisOptions = { username: 'rotated', password: 'first' };
    const client = new Cluster(cluster.seeds, { retryDeadline: 700, redisOptions });
    client.on('error', () => undefined);
    const refused = async (): Promise<void> =>
      rejects(client.get('k'), (error: Error & { code?: string; node?: string; hint?: string }) => {
        equal(error.code, 'WRONGPASS');
        ok(
          cluster.nodes.some(({ address }) => address === error.node),
          error.node,
        );
        ok(/WRONGPASS/.test(error.message), error.message);
        ok(/password/.test(error.hint ?? ''), error.hint);
        return true;
      });
    try {
      await client.set('k', 1);
      await Promise.all(cluster.nodes.map((node) => node.ask(...user, '>second')));
      await Promise.all(cluster.nodes.map((node) => node.ask('client', 'kill', 'user', 'rotated')));
      // The first is sent, lost and to be retried, the other is held until the client is ready again.
      await refused();
      await refused();
      client.options.redisOptions!.password = 'second';
      await until('the next dial uses it', () => client.get('k').catch(() => undefined));
    } finally {
      client.disconnect();
    }
  });

  it('names the seeds and the reason when the password is wrong', async () => {
    const seeds = cluster.seeds.slice(0, 3);
    const error = await refusal(seeds, { redisOptions: { password: 'wrong' } });
    ok(error.message.startsWith('None of startup nodes is available'), error.message);
    equal(error.errors?.length, 3);
    for (const { host, port } of seeds) ok(error.hint.includes(`${host}:${port}: WRONGPASS`), error.hint);
    ok(!error.hint.includes('wrong '), 'the password itself is not shown');
  });

  it('names the seeds and the reason when there is no password', async () => {
    const seeds = cluster.seeds.slice(0, 2);
    const error = await refusal(seeds, {});
    equal(error.errors?.length, 2);
    for (const { host, port } of seeds) ok(error.hint.includes(`${host}:${port}: NOAUTH`), error.hint);
  });

  it('names the user when it does not exist', async () => {
    const error = await refusal(cluster.seeds.slice(0, 1), { redisOptions: { username: 'nobody', password: 'x' } });
    ok(/WRONGPASS/.test(error.hint), error.hint);
  });

  it('what a user may not do is its own error, not the end of the connection', async () => {
    const client = new Cluster(cluster.seeds, { redisOptions: { username: 'reader', password: 'reader-password' } });
    try {
      await rejects(client.set('k1', 'x'), { name: 'ReplyError', message: /^NOPERM/ });
      equal(await client.get('k1'), '1');
    } finally {
      client.disconnect();
    }
  });
});

describe('client on a real cluster with TLS', function () {
  this.timeout(40_000);
  let cluster: RealCluster;
  let ca: Buffer;

  before(async function () {
    needRedisServer(this, 'client on a real cluster with TLS');
    // The set-up connections get their CA once it has been made.
    const tls: { ca?: Buffer } = {};
    cluster = await startRealCluster({
      replicas: 1,
      tls: true,
      config: { requirepass: 'tls-password', masterauth: 'tls-password' },
      admin: { tls, password: 'tls-password' },
      async prepare(dir) {
        await makeCertificates(dir);
        tls.ca = readFileSync(join(dir, 'ca.crt'));
        return {
          'tls-cert-file': join(dir, 'node.crt'),
          'tls-key-file': join(dir, 'node.key'),
          'tls-ca-cert-file': join(dir, 'ca.crt'),
          'tls-auth-clients': 'no',
        };
      },
    });
    ca = tls.ca!;
  });
  after(() => cluster?.stop());

  it('redisOptions.tls reaches every node', () =>
    reachesEveryNode(cluster.seeds.slice(0, 1), { redisOptions: { tls: { ca }, password: 'tls-password' } }, 6));

  it('rediss:// URLs take their CA from redisOptions.tls', () => {
    const urls = cluster.seeds.slice(0, 1).map(({ host, port }) => `rediss://:tls-password@${host}:${port}`);
    return reachesEveryNode(urls, { redisOptions: { tls: { ca }, password: 'tls-password' } }, 6);
  });

  it('carries a big value over TLS', async () => {
    const client = new Cluster(cluster.seeds, { redisOptions: { tls: { ca }, password: 'tls-password' } });
    try {
      const value = Buffer.alloc(3_000_000, 'tls');
      await client.set('big', value);
      ok(value.equals((await client.getBuffer('big'))!));
    } finally {
      client.disconnect();
    }
  });

  it('says why each seed was refused when the CA is unknown', async () => {
    const error = await refusal(cluster.seeds.slice(0, 2), { redisOptions: { tls: {}, password: 'tls-password' } });
    equal(error.errors?.length, 2);
    for (const { host, port } of cluster.seeds.slice(0, 2)) {
      ok(new RegExp(`${host}:${port}: .*certificate`, 'i').test(error.hint), error.hint);
    }
  });

  it('fails clearly, and soon, when TLS is missing', async () => {
    const error = await refusal(cluster.seeds.slice(0, 1), { redisOptions: { password: 'tls-password' } });
    ok(error.message.startsWith('None of startup nodes is available'), error.message);
  });
});
