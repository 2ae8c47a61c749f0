// What keys are counted as must not drift from what they hold, whatever is done to them.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { Databases } from '../../../../server/keyspace/databases.ts';
import { defaultLimits } from '../../../../server/keyspace/encoding.ts';
import type { Store } from '../../../../server/keyspace/store.ts';
import { HashValue } from '../../../../server/keyspace/types/hash.ts';
import { ListValue } from '../../../../server/keyspace/types/list.ts';
import { SetValue } from '../../../../server/keyspace/types/set.ts';
import { StreamValue } from '../../../../server/keyspace/types/stream.ts';
import { ZsetValue } from '../../../../server/keyspace/types/zset.ts';

const word = fc.string({ maxLength: 12 });

describe('footprints', () => {
  it('a hash, a set, a list, a sorted set that were changed weigh as much as one made anew', () => {
    const steps = fc.array(fc.tuple(fc.nat(5), word, word), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (changes) => {
        const hash = new HashValue();
        const set = new SetValue();
        const list = new ListValue();
        const zset = new ZsetValue();
        for (const [what, one, other] of changes) change({ hash, set, list, zset }, what, one, other);
        assert.equal(hash.memory(), hash.clone().memory());
        const again = new HashValue();
        for (const [field, value] of hash.entries()) again.set(field, value);
        assert.equal(hash.memory(), again.memory());
        assert.equal(set.memory(), SetValue.from(set).memory());
        assert.equal(list.memory(), ListValue.from(list).memory());
        assert.equal(zset.memory(), ZsetValue.from(zset.entries()).memory());
      }),
    );
  });

  it('a database counts nothing once it is empty, and follows swaps', () => {
    const steps = fc.array(fc.tuple(fc.nat(6), fc.nat(4), word), { maxLength: 80 });
    fc.assert(
      fc.property(steps, (changes) => {
        const databases = new Databases(new ManualWorld(), { count: 2 });
        const [one, other] = databases.stores as [Store, Store];
        for (const [what, key, text] of changes) alter(one, other, what, `key:${key}`, text);
        for (const store of databases.stores) {
          const sum = [...store.entries()].reduce((total, entry) => total + store.bytesOf(entry), 0);
          assert.equal(store.bytes, sum);
          for (const { key } of [...store.entries()]) store.delete(key);
          assert.equal(store.bytes, 0);
        }
      }),
    );
  });

  it('trimmed and emptied streams give back what they took', () => {
    const stream = new StreamValue();
    const empty = stream.memory();
    for (let at = 1n; at <= 500n; at++) stream.append(at << 64n, ['field', `value ${at}`]);
    const full = stream.memory();
    stream.trim({ by: 'length', length: 100, id: 0n, approximate: false, limit: 0 });
    assert.ok(stream.memory() < full / 3);
    stream.trim({ by: 'length', length: 0, id: 0n, approximate: false, limit: 0 });
    assert.equal(stream.memory(), empty);
  });

  it('encodings follow the limits that are set when a value grows', () => {
    const limits = { ...defaultLimits, hashEntries: 2, hashValue: 3, setIntegers: 2, zsetEntries: 1, zsetValue: 2 };
    const hash = new HashValue(limits);
    hash.set('a', '1');
    hash.set('b', 'abc');
    assert.equal(hash.encoding, 'listpack');
    hash.set('b', 'abcd');
    assert.equal(hash.encoding, 'hashtable');
    limits.hashValue = 64;
    assert.equal(hash.encoding, 'hashtable', 'what has grown stays');
    assert.equal(SetValue.from(['1', '2'], limits).encoding, 'intset');
    assert.equal(SetValue.from(['1', '2', '3'], limits).encoding, 'hashtable');
    assert.equal(ZsetValue.from([['ab', 1]], limits).encoding, 'listpack');
    assert.equal(ZsetValue.from([['abc', 1]], limits).encoding, 'skiplist');
    assert.equal(
      ZsetValue.from(
        [
          ['a', 1],
          ['b', 1],
        ],
        limits,
      ).encoding,
      'skiplist',
    );
  });
});

interface Values {
  readonly hash: HashValue;
  readonly set: SetValue;
  readonly list: ListValue;
  readonly zset: ZsetValue;
}

function change({ hash, set, list, zset }: Values, what: number, one: string, other: string): void {
  if (what < 3) {
    hash.set(one, other);
    set.add(one);
    list.pushTail(one);
    list.insert(Math.floor(list.size / 2), other);
    zset.set(one, other.length);
  } else if (what === 3) {
    hash.delete(one);
    set.delete(one);
    list.popHead();
    zset.delete(one);
  } else if (list.size > 0) {
    list.set(list.size - 1, other);
    list.removeEqual(one, 1);
    list.trim(0, list.size - 1);
  }
}

function alter(one: Store, other: Store, what: number, key: string, text: string): void {
  if (what === 0) one.replace(key, text);
  else if (what === 1) one.delete(key);
  else if (what === 2) one.swapWith(other);
  else if (what === 3) one.put(key, text);
  else if (what === 4) {
    const hash = new HashValue();
    one.put(key, hash);
    hash.set(text, text);
    one.changed(key, 'h', 'hset');
  } else if (what === 5) {
    const entry = one.peek(key);
    if (entry !== undefined) one.setDeadline(entry, one.now() + 1000);
  } else if (one.peek(key) !== undefined) one.evict(one.peek(key)!);
}
