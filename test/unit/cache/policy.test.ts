import { deepEqual, equal, notEqual } from 'node:assert/strict';
import fc from 'fast-check';
import { KeyIndex } from '../../../lib/cache/key-index.ts';
import { keyNameOf, keyNamesOf, mayKeep, nameOf } from '../../../lib/cache/policy.ts';
import { copyOf, isPlain, sizeOf } from '../../../lib/cache/replies.ts';
import { allCommandNames, commandOf, Flag } from '../../../lib/command/table.ts';

describe('near cache: what may be kept, and under what name', () => {
  it('reads that depend on their keys alone', () => {
    for (const name of 'get GET mget hgetall lrange zrange smembers exists strlen xrange geosearch getbit'.split(' ')) {
      equal(mayKeep(name), true, name);
    }
    const others =
      'set incr ttl pttl srandmember hrandfield zrandmember sscan scan blpop xread eval eval_ro object memory ' +
      'touch ping dbsize publish json.get made-up';
    for (const name of others.split(' ')) equal(mayKeep(name), false, name);
    equal(mayKeep(Buffer.from('get')), false);
  });

  it('nothing that writes, blocks or has no key, by the table', () => {
    for (const name of allCommandNames) {
      const row = commandOf(name)!;
      const unfit = Flag.write | Flag.blocking;
      if ((row.flags & unfit) !== 0 || row.keySpecs.length === 0) equal(mayKeep(name), false, name);
    }
  });

  it('two calls share a name only when they are the same', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('', ' ', '1:', '3:abc', 'b1:', '2 get ', 'k'),
      fc.uint8Array({ maxLength: 4 }),
    );
    const argv = fc.tuple(fc.constantFrom('get', 'mget', 'GET', 'lrange'), fc.array(word, { maxLength: 4 }));
    const encoding = fc.constantFrom('utf8', 'buffer', 'latin1');
    const plain = (words: readonly (string | Uint8Array)[]): unknown =>
      words.map((one) => (typeof one === 'string' ? one : [...one]));
    fc.assert(
      fc.property(argv, argv, encoding, encoding, ([a, as], [b, bs], e, f) => {
        const [one, other] = [
          [a, ...as],
          [b, ...bs],
        ];
        const same = JSON.stringify([plain(one), e]) === JSON.stringify([plain(other), f]);
        equal(nameOf(one, e) === nameOf(other, f), same);
      }),
    );
  });

  it('keys go by their bytes', () => {
    equal(keyNameOf('plain'), 'plain');
    equal(keyNameOf('ü'), keyNameOf(Buffer.from('ü')));
    equal(keyNameOf('ü'), '\u00c3\u00bc');
    deepEqual(keyNamesOf(['mget', 'a', Buffer.from('a'), 'b']), ['a', 'b']);
    deepEqual(keyNamesOf(['eval', 'return 1', '2', 'a', 'b', 'c']), ['a', 'b']);
    deepEqual(keyNamesOf(['ping']), []);
  });
});

describe('near cache: replies', () => {
  it('a copy is equal, and shares nothing that can be changed', () => {
    const reply = fc.letrec((tie) => ({
      any: fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.boolean(), tie('bytes'), tie('list'), tie('map')),
      bytes: fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
      list: fc.array(tie('any'), { maxLength: 4 }),
      map: fc.array(fc.tuple(fc.oneof(fc.string(), fc.constant('__proto__')), tie('any')), { maxLength: 4 }).map(own),
    })).any;
    fc.assert(
      fc.property(reply, (value) => {
        const copy = copyOf(value);
        deepEqual(copy, value);
        equal(Number.isFinite(sizeOf(value)) && sizeOf(value) > 0, true);
        if (!isPlain(value)) notEqual(copy, value);
      }),
    );
  });

  it('what no server sends is too big to keep', () => {
    equal(sizeOf(new Map()), Number.POSITIVE_INFINITY);
    equal(sizeOf(['fine', new Date(0)]), Number.POSITIVE_INFINITY);
  });
});

function own(fields: readonly [string, unknown][]): object {
  const object = {};
  for (const [field, value] of fields) {
    Object.defineProperty(object, field, { value, configurable: true, enumerable: true, writable: true });
  }
  return object;
}

describe('near cache: things by key and slot', () => {
  it('property: as a plain list says', () => {
    const item = fc.record({ keys: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')), slot: fc.nat(2) });
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(7)), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(item, { minLength: 8, maxLength: 8 }), steps, (items, script) => {
        const index = new KeyIndex<(typeof items)[number]>();
        const model = new Set<(typeof items)[number]>();
        for (const [add, at] of script) {
          if (add) index.add(items[at]!);
          else index.remove(items[at]!);
          if (add) model.add(items[at]!);
          else model.delete(items[at]!);
        }
        for (const key of ['a', 'b', 'c'] as const) {
          deepEqual(new Set(index.ofKey(key)), new Set([...model].filter(({ keys }) => keys.includes(key))));
        }
        for (const slot of [0, 1, 2]) {
          deepEqual(new Set(index.ofSlot(slot)), new Set([...model].filter((one) => one.slot === slot)));
        }
        deepEqual(new Set(index.all()), model);
      }),
    );
  });
});
