// What others may see of a command's arguments.

import { deepEqual } from 'node:assert/strict';
import { sanitizeArgs } from '../../../lib/facade/observe.ts';

describe('observability', () => {
  it('shows keys and hides values', () => {
    deepEqual(sanitizeArgs('SET', ['k', 'secret', 'EX', 5]), ['k', '?', '?', '?']);
    deepEqual(sanitizeArgs('hset', ['k', 'f', 'secret']), ['k', 'f', '?']);
    deepEqual(sanitizeArgs('get', [Buffer.from('k')]), ['k']);
    deepEqual(sanitizeArgs('auth', ['user', 'secret']), ['?', '?']);
    deepEqual(sanitizeArgs('config', ['set', 'requirepass', 'secret']), ['?', '?', '?']);
    deepEqual(sanitizeArgs('evalsha', ['sha', 1, 'k', 'secret']), ['?', '?', '?', '?']);
    deepEqual(sanitizeArgs('module.word', ['secret']), ['?']);
  });
});
