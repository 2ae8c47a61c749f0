import assert from 'node:assert/strict';
import { fanOut } from '../../../lib/batch/fan-out.ts';
import { splitByKeys } from '../../../lib/batch/multi-key.ts';
import { Call, directSink } from '../../../lib/connection/call.ts';

type Outcome = { value: unknown } | { error: Error & { code?: string } };

describe('batch/split: replies that do not fit', () => {
  /** What becomes of a command whose parts are answered with `replies`. */
  function outcomeOf(argv: string[], split: typeof splitByKeys, replies: unknown[]): Outcome {
    const call = new Call(argv, -1, 0, 'utf8', undefined, directSink);
    let outcome: Outcome | undefined;
    call.resolve = (value) => {
      outcome = { value };
    };
    call.reject = (error) => {
      outcome = { error };
    };
    const parts: Call[] = [];
    assert.equal(
      split(call, (part) => void parts.push(part)),
      true,
    );
    assert.equal(parts.length, replies.length);
    for (const [at, part] of parts.entries()) part.settle(replies[at]);
    assert.ok(outcome !== undefined, 'it stays open');
    return outcome;
  }

  const threeShards = (call: Call, send: (part: Call) => void): boolean => fanOut(call, [1, 2, 3], send);

  for (const [what, argv, split, replies] of [
    ['MGET: text', ['mget', 'a', 'b'], splitByKeys, ['OK', ['2']]],
    ['MGET: null', ['mget', 'a', 'b'], splitByKeys, [null, ['2']]],
    ['MGET: too few', ['mget', 'a', 'b'], splitByKeys, [[], ['2']]],
    ['MGET: too many', ['mget', 'a', 'b'], splitByKeys, [['1', '1'], ['2']]],
    ['DEL: text', ['del', 'a', 'b'], splitByKeys, ['OK', 1]],
    ['DBSIZE: an array', ['dbsize'], threeShards, [1, [2], 3]],
    ['KEYS: a number', ['keys', '*'], threeShards, [['a'], 1, ['b']]],
    ['SCRIPT EXISTS: null', ['script', 'exists', 'x'], threeShards, [null, [1], [1]]],
    ['SCRIPT EXISTS: of different lengths', ['script', 'exists', 'x'], threeShards, [[1], [1, 0], [1]]],
    ['PUBSUB NUMSUB: text', ['pubsub', 'numsub', 'x'], threeShards, ['x', ['x', 1], ['x', 1]]],
  ] as [string, string[], typeof splitByKeys, unknown[]][]) {
    it(what, () => {
      const outcome = outcomeOf(argv, split, replies);
      assert.ok('error' in outcome, `it succeeded with ${JSON.stringify(outcome)}`);
      assert.equal(outcome.error.code, 'ERR_PROTOCOL');
      assert.match(outcome.error.message, new RegExp(`^Unexpected reply to ${argv[0]!.toUpperCase()}`));
    });
  }

  it('takes those that do', () => {
    assert.deepEqual(outcomeOf(['mget', 'a', 'b'], splitByKeys, [['1'], [null]]), { value: ['1', null] });
    assert.deepEqual(outcomeOf(['dbsize'], threeShards, [1, 2, 3]), { value: 6 });
    // With stringNumbers numbers are text, and so is their sum.
    assert.deepEqual(outcomeOf(['dbsize'], threeShards, ['1', '2', '3']), { value: '6' });
    assert.deepEqual(outcomeOf(['del', 'a', 'b'], splitByKeys, ['1', '0']), { value: '1' });
    assert.deepEqual(
      outcomeOf(['script', 'exists', 'x', 'y'], threeShards, [
        [1, 1],
        [1, 0],
        [1, 1],
      ]),
      { value: [1, 0] },
    );
    assert.deepEqual(outcomeOf(['randomkey'], threeShards, [null, 'k', null]), { value: 'k' });
  });
});
