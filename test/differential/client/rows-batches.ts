// Pipelines, transactions and scripts.

import { type Face, outcomeOf, type Row, row, script } from './harness.ts';

const sum = { lua: 'return {KEYS[1], ARGV[1], #KEYS, #ARGV}', numberOfKeys: 1 };
const any = { lua: 'return {#KEYS, #ARGV, KEYS[1] or false, ARGV[1] or false}' };

function withCommands(client: Face): Face {
  client.defineCommand('one', sum);
  client.defineCommand('any', any);
  client.defineCommand('none', { lua: 'return #ARGV', numberOfKeys: 0 });
  client.defineCommand('fails', { lua: "return redis.error_reply('MY error')", numberOfKeys: 1 });
  client.defineCommand('breaks', { lua: 'return nosuch()', numberOfKeys: 1 });
  client.defineCommand('writes', { lua: "return redis.call('set', KEYS[1], ARGV[1])", numberOfKeys: 1 });
  client.defineCommand('types', { lua: "return {1, 'a', false, true, 3.9, {1, {2}}}", numberOfKeys: 0 });
  client.defineCommand('readOnlyOne', { lua: "return redis.call('get', KEYS[1])", numberOfKeys: 1, readOnly: true });
  return client;
}

async function heard(wait: (note: (...got: unknown[]) => void) => Promise<unknown>): Promise<unknown> {
  const notes: unknown[] = [];
  const end = await wait((...got) => notes.push(got));
  await new Promise((resolve) => setTimeout(resolve, 5));
  return [end, notes];
}

