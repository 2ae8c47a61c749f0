// Scripts and functions on a cluster, as users of one server know them: what was loaded is there, whoever is asked.

import assert from 'node:assert/strict';
import { Cluster, type ClusterOptions, type Redis, ReplyError } from '../../../lib/index.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../kit/real-cluster.ts';

const keys = Array.from({ length: 30 }, (_, at) => `k${at}`);
const lua = "return {KEYS[1], redis.call('incr', KEYS[1])}";

describe('client: scripts and functions of a cluster', function () {
  this.timeout(20_000);
  let real: RealCluster;
  const clients: Cluster[] = [];

  before(async function () {
    needRedisServer(this, 'scripts on a real cluster');
    real = await startRealCluster({ replicas: 1 });
  });
  after(() => real?.stop());
  beforeEach(() => real.flush());
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect();
  });

  function connect(options: ClusterOptions = {}): Cluster {
    const client = new Cluster(real.seeds, options);
    client.on('error', () => {});
    clients.push(client);
    return client;
  }

  const loadedOn = async (sha: string): Promise<number> => {
    const answers = await Promise.all(real.masters.map((node) => node.ask('script', 'exists', sha)));
    return answers.filter((answer) => (answer as number[])[0] === 1).length;
  };

  it('SCRIPT LOAD is there for keys of every node', async () => {
    const cluster = connect();
    const sha = (await cluster.script('LOAD', lua)) as string;
    assert.equal(await loadedOn(sha), 3);
    assert.deepEqual(await cluster.script('EXISTS', sha, 'f'.repeat(40)), [1, 0]);
    for (const key of keys) assert.deepEqual(await cluster.evalsha(sha, 1, key), [key, 1]);
    for (const key of keys) assert.deepEqual(await cluster.call('EVALSHA', sha, '1', key), [key, 2]);
  });

  it('a node that has lost it, or never had it, is given the source', async () => {
    const cluster = connect();
    const sha = (await cluster.script('LOAD', lua)) as string;
    for (const node of real.masters) await node.ask('script', 'flush');
    const results = await cluster.pipeline(keys.map((key) => ['evalsha', sha, 1, key])).exec();
    assert.deepEqual(
      results,
      keys.map((key) => [null, [key, 1]]),
    );
    assert.equal(await loadedOn(sha), 3);
    await real.masters[0]!.ask('script', 'flush');
    for (const key of keys) assert.deepEqual(await cluster.evalsha(sha.toUpperCase(), 1, key), [key, 2]);
  });

  it('loaded and used in one pipeline, on any node', async () => {
    const cluster = connect();
    const { createHash } = await import('node:crypto');
    const sha = createHash('sha1').update(lua).digest('hex');
    const chain = cluster.pipeline().script('LOAD', lua);
    for (const key of keys) chain.evalsha(sha, 1, key);
    const results = await chain.exec();
    assert.deepEqual(results?.[0], [null, sha]);
    assert.deepEqual(
      results?.slice(1),
      keys.map((key) => [null, [key, 1]]),
    );
  });

  it('replicas run EVALSHA_RO of it', async () => {
    const cluster = connect({ scaleReads: 'slave' });
    const reading = "return redis.call('get', KEYS[1])";
    const sha = (await cluster.script('LOAD', reading)) as string;
    for (const key of keys) await cluster.set(key, key);
    for (const node of real.masters) await node.ask('wait', '1', '2000');
    for (const key of keys) assert.equal(await cluster.evalsha_ro(sha, 1, key), key);
  });

  it('SCRIPT FLUSH empties every node, and is not undone', async () => {
    const cluster = connect();
    const sha = (await cluster.script('LOAD', lua)) as string;
    await cluster.script('FLUSH');
    assert.equal(await loadedOn(sha), 0);
    for (const key of keys) {
      await assert.rejects(cluster.evalsha(sha, 1, key), (error: ReplyError) => error.code === 'NOSCRIPT');
    }
  });

  it('a script that does not compile is refused by its own error', async () => {
    const cluster = connect();
    await assert.rejects(cluster.script('LOAD', 'return ('), (error) => {
      assert.ok(error instanceof ReplyError);
      return /^ERR Error compiling script/.test(error.message);
    });
  });

  it('FUNCTION LOAD and DELETE reach every master', async () => {
    const cluster = connect();
    const library = "#!lua name=lib\nredis.register_function('own', function(keys) return keys[1] end)";
    assert.equal(await cluster.function('LOAD', library), 'lib');
    for (const key of keys) assert.equal(await cluster.fcall('own', 1, key), key);
    await assert.rejects(cluster.function('LOAD', library), /^ReplyError: ERR Library 'lib' already exists/);
    assert.equal(await cluster.function('DELETE', 'lib'), 'OK');
    for (const key of keys) await assert.rejects(cluster.fcall('own', 1, key), /Function not found/);
  });

  it('fanOut: false asks one node, as ioredis does', async () => {
    const cluster = connect({ fanOut: false });
    const sha = (await cluster.script('LOAD', lua)) as string;
    assert.ok((await loadedOn(sha)) <= 1);
    const outcomes = await Promise.allSettled(keys.map((key) => cluster.evalsha(sha, 1, key)));
    assert.ok(outcomes.some(({ status }) => status === 'rejected'));
  });

  it('a replica of nodes() answers reads, as a client of its own would', async () => {
    const cluster = connect();
    for (const key of keys) await cluster.set(key, key);
    for (const node of real.masters) await node.ask('wait', '1', '2000');
    const replicas = cluster.nodes('slave');
    assert.equal(replicas.length, 3);
    for (const key of keys) {
      const answers = await Promise.allSettled(replicas.map((replica: Redis) => replica.get(key)));
      const values = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
      assert.deepEqual(values, [key]);
      for (const answer of answers)
        if (answer.status === 'rejected') assert.match(String(answer.reason.message), /^MOVED /);
    }
    const writes = await Promise.allSettled(replicas.map((replica) => replica.set(keys[0]!, 'x')));
    assert.deepEqual(new Set(writes.map(({ status }) => status)), new Set(['rejected']));
  });
});
