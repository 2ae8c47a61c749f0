// Function libraries on the bundled server and on redis-server: equal replies, equal error texts; a payload of one is
// taken by the other.

import assert from 'node:assert/strict';
import { RespClient } from '../../kit/resp-client.ts';
import { type Calls, compareCalls, scriptPair } from './pair.ts';

function library(name: string, body: string): string {
  return `#!lua name=${name}\n${body}`;
}

function simple(name: string, ...functions: string[]): string {
  const body = functions.map((own) => `redis.register_function('${own}', function(k, a) return '${name}.${own}' end)`);
  return library(name, body.join('\n'));
}

const load = (code: string, ...options: string[]): string[] => ['FUNCTION', 'LOAD', ...options, code];

/** Codes of libraries that are refused, or strange. */
const codes = [
  'return 1',
  '#!lua name=x',
  '#!lua name=x\n',
  '#!lua\nreturn 1',
  '#!lua name=\nreturn 1',
  '#!lua name=a-b\nreturn 1',
  '#!lua name=x name=y\nreturn 1',
  '#!lua name=x foo=y\nreturn 1',
  '#!lua name="x\nreturn 1',
  '#!js name=x\nreturn 1',
  '#!LUA NAME=caseless\nredis.register_function("c1", function() return 1 end)',
  library('x', 'return 1 +'),
  library('x', 'return 1'),
  library('x', 'error("at load")'),
  library('x', 'error({err="E at load"})'),
  library('x', 'redis.register_function()'),
  library('x', 'redis.register_function(1)'),
  library('x', 'redis.register_function("f")'),
  library('x', 'redis.register_function("f", 1)'),
  library('x', 'redis.register_function("f", function() end, 3)'),
  library('x', 'redis.register_function({}, function() end)'),
  library('x', 'redis.register_function("a b", function() end)'),
  library('x', 'redis.register_function("", function() end)'),
  library('x', 'redis.register_function(5, function() end)'),
  library('x', 'redis.register_function{}'),
  library('x', 'redis.register_function{function_name="f"}'),
  library('x', 'redis.register_function{callback=function() end}'),
  library('x', 'redis.register_function{function_name={}, callback=function() end}'),
  library('x', 'redis.register_function{function_name="f", callback=1}'),
  library('x', 'redis.register_function{function_name="f", callback=function() end, description={}}'),
  library('x', 'redis.register_function{function_name="f", callback=function() end, flags=1}'),
  library('x', 'redis.register_function{function_name="f", callback=function() end, flags={"bad"}}'),
  library('x', 'redis.register_function{function_name="f", callback=function() end, flags={1}}'),
  library('x', 'redis.register_function{function_name="f", callback=function() end, flags={{}}}'),
  library('x', 'redis.register_function{function_name="f", callback=function() end, other=1}'),
  library('x', 'redis.register_function{[1]="f", callback=function() end}'),
  library('x', 'redis.register_function("f", function() end) redis.register_function("f", function() end)'),
  library('x', 'redis.register_function("f", function() end) redis.register_function("F", function() end)'),
  library('x', 'redis.call("ping")'),
  library('x', 'redis.pcall("ping")'),
  library('x', 'redis.setresp(3)'),
  library('x', 'redis.set_repl(1)'),
  library('x', 'return math.random()'),
  library('x', 'return string.rep("x", 2)'),
  library('x', 'return cjson'),
  library('x', 'return pcall'),
  library('x', 'return _G'),
  library('x', 'x = 1'),
  library('x', 'function g() end'),
  library('x', 'redis.x = 1'),
  library('x', 'redis = {}'),
  library('x', 'return redis.nosuch'),
  library('x', 'return KEYS'),
  library('x', 'redis.log(redis.LOG_DEBUG, "loading") redis.register_function("logged", function() return 1 end)'),
  library('x', '\n\n\nerror("line five")'),
];

/** Bodies of functions, called with one key and two arguments. */
const bodies = [
  'return 1',
  'return {keys, args}',
  'return {#keys, #args, keys[1], args[2]}',
  'return redis.call("set", keys[1], args[1])',
  'return redis.call("get", keys[1])',
  'return redis.call("nosuch")',
  'return redis.pcall("nosuch")',
  'return redis.call("incr", keys[1])',
  'error("in function")',
  'error({err="E in function"})',
  'return redis.error_reply("MY error")',
  'return redis.status_reply("FINE")',
  'x = 1',
  'return nosuch',
  'return KEYS',
  'return ARGV',
  'return type(_G)',
  'return type(getmetatable(_G))',
  'getmetatable(_G).__index = {}',
  'setmetatable(_G, {})',
  '_G.x = 1',
  'redis.call = 1',
  'redis.register_function("late", function() end)',
  'return redis.breakpoint',
  'return redis.replicate_commands',
  'return redis.REDIS_VERSION',
  'return {math.random and 1, cjson.encode({1}), type(string.rep), type(bit.band)}',
  'redis.setresp(3) return redis.call("hgetall", "nohash")',
  'return redis.sha1hex("x")',
  'return redis.acl_check_cmd("get", "x")',
  'return pcall(error, "x")',
  'return {double=1.5}',
  'return {map={a=1}}',
  'return true',
];