export const pipelines: readonly Row[] = [
  script('empty', ({ client }) => client.pipeline().exec()),
  script('results', ({ client }) => client.pipeline().set('{t}a', 1).get('{t}a').incr('{t}a').get('{t}none').exec()),
  script('errors in place', ({ client }) =>
    client.pipeline().set('{t}a', 'x').incr('{t}a').lpush('{t}a', 1).get('{t}a').exec(),
  ),
  script('Buffer forms', ({ client }) =>
    client.pipeline().set('{t}a', 1).getBuffer('{t}a').hset('{t}h', 'a', 1).hgetallBuffer('{t}h').exec(),
  ),
  script('shapes', ({ client }) =>
    client
      .pipeline()
      .hset('{t}h', { a: 1 })
      .hgetall('{t}h')
      .zadd('{t}z', 1, 'a')
      .zrange('{t}z', 0, -1, 'WITHSCORES')
      .xadd('{t}x', '1-1', 'a', 1)
      .xread('STREAMS', '{t}x', 0)
      .exec(),
  ),
  script('array of commands', ({ client }) =>
    client
      .pipeline([
        ['set', '{t}a', 1],
        ['get', '{t}a'],
        ['mset', { '{t}b': 1 }],
        ['getBuffer', '{t}b'],
      ])
      .exec(),
  ),
  script('array with unknown command', ({ client }) => outcomeOf(() => client.pipeline([['nosuch', '{t}a']]).exec())),
  script('array then chained', ({ client }) =>
    client
      .pipeline([['set', '{t}a', 1]])
      .get('{t}a')
      .exec(),
  ),
  script('call', ({ client }) =>
    client.pipeline().call('set', '{t}a', 1).call('GET', '{t}a').callBuffer('get', '{t}a').exec(),
  ),
  script('exec callback', ({ client }) => heard((note) => client.pipeline().set('{t}a', 1).get('{t}a').exec(note))),
  script('command callbacks', ({ client }) =>
    heard((note) => client.pipeline().set('{t}a', 1, note).incr('{t}a', note).lpush('{t}a', 1, note).exec()),
  ),
  script('length', ({ client }) => {
    const chain = client.pipeline().set('{t}a', 1).get('{t}a');
    return [chain.length, chain.isPipeline];
  }),
  script('used again', async ({ client }) => {
    const chain = client.pipeline().set('{t}a', 1);
    const first = await chain.exec();
    return [first, await outcomeOf(() => chain.exec())];
  }),
  script('command after exec', async ({ client }) => {
    const chain = client.pipeline().set('{t}a', 1);
    await chain.exec();
    return outcomeOf(() => chain.get('{t}a').exec());
  }),
  script('keys of two nodes', ({ client }) => client.pipeline().set('a', 1).set('b', 2).set('c', 3).get('a').exec()),
  script('one command over two slots', ({ client }) => outcomeOf(() => client.pipeline().mget('a', 'b').exec())),
  script('without keys', ({ client }) => client.pipeline().echo('x').echoBuffer('y').exec()),
  script('keys and none', ({ client }) => client.pipeline().echo('x').set('{t}a', 1).ping().get('{t}a').exec()),
  script('custom commands', ({ client }) =>
    withCommands(client)
      .pipeline()
      .one('{t}k', 'v')
      .any(1, '{t}k', 'v')
      .oneBuffer('{t}k', 'v')
      .fails('{t}k')
      .writes('{t}k', 1)
      .get('{t}k')
      .exec(),
  ),
  script('custom command by array', ({ client }) =>
    withCommands(client)
      .pipeline([
        ['one', '{t}k', 'v'],
        ['none', 1, 2],
      ])
      .exec(),
  ),
  script('multi inside', ({ client }) =>
    client.pipeline().set('{t}a', 1).multi().incr('{t}a').get('{t}a').exec().get('{t}a').exec(),
  ),
  script('multi inside, with an error', ({ client }) =>
    client.pipeline().multi().set('{t}a', 'x').incr('{t}a').exec().get('{t}a').exec(),
  ),
  script('multi inside, refused', ({ client }) =>
    client.pipeline().multi().set('{t}a').get('{t}a').exec().get('{t}a').exec(),
  ),
  script('multi inside, Buffer forms', ({ client }) =>
    client
      .pipeline()
      .multi()
      .set('{t}a', 1)
      .getBuffer('{t}a')
      .get('{t}a')
      .hset('{t}h', 'a', 1)
      .hgetall('{t}h')
      .exec()
      .exec(),
  ),
  script('blocking with something there', ({ client }) =>
    client.pipeline().rpush('{t}l', 1, 2).blpop('{t}l', 1).brpop('{t}l', 1).exec(),
  ),
  script('binary', ({ client }) =>
    client
      .pipeline()
      .set(Buffer.from('{t}a'), Buffer.from([0, 255]))
      .getBuffer('{t}a')
      .exec(),
  ),
  script('many', async ({ client }) => {
    const chain = client.pipeline();
    for (let at = 0; at < 2000; at++) chain.incrby('{t}n', at);
    const results = await chain.exec();
    return [results.length, results[0], results[1999]];
  }),
  // No row for execBuffer(): ioredis's calls itself until memory is gone.
  script('null and undefined', ({ client }) =>
    client.pipeline().set('{t}a', null).get('{t}a').set('{t}a', undefined).get('{t}a').exec(),
  ),
];

