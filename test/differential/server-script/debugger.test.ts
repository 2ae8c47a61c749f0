// SCRIPT DEBUG SYNC: whole sessions of the script debugger, line by line beside redis-server.

import assert from 'node:assert/strict';
import { RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';
import { nodesForSuite } from '../server-clients/pair.ts';

const script = `local a = {1, 2, {x = "y\\n"}, true}
local b = 5.5
for i = 1, 3 do
  b = b + i
end
redis.call("get", KEYS[1])
local function twice(z)
  local inner = z
  return inner * 2
end
local ok, why = pcall(function() return redis.call("lpush", KEYS[1], "x") end)
redis.debug(b, ok)
redis.breakpoint()
return tostring(twice(b))
`;

const looking = ['print', 'p a', 'p b', 'p zz', 'p KEYS', 'p ARGV', 'l', 'l 1', 'l 1 1', 'w', 't', 'p'];
const pointing = ['b', 'b 4', 'b 8', 'b', 'b 77', 'b -3', 'b -4', 'b x', 'c', 't', 'p inner', 'b 0', 'b'];
const lengths = ['m', 'm 30', 'p a', 'e string.rep("x", 500)', 'm 0', 'e string.rep("x", 500)', 'm x'];
const running = ['e 1 + 1', 'e nosuch()', 'e ) (', 'e KEYS[1]', 'r get k', 'r nosuch a', 'r get', 'r lpush k a', 'r'];
const stepping = ['s', 'n', 'step', 'next', 'n', 's', 's', 's', 's', 's', 's', 's', 'c', 'c'];

const conversations: Readonly<Record<string, readonly string[]>> = {
  'looks at a script': [...looking, 's', 's', ...looking, 'c', 'c'],
  'sets breakpoints': ['s', ...pointing, 'c', 'c', 'c'],
  'cuts long values': ['s', ...lengths, 'c', 'c'],
  'runs code and commands': [...running, 's', 's', ...running, 'c', 'c'],
  'steps to the end': stepping,
  'knows no other words': ['nonsense', 'get k', 'print a b', 'redis', 'c', 'c'],
};

describe('the script debugger, ours against redis-server', function () {
  this.timeout(30_000);
  const pair = nodesForSuite();

  async function talk(port: number, lines: readonly string[]): Promise<unknown[]> {
    const client = await RespClient.connect(port);
    const heard: unknown[] = [];
    try {
      await client.call('set', 'k', 'v');
      heard.push(await client.call('script', 'debug', 'sync'));
      heard.push(await client.call('eval', script, '1', 'k', 'word'));
      for (const line of lines) {
        if (client.closed) break;
        heard.push(line, await client.call(...line.split(' ')).catch((error: Error) => error.message));
      }
      if (!client.closed) heard.push(await client.read().catch((error: Error) => error.message));
      await until('the connection ends with the session', () => client.closed);
    } finally {
      client.close();
    }
    return heard.map((reply) => (reply instanceof Error ? reply.message : reply));
  }

  for (const [what, lines] of Object.entries(conversations)) {
    it(what, async () => {
      const real = await talk(pair.real!.port, lines);
      assert.ok(JSON.stringify(real).includes('Stopped at 1'));
      assert.deepEqual(await talk(pair.ours!.port, lines), real);
    });
  }

  it('ends a script for its user, who gets what EVAL answers then', async () => {
    const heard = await Promise.all([pair.real!, pair.ours!].map(({ port }) => talk(port, ['s', 'a'])));
    assert.deepEqual(heard[1], heard[0]);
    assert.match(JSON.stringify(heard[1]), /aborted/);
  });

  it('others find the server busy, and it goes on when the client of the session goes', async () => {
    const { port } = pair.ours!;
    const other = await RespClient.connect(port);
    const client = await RespClient.connect(port);
    await client.call('script', 'debug', 'sync');
    await client.call('eval', 'redis.call("set", "done", "0")\nredis.call("set", "done", "1")', '0');
    assert.match(String(await other.call('get', 'done')), /BUSY/);
    client.close();
    await until('the script ran to its end', async () => (await other.call('get', 'done')) === '1');
    other.close();
  });

  it('who comes when the client of the session has gone does not find the server busy', async () => {
    for (const { port } of [pair.real!, pair.ours!]) {
      for (let round = 0; round < 20; round++) {
        const client = await RespClient.connect(port);
        await client.call('script', 'debug', 'sync');
        await client.call('eval', 'return redis.call("incr", "rounds")', '0');
        client.close();
        const next = await RespClient.connect(port);
        assert.equal(await next.call('get', 'rounds'), String(round + 1));
        next.close();
      }
    }
  });

  it('a text of the session that never ends is ended, and so is no script before its time', async () => {
    const client = await RespClient.connect(pair.ours!.port);
    await client.call('config', 'set', 'busy-reply-threshold', '200');
    await client.call('script', 'debug', 'sync');
    await client.call('eval', 'local x = 1\nwhile true do\nx = x + 1\nend', '0');
    assert.match(JSON.stringify(await client.call('e', 'while true do end')), /<error>/);
    assert.match(JSON.stringify(await client.call('c')), /timeout reached, infinite loop/);
    await client.call('a');
    await until('the session is over', () => client.closed);
    const other = await RespClient.connect(pair.ours!.port);
    assert.equal(await other.call('config', 'set', 'busy-reply-threshold', '5000'), 'OK');
    other.close();
  });

  it('is not for sessions of a fork', async () => {
    const client = await RespClient.connect(pair.ours!.port);
    assert.match(String(await client.call('script', 'debug', 'yes')), /SCRIPT DEBUG SYNC/);
    await client.call('script', 'debug', 'sync');
    assert.match(String(await client.call('evalsha', '0'.repeat(40), '0')), /use EVAL instead of EVALSHA/);
    await client.call('script', 'debug', 'no');
    assert.equal(await client.call('eval', 'return 7', '0'), 7);
    assert.match(String(await client.call('script', 'debug', 'maybe')), /Use SCRIPT DEBUG YES\/SYNC\/NO/);
    client.close();
  });
});
