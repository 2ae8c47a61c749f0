import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import { isTooLong } from '../../../../server/engine/too-long.ts';

// V8's own errors, as this version of Node throws them.

describe('texts that JavaScript cannot hold', () => {
  function errorOf(run: () => unknown): unknown {
    try {
      run();
    } catch (error) {
      return error;
    }
    throw new Error('it did not fail');
  }

  it('are distinguished from other errors', () => {
    const half = 'x'.repeat(constants.MAX_STRING_LENGTH);
    assert.ok(isTooLong(errorOf(() => 'x'.repeat(constants.MAX_STRING_LENGTH + 1))));
    assert.ok(isTooLong(errorOf(() => half + half)));
    assert.ok(isTooLong(errorOf(() => Buffer.alloc(constants.MAX_STRING_LENGTH + 1).toString('latin1'))));
    assert.ok(!isTooLong(errorOf(() => 'x'.repeat(-1))));
    assert.ok(!isTooLong(errorOf(() => (undefined as unknown as string).length)));
    assert.ok(!isTooLong('Invalid string length'));
  });
});
