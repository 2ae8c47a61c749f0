import assert from 'node:assert/strict';
import { startNode } from '../../../../server/index.ts';
import { needRedisServer } from '../../../kit/real-cluster.ts';
import { startRealNode } from '../../../kit/redis-server.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

// MIGRATE in all its forms: from our node to a real one, from a real one to ours, and between two real ones. The
// source answers the same each time, and what is found at both ends afterwards is the same.

interface End {
  readonly port: number;
  end(): Promise<void>;
}

const startOurs = async (): Promise<End> => {
  const node = await startNode();
  return { port: node.port, end: () => node.kill() };
};
const startReal = async (): Promise<End> => {
  const node = await startRealNode();
  return { port: node.port, end: () => node.kill() };
};

/** `P` stands for the target's port. */
const script: readonly string[] = [
  'MSET k1 v1 k2 v2 n 5',
  'MIGRATE 127.0.0.1 P k1 0 1000',
  'EXISTS k1',
  'MIGRATE 127.0.0.1 P none 0 1000',
  'MIGRATE 127.0.0.1 P  0 1000 KEYS none k2 none',
  'RPUSH list a 1 2.5',
  'HSET hash f v g 7',
  'ZADD zset 1 a 2.5 b -inf c',
  'SADD set 1 2 3',
  'XADD stream 5-1 f v',
  'MIGRATE 127.0.0.1 P  0 1000 KEYS list hash zset set stream',
  'DBSIZE',
  'SET k1 again',
  'MIGRATE 127.0.0.1 P k1 0 1000',
  'MIGRATE 127.0.0.1 P k1 0 1000 COPY REPLACE',
  'GET k1',
  'MIGRATE 127.0.0.1 P k1 99 1000 REPLACE',
  'MIGRATE 127.0.0.1 P k1 3 1000 COPY',
  'MIGRATE 127.0.0.1 P k1 0 1000 REPLACE AUTH pw',
  'MIGRATE 127.0.0.1 P k1 0 1000 REPLACE AUTH2 me pw',
  'MIGRATE 127.0.0.1 1 k1 0 100',
  'MIGRATE 127.0.0.1 x k1 0 100',
  'MIGRATE 127.0.0.1 P k1 0 x',
  'MIGRATE 127.0.0.1 P k1 x 1',
  'MIGRATE 127.0.0.1 P k1 0 100 KEYS',
  'MIGRATE 127.0.0.1 P  0 100 KEYS',
  'MIGRATE 127.0.0.1 P k1 0 100 BAD',
  'MIGRATE 127.0.0.1 P k1 0',
  'EXISTS k1',
  'SET twice 1',
  'MIGRATE 127.0.0.1 P  0 1000 KEYS twice twice',
  'EXISTS twice',
  'SET old 1 PX 1000000',
  'MIGRATE 127.0.0.1 P old 0 -5',
  'MULTI',
  'INCR n',
  'MIGRATE 127.0.0.1 P n 0 1000',
  'GET n',
  'SET n new',
  'EXEC',
  'GET n',
  'MULTI',
  'MIGRATE 127.0.0.1 P n 0 1000',
  'EXEC',
];

const asked: readonly string[] = [
  'LRANGE list 0 -1',
  'HGETALL hash',
  'ZRANGE zset 0 -1 WITHSCORES',
  'SMEMBERS set',
  'XRANGE stream - +',
  'MGET k1 k2 n old twice',
  'DBSIZE',
];

async function play(source: End, target: End): Promise<unknown[]> {
  const [from, to] = [await RespClient.connect(source.port), await RespClient.connect(target.port)];
  const plain = (reply: unknown): unknown => (reply instanceof Error ? `-${reply.message}` : reply);
  const heard: unknown[] = [];
  for (const line of script) {
    const words = line.split(' ').map((word) => (word === 'P' ? String(target.port) : word));
    heard.push([line, plain(await from.call(...words))]);
  }
  for (const line of asked) heard.push([line, plain(await to.call(...line.split(' ')))]);
  const ttl = Number(await to.call('PTTL', 'old'));
  heard.push(ttl > 900_000 && ttl <= 1_000_000);
  from.close();
  to.close();
  return heard;
}

describe('MIGRATE between our nodes and real ones', () => {
  let expected: unknown[];
  const ends: End[] = [];
  const pair = async (...starts: (() => Promise<End>)[]): Promise<[End, End]> => {
    const started = await Promise.all(starts.map((start) => start()));
    ends.push(...started);
    return started as [End, End];
  };

  before(async function () {
    needRedisServer(this, 'MIGRATE with real nodes');
    expected = await play(...(await pair(startReal, startReal)));
  });
  after(() => Promise.all(ends.map((end) => end.end())));

  it('from ours to a real one', async () =>
    assert.deepEqual(await play(...(await pair(startOurs, startReal))), expected));
  it('from a real one to ours', async () =>
    assert.deepEqual(await play(...(await pair(startReal, startOurs))), expected));
  it('from ours to ours', async () => assert.deepEqual(await play(...(await pair(startOurs, startOurs))), expected));
});

describe('SORT in cluster mode', () => {
  const lines = [
    'RPUSH list 3 1 2',
    'SORT list',
    'SORT list BY nosort',
    'SORT list BY w_*',
    'SORT list BY w_* STORE {list}x',
    'SORT list GET #',
    'SORT list GET w_*',
    'SORT_RO list BY w_* GET #',
    'SORT_RO list LIMIT 1 1',
    'SORT list STORE {list}x',
  ];
  const heard: unknown[][] = [];
  let ends: End[] = [];

  before(async function () {
    needRedisServer(this, 'SORT in cluster mode');
    const ours = await startNode({ cluster: true });
    const real = await startRealNode(['--cluster-enabled', 'yes']);
    ends = [
      { port: ours.port, end: () => ours.kill() },
      { port: real.port, end: () => real.kill() },
    ];
    for (const { port } of ends) {
      const client = await RespClient.connect(port);
      await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      await until('it is ok', async () => /cluster_state:ok/.test(String(await client.call('CLUSTER', 'INFO'))));
      const replies: unknown[] = [];
      for (const line of lines) {
        const reply = await client.call(...line.split(' '));
        replies.push([line, reply instanceof Error ? `-${reply.message}` : reply]);
      }
      heard.push(replies);
      client.close();
    }
  });
  after(() => Promise.all(ends.map((end) => end.end())));

  it('looks up no other key: the same answers as redis-server', () => {
    assert.deepEqual(heard[0], heard[1]);
    assert.match(JSON.stringify(heard[0]), /BY option of SORT denied[\s\S]+GET option of SORT denied/);
  });
});
