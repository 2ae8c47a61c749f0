// setfenv, getfenv and newproxy, which scripts have only with `lua-enable-deprecated-api yes`: a parameter that came to
// redis-server 7.0.15 with Debian's fix of CVE-2025-46818, and that a plain 7.0.15 does not know.

import { deepEqual, equal } from 'node:assert/strict';
import { needRedisServer, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { compareCalls, scriptPair } from './pair.ts';

const parameter = 'lua-enable-deprecated-api';

const scripts = [
  'setfenv(1, {}) return type(redis)',
  'setfenv(1, {a = 5}) return a',
  'return type(getfenv())',
  'return type(getfenv(0))',
  'return getfenv() == _G',
  'return getfenv(print)',
  'getfenv().x = 1 return x',
  'rawset(getfenv(), "x", 1) return x',
  'rawset(getfenv(0), "x", 1) return x',
  'setmetatable(getfenv(), {}) return 1',
  'return getfenv(redis.call).redis ~= nil',
  'return getfenv(-1)',
  'return getfenv(99)',
  'setfenv(redis.call, {})',
  'setfenv(string.format, {})',
  'setfenv(99, {})',
  'setfenv(1, 5)',
  'local f = setfenv(function() y = 1 return y end, {}) return f()',
  'local f = setfenv(function() return redis end, {}) return type(f())',
  'local f = setfenv(function() return redis.call("ping") end, {redis = redis}) return f()',
  'return pcall(setfenv(function() return x end, {x = 7}))',
  'return type(newproxy())',
  'return type(getmetatable(newproxy(true)))',
  'return newproxy(true)',
  'local p = newproxy(true) getmetatable(p).__index = function(_, k) return k end return p.abc',
  'local p = newproxy(true) getmetatable(p).__len = function() return 3 end return #p',
  'return type(newproxy(newproxy(true)))',
  'return newproxy(5)',
  'return cjson.encode({newproxy()})',
  'local f = loadstring("return q") setfenv(f, {q = 4}) return f()',
  'return type(getfenv(coroutine.create(function() end)))',
  // Whatever the scripts before have done to theirs, others have their globals.
  'return {KEYS[1], ARGV[1], type(redis), type(string), tostring(1)}',
];

describe('deprecated functions of Lua, ours against redis-server', function () {
  this.timeout(30_000);
  before(async function () {
    needRedisServer(this);
    const node = await startRealNode();
    const client = await RespClient.connect(node.port);
    const reply = (await client.call('CONFIG', 'GET', parameter)) as unknown[];
    client.close();
    await node.stop();
    if (reply.length > 0) return;
    console.log(`      skipped: this redis-server has no ${parameter}`);
    this.skip();
  });

  describe('as they are by default', () => {
    const pair = scriptPair();
    it('are not there, and the parameter says so', async () => {
      await compareCalls(pair, 2, [
        ['CONFIG', 'GET', parameter],
        ['CONFIG', 'GET', 'lua-*'],
        ['CONFIG', 'SET', parameter, 'yes'],
        ...scripts.map((script) => ['EVAL', script, '1', 'k', 'a']),
      ]);
    });
  });

  describe('allowed by the configuration', () => {
    const pair = scriptPair({ [parameter]: 'yes' });
    it('do what they do in redis-server', async () => {
      await compareCalls(pair, 2, [
        ['CONFIG', 'GET', parameter],
        ...scripts.map((script) => ['EVAL', script, '1', 'k', 'a']),
        ['FUNCTION', 'LOAD', '#!lua name=l\nredis.register_function("f", function() return type(setfenv) end)'],
        ['FCALL', 'f', '0'],
      ]);
    });

    it('a script that changes the globals of its thread changes them for itself alone (in redis-server for all)', async () => {
      const client = await RespClient.connect(pair.ours.port);
      for (const script of ['setfenv(0, {}) return 1', 'pcall(function() setfenv(0, {}) end) return 1']) {
        equal(await client.call('EVAL', script, '0'), 1);
        const after = 'return {type(loadstring("return redis")()), type(select(2, pcall(loadstring("return redis"))))}';
        deepEqual(await client.call('EVAL', after, '0'), ['table', 'table']);
      }
      client.close();
    });
  });
});
