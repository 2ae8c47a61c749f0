// Which commands count as a use of a key, beside redis-server: with a logarithm factor of 0 every use is one step of the
// counter that OBJECT FREQ shows.

import assert from 'node:assert/strict';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { pairForSuite } from './pair.ts';

const setup = [
  ['SET', 'string', '1'],
  ['SET', 'text', 'hello'],
  ['RPUSH', 'list', 'a', 'b', 'c'],
  ['HSET', 'hash', 'f', '1', 'g', '2'],
  ['SADD', 'set', 'a', 'b'],
  ['SADD', 'set2', 'b', 'c'],
  ['ZADD', 'zset', '1', 'a', '2', 'b'],
  ['XADD', 'stream', '1-1', 'f', 'v'],
  ['XGROUP', 'CREATE', 'stream', 'group', '0'],
  ['PFADD', 'sketch', 'a'],
  ['GEOADD', 'geo', '1', '1', 'a', '2', '2', 'b'],
  ['SET', 'volatile', 'x', 'EX', '1000'],
];

const calls = `
GET string|SET string 2|SET string 3 GET|SET string 2 KEEPTTL|SET string 1 NX|SET string 1 XX|SETNX string 1|GETSET string 5|GETEX string
GETEX string EX 100|GETRANGE text 0 1|SETRANGE text 0 x|STRLEN text|APPEND text x|INCR string|INCRBY string 2|DECR string|INCRBYFLOAT string 1
MGET string text|MSET string 1 text a|MSETNX string 1 new 2|SETEX string 10 1|PSETEX string 1000 1|LCS text string|SUBSTR text 0 1
GETBIT string 1|SETBIT string 1 1|SETBIT string 1 1|BITCOUNT string|BITPOS string 1|BITOP AND dest string text|BITFIELD string GET u8 0|BITFIELD string SET u8 0 1
EXISTS string|EXISTS string string|TOUCH string|TOUCH string list string|TYPE string|TTL volatile|PTTL volatile|EXPIRETIME volatile|EXPIRE string 100
PERSIST volatile|OBJECT ENCODING string|OBJECT REFCOUNT string|DBSIZE|KEYS *|SCAN 0|RANDOMKEY|COPY string dest|COPY string text REPLACE|RENAME string text
RENAME text text|RENAMENX string new|DEL new|UNLINK new|MEMORY USAGE string
LRANGE list 0 -1|LLEN list|LINDEX list 0|LPUSH list x|RPUSHX list x|LPOP list|LPOS list a|LSET list 0 z|LREM list 1 z|LTRIM list 0 5|LINSERT list BEFORE b x
LMOVE list list LEFT RIGHT|RPOPLPUSH list dest|LMPOP 1 list LEFT|BLPOP list 1|BRPOPLPUSH none dest 0.01
HGET hash f|HMGET hash f g|HGETALL hash|HKEYS hash|HVALS hash|HLEN hash|HEXISTS hash f|HSTRLEN hash f|HSET hash f 2|HSETNX hash f 1|HINCRBY hash f 1|HINCRBYFLOAT hash f 1
HDEL hash nothing|HSCAN hash 0|HRANDFIELD hash
SMEMBERS set|SCARD set|SISMEMBER set a|SMISMEMBER set a b|SADD set x|SREM set x|SMOVE set set2 a|SINTER set set2|SUNION set set2|SDIFF set set2|SINTERCARD 2 set set2
SINTERSTORE dest set set2|SUNIONSTORE dest set set2|SRANDMEMBER set|SPOP set|SSCAN set 0
ZSCORE zset a|ZMSCORE zset a b|ZCARD zset|ZRANGE zset 0 -1|ZRANGEBYSCORE zset 0 5|ZRANK zset a|ZREVRANK zset a|ZCOUNT zset 0 5|ZLEXCOUNT zset - +|ZADD zset 1 a|ZADD zset 3 c
ZINCRBY zset 1 a|ZREM zset nothing|ZUNION 2 zset set|ZUNIONSTORE dest 2 zset set|ZINTERSTORE dest 2 zset set|ZDIFF 2 zset set|ZINTERCARD 2 zset set|ZRANGESTORE dest zset 0 -1
ZPOPMIN zset|ZMPOP 1 zset MIN|ZSCAN zset 0|ZRANDMEMBER zset
XLEN stream|XRANGE stream - +|XREVRANGE stream + -|XADD stream * f v|XREAD STREAMS stream 0|XREADGROUP GROUP group me STREAMS stream >|XPENDING stream group
XINFO STREAM stream|XINFO GROUPS stream|XACK stream group 1-1|XDEL stream 1-1|XTRIM stream MAXLEN 5|XCLAIM stream group me 0 1-1|XAUTOCLAIM stream group me 0 0|XSETID stream 9-9
XGROUP CREATECONSUMER stream group you|XGROUP SETID stream group 0
PFCOUNT sketch|PFCOUNT sketch|PFADD sketch a|PFADD sketch b|PFMERGE dest sketch|PFDEBUG ENCODING sketch
GEOPOS geo a|GEODIST geo a b|GEOHASH geo a|GEOSEARCH geo FROMMEMBER a BYRADIUS 500 km ASC|GEOSEARCHSTORE dest geo FROMMEMBER a BYRADIUS 500 km|GEORADIUSBYMEMBER geo a 500 km
SORT list ALPHA|SORT list ALPHA STORE dest|SORT_RO list ALPHA|SORT set BY nosort GET string|MOVE text 1|WATCH string|UNWATCH|OBJECT FREQ string|OBJECT FREQ string
`
  .trim()
  .split(/[|\n]/)
  .map((line) => line.split(' '));

