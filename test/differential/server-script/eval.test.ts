// Scripts on the bundled server and on redis-server: equal replies, equal error texts, in RESP2 and RESP3.

import { compareCalls, scriptPair } from './pair.ts';
import { shebangs, snippets } from './snippets.ts';

describe('EVAL, ours against redis-server', function () {
  this.timeout(30_000);
  const pair = scriptPair();

  for (const [group, scripts] of Object.entries(snippets)) {
    for (const protocol of [2, 3] as const) {
      it(`${group}: ${scripts.length} scripts, RESP${protocol}`, async () => {
        await compareCalls(
          pair,
          protocol,
          scripts.map((script) => ['EVAL', script, '1', 'k', 'a', 'b']),
        );
      });
    }
  }

  it('declared flags, with EVAL and EVAL_RO', async () => {
    await compareCalls(
      pair,
      2,
      ['EVAL', 'EVAL_RO'].flatMap((name) => shebangs.map((script) => [name, script, '1', 'k'])),
    );
  });

  it('EVAL_RO of scripts that write and of those that read', async () => {
    const scripts = ['return redis.call("get", KEYS[1])', 'return redis.call("set", KEYS[1], 1)', 'return 1'];
    const more = ['return redis.pcall("del", KEYS[1])', 'return redis.call("publish", "c", "m")'];
    await compareCalls(
      pair,
      3,
      [...scripts, ...more].map((script) => ['EVAL_RO', script, '1', 'k']),
    );
  });

  it('arguments of EVAL, EVALSHA and SCRIPT', async () => {
    const sum = 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db';
    await compareCalls(pair, 2, [
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
    await compareCalls(pair, 2, [
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
