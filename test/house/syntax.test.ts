import assert from 'node:assert/strict';
import { parameterLists } from '../../scripts/gen/grammar.ts';
import { parseSyntax } from '../../scripts/gen/syntax.ts';

const shapes = (text: string): string[] =>
  parameterLists(parseSyntax(text)).map((list) => list.map(({ type, rest }) => (rest ? `...${type}` : type)).join(' '));

describe('the notation of arguments', () => {
  it('knows keys, text, numbers and words', () => {
    assert.deepEqual(shapes('@key member count# score% NX'), [
      "RedisKey RedisValue number | string number | string 'NX'",
    ]);
  });

  it('gives a form for every choice and every option, the longest first', () => {
    assert.deepEqual(shapes('@key [NX|XX] (EX seconds#|KEEPTTL)'), [
      "RedisKey 'NX' 'EX' number | string",
      "RedisKey 'XX' 'EX' number | string",
      "RedisKey 'NX' 'KEEPTTL'",
      "RedisKey 'XX' 'KEEPTTL'",
      "RedisKey 'EX' number | string",
      "RedisKey 'KEEPTTL'",
    ]);
  });

  it('repeats words and groups', () => {
    assert.deepEqual(shapes('numkeys# @key... [LIMIT limit#]'), [
      "number | string ...RedisKey 'LIMIT' number | string",
      'number | string ...RedisKey',
    ]);
    assert.deepEqual(shapes('@key (field value)...'), ['RedisKey ...RedisValue']);
    assert.deepEqual(shapes('@key [arg...]'), ['RedisKey', 'RedisKey ...RedisValue']);
  });

  it('refuses brackets that do not match', () => {
    for (const text of ['[a', 'a]', '(a]', 'a | b']) assert.throws(() => parseSyntax(text), SyntaxError);
  });
});
