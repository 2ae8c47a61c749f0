// What is refused when memory is full, how values are held, and the refusals of introspection, beside redis-server.

import assert from 'node:assert/strict';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { pairForSuite } from './pair.ts';

const scripts: Readonly<Record<string, string>> = {
  'a full memory': `SET k v|CONFIG SET maxmemory 1|SET x 1|GET k|LPUSH l a|INCR n|HSET h f v|EXISTS k|EXPIRE k 100|DEL k|PING
MULTI|SET x 1|EXEC|MULTI|GET x|EXEC|MULTI|DISCARD|CONFIG SET maxmemory 0|SET x 1`,
  'a limit set inside a transaction':
    'SET y 0|MULTI|CONFIG SET maxmemory 1|SET y 1|EXEC|GET y|SET y 2|CONFIG SET maxmemory 0',
  'policies without a key that may go': `SET k v|CONFIG SET maxmemory-policy volatile-lru maxmemory 1|SET x 1|CONFIG SET maxmemory-policy volatile-ttl
SET x 1|CONFIG SET maxmemory-policy volatile-random|SET x 1|CONFIG SET maxmemory-policy volatile-lfu|SET x 1|DBSIZE|CONFIG SET maxmemory 0 maxmemory-policy noeviction`,
  'policies that empty the database': `SET k v|SET w v|CONFIG SET maxmemory-policy allkeys-lru maxmemory 1|GET nothing|DBSIZE|SET x 1|CONFIG SET maxmemory 0
SET k v|CONFIG SET maxmemory-policy allkeys-random maxmemory 1|GET nothing|DBSIZE|CONFIG SET maxmemory 0 maxmemory-policy noeviction`,
  'encodings that follow the limits': `HSET hh f 1|CONFIG SET hash-max-listpack-entries 0|HSET hh g 1|OBJECT ENCODING hh|CONFIG SET hash-max-ziplist-entries 512
SADD si 1 2 3|CONFIG SET set-max-intset-entries 3|SADD si 4|OBJECT ENCODING si|SADD sj 1 2 3|OBJECT ENCODING sj|COPY si sk|OBJECT ENCODING sk
ZADD zz 1 a|CONFIG SET zset-max-listpack-value 1|ZADD zz 1 bb|OBJECT ENCODING zz|CONFIG SET zset-max-listpack-entries 0|ZADD zn 1 a|OBJECT ENCODING zn
ZRANGESTORE zst zz 0 -1|OBJECT ENCODING zst|ZUNIONSTORE zu 1 zn|OBJECT ENCODING zu|CONFIG SET zset-max-listpack-entries 128 zset-max-listpack-value 64
CONFIG SET stream-node-max-entries 2|XADD s 1-1 a b|XADD s 1-2 a b|XADD s 1-3 a b|XADD s 1-4 a b|XADD s 1-5 a b|XTRIM s MAXLEN ~ 2|XLEN s
CONFIG SET stream-node-max-entries 0|XADD s 1-6 a b|XTRIM s MAXLEN ~ 1|XLEN s|CONFIG SET hll-sparse-max-bytes 20|PFADD h a b c d e f g h i j|PFDEBUG ENCODING h`,
  refusals:
    `OBJECT|OBJECT HELP x|OBJECT foo k|MEMORY USAGE nokey|MEMORY USAGE k SAMPLES|MEMORY USAGE k SAMPLES -1|MEMORY USAGE k FOO 1|MEMORY FOO
LATENCY FOO|LATENCY GRAPH nope|LATENCY HISTORY nope|LATENCY RESET a b|LATENCY HISTOGRAM nope|SLOWLOG GET -2|SLOWLOG GET x|SLOWLOG GET 1 2|SLOWLOG FOO
CONFIG SET hz|CONFIG SET hz 10 timeout|CONFIG GET nothing|CONFIG SET dbfilename a|config|get *|MODULE LIST|PFSELFTEST x|PFDEBUG FOO h|PFDEBUG ENCODING nokey`.replace(
      'config|get',
      'config\0get',
    ),
};

const printed = (reply: unknown): string => (reply instanceof ReplyError ? reply.message : JSON.stringify(reply));

describe('limits and introspection, beside redis-server', () => {
  const pair = pairForSuite();
  for (const [name, script] of Object.entries(scripts)) {
    it(name, async () => {
      const [real, ours] = [await RespClient.connect(pair.real!.port), await RespClient.connect(pair.ours!.port)];
      try {
        for (const client of [real, ours]) await client.call('FLUSHALL');
        for (const line of script.split(/[|\n]/)) {
          const words = line.replace('\0', '|').split(' ');
          const [expected, got] = await Promise.all([real.call(...words), ours.call(...words)]);
          assert.equal(printed(got), printed(expected), words.join(' '));
        }
      } finally {
        real.close();
        ours.close();
      }
    });
  }
});
