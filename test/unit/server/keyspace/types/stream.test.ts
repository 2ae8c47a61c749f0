import assert from 'node:assert/strict';
import fc from 'fast-check';
import { StreamValue } from '../../../../../server/keyspace/types/stream.ts';
import { Group, PendingList } from '../../../../../server/keyspace/types/stream-group.ts';
import { formatId, MAX_ID, makeId, parseId, ZERO_ID } from '../../../../../server/keyspace/types/stream-id.ts';

describe('StreamValue', () => {
  it('holds, finds, deletes and trims as an array does', () => {
    const step = fc.tuple(fc.constantFrom('add', 'add', 'add', 'delete', 'length', 'id'), fc.nat(400));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.nat(400), fc.nat(400), (steps, from, to) => {
        const stream = new StreamValue();
        let model: bigint[] = [];
        let added = 0;
        for (const [what, number] of steps) {
          const id = makeId(BigInt(number), 1n);
          if (what === 'add') {
            added += 1;
            model.push(makeId(BigInt(added), 1n));
            stream.append(model.at(-1)!, ['field', `value${added}`]);
          } else if (what === 'delete') {
            assert.equal(stream.delete(id), model.includes(id));
            model = model.filter((other) => other !== id);
          } else if (what === 'length' && number % 10 === 0) {
            stream.trim({ by: 'length', length: number, id: ZERO_ID, approximate: false, limit: 0 });
            model = model.slice(Math.max(0, model.length - number));
          } else if (what === 'id' && number % 20 === 0) {
            stream.trim({ by: 'id', length: 0, id, approximate: false, limit: 0 });
            model = model.filter((other) => other >= id);
          }
        }
        assert.equal(stream.size, model.length);
        assert.equal(stream.entriesAdded, added);
        const [start, end] = [makeId(BigInt(from), 0n), makeId(BigInt(to), 9n)];
        const inside = model.filter((id) => id >= start && id <= end);
        assert.deepEqual(
          stream.slice(start, end, 0).map((entry) => entry.id),
          inside,
        );
        assert.deepEqual(
          stream.slice(start, end, 3, true).map((entry) => entry.id),
          inside.reverse().slice(0, 3),
        );
        assert.equal(stream.first?.id, model[0]);
        assert.equal(stream.last?.id, model.at(-1));
      }),
      { numRuns: 60 },
    );
  });

  it('approximate trimming never goes below the length and drops whole nodes only', () => {
    const stream = new StreamValue();
    for (let at = 1; at <= 1000; at += 1) stream.append(makeId(BigInt(at), 0n), ['f', 'v']);
    const dropped = stream.trim({ by: 'length', length: 250, id: ZERO_ID, approximate: true, limit: 0 });
    assert.equal(dropped, 700);
    assert.equal(stream.size, 300);
    assert.equal(formatId(stream.firstId), '701-0');
    assert.equal(stream.trim({ by: 'length', length: 0, id: ZERO_ID, approximate: true, limit: 150 }), 100);
  });

  it('gives IDs that only grow, to the last possible one', () => {
    const stream = new StreamValue();
    assert.equal(formatId(stream.nextId(5)!), '5-0');
    stream.append(makeId(9n, 7n), ['f', 'v']);
    assert.equal(formatId(stream.nextId(5)!), '9-8');
    stream.append(MAX_ID, ['f', 'v']);
    assert.equal(stream.nextId(5), undefined);
  });
});

describe('stream IDs', () => {
  it('are printed and read back', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: MAX_ID }), (id) => assert.equal(parseId(formatId(id), 0n), id)));
    for (const text of ['', '-', '1-', '-1', '1-2-3', 'a', '1-*', '18446744073709551616', '9'.repeat(200)]) {
      assert.equal(parseId(text, 0n), undefined, text);
    }
  });
});

describe('consumer groups', () => {
  it('keep each pending entry with its group and one consumer', () => {
    const step = fc.tuple(fc.constantFrom('assign', 'assign', 'settle', 'leave'), fc.nat(30), fc.nat(2));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const group = new Group('g', ZERO_ID, 0);
        const model = new Map<bigint, string>();
        for (const [what, number, who] of steps) {
          const id = BigInt(number);
          const name = `c${who}`;
          if (what === 'assign') {
            group.assign(id, group.consumer(name) ?? group.addConsumer(name, 0), 0, 1);
            model.set(id, name);
          } else if (what === 'settle') {
            assert.equal(group.settle(id), model.delete(id));
          } else {
            const held = [...model].filter(([, owner]) => owner === name);
            assert.equal(group.deleteConsumer(name), held.length);
            for (const [other] of held) model.delete(other);
          }
        }
        const ids = [...model.keys()].sort((a, b) => (a < b ? -1 : 1));
        assert.deepEqual(
          [...group.pending].map((item) => item.id),
          ids,
        );
        for (const consumer of group.consumers()) {
          const own = ids.filter((id) => model.get(id) === consumer.name);
          assert.deepEqual(
            [...consumer.pending].map((item) => item.id),
            own,
          );
        }
      }),
    );
  });

  it('PendingList finds places between its entries', () => {
    const list = new PendingList();
    const group = new Group('g', ZERO_ID, 0);
    const consumer = group.addConsumer('c', 0);
    for (const id of [5n, 1n, 3n]) list.add({ id, consumer, deliveredAt: 0, deliveries: 1 });
    assert.deepEqual(
      [0n, 1n, 2n, 3n, 4n, 5n, 6n].map((id) => list.indexFrom(id)),
      [0, 0, 1, 1, 2, 2, 3],
    );
  });
});
