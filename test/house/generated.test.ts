import assert from 'node:assert/strict';
import { staleFiles } from '../../scripts/gen-commands.ts';

describe('generated files', () => {
  it('are what the generator writes from the vendored capture', () => {
    assert.deepEqual(staleFiles(), []);
  });
});
