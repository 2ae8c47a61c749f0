// The entries of a database and its indexes agree with each other and with a plain model, whatever is added and removed.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { slotOfBinary } from '../../../../lib/wire/slot.ts';
import { Entries } from '../../../../server/keyspace/entries.ts';
import { type Entry, never, type Stored } from '../../../../server/keyspace/entry.ts';
import { ListValue } from '../../../../server/keyspace/types/list.ts';

function open(indexSlots = true): Entries {
  return new Entries(new ManualWorld(), indexSlots);
}

/** A value that takes more bytes the longer it is. */
function list(length: number): ListValue {
  return ListValue.from(Array.from({ length }, () => 'an element'));
}

/** Everything that the indexes say of the same entries. */
function assertAgreement(entries: Entries, model: ReadonlyMap<string, number>): void {
  const all = entries.all();
  assert.equal(entries.size, model.size);
  assert.deepEqual(all.map(({ key }) => key).sort(), [...model.keys()].sort());
  for (const [place, entry] of all.entries()) {
    assert.equal(entry.place, place);
    assert.equal(entries.get(entry.key), entry);
    assert.equal(entry.expireAt, model.get(entry.key));
    assert.ok(entries.keysInSlot(slotOfBinary(entry.key), 100).includes(entry.key));
  }
  const deadlines = [...model.values()].filter((at) => at !== never);
  assert.equal(entries.volatile, deadlines.length);
  assert.equal(entries.soonest?.expireAt, deadlines.length === 0 ? undefined : Math.min(...deadlines));
  assert.equal(
    entries.bytes,
    all.reduce((sum, entry) => sum + entries.bytesOf(entry), 0),
  );
}

describe('the entries of a database', () => {
  it('are in every index or in none, whatever is added, exchanged, removed or given a deadline', () => {
    const step = fc.tuple(fc.constantFrom('exchange', 'grow', 'remove', 'deadline', 'deadline'), fc.nat(1), fc.nat(4));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const entries = open();
        const model = new Map<string, number>();
        for (const [what, tag, n] of steps) {
          const key = `{t${tag}}${n}`;
          const entry = entries.get(key);
          if (entry === undefined) {
            entries.add(key, n % 2 === 0 ? 'text' : list(n), 0);
            model.set(key, never);
          } else if (what === 'exchange') entries.exchange(entry, n % 2 === 0 ? list(n + 1) : 'longer text');
          else if (what === 'grow') grow(entries, entry);
          else if (what === 'remove') {
            entries.remove(entry);
            model.delete(key);
          } else if (what === 'deadline') {
            const at = n === 0 ? never : 1000 + n;
            entries.setDeadline(entry, at);
            model.set(key, at);
          }
          assertAgreement(entries, model);
        }
        for (const entry of entries.all()) entries.remove(entry);
        assertAgreement(entries, new Map());
        assert.equal(entries.bytes, 0);
      }),
      { numRuns: 200 },
    );
  });

  it('count what is changed from within once it is reported, be it the one looked up last or another', () => {
    const entries = open(false);
    const [one, two] = [entries.add('one', list(1), 0), entries.add('two', list(1), 0)];
    for (const looked of [one, two]) {
      entries.get(looked.key);
      const before = entries.bytes;
      (one.value as ListValue).pushTail('x'.repeat(1000));
      assert.equal(entries.bytes, before);
      entries.recount('one');
      assert.ok(entries.bytes > before + 500);
    }
    entries.recount('no such key');
    assert.equal(entries.bytes, entries.bytesOf(one) + entries.bytesOf(two));
  });

  it('do not count what is gone, be it the one looked up last', () => {
    const entries = open();
    const value = list(1);
    entries.add('k', value, 0);
    entries.remove(entries.get('k')!);
    value.pushTail('x'.repeat(1000));
    entries.recount('k');
    assert.equal(entries.bytes, 0);
  });

  it('are all visited by SCAN, also when what is visited is removed', () => {
    const entries = open();
    for (let n = 0; n < 25; n++) entries.add(`k${n}`, 'v', 0);
    const seen: string[] = [];
    let cursor = 0;
    do {
      cursor = entries.scan(cursor, 4, (entry) => {
        seen.push(entry.key);
        entries.remove(entry);
      });
    } while (cursor !== 0);
    assert.equal(new Set(seen).size, 25);
    assert.equal(seen.length, 25);
    assert.equal(entries.size, 0);
  });

  it('are sampled from all, or from those with a deadline', () => {
    const entries = open();
    assert.equal(entries.sample(false), undefined);
    for (let n = 0; n < 6; n++) entries.add(`k${n}`, 'v', 0);
    assert.equal(entries.sample(true), undefined);
    for (const key of ['k1', 'k4']) entries.setDeadline(entries.get(key)!, 100);
    const keysOf = (volatile: boolean): string[] =>
      [...new Set(Array.from({ length: 300 }, () => entries.sample(volatile)!.key))].sort();
    assert.deepEqual(keysOf(false), ['k0', 'k1', 'k2', 'k3', 'k4', 'k5']);
    assert.deepEqual(keysOf(true), ['k1', 'k4']);
  });

  it('know nothing of slots that are not indexed', () => {
    const entries = open(false);
    entries.add('k', 'v', 0);
    assert.deepEqual([entries.countInSlot(slotOfBinary('k')), entries.keysInSlot(slotOfBinary('k'), 10)], [0, []]);
    assert.ok(open().bytesOf(open().add('k', 'v', 0)) > entries.bytes);
  });
});

function grow(entries: Entries, entry: Entry): void {
  const { value }: { value: Stored } = entry;
  if (!(value instanceof ListValue)) return;
  value.pushTail('one more');
  entries.recount(entry.key);
}
