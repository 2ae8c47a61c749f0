import assert from 'node:assert/strict';
import fc from 'fast-check';
import { globMatcher } from '../../../../server/keyspace/glob.ts';

/** The plainest matcher there is: tries everything. */
function simple(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  const rest = pattern.slice(1);
  if (pattern[0] === '*') return simple(rest, text) || (text !== '' && simple(pattern, text.slice(1)));
  if (text === '') return false;
  return (pattern[0] === '?' || pattern[0] === text[0]) && simple(rest, text.slice(1));
}

describe('globMatcher', () => {
  it('agrees with a matcher that tries everything', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 });
    fc.assert(
      fc.property(pattern, text, (glob, subject) => assert.equal(globMatcher(glob)(subject), simple(glob, subject))),
      { numRuns: 2000 },
    );
  });

  it('knows classes, ranges, negation and escapes', () => {
    const yes = [
      ['h[ae]llo', 'hallo'],
      ['h[^e]llo', 'hallo'],
      ['h[a-c]llo', 'hbllo'],
      ['h[c-a]llo', 'hbllo'],
      ['\\*', '*'],
      ['[\\]]', ']'],
      ['[a', 'a'],
      ['a\\', 'a\\'],
      ['[a-]', '_'],
      ['*[0-9]', 'key:7'],
    ];
    const no = [
      ['h[^a]llo', 'hallo'],
      ['\\*', 'x'],
      ['[]', 'a'],
      ['[', 'a'],
      ['h?llo', 'hllo'],
      ['abc', 'abcd'],
    ];
    for (const [pattern, text] of yes) assert.ok(globMatcher(pattern!)(text!), `${pattern} ${text}`);
    for (const [pattern, text] of no) assert.ok(!globMatcher(pattern!)(text!), `${pattern} ${text}`);
    assert.ok(globMatcher('H[A-C]*', true)('hbX'));
    assert.ok(globMatcher('abc', true)('ABC'));
  });

  it('a pattern made to backtrack is matched in few steps', () => {
    const pattern = `${'a*'.repeat(200)}b`;
    assert.equal(globMatcher(pattern)('a'.repeat(5000)), false);
  });
});
