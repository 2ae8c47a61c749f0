// Symptoms of clients that do not reach what they should.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Cluster } from '../../../lib/index.ts';
import { freePort } from '../../kit/ports.ts';
import { until } from '../../kit/until.ts';
import { type Produce, readable, refusalOf } from './kit.ts';

export const connecting: Readonly<Record<string, Produce>> = {
  '`None of startup nodes is available`': async (ward) => {
    const wrong = [{ host: '127.0.0.1', port: await freePort() }];
    const client = new Cluster(wrong, { lazyConnect: true, clusterRetryStrategy: () => null });
    const event = once(client, 'error');
    const error = await refusalOf(client.connect());
    const [emitted] = (await event) as [Error];
    assert.match(readable(error), /ECONNREFUSED/);
    // The same words for a wrong password.
    const secret = await ward.cluster({ masters: 1, replicas: 0, password: 'secret' });
    const unknown = ward.client(secret.seeds, { lazyConnect: true, clusterRetryStrategy: () => null });
    assert.match(readable(await refusalOf(unknown.connect())), /NOAUTH[\s\S]*redisOptions: \{ password \}/);
    const known = ward.client(secret.seeds, { redisOptions: { password: 'secret' } });
    assert.equal(await known.ping(), 'PONG');
    return `${readable(error)}\n${emitted.message}`;
  },

  '"This instance has cluster support disabled"': async (ward) => {
    const server = await ward.server();
    const client = ward.client([server], { lazyConnect: true, clusterRetryStrategy: () => null });
    const error = await refusalOf(client.connect());
    assert.match(error.hint!, /use new Redis/);
    assert.equal(await ward.redis(server).ping(), 'PONG');
    return readable(error);
  },

  '`Redis` rejects with MOVED': async (ward) => {
    const bundled = await ward.cluster();
    const error = await refusalOf(ward.redis(bundled.seeds[0]!).get('foo'));
    assert.match(error.hint!, /use new Cluster/);
    assert.equal(await ward.client(bundled.seeds).get('foo'), null);
    return `Redis rejects with ${error.message}`;
  },

  'connects to the seed, then times out': async (ward) => {
    // Addresses for documentation: nobody is there.
    const bundled = await ward.cluster({ replicas: 0, config: { 'cluster-announce-ip': '192.0.2.1' } });
    const [seed] = bundled.seeds;
    const redisOptions = { commandTimeout: 300 };
    const lost = ward.client([seed!], { redisOptions });
    const error = await refusalOf(lost.get('foo'));
    assert.equal(error.message, 'Command timed out');
    const [[, , [announced]]] = (await ward.redis(seed!).call('CLUSTER', 'SLOTS')) as [[number, number, [string]]];
    assert.equal(announced, '192.0.2.1');
    const natMap = Object.fromEntries(bundled.seeds.map(({ host, port }) => [`192.0.2.1:${port}`, { host, port }]));
    assert.equal(await ward.client([seed!], { natMap }).get('foo'), null);
    return 'connects to the seed, then times out';
  },

  'NOAUTH on some nodes': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0, password: 'secret' });
    const seed = `redis://:secret@127.0.0.1:${bundled.ports[0]}`;
    const client = ward.client([seed], { retryDeadline: 500 });
    const errors: string[] = [];
    client.on('node error', (error: Error) => errors.push(error.message));
    const error = await refusalOf(client.get('foo'));
    assert.match(readable(error), /NOAUTH/);
    assert.equal(await ward.client([seed], { redisOptions: { password: 'secret' } }).get('foo'), null);
    return `${readable(error)}${errors.join()} on some nodes`;
  },

  CROSSSLOT: async (ward) => {
    const bundled = await ward.cluster({ replicas: 0 });
    const client = ward.client(bundled.seeds);
    const error = await refusalOf(client.mget('a', 'b'));
    assert.match(error.hint!, /hash tag.*crossSlot: 'split'/);
    assert.deepEqual(await client.mget('{t}a', '{t}b'), [null, null]);
    assert.deepEqual(await client.pipeline().get('a').get('b').exec(), [
      [null, null],
      [null, null],
    ]);
    assert.deepEqual(await ward.client(bundled.seeds, { crossSlot: 'split' }).mget('a', 'b'), [null, null]);
    return error.message;
  },

  'calls take seconds, then succeed': async (ward) => {
    const bundled = await ward.cluster({ config: { 'cluster-node-timeout': '2000' } });
    const [patient, hasty] = [
      ward.client(bundled.seeds),
      ward.client(bundled.seeds, { redisOptions: { commandTimeout: 500 } }),
    ];
    await patient.set('foo', 'bar');
    await until('the hasty one is connected', () => hasty.get('foo'));
    const replica = bundled.nodes.find(({ masterId }) => masterId === bundled.ownerOf(12182).id)!;
    await bundled.ownerOf(12182).kill();
    const waiting = patient.set('foo', 'new');
    assert.equal((await refusalOf(hasty.set('foo', 'hasty'))).message, 'Command timed out');
    assert.equal(replica.role, 'replica', 'the election is not over yet');
    assert.equal(await waiting, 'OK');
    assert.equal(replica.role, 'master');
    return 'calls take seconds, then succeed';
  },

  '`ERR_RETRY_DEADLINE`, cause CLUSTERDOWN': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0 });
    const client = ward.client(bundled.seeds, { retryDeadline: 700 });
    await client.ping();
    const dead = bundled.ownerOf(12182);
    await dead.kill();
    const witness = ward.redis(bundled.seeds[0]!);
    await until('the cluster is down', async () => /cluster_state:fail/.test(await witness.cluster('INFO')));
    const error = await refusalOf(client.get('hello')); // of a node that is up
    assert.match(readable(error.cause), /CLUSTERDOWN/);
    for (const at of [0, 1]) await ward.redis(bundled.node(at)).config('SET', 'cluster-require-full-coverage', 'no');
    await until('the others serve', async () => (await client.get('hello')) === null);
    await dead.restart();
    await until('it serves', async () => (await client.get('foo')) === null);
    return `${error.code}, cause ${readable(error.cause)}`;
  },

  '`ERR_RETRY_DEADLINE`, cause ECONNREFUSED': async (ward) => {
    const bundled = await ward.cluster({ replicas: 0, config: { 'cluster-node-timeout': '15000' } });
    const client = ward.client(bundled.seeds, { retryDeadline: 500 });
    await client.ping();
    const dead = bundled.ownerOf(12182);
    await dead.kill();
    const error = await refusalOf(client.get('foo'));
    assert.match(readable(error.cause), /ECONNREFUSED/);
    await dead.restart();
    await until('it serves', async () => (await client.get('foo')) === null);
    return `${error.code}, cause ${readable(error.cause)}`;
  },

  READONLY: async (ward) => {
    const [master, replica] = [await ward.server(), await ward.server()];
    const client = ward.redis(replica);
    await client.replicaof(master.host, master.port);
    const error = await refusalOf(client.set('foo', 'bar'));
    assert.match(error.hint!, /connect to its master/);
    assert.equal(await ward.redis(master).set('foo', 'bar'), 'OK');
    return error.message;
  },

  '`lingcache up`: "address already in use"': async (ward) => {
    const { up } = await import('./processes.ts');
    const taken = (await ward.server()).port;
    const [inside, processes, free] = await Promise.all([
      up(taken),
      up(taken, ['--processes']),
      up(await freePort(3), [], true),
    ]);
    assert.deepEqual([inside.code, processes.code], [1, 1]);
    assert.match(free.text, /cluster ready/);
    return `lingcache up: ${inside.text} --processes ${processes.text}`;
  },
};
