// What is refused when memory is full, how values are held, and the refusals of introspection, beside redis-server.

import assert from 'node:assert/strict';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';
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

/** The figures of CLIENT LIST about one client, once `ready` holds of them. */
async function figuresOf(operator: RespClient, name: string, ready: (line: string) => boolean): Promise<string> {
  let line = '';
  await until(`the figures of ${name}`, async () => {
    line = String(await operator.call('CLIENT', 'LIST')).match(new RegExp(`^.* name=${name} .*$`, 'm'))?.[0] ?? '';
    return ready(line);
  });
  return line;
}

const figure = (line: string, name: string): number => Number(new RegExp(` ${name}=(\\d+)`).exec(line)?.[1]);

describe('arguments that are announced and not sent yet, beside redis-server', () => {
  const pair = pairForSuite();
  /** The start of a request; of its last argument, the bytes that have come, and those still to come that count. */
  const beginnings: readonly (readonly [string, number, number])[] = [
    ['*1\r\n$10000\r\nabc', 3, 0],
    ['*1\r\n$32767\r\nabc', 3, 0],
    ['*1\r\n$32768\r\nabc', 3, 32_765],
    ['*2\r\n$3\r\nGET\r\n$1000000\r\nabc', 3, 999_997],
    [`*3\r\n$40000\r\n${'x'.repeat(40_000)}\r\n$100000\r\nabc`, 3, 99_997],
    [`*1\r\n$1000000\r\n${'x'.repeat(500_000)}`, 500_000, 500_000],
  ];
  for (const [bytes, arrived, missing] of beginnings) {
    it(`${JSON.stringify(bytes.slice(0, 28))}: ${missing} bytes count as taken`, async () => {
      const figures = async (port: number): Promise<string> => {
        const [operator, client] = [await RespClient.connect(port), await RespClient.connect(port)];
        await client.call('CLIENT', 'SETNAME', 'sender');
        client.raw(bytes);
        const line = await figuresOf(operator, 'sender', (line) => figure(line, 'qbuf') === arrived);
        client.close();
        operator.close();
        return line;
      };
      const [real, ours] = [await figures(pair.real!.port), await figures(pair.ours!.port)];
      assert.equal(figure(ours, 'argv-mem'), figure(real, 'argv-mem'));
      // A buffer of the real one is a little longer than what it waits for, and never shorter than 16 KB.
      assert.equal(figure(ours, 'qbuf-free'), missing);
      assert.ok(figure(real, 'qbuf-free') >= missing);
      assert.ok(figure(ours, 'tot-mem') >= missing);
    });
  }

  it('who announces more than all clients may hold is let go at once', async () => {
    for (const { port } of [pair.real!, pair.ours!]) {
      const [operator, client] = [await RespClient.connect(port), await RespClient.connect(port)];
      await operator.call('CONFIG', 'SET', 'maxmemory-clients', '1000000');
      client.raw('*1\r\n$2000000\r\nabc');
      await client.untilClosed();
      assert.match(String(await operator.call('INFO', 'stats')), /^evicted_clients:1\r$/m);
      await operator.call('CONFIG', 'SET', 'maxmemory-clients', '0');
      operator.close();
    }
  });
});
