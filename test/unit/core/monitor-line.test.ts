// Lines of MONITOR, from Redis and from Valkey 8, which prints quotes inside an argument as they are.
import assert from 'node:assert/strict';
import { parseMonitorLine } from '../../../lib/core/monitor-line.ts';

const argsOf = (args: string): readonly string[] =>
  parseMonitorLine(`1339518083.107412 [0 127.0.0.1:60866] ${args}`)!.args;

describe('core/monitor-line', () => {
  it('time, database, source and arguments', () => {
    assert.deepEqual(parseMonitorLine('1339518083.107412 [3 unix:/tmp/s.sock] "set" "k" "v"'), {
      time: '1339518083.107412',
      database: '3',
      source: 'unix:/tmp/s.sock',
      args: ['set', 'k', 'v'],
    });
    assert.equal(parseMonitorLine('1.0 [0 lua] "get" "k"')!.source, 'lua');
    assert.equal(parseMonitorLine('1.0 [0 ::1:5] "ping"')!.source, '::1:5');
  });

  it('quotes, blanks, escapes and line ends within an argument', () => {
    assert.deepEqual(argsOf('"set" "a b" "\\"q\\"" "\\\\n" "\\x00"'), ['set', 'a b', '"q"', '\\\\n', '\\x00']);
    assert.deepEqual(argsOf('"set" "" "] \\"x\\" ["'), ['set', '', '] "x" [']);
    assert.deepEqual(argsOf('"set" "two\nlines"'), ['set', 'two\nlines']);
  });

  it('quotes that are not escaped: arguments are what stands between `" "`', () => {
    assert.deepEqual(argsOf('"set" "say "hi"" "v"'), ['set', 'say "hi"', 'v']);
  });

  it('anything else is no line of MONITOR', () => {
    for (const text of ['OK', '', '1.0 [0 a:1] ', '1.0 [x a:1] "ping"', 'one [0 a:1] "ping"', '1.0 [0 a:1] ping']) {
      assert.equal(parseMonitorLine(text), undefined, text);
    }
  });
});
