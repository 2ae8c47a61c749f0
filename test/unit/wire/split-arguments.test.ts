// Lines as arguments, by the rules of redis-server (each row was sent to one as an inline request).
import assert from 'node:assert/strict';
import { splitArguments } from '../../../lib/wire/split-arguments.ts';

describe('wire/split-arguments', () => {
  const rows: readonly (readonly [string, readonly string[] | undefined])[] = [
    ['', []],
    [' \t\v\f\r\n', []],
    ['echo \xa0x', ['echo', '\xa0x']],
    ['echo \x85', ['echo', '\x85']],
    ['echo "a"\xa0', undefined],
    ['echo "a"\v', ['echo', 'a']],
    ['echo a\vb', ['echo', 'a\vb']],
    ['echo a\fb', ['echo', 'a\fb']],
    ['\vecho a', ['echo', 'a']],
    ["echo 'a\\x41'", ['echo', 'a\\x41']],
    ["echo 'it\\'s'", ['echo', "it's"]],
    ['echo "\\x4g"', ['echo', 'x4g']],
    ['echo "\\x41\\n\\q"', ['echo', 'A\nq']],
    ['echo a"b c"', ['echo', 'ab c']],
    ['echo "a"b', undefined],
    ['echo "', undefined],
    ["echo '", undefined],
    ['echo "a\\', undefined],
    ['echo ""', ['echo', '']],
  ];
  for (const [line, argv] of rows) {
    it(JSON.stringify(line), () => assert.deepEqual(splitArguments(line), argv));
  }

  it('a NUL ends the line', () => {
    assert.deepEqual(splitArguments('a b\0 c'), ['a', 'b']);
    assert.equal(splitArguments('"a\0b"'), undefined);
  });
});
