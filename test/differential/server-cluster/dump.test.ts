import assert from 'node:assert/strict';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type BundledNode, startNode } from '../../../server/index.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';

// DUMP and RESTORE across servers: what one wrote the other reads, values and encodings alike; refusals word for word.

const long = 'x'.repeat(300);
const many = (count: number, word: (at: number) => string[]): string[] =>
  Array.from({ length: count }, (_, at) => word(at)).flat();

const builds: Readonly<Record<string, readonly string[][]>> = {
  'a small integer': [['SET', 'k', '100']],
  'a large integer': [['SET', 'k', '9223372036854775807']],
  'a compressible string': [['SET', 'k', 'abc'.repeat(500)]],
  bytes: [['SET', 'k', '\xff\x00\r\n\x80']],
  'an empty string': [['SET', 'k', '']],
  'a bitmap': [['SETBIT', 'k', '1000', '1']],
  'a list': [['RPUSH', 'k', 'a', '1', '-5000', '70000', '5000000000', long]],
  'a long list': [['RPUSH', 'k', ...many(3000, (at) => [`item ${at}`])]],
  'a list with a huge element': [['RPUSH', 'k', 'y'.repeat(20_000), 'tail']],
  'a set of integers': [['SADD', 'k', '1', '70000', '-5', '5000000000']],
  'a set': [['SADD', 'k', 'apple', '10', long]],
  'a small hash': [['HSET', 'k', 'f', 'v', 'n', '-1000000']],
  'a large hash': [['HSET', 'k', ...many(600, (at) => [`f${at}`, `v${at}`])]],
  'a hash with a long value': [['HSET', 'k', 'f', long]],
  'a small sorted set': [['ZADD', 'k', '-inf', 'neg', '1', 'one', '2.5', 'half', '1e20', 'big', 'inf', 'pos']],
  'a large sorted set': [['ZADD', 'k', ...many(200, (at) => [String(at / 3), `m${at}`])]],
  'a HyperLogLog': [['PFADD', 'k', ...many(50, (at) => [`e${at}`])]],
  'a stream': [
    ['XADD', 'k', '1-1', 'a', '1', 'b', '2'],
    ['XADD', 'k', '2-1', 'a', '3', 'b', '4'],
    ['XADD', 'k', '2-2', 'o', 'x'],
  ],
  'a stream with deletions': [
    ...many(150, (at) => [`${at + 1}-0`]).map((id) => ['XADD', 'k', id, 'f', id]),
    ['XDEL', 'k', '7-0'],
  ],
  'a stream with groups': [
    ...['10-1', '10-2', '10-3'].map((id) => ['XADD', 'k', id, 'f', '1']),
    ['XGROUP', 'CREATE', 'k', 'g', '0'],
    ['XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', '2', 'STREAMS', 'k', '>'],
    ['XACK', 'k', 'g', '10-1'],
  ],
};

const views: readonly string[][] = [
  ['TYPE', 'k'],
  ['OBJECT', 'ENCODING', 'k'],
  ['GET', 'k'],
  ['PFCOUNT', 'k'],
  ['LRANGE', 'k', '0', '-1'],
  ['SORT', 'k', 'ALPHA'],
  ['HGETALL', 'k'],
  ['ZRANGE', 'k', '0', '-1', 'WITHSCORES'],
  ['XRANGE', 'k', '-', '+'],
  ['XINFO', 'GROUPS', 'k'],
  ['XPENDING', 'k', 'g'],
  ['PTTL', 'k'],
];

describe('DUMP and RESTORE, our node against redis-server', () => {
  let ours: BundledNode;
  let real: RealNode;
  let mine: RespClient;
  let theirs: RespClient;

  before(async function () {
    needRedisServer(this);
    [ours, real] = await Promise.all([startNode(), startRealNode()]);
    [mine, theirs] = await Promise.all([RespClient.connect(ours.port), RespClient.connect(real.port)]);
  });
  after(async () => {
    mine?.close();
    theirs?.close();
    await Promise.all([ours?.kill(), real?.stop()]);
  });

  const say = async (client: RespClient, ...words: string[]): Promise<unknown> => {
    const reply = await client.call(...words);
    return reply instanceof ReplyError ? `-${reply.message}` : reply;
  };
  const look = (client: RespClient): Promise<unknown[]> =>
    Promise.all(
      views.map(async (words) => {
        const reply = await say(client, ...words);
        // Registers may be packed in two ways; what they count is the same.
        if (words[0] === 'GET' && String(reply).startsWith('HYLL')) return 'HYLL';
        // A hash table has no order of its own.
        return words[0] === 'HGETALL' && Array.isArray(reply) ? [...reply].sort() : reply;
      }),
    );

  for (const [name, words] of Object.entries(builds)) {
    it(name, async () => {
      for (const client of [mine, theirs]) {
        await client.call('FLUSHALL');
        for (const row of words) assert.doesNotMatch(String(await say(client, ...row)), /^-/);
      }
      const [fromUs, fromThem] = (await Promise.all([mine.call('DUMP', 'k'), theirs.call('DUMP', 'k')])) as [
        string,
        string,
      ];
      assert.equal(await say(theirs, 'RESTORE', 'k', '0', fromUs, 'REPLACE'), 'OK', 'redis-server reads ours');
      assert.equal(await say(mine, 'RESTORE', 'k', '0', fromThem, 'REPLACE'), 'OK', 'we read what redis-server wrote');
      assert.deepEqual(await look(mine), await look(theirs));
    });
  }

  it('refuses alike', async () => {
    await mine.call('FLUSHALL');
    await theirs.call('FLUSHALL');
    await theirs.call('SET', 'k', 'v');
    const payload = String(await theirs.call('DUMP', 'k'));
    await theirs.call('DEL', 'k');
    const broken = `${payload.slice(0, -1)}${payload.endsWith('\0') ? '\x01' : '\0'}`;
    const rows = [
      ['DUMP', 'nosuch'],
      ['RESTORE', 'k', '0'],
      ['RESTORE', 'k', '0', broken],
      ['RESTORE', 'k', '0', ''],
      ['RESTORE', 'k', 'x', payload],
      ['RESTORE', 'k', '-1', payload],
      ['RESTORE', 'k', '0', payload, 'NOSUCH'],
      ['RESTORE', 'k', '0', payload, 'IDLETIME'],
      ['RESTORE', 'k', '0', payload, 'IDLETIME', '-1'],
      ['RESTORE', 'k', '0', payload, 'FREQ', '256'],
      ['RESTORE', 'k', '0', payload, 'IDLETIME', '10'],
      ['RESTORE', 'k', '0', payload],
      ['RESTORE', 'k', '1', payload, 'REPLACE', 'ABSTTL'],
      ['EXISTS', 'k'],
      ['RESTORE', 'k', '99999999999999', payload, 'ABSTTL'],
      ['GET', 'k'],
      ['RESTORE', 'k', '100000', payload, 'replace'],
      ['PERSIST', 'k'],
    ];
    for (const row of rows)
      assert.deepEqual(await say(mine, ...row), await say(theirs, ...row), row.slice(0, 3).join(' '));
  });
});
