// What others may see of a command's arguments.

import { deepEqual, match } from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import { sanitizeArgs } from '../../../lib/core/diagnostics.ts';
import { Redis } from '../../../lib/index.ts';

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

  it('a friendly stack begins with the line of the call, also while a tracer keeps its context', async () => {
    const { start } = tracingChannel('ioredis:command');
    const storage = new AsyncLocalStorage<object>();
    const client = new Redis({ lazyConnect: true, showFriendlyErrorStack: true });
    start.bindStore(storage, () => ({}));
    try {
      client.disconnect();
      const error = await client.get('k').catch((reason: Error) => reason);
      match(String((error as Error).stack).split('\n')[1]!, /diagnostics\.test/);
    } finally {
      start.unbindStore(storage);
      client.disconnect();
    }
  });
});
