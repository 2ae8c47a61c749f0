// Beside ioredis's own module, whose outcomes these are.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import * as ours from '../../../../lib/facade/compat/utils.ts';

type Utils = Record<string, (...args: unknown[]) => unknown>;

const theirs = createRequire(import.meta.url)('ioredis/built/utils') as Utils;

function outcomeOf(utils: object, name: string, args: readonly unknown[]): unknown {
  try {
    return { value: (utils as Utils)[name]!(...structuredClone(args)) };
  } catch (error) {
    return { thrown: (error as Error).constructor.name };
  }
}

const inputs: Readonly<Record<string, readonly (readonly unknown[])[]>> = {
  isInt: ['123', '123.3', '1x', 123, true, '', ' ', null, undefined, '-5', '2147483648', -0.5, '007', ' 9 ', {}].map(
    (value) => [value],
  ),
  packObject: [[[]], [['a', 1]], [['a', 1, 'b', 2]], [['a', 1, 'b']], [[1, 2, null, 3]]],
  convertObjectToArray: [[{}], [{ a: '1' }], [{ a: [1], b: { c: 1 } }]],
  convertMapToArray: [
    [new Map()],
    [
      new Map<unknown, unknown>([
        [1, '2'],
        ['a', [3]],
      ]),
    ],
  ],
  zipMap: [
    [[], []],
    [
      ['a', 'b'],
      [1, 2],
    ],
    [['a', 'b'], [1]],
  ],
  wrapMultiResult: [[null], [[]], [['a', new Error('c'), null]]],
  toArg: [[undefined], [null], ['text'], [12.5], [true], [[1, [2]]], [{}]],
  sample: [[[]], [[1], 1], [['only']], [[0, 'one'], 1]],
  defaults: [
    [{}, { a: 1 }],
    [
      { a: undefined, b: null },
      { a: 1, b: 2 },
      { a: 3, c: 4 },
    ],
    [{ a: 1 }, null, undefined],
  ],
  parseURL: [
    '6379',
    '/tmp/redis.sock',
    '/tmp/redis.sock?db=2&family=6',
    'localhost',
    'localhost:6380',
    '127.0.0.1:6380?connectionName=me',
    'redis://localhost',
    'redis://localhost:6380/4?key=value&family=4',
    'redis://:secret@[::1]:7000/1',
    'rediss://user:p%40ss@host.example/',
    'REDIS://host:1/0?db=7&password=other',
    '//host:6380/3',
    'host:6380/some/path',
    'redis://user@host?family=six',
    'redis://host:99999',
    'redis://',
    '',
  ].map((url) => [url]),
};

describe('client/compat: what others import from built/utils', () => {
  for (const [name, rows] of Object.entries(inputs)) {
    it(`${name} is ioredis's`, () => {
      for (const args of rows) {
        assert.deepEqual(outcomeOf(ours, name, args), outcomeOf(theirs, name, args), JSON.stringify(args));
      }
    });
  }

  it('makes text of buffers in arrays, as ioredis does', () => {
    const value = [Buffer.from('foo'), [Buffer.from('bär'), 1, null], 'text'];
    assert.deepEqual(ours.convertBufferToString(value), theirs['convertBufferToString']!(value));
    assert.deepEqual(ours.convertBufferToString(value, 'hex'), theirs['convertBufferToString']!(value, 'hex'));
  });

  it('shuffles in place and loses nothing', () => {
    const items = Array.from({ length: 100 }, (_, at) => at);
    assert.equal(ours.shuffle(items), items);
    assert.notDeepEqual(
      items,
      Array.from({ length: 100 }, (_, at) => at),
    );
    assert.deepEqual(
      items.toSorted((a, b) => a - b),
      Array.from({ length: 100 }, (_, at) => at),
    );
  });

  it('calls back once, with what came or with the error of the time limit', async () => {
    const outcomes: unknown[][] = [];
    const answered = ours.timeout<string>((...outcome) => outcomes.push(outcome), 60_000);
    answered(null, 'reply');
    answered(null, 'again');
    assert.deepEqual(outcomes, [[null, 'reply']]);
    const error = await new Promise<unknown>((resolve) => ours.timeout((reason) => resolve(reason), 1));
    assert.match(String(error), /timeout/);
  });

  it('has the text of a closed connection', () => {
    assert.equal(ours.CONNECTION_CLOSED_ERROR_MSG, theirs['CONNECTION_CLOSED_ERROR_MSG']);
  });
});
