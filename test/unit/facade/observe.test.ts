// The OpenTelemetry example of docs/observability.md, run as printed; only the package it imports is played.

import { deepEqual, ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { commandTracing, sanitizeArgs } from '../../../lib/facade/observe.ts';

interface Played {
  readonly spans: unknown[][];
}

const played = `
  const { spans } = globalThis.__played;
  export const SpanKind = { CLIENT: 'client' };
  export const SpanStatusCode = { ERROR: 'error' };
  export const trace = { getTracer: () => ({ startSpan: (name, options) => {
    const events = [name, options];
    spans.push(events);
    return { recordException: (error) => events.push(error.message), setStatus: (status) => events.push(status), end: () => events.push('end') };
  } }) };`;

const asModule = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`;

describe('observability', () => {
  it('has an OpenTelemetry example that works as printed', async () => {
    const example = /```js\n(.*?)```/s.exec(readFileSync('docs/observability.md', 'utf8'))?.[1] ?? '';
    ok(example.includes("'@opentelemetry/api'"));
    const spans: unknown[][] = [];
    (globalThis as unknown as { __played: Played }).__played = { spans };
    await import(asModule(example.replace('@opentelemetry/api', asModule(played).replaceAll("'", '%27'))));
    const context = { command: 'set', args: ['k', '?'], database: 0, serverAddress: 'h', serverPort: 1 };
    await commandTracing.tracePromise(() => Promise.resolve('OK'), { ...context });
    await commandTracing.tracePromise(() => Promise.reject(new Error('no')), { ...context }).catch(() => undefined);
    const attributes = {
      'db.system.name': 'redis',
      'db.operation.name': 'SET',
      'db.query.text': 'set k ?',
      'server.address': 'h',
      'server.port': 1,
    };
    const begun = ['SET', { kind: 'client', attributes }];
    deepEqual(spans, [
      [...begun, 'end'],
      [...begun, 'no', { code: 'error', message: 'no' }, 'end'],
    ]);
  });

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
