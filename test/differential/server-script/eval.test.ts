// Scripts on the bundled server and on redis-server: equal replies, equal error texts, in RESP2 and RESP3.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BundledNode, startNode } from '../../../server/index.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { plain } from './plain.ts';
import { shebangs, snippets } from './snippets.ts';

describe('EVAL, ours against redis-server', function () {
  this.timeout(30_000);
  const dir = mkdtempSync(join(tmpdir(), 'lingcache-script-'));
  let real: RealNode;
  let ours: BundledNode;

  before(async function () {
    needRedisServer(this);
    real = await startRealNode();
    ours = await startNode({ config: { dir, save: '' } });
  });

  after(async () => {
    await ours?.kill();
    rmSync(dir, { recursive: true, force: true });
    await real?.stop();
  });

  /** What each script gives on one server, one after the other. */
  async function play(port: number, protocol: 2 | 3, calls: readonly (readonly string[])[]): Promise<string[]> {
    const client = await RespClient.connect(port);
    try {
      await client.call('FLUSHALL');
      await client.call('HELLO', protocol);
      const lines: string[] = [];
      for (const argv of calls) {
        const reply = await client.call(...argv.map((word) => Buffer.from(word, 'latin1')));
        lines.push(`${JSON.stringify(argv)} => ${JSON.stringify(plain(reply))}`);
      }
      return lines;
    } finally {
      client.close();
    }
  }

  async function compare(protocol: 2 | 3, calls: readonly (readonly string[])[]): Promise<void> {
    const [expected, found] = await Promise.all([play(real.port, protocol, calls), play(ours.port, protocol, calls)]);
    assert.equal(found.length, calls.length);
    const wrong = found.flatMap((line, at) => (line === expected[at] ? [] : [`ours ${line}\nreal ${expected[at]}`]));
    assert.equal(wrong.length, 0, `${wrong.length} of ${calls.length} differ:\n${wrong.join('\n')}`);
  }

  for (const [group, scripts] of Object.entries(snippets)) {
    for (const protocol of [2, 3] as const) {
      it(`${group}: ${scripts.length} scripts, RESP${protocol}`, async () => {
        await compare(
          protocol,
          scripts.map((script) => ['EVAL', script, '1', 'k', 'a', 'b']),
        );
      });
    }
  }

  it('declared flags, with EVAL and EVAL_RO', async () => {
    await compare(
      2,
      ['EVAL', 'EVAL_RO'].flatMap((name) => shebangs.map((script) => [name, script, '1', 'k'])),
    );
  });

  it('EVAL_RO of scripts that write and of those that read', async () => {
    const scripts = ['return redis.call("get", KEYS[1])', 'return redis.call("set", KEYS[1], 1)', 'return 1'];
    const more = ['return redis.pcall("del", KEYS[1])', 'return redis.call("publish", "c", "m")'];
    await compare(
      3,
      [...scripts, ...more].map((script) => ['EVAL_RO', script, '1', 'k']),
    );
  });

  it('arguments of EVAL, EVALSHA and SCRIPT', async () => {
    const sum = 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db';
    await compare(2, [
      ['EVAL'],
      ['EVAL', 'return 1'],
      ['EVAL', 'return 1', 'x'],
      ['EVAL', 'return 1', '-1'],
      ['EVAL', 'return 1', '1'],
      ['EVAL', 'return 1', '01'],
      ['EVAL', 'return {#KEYS, #ARGV}', '2', 'a', 'b', 'c', ''],
      ['EVALSHA', sum, '0'],
      ['EVALSHA', sum.toUpperCase(), '0'],
      ['EVALSHA', 'short', '0'],
      ['EVALSHA', '0'.repeat(40), '0'],
      ['EVALSHA', '0'.repeat(40), 'x'],
      ['EVALSHA_RO', sum, '0'],
      ['SCRIPT', 'EXISTS', sum, sum.toUpperCase(), 'x'],
      ['SCRIPT', 'EXISTS'],
      ['SCRIPT', 'LOAD', 'return 5'],
      ['SCRIPT', 'LOAD', 'return 5'],
      ['SCRIPT', 'LOAD', 'return +'],
      ['SCRIPT', 'LOAD', '#!bad\nreturn 1'],
      ['SCRIPT', 'LOAD'],
      ['SCRIPT', 'FLUSH', 'BAD'],
      ['SCRIPT', 'FLUSH', 'SYNC', 'x'],
      ['SCRIPT', 'FLUSH', 'async'],
      ['SCRIPT', 'EXISTS', sum],
      ['EVALSHA', sum, '0'],
      ['SCRIPT', 'KILL'],
      ['SCRIPT', 'KILL', 'x'],
      ['SCRIPT', 'DEBUG', 'NO'],
      ['SCRIPT', 'DEBUG', 'x'],
      ['SCRIPT', 'HELP'],
      ['SCRIPT', 'nosuch'],
      ['SCRIPT'],
      ['COMMAND', 'GETKEYS', 'EVAL', 'return 1', '2', 'x', 'y', 'z'],
      ['COMMAND', 'GETKEYS', 'EVALSHA', sum, '0'],
    ]);
  });

  it('scripts inside MULTI, and a script that changes a watched key', async () => {
    await compare(2, [
      ['MULTI'],
      ['EVAL', 'return redis.call("set", KEYS[1], 1)', '1', 'k'],
      ['EVAL', 'error("x")', '0'],
      ['EVAL', 'return {KEYS[1]}', '1', 'k'],
      ['EVALSHA', '0'.repeat(40), '0'],
      ['FCALL', 'nosuch', '0'],
      ['EXEC'],
      ['WATCH', 'k'],
      ['EVAL', 'redis.call("set", KEYS[1], 2)', '1', 'k'],
      ['MULTI'],
      ['PING'],
      ['EXEC'],
      ['WATCH', 'k'],
      ['EVAL', 'return redis.call("get", KEYS[1])', '1', 'k'],
      ['MULTI'],
      ['PING'],
      ['EXEC'],
    ]);
  });
});
