// What scripts leave in the append only log and report to those who watch, beside redis-server: the same effects, several as
// one transaction, targets that a script chooses, keyspace events, MONITOR, SLOWLOG and statistics.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';
import { scriptPair } from './pair.ts';
import { plain } from './plain.ts';

const scripts = [
  'return redis.call("set", "a", 1)',
  'redis.call("set", "a", 1) redis.call("incr", "a") return redis.call("get", "a")',
  'redis.call("set", "a", 1) error("after a write")',
  'return redis.call("get", "a")',
  'redis.call("del", "nokey") return 1',
  'redis.call("sadd", "s", "only") return redis.call("spop", "s")',
  'redis.call("set", "f", "1") return redis.call("incrbyfloat", "f", "0.5")',
  'redis.call("select", 3) redis.call("set", "in3", 1) redis.call("select", 5) redis.call("set", "in5", 1)',
  'redis.set_repl(redis.REPL_NONE) redis.call("set", "none", 1)',
  'redis.set_repl(redis.REPL_AOF) redis.call("set", "aof", 1)',
  'redis.set_repl(redis.REPL_REPLICA) redis.call("set", "replica", 1)',
  'redis.call("set", "x1", 1) redis.set_repl(redis.REPL_NONE) redis.call("set", "x2", 1) redis.set_repl(redis.REPL_ALL) redis.call("set", "x3", 1)',
  'redis.pcall("lpush", "a", 1) redis.call("rpush", "list", 1, 2, 3)',
  'for i = 1, 5 do redis.call("rpush", "list", i) end',
  'redis.call("publish", "c", "m") redis.call("set", "p", 1)',
  'return redis.call("getdel", "a")',
  'return redis.call("getex", "p", "persist")',
  'redis.call("hset", "h", "f", 1) redis.call("hincrby", "h", "f", 2) redis.call("hdel", "h", "f")',
  'redis.call("xadd", "st", "1-1", "f", "v") redis.call("xadd", "st", "2-1", "f", "v")',
  'redis.call("zadd", "z", 1, "m") redis.call("zincrby", "z", 2, "m") return redis.call("zpopmin", "z")',
  'redis.call("lpush", "src", 1) return redis.call("lmove", "src", "dst", "left", "right")',
  'redis.call("FLUSHDB")',
];