describe('functions, ours against redis-server', function () {
  this.timeout(30_000);
  const pair = scriptPair();

  it('FUNCTION LOAD of what is no library, and of strange ones', async () => {
    const calls = codes.flatMap((code): Calls => [load(code), ['FUNCTION', 'FLUSH']]);
    await compareCalls(pair, 2, calls);
  });

  for (const protocol of [2, 3] as const) {
    it(`FCALL and FCALL_RO of ${bodies.length} functions, RESP${protocol}`, async () => {
      const calls = bodies.flatMap((body): Calls => {
        const plainly = library('lib', `redis.register_function('f', function(keys, args)\n${body}\nend)`);
        const reading = library(
          'lib',
          `redis.register_function{function_name='f', callback=function(keys, args)\n${body}\nend, flags={'no-writes'}}`,
        );
        return [
          load(plainly, 'REPLACE'),
          ['FCALL', 'f', '1', 'k', 'a', 'b'],
          ['FCALL_RO', 'f', '1', 'k', 'a', 'b'],
          load(reading, 'REPLACE'),
          ['FCALL', 'f', '1', 'k', 'a', 'b'],
          ['FCALL_RO', 'f', '1', 'k', 'a', 'b'],
        ];
      });
      await compareCalls(pair, protocol, calls);
    });

    it(`the life of libraries, RESP${protocol}`, async () => {
      const one = simple('one', 'f1', 'f2');
      await compareCalls(pair, protocol, [
        load(one),
        load(one),
        load(one, 'REPLACE'),
        load(one, 'replace', 'REPLACE'),
        load(one, 'BAD'),
        ['FUNCTION', 'LOAD', 'REPLACE'],
        load(simple('two', 'f2')),
        load(simple('two', 'F1')),
        load(simple('two', 'f3')),
        load(simple('one', 'f3'), 'REPLACE'),
        ['FCALL', 'f1', '0'],
        ['FCALL', 'F1', '0'],
        ['FCALL', 'f9', '0'],
        ['FCALL', 'f1', 'x'],
        ['FCALL', 'f1', '-1'],
        ['FCALL', 'f1', '2', 'a'],
        ['FCALL', 'f1'],
        ['FUNCTION', 'LIST', 'LIBRARYNAME', 'two'],
        ['FUNCTION', 'LIST', 'LIBRARYNAME', 'TWO', 'WITHCODE'],
        ['FUNCTION', 'LIST', 'WITHCODE', 'LIBRARYNAME', 'tw*'],
        ['FUNCTION', 'LIST', 'LIBRARYNAME', 'nothing*'],
        ['FUNCTION', 'LIST', 'WITHCODE', 'WITHCODE'],
        ['FUNCTION', 'LIST', 'LIBRARYNAME'],
        ['FUNCTION', 'LIST', 'LIBRARYNAME', 'a', 'LIBRARYNAME', 'b'],
        ['FUNCTION', 'LIST', 'x'],
        ['FUNCTION', 'STATS'],
        ['FUNCTION', 'DELETE', 'nosuch'],
        ['FUNCTION', 'DELETE', 'two'],
        ['FCALL', 'f3', '0'],
        ['FUNCTION', 'KILL'],
        ['FUNCTION', 'FLUSH', 'bad'],
        ['FUNCTION', 'FLUSH', 'SYNC', 'x'],
        ['FUNCTION', 'FLUSH', 'ASYNC'],
        ['FUNCTION', 'LIST'],
        ['FUNCTION', 'STATS'],
        ['FUNCTION', 'DUMP'],
        ['FUNCTION', 'HELP'],
        ['FUNCTION', 'nosuch'],
        ['FUNCTION'],
        ['FUNCTION', 'RESTORE', 'x'],
        ['FUNCTION', 'RESTORE', 'x', 'BAD'],
        ['FUNCTION', 'RESTORE', 'x', 'FLUSH', 'y'],
        ['COMMAND', 'GETKEYS', 'FCALL', 'f', '2', 'a', 'b', 'c'],
        ['COMMAND', 'GETKEYS', 'FCALL_RO', 'f', '0'],
      ]);
    });
  }

  it('the payload of each is restored by the other, with every policy', async () => {
    const [real, ours] = await Promise.all([RespClient.connect(pair.real.port), RespClient.connect(pair.ours.port)]);
    try {
      const dumps: unknown[] = [];
      for (const client of [real, ours]) {
        await client.call('FUNCTION', 'FLUSH');
        await client.call(...load(simple('alone', 'f1', 'f2')));
        dumps.push(await client.call('FUNCTION', 'DUMP'));
      }
      for (const [index, client] of [real, ours].entries()) {
        // Packed otherwise, but the same when it is unpacked.
        const payload = Buffer.from(dumps[1 - index] as string, 'latin1');
        const damaged = Buffer.from(payload);
        damaged[20]! ^= 1;
        const replies: string[] = [];
        for (const argv of [
          ['FUNCTION', 'RESTORE', payload],
          ['FUNCTION', 'RESTORE', payload, 'APPEND'],
          ['FUNCTION', 'RESTORE', payload, 'REPLACE'],
          ['FUNCTION', 'RESTORE', payload, 'FLUSH'],
          ['FUNCTION', 'RESTORE', damaged],
          ['FUNCTION', 'FLUSH'],
          ['FUNCTION', 'LOAD', simple('other', 'f2')],
          ['FUNCTION', 'RESTORE', payload],
          ['FUNCTION', 'RESTORE', payload, 'REPLACE'],
          ['FUNCTION', 'RESTORE', payload, 'FLUSH'],
          ['FCALL', 'f2', '0'],
        ]) {
          replies.push(String(await client.call(...argv)));
        }
        dumps.push(replies);
      }
      assert.deepEqual(dumps[3], dumps[2]);
    } finally {
      real.close();
      ours.close();
    }
  });
});
