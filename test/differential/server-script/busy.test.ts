// A script that takes too long, on the bundled server and on redis-server: who is answered what meanwhile, what ends
// the script, and what is there afterwards.

import assert from 'node:assert/strict';
import { RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';
import { scriptPair } from './pair.ts';
import { plain } from './plain.ts';

const endless = {
  'a loop': 'while true do end',
  'a loop of commands': 'while true do redis.call("ping") end',
  'a loop around pcall': 'local f = function() while true do redis.call("ping") end end while true do pcall(f) end',
} as const;

describe('scripts that take too long, ours against redis-server', function () {
  this.timeout(60_000);
  const pair = scriptPair({ 'busy-reply-threshold': '20' });
  const open: RespClient[] = [];

  async function connect(port: number): Promise<RespClient> {
    const client = await RespClient.connect(port);
    open.push(client);
    return client;
  }

  afterEach(() => {
    for (const client of open.splice(0)) client.close();
  });

  /** Plays the same on both servers; the transcripts must be equal. */
  async function both(play: (port: number) => Promise<unknown[]>): Promise<unknown[]> {
    const [expected, found] = await Promise.all([play(pair.real.port), play(pair.ours.port)]);
    assert.deepEqual(found.map(plain), expected.map(plain));
    return found;
  }

  const untilBusy = (client: RespClient): Promise<unknown> =>
    until('the server is busy', async () => String(await client.call('PING')).includes('BUSY'));
  const untilFree = (client: RespClient): Promise<unknown> =>
    until('the server is free', async () => (await client.call('PING')) === 'PONG');

  for (const [name, script] of Object.entries(endless)) {
    it(`${name} is ended by SCRIPT KILL, and others are answered BUSY until then`, async () => {
      const replies = await both(async (port) => {
        const [runner, other] = [await connect(port), await connect(port)];
        const running = runner.call('EVAL', script, 1, 'key', 'argument');
        await untilBusy(other);
        const seen = [
          await other.call('PING'),
          await other.call('GET', 'x'),
          await other.call('NOSUCH'),
          await other.call('FUNCTION', 'KILL'),
          await other.call('FUNCTION', 'STATS'),
          await other.call('MULTI'),
          await other.call('SET', 'x', 1),
          await other.call('DISCARD'),
          await other.call('SHUTDOWN'),
          await other.call('SCRIPT', 'KILL'),
        ];
        const reply = String(await running).replace(/, on @user_script:\d+/, '');
        await untilFree(other);
        return [...seen, reply, await runner.call('PING'), await other.call('SCRIPT', 'KILL')];
      });
      assert.match(String(replies[0]), /^ReplyError: BUSY/);
      assert.match(String(replies.at(-3)), /killed by user/);
    });
  }

  it('no pcall or handler of the script keeps it from being ended', async () => {
    for (const script of [
      'pcall(function() pcall(function() while true do end end) end) while true do end',
      'xpcall(function() while true do end end, function() while true do end end)',
      'pcall(function() error("x") end) while true do pcall(error) end',
    ]) {
      const [runner, other] = [await connect(pair.ours.port), await connect(pair.ours.port)];
      const running = runner.call('EVAL', script, 0);
      await untilBusy(other);
      assert.equal(await other.call('SCRIPT', 'KILL'), 'OK');
      assert.match(String(await running), /killed by user/);
      await untilFree(other);
    }
  });

  it('a function is ended by FUNCTION KILL, and described by FUNCTION STATS', async () => {
    await both(async (port) => {
      const [runner, other] = [await connect(port), await connect(port)];
      const code = '#!lua name=slow\nredis.register_function("slow", function() while true do end end)';
      await runner.call('FUNCTION', 'LOAD', 'REPLACE', code);
      const running = runner.call('FCALL', 'slow', 1, 'key', 'argument');
      await untilBusy(other);
      const stats = (await other.call('FUNCTION', 'STATS')) as unknown[];
      const script = stats[1] as unknown[];
      const seen = [
        await other.call('PING'),
        script.slice(0, 4),
        await other.call('SCRIPT', 'KILL'),
        await other.call('FUNCTION', 'KILL'),
      ];
      seen.push(String(await running));
      await untilFree(other);
      return [...seen, await other.call('FUNCTION', 'KILL')];
    });
  });

  it('a script that has written is not ended; what it wrote and what waits comes when it is over', async () => {
    await both(async (port) => {
      const clients = [await connect(port), await connect(port), await connect(port)];
      const [runner, other, blocked] = clients as [RespClient, RespClient, RespClient];
      await other.call('DEL', 'list', 'counter');
      const popped = blocked.call('BLPOP', 'list', 0);
      await until('it waits', async () => String(await other.call('INFO', 'clients')).includes('blocked_clients:1'));
      const script = `redis.call('rpush', KEYS[1], 'a')
        local from = redis.call('time')
        repeat
          local now = redis.call('time')
          local spent = (now[1] - from[1]) + (now[2] - from[2]) / 1000000
        until spent > 0.4
        redis.call('rpush', KEYS[1], 'b')
        return 'done'`;
      const running = runner.call('EVAL', script, 1, 'list');
      await untilBusy(other);
      const seen = [await other.call('SCRIPT', 'KILL'), await other.call('LLEN', 'list')];
      seen.push(await running, await popped);
      await untilFree(other);
      return [...seen, await other.call('LRANGE', 'list', 0, -1)];
    });
  });

  it('a script goes on when its client is gone, and the data stays whole', async () => {
    for (const port of [pair.real.port, pair.ours.port]) {
      const [runner, other] = [await connect(port), await connect(port)];
      await other.call('DEL', 'gone');
      const script = `redis.call('incr', KEYS[1])
        local from = redis.call('time')
        repeat
          local now = redis.call('time')
          local spent = (now[1] - from[1]) + (now[2] - from[2]) / 1000000
        until spent > 0.3
        redis.call('incr', KEYS[1])`;
      runner.call('EVAL', script, 1, 'gone').catch(() => undefined);
      await untilBusy(other);
      runner.close();
      await untilFree(other);
      assert.equal(await other.call('GET', 'gone'), '2');
    }
  });

  it('one that cannot be left in the middle is ended by the server when it has not written', async () => {
    const client = await connect(pair.ours.port);
    const sorting = 'table.sort({3, 2, 1}, function() while true do end end)';
    assert.match(String(await client.call('EVAL', sorting, 0)), /killed by user/);
    await client.call('MULTI');
    await client.call('EVAL', 'while true do end', 0);
    await client.call('SET', 'after', 1);
    const [killed, set] = (await client.call('EXEC')) as unknown[];
    assert.match(String(killed), /killed by user/);
    assert.equal(set, 'OK');
    assert.equal(await client.call('PING'), 'PONG');
  });

  it('a library whose code never ends is refused', async () => {
    const replies = await both(async (port) => {
      const client = await connect(port);
      return [await client.call('FUNCTION', 'LOAD', '#!lua name=never\nwhile true do end')];
    });
    assert.match(String(replies[0]), /FUNCTION LOAD timeout/);
  });

  it('scripts run as before once others were killed', async () => {
    const client = await connect(pair.ours.port);
    for (let round = 0; round < 100; round++) {
      assert.equal(
        await client.call('EVAL', 'return {pcall(function() return ARGV[1] end)}', 0, round).then(String),
        `1,${round}`,
      );
    }
  });
});