describe('effects of scripts, ours against redis-server', function () {
  this.timeout(30_000);
  const pair = scriptPair({ appendonly: 'yes', appendfsync: 'always', 'notify-keyspace-events': 'KEA' });

  /** The increments of the log. */
  function logOf(dir: string): string {
    const folder = join(dir, 'appendonlydir');
    const files = readdirSync(folder).filter((name) => name.endsWith('.incr.aof'));
    return files.map((name) => readFileSync(join(folder, name), 'latin1')).join('');
  }

  async function both<T>(use: (client: RespClient, index: number) => Promise<T>): Promise<[T, T]> {
    const clients = await Promise.all([RespClient.connect(pair.real.port), RespClient.connect(pair.ours.port)]);
    try {
      return [await use(clients[0]!, 0), await use(clients[1]!, 1)];
    } finally {
      for (const client of clients) client.close();
    }
  }

  it('the log holds the same commands, in the same transactions', async () => {
    await both(async (client) => {
      await client.call('FLUSHALL');
      for (const script of scripts) await client.call('EVAL', script, 0);
      await client.call('MULTI');
      await client.call('EVAL', scripts[1]!, 0);
      await client.call('SET', 'plain', 1);
      await client.call('EXEC');
      const code =
        '#!lua name=l\nredis.register_function("w", function() redis.call("set", "fn", 1) redis.call("incr", "fn") end)';
      await client.call('FUNCTION', 'LOAD', code);
      await client.call('FCALL', 'w', 0);
      await client.call('FUNCTION', 'LOAD', 'REPLACE', code);
      await client.call('FUNCTION', 'DELETE', 'l');
      await client.call('FUNCTION', 'DELETE', 'nosuch');
      await client.call('FUNCTION', 'FLUSH');
      await client.call('SET', 'the', 'end');
    });
    assert.equal(logOf(pair.oursDir), logOf(pair.realDir));
  });

  it('keyspace events come in the same order', async () => {
    const [expected, found] = await both(async (client, index) => {
      const watcher = await RespClient.connect(index === 0 ? pair.real.port : pair.ours.port);
      try {
        await client.call('FLUSHALL');
        await watcher.call('HELLO', 3);
        watcher.raw('PSUBSCRIBE __key*__:*\r\n');
        await watcher.readPush();
        for (const script of scripts) await client.call('EVAL', script, 0);
        await client.call('SET', 'the-end', 1);
        const events: unknown[] = [];
        for (let last = ''; last !== 'the-end'; ) {
          const push = (await watcher.readPush()).map(String);
          events.push(push.slice(2).join(' '));
          if (push[2] === '__keyevent@0__:set') last = push[3]!;
        }
        return events;
      } finally {
        watcher.close();
      }
    });
    assert.ok(expected.length > 30);
    assert.deepEqual(found, expected);
  });

  it('MONITOR shows the script, then its commands', async () => {
    const [expected, found] = await both(async (client, index) => {
      const watcher = await RespClient.connect(index === 0 ? pair.real.port : pair.ours.port);
      try {
        await watcher.call('MONITOR');
        await client.call(
          'EVAL',
          'redis.call("set", "a", 1) redis.pcall("nosuch") return redis.call("get", "a")',
          1,
          'a',
        );
        await client.call('MULTI');
        await client.call('EVAL', 'return redis.call("get", "a")', 0);
        await client.call('EXEC');
        await client.call('ECHO', 'the end');
        const lines: string[] = [];
        while (!lines.at(-1)?.includes('the end')) lines.push(String(await watcher.read()));
        return lines.map((line) => line.replace(/^\S+ /, '').replace(/127\.0\.0\.1:\d+/, 'client'));
      } finally {
        watcher.close();
      }
    });
    assert.deepEqual(found, expected);
  });

  it('statistics count the commands of scripts, and an error once', async () => {
    const [expected, found] = await both(async (client) => {
      await client.call('CONFIG', 'RESETSTAT');
      await client.call('EVAL', 'redis.call("set", "n", "x") return redis.call("incr", "n")', 0);
      await client.call('EVAL', 'return redis.pcall("incr", "n")', 0);
      await client.call('EVAL', 'redis.pcall("incr", "n") return 1', 0);
      await client.call('EVAL', 'return redis.call("nosuch")', 0);
      await client.call('EVAL', 'return redis.call("get")', 0);
      await client.call('EVAL', 'error("own")', 0);
      await client.call('EVAL', 'return {err="MINE own"}', 0);
      const info = String(await client.call('INFO', 'everything'));
      const wanted = /^(?:errorstat_|cmdstat_(?:eval|set|incr|get):)/;
      return info
        .split('\r\n')
        .filter((line) => wanted.test(line))
        .map((line) => line.replace(/usec(?:_per_call)?=[\d.]+,/g, ''))
        .sort();
    });
    assert.ok(expected.length >= 6, expected.join('\n'));
    assert.deepEqual(found, expected);
  });

  it('SLOWLOG has the commands of a script before the script', async () => {
    const [expected, found] = await both(async (client) => {
      await client.call('CONFIG', 'SET', 'slowlog-log-slower-than', 0);
      await client.call('SLOWLOG', 'RESET');
      await client.call('EVAL', 'redis.call("set", "a", 1) return redis.call("get", "a")', 0);
      const entries = (await client.call('SLOWLOG', 'GET')) as unknown[][];
      await client.call('CONFIG', 'SET', 'slowlog-log-slower-than', 10_000);
      return entries.map((entry) => plain(entry[3]));
    });
    assert.deepEqual(found, expected);
  });

  it('time stands still for a script, and goes on after it', async () => {
    for (const port of [pair.real.port, pair.ours.port]) {
      const client = await RespClient.connect(port);
      try {
        const script = `redis.call('set', 'brief', 1, 'px', 1)
          local from = redis.call('time')
          repeat
            local now = redis.call('time')
            local spent = (now[1] - from[1]) * 1000 + (now[2] - from[2]) / 1000
          until spent > 20
          return redis.call('get', 'brief')`;
        assert.equal(await client.call('EVAL', script, 0), '1');
        await until('the key has run out', async () => (await client.call('EXISTS', 'brief')) === 0);
      } finally {
        client.close();
      }
    }
  });

  it('functions and scripts of writes are there again after a restart', async () => {
    const client = await RespClient.connect(pair.ours.port);
    await client.call(
      'FUNCTION',
      'LOAD',
      'REPLACE',
      '#!lua name=kept\nredis.register_function("k", function() return "kept" end)',
    );
    await client.call('EVAL', 'redis.call("set", "by-script", 1) redis.call("incr", "by-script")', 0);
    client.close();
    await pair.ours.kill();
    await pair.ours.restart();
    const again = await RespClient.connect(pair.ours.port);
    try {
      assert.equal(await again.call('FCALL', 'k', 0), 'kept');
      assert.equal(await again.call('GET', 'by-script'), '2');
    } finally {
      again.close();
    }
  });
});
