// What the tests of this folder share: a real node on a folder of ours, and data of every kind to put into it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';

const many = (count: number, word: (at: number) => string[]): string[] =>
  Array.from({ length: count }, (_, at) => word(at)).flat();
const long = 'x'.repeat(300);

/** Commands that make a key of every type and encoding, in two databases, some with deadlines. */
export const everything: readonly (readonly string[])[] = [
  ['SET', 'str:int8', '100'],
  ['SET', 'str:int32', '-70000'],
  ['SET', 'str:int64', '9223372036854775807'],
  ['SET', 'str:lzf', 'abc'.repeat(500)],
  ['SET', 'str:bytes', '\xff\x00\r\n\x80'],
  ['SET', 'str:empty', ''],
  ['SET', '', 'empty key'],
  ['SET', 'str:big', many(20_000, (at) => [String(at * at)]).join()],
  ['SET', 'k'.repeat(100), 'long key'],
  ['SETBIT', 'bits', '1000', '1'],
  ['PFADD', 'hll', ...many(50, (at) => [`e${at}`])],
  ['RPUSH', 'list', 'a', '1', '-5000', '70000', '5000000000', long],
  ['RPUSH', 'list:long', ...many(3000, (at) => [`item ${at}`])],
  ['RPUSH', 'list:huge', 'y'.repeat(20_000), 'tail'],
  ['SADD', 'set:16', '1', '-5', '300'],
  ['SADD', 'set:32', '1', '70000'],
  ['SADD', 'set:64', '1', '5000000000'],
  ['SADD', 'set:text', 'apple', '10', long],
  ['SADD', 'set:large', ...many(1000, (at) => [String(at * 3)])],
  ['HSET', 'hash', 'f', 'v', 'n', '-1000000'],
  ['HSET', 'hash:large', ...many(600, (at) => [`f${at}`, `v${at}`])],
  ['HSET', 'hash:long', 'f', long],
  ['ZADD', 'zset', '-inf', 'neg', '1', 'one', '2.5', 'half', '1e20', 'big', 'inf', 'pos'],
  ['ZADD', 'zset:large', ...many(300, (at) => [String(at / 3), `m${at}`])],
  ['XADD', 'stream', '1-1', 'a', '1', 'b', '2'],
  ['XADD', 'stream', '2-1', 'a', '3', 'b', '4'],
  ['XADD', 'stream', '2-2', 'o', 'x'],
  ...Array.from({ length: 150 }, (_, at) => ['XADD', 'stream:cut', `${at + 1}-0`, 'f', String(at)]),
  ['XDEL', 'stream:cut', '7-0'],
  ['XTRIM', 'stream:cut', 'MAXLEN', '100'],
  ...['10-1', '10-2', '10-3'].map((id) => ['XADD', 'stream:group', id, 'f', '1']),
  ['XGROUP', 'CREATE', 'stream:group', 'g', '0'],
  ['XGROUP', 'CREATE', 'stream:group', 'idle', '$'],
  ['XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', '2', 'STREAMS', 'stream:group', '>'],
  ['XREADGROUP', 'GROUP', 'g', 'bob', 'COUNT', '1', 'STREAMS', 'stream:group', '>'],
  ['XACK', 'stream:group', 'g', '10-1'],
  ['XADD', 'stream:empty', '5-5', 'f', 'v'],
  ['XDEL', 'stream:empty', '5-5'],
  ['SET', 'due', 'v', 'PXAT', '4102444800123'],
  ['PEXPIREAT', 'hash', '4102444800456'],
  ['SELECT', '9'],
  ['SET', 'other', 'database', 'EX', '100000'],
  ['RPUSH', 'more', ...many(500, (at) => [String(at)])],
];

/** Starts a real node that keeps (and at its start loads) its files in `folder`; DEBUG is allowed. */
export function realNodeOn(folder: string, args: readonly string[] = []): Promise<RealNode> {
  return startRealNode(['--dir', folder, '--dbfilename', 'dump.rdb', ...args]);
}

/** Runs commands one after the other; an error reply fails the test. */
export async function sendAll(client: RespClient, commands: readonly (readonly string[])[]): Promise<void> {
  for (const argv of commands) {
    const reply = await client.call(...argv.map((word) => Buffer.from(word, 'latin1')));
    assert.ok(!(reply instanceof Error), `${argv.slice(0, 3).join(' ')}: ${reply}`);
  }
}

export interface RealKey {
  /** DUMP's payload as a binary string. */
  readonly dump: string;
  readonly expireAt: number;
}

/** Every key of a real node: `db key` -> its dump and deadline. */
export async function dumpAll(client: RespClient): Promise<Map<string, RealKey>> {
  const all = new Map<string, RealKey>();
  for (let db = 0; db < 16; db++) {
    await client.call('SELECT', db);
    for (const key of (await client.call('KEYS', '*')) as string[]) {
      const bytes = Buffer.from(key, 'latin1');
      const dump = (await client.call('DUMP', bytes)) as string;
      all.set(`${db} ${key}`, { dump, expireAt: Number(await client.call('PEXPIRETIME', bytes)) });
    }
  }
  return all;
}

export async function withClient<T>(node: RealNode, use: (client: RespClient) => Promise<T>): Promise<T> {
  const client = await RespClient.connect(node.port);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Runs one of redis's checkers on a file; its output when it accepts. */
export function checked(program: 'redis-check-rdb' | 'redis-check-aof', path: string): string {
  const { status, stdout, stderr } = spawnSync(program, [path], { encoding: 'utf8', timeout: 20_000 });
  assert.equal(status, 0, `${program}: ${stdout}${stderr}`);
  return stdout;
}