export const transactions: readonly Row[] = [
  script('empty', ({ client }) => outcomeOf(() => client.multi().exec())),
  script('results', ({ client }) => client.multi().set('{t}a', 1).get('{t}a').incr('{t}a').get('{t}none').exec()),
  script('array', ({ client }) =>
    client
      .multi([
        ['set', '{t}a', 1],
        ['get', '{t}a'],
      ])
      .exec(),
  ),
  script('run-time error', ({ client }) => client.multi().set('{t}a', 'x').incr('{t}a').get('{t}a').exec()),
  script('EXECABORT', ({ client }) => outcomeOf(() => client.multi().set('{t}a', 1).set('{t}a').get('{t}a').exec())),
  script('EXECABORT of several', ({ client }) => outcomeOf(() => client.multi().set('{t}a').get('{t}a', 1).exec())),
  script(
    'EXECABORT callback',
    ({ client }) =>
      new Promise((resolve) =>
        client
          .multi()
          .set('{t}a')
          .exec((...got: unknown[]) => resolve(got))
          .catch(() => 0),
      ),
  ),
  script('exec callback', ({ client }) => heard((note) => client.multi().set('{t}a', 1).exec(note))),
  script('command callbacks', ({ client }) =>
    heard((note) => client.multi().set('{t}a', 1, note).get('{t}a', note).exec()),
  ),
  script('shapes', ({ client }) =>
    client
      .multi()
      .hset('{t}h', { a: 1 })
      .hgetall('{t}h')
      .zadd('{t}z', 1.5, 'a')
      .zrange('{t}z', 0, -1, 'WITHSCORES')
      .zscore('{t}z', 'a')
      .exec(),
  ),
  script('streams', ({ client }) =>
    client.multi().xadd('{t}x', '1-1', 'a', 1).xread('STREAMS', '{t}x', 0).xrange('{t}x', '-', '+').exec(),
  ),
  script('Buffer forms', ({ client }) =>
    client
      .multi()
      .set('{t}a', 1)
      .getBuffer('{t}a')
      .get('{t}a')
      .hset('{t}h', 'a', 1)
      .hgetallBuffer('{t}h')
      .hgetall('{t}h')
      .exec(),
  ),
  script('keys of two slots', ({ client }) => outcomeOf(() => client.multi().set('a', 1).set('b', 1).exec())),
  script('used again', async ({ client }) => {
    const chain = client.multi().set('{t}a', 1);
    await chain.exec();
    return outcomeOf(() => chain.exec());
  }),
  // No row for multi({ pipeline: false }) on the cluster: ioredis leaves MULTI open on a node everyone shares.
  script('pipeline: true', ({ client }) => client.multi({ pipeline: true }).set('{t}a', 1).exec()),
  script('custom commands', ({ client }) =>
    withCommands(client).multi().one('{t}k', 'v').oneBuffer('{t}k', 'v').writes('{t}k', 1).get('{t}k').exec(),
  ),
  script('custom commands, second time', async ({ client }) => {
    withCommands(client);
    await client.one('{t}k', 1);
    return client.multi().one('{t}k', 'v').fails('{t}k').exec();
  }),
  script('watch, nothing changed', async ({ client, cluster }) => {
    const owner = await ownerFace(client, cluster, '{t}a');
    await owner.watch('{t}a');
    return owner.multi().set('{t}a', 1).get('{t}a').exec();
  }),
  script('watch, changed', async ({ client, cluster }) => {
    const owner = await ownerFace(client, cluster, '{t}a');
    await owner.watch(['{t}a']);
    await cluster.cli('-c', '-p', String(cluster.masters[0]?.port), 'set', '{t}a', '9');
    return outcomeOf(() => owner.multi().set('{t}a', 1).get('{t}a').exec());
  }),
  script('multi with pipeline: false on one node', async ({ client, cluster }) => {
    const owner = await ownerFace(client, cluster, '{t}a');
    const replies = [await owner.multi({ pipeline: false }), await owner.set('{t}a', 1), await owner.get('{t}a')];
    return [replies, await owner.exec()];
  }),
  script('discard on one node', async ({ client, cluster }) => {
    const owner = await ownerFace(client, cluster, '{t}a');
    return [
      await owner.multi({ pipeline: false }),
      await owner.set('{t}a', 1),
      await owner.discard(),
      await outcomeOf(() => owner.exec()),
    ];
  }),
  script('multi().exec() on one node', async ({ client, cluster }) => {
    const owner = await ownerFace(client, cluster, '{t}a');
    return owner.multi().set('{t}a', 1).hset('{t}h', 'a', 1).hgetall('{t}h').exec();
  }),
];

/** The master of a key, as the client's own single-node face. */
async function ownerFace(
  client: Face,
  cluster: { ownerOf(slot: number): Promise<{ port: number }> },
  key: string,
): Promise<Face> {
  // The key as the server will see it: a prefix does not move a hash tag.
  const slot = Number(await client.nodes('master')[0].cluster('KEYSLOT', key));
  const { port } = await cluster.ownerOf(slot);
  return client.nodes('master').find((node: Face) => node.options.port === port);
}