const keys = [
  'string',
  'text',
  'list',
  'hash',
  'set',
  'set2',
  'zset',
  'stream',
  'sketch',
  'geo',
  'volatile',
  'dest',
  'new',
];

const printed = (reply: unknown): string => (reply instanceof ReplyError ? reply.message : JSON.stringify(reply));

describe('which commands use a key, beside redis-server', () => {
  const pair = pairForSuite();
  let real: RespClient;
  let ours: RespClient;
  before(async () => {
    real = await RespClient.connect(pair.real!.port);
    ours = await RespClient.connect(pair.ours!.port);
    for (const client of [real, ours]) {
      // With a limit, small integers are no shared objects, which would count the uses of all keys that hold them.
      await client.call('CONFIG', 'SET', 'maxmemory', '1gb');
      await client.call(
        'CONFIG',
        'SET',
        'maxmemory-policy',
        'allkeys-lfu',
        'lfu-log-factor',
        '0',
        'lfu-decay-time',
        '0',
      );
    }
  });
  after(() => {
    real?.close();
    ours?.close();
  });

  const both = async (...words: string[]): Promise<[string, string]> => {
    const [one, other] = await Promise.all([real.call(...words), ours.call(...words)]);
    return [printed(one), printed(other)];
  };

  it('OBJECT FREQ is the same after each', async () => {
    const wrong: string[] = [];
    let touched = 0;
    for (const words of calls) {
      await both('FLUSHALL');
      for (const line of setup) await both(...line);
      const [before] = await frequencies();
      const [expected, got] = await both(...words);
      assert.equal(/^[A-Z]+ /.test(got), /^[A-Z]+ /.test(expected), `${words.join(' ')}: ${expected}, ours ${got}`);
      const [theirs, mine] = await frequencies();
      if (theirs !== before) touched++;
      if (theirs !== mine) wrong.push(`${words.join(' ')}: ${theirs}, ours ${mine}`);
    }
    assert.deepEqual(wrong, []);
    assert.ok(touched > 100, `only ${touched} commands used a key`);
  });

  async function frequencies(): Promise<[string, string]> {
    const shown: [string[], string[]] = [[], []];
    for (const key of keys) {
      const [one, other] = await both('OBJECT', 'FREQ', key);
      shown[0].push(`${key} ${one}`);
      shown[1].push(`${key} ${other}`);
    }
    return [shown[0].join(', '), shown[1].join(', ')];
  }

  it('OBJECT FREQ and IDLETIME refuse under the wrong policy, with the same words', async () => {
    await both('SET', 'string', '1');
    for (const policy of ['allkeys-lfu', 'volatile-lfu', 'allkeys-lru', 'noeviction', 'volatile-ttl']) {
      await both('CONFIG', 'SET', 'maxmemory-policy', policy);
      await both('SET', 'string', '1');
      for (const word of ['FREQ', 'IDLETIME', 'REFCOUNT', 'ENCODING']) {
        const [expected, got] = await both('OBJECT', word, 'string');
        if (/not (?:selected|tracked)|An LFU/.test(expected) || word === 'REFCOUNT')
          assert.equal(got, expected, `${policy} ${word}`);
        else assert.doesNotMatch(got, /ERR/, `${policy} ${word}`);
        const [none, noneHere] = await both('OBJECT', word, 'nothing');
        assert.equal(noneHere, none);
      }
    }
  });
});