export const scripts: readonly Row[] = [
  row(
    'eval',
    ['eval', 'return {KEYS[1], ARGV[1]}', 1, 'k', 'v'],
    ['eval', 'return redis.call("set", KEYS[1], ARGV[1])', 1, 'k', 'v'],
    ['get', 'k'],
    ['eval', 'return 1', 0],
    ['evalBuffer', 'return ARGV[1]', 1, 'k', 'v'],
    ['eval', 'return {1,2,{3,"x"},false,true}', 0],
    ['eval', 'bad lua', 0],
    ['eval', 'return 1', 'x'],
    ['eval', 'return 1', -1],
  ),
  row(
    'eval several keys',
    ['eval', 'return KEYS', 2, '{t}a', '{t}b'],
    ['eval', 'return KEYS', 2, 'a', 'b'],
    ['eval_ro', 'return redis.call("get", KEYS[1])', 1, 'k'],
    ['eval_ro', 'return redis.call("set", KEYS[1], 1)', 1, 'k'],
  ),
  row(
    'evalsha',
    ['evalsha', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', 1, 'k'],
    ['eval', 'return 1', 1, 'k'],
    ['evalsha', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', 1, 'k'],
    ['evalsha', 'x', 1, 'k'],
  ),
  row('eval with too few keys', ['eval', 'return 1', 5, 'k'], ['eval', 'return 1', 2]),
  script('numberOfKeys given', ({ client }) => withCommands(client).one('k', 'v', 'w')),
  script('numberOfKeys given, array', ({ client }) => withCommands(client).one(['k', 'v'])),
  script('numberOfKeys 0', ({ client }) => withCommands(client).none(1, 2, 3)),
  script('numberOfKeys omitted', ({ client }) => withCommands(client).any(1, 'k', 'v')),
  script('numberOfKeys omitted, count 0', ({ client }) => withCommands(client).any(0, 'v')),
  script('numberOfKeys omitted, count missing', ({ client }) => outcomeOf(() => withCommands(client).any('k', 'v'))),
  script('too few arguments', ({ client }) => outcomeOf(() => withCommands(client).one())),
  script('Buffer form', ({ client }) => withCommands(client).oneBuffer('k', Buffer.from([255]))),
  script('null argument', ({ client }) => withCommands(client).one('k', null)),
  script(
    'callback',
    ({ client }) => new Promise((resolve) => withCommands(client).one('k', 'v', (...got: unknown[]) => resolve(got))),
  ),
  script('error reply', ({ client }) => outcomeOf(() => withCommands(client).fails('k'))),
  script('error reply, second time', async ({ client }) => {
    withCommands(client);
    await outcomeOf(() => client.fails('k'));
    return outcomeOf(() => client.fails('k'));
  }),
  script('run-time error', ({ client }) => outcomeOf(() => withCommands(client).breaks('k'))),
  script('reply types', ({ client }) => withCommands(client).types()),
  script('readOnly', async ({ client }) => {
    withCommands(client);
    await client.set('k', 'v');
    return client.readOnlyOne('k');
  }),
  script('again after SCRIPT FLUSH', async ({ client, cluster }) => {
    withCommands(client);
    const first = await client.one('k', 1);
    await cluster.flush();
    return [first, await client.one('k', 2)];
  }),
  script('in a pipeline after SCRIPT FLUSH', async ({ client, cluster }) => {
    withCommands(client);
    await client.one('{t}k', 1);
    await cluster.flush();
    return client.pipeline().one('{t}k', 2).get('{t}k').exec();
  }),
  script('in a transaction after SCRIPT FLUSH', async ({ client, cluster }) => {
    withCommands(client);
    await client.one('{t}k', 1);
    await cluster.flush();
    return client.multi().one('{t}k', 2).exec();
  }),
  script('many at once', async ({ client }) => {
    withCommands(client);
    return Promise.all(Array.from({ length: 20 }, (_, at) => client.one('k', at)));
  }),
  row('script words', ['script', 'EXISTS', 'x'], ['script', 'NOPE']),
  row('function words', ['fcall', 'nosuch', 1, 'k'], ['fcall_ro', 'nosuch', 1, 'k']),
];
