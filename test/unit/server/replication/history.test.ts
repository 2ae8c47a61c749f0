import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { Backlog } from '../../../../server/replication/backlog.ts';
import { History } from '../../../../server/replication/history.ts';

const least = 16 * 1024;

describe('Backlog', () => {
  it('holds the last bytes of the stream, whatever their pieces and its sizes', () => {
    const step = fc.oneof(
      fc.record({ add: fc.integer({ min: 0, max: 2 * least }) }),
      fc.record({ resize: fc.integer({ min: least, max: 3 * least }) }),
    );
    fc.assert(
      fc.property(fc.nat(1000), fc.array(step, { maxLength: 20 }), fc.nat(), (before, steps, chance) => {
        const backlog = new Backlog(least, before);
        let capacity = least;
        let model = Buffer.alloc(0);
        let total = before;
        for (const [at, one] of steps.entries()) {
          if ('add' in one) {
            const bytes = Buffer.from(Array.from({ length: one.add }, (_, index) => (index * 7 + at) & 255));
            backlog.append(bytes);
            total += bytes.length;
            model = Buffer.concat([model, bytes]);
          } else {
            capacity = one.resize;
            backlog.resize(capacity);
          }
          model = model.subarray(Math.max(0, model.length - capacity));
          assert.deepEqual(
            [backlog.length, backlog.end, backlog.first],
            [model.length, total, total - model.length + 1],
          );
        }
        const next = backlog.first + (chance % (model.length + 1));
        assert.ok(backlog.reaches(next));
        assert.deepEqual(backlog.from(next), model.subarray(next - backlog.first));
        assert.ok(!backlog.reaches(backlog.first - 1));
        assert.ok(!backlog.reaches(total + 2));
      }),
      { numRuns: 200 },
    );
  });

  it('keeps every byte that somebody waits for, and is small again afterwards', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: least }), { minLength: 1, maxLength: 30 }),
        fc.nat(5),
        (adds, wait) => {
          const backlog = new Backlog(least, 0);
          let model = Buffer.alloc(0);
          let needed: number | undefined;
          for (const [at, add] of adds.entries()) {
            if (at === wait) needed = backlog.end + 1;
            const bytes = Buffer.from(Array.from({ length: add }, (_, index) => (index * 11 + at) & 255));
            backlog.append(bytes, needed);
            backlog.resize(least, needed);
            model = Buffer.concat([model, bytes]);
            if (needed === undefined) continue;
            assert.ok(backlog.reaches(needed));
            assert.deepEqual(backlog.from(needed), model.subarray(needed - 1));
          }
          backlog.resize(least);
          assert.equal(backlog.capacity, least);
          assert.deepEqual(backlog.from(backlog.first), model.subarray(Math.max(0, model.length - least)));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is never smaller than 16 KiB', () => {
    const backlog = new Backlog(1, 0);
    backlog.append(Buffer.alloc(least));
    assert.equal(backlog.length, least);
  });
});

describe('History', () => {
  const bytes = (count: number): Buffer => Buffer.alloc(count, 'x');
  let history: History;
  beforeEach(() => {
    history = new History(new ManualWorld(), () => least);
  });

  it('is not kept until somebody wants it, and has a new name then', () => {
    const { id } = history;
    assert.match(id, /^[0-9a-f]{40}$/);
    assert.ok(!history.kept && !history.continues(id, 1));
    history.begin();
    assert.notEqual(history.id, id);
    assert.ok(history.continues(history.id, 1));
    assert.ok(!history.continues(id, 1));
  });

  it('can be continued from every byte that is kept, and from no other', () => {
    history.begin();
    history.append(bytes(least + 100));
    const { id } = history;
    assert.ok(!history.continues(id, 100));
    assert.ok(history.continues(id, 101));
    assert.ok(history.continues(id, least + 101));
    assert.ok(!history.continues(id, least + 102));
    assert.ok(!history.continues('0'.repeat(40), 101));
  });

  it('has two names after a promotion: the old one is good up to there and no further', () => {
    history.adopt('a'.repeat(40), 50);
    history.append(bytes(10));
    history.branch();
    assert.equal(history.formerId, 'a'.repeat(40));
    assert.equal(history.formerEnd, 61);
    history.append(bytes(10));
    assert.ok(history.continues('a'.repeat(40), 61));
    assert.ok(!history.continues('a'.repeat(40), 62));
    assert.ok(history.continues(history.id, 62));
  });

  it('follows its master to another name, and gives its own replicas both', () => {
    history.adopt('a'.repeat(40), 50);
    assert.ok(!history.follow('a'.repeat(40)));
    assert.ok(history.follow('b'.repeat(40)));
    history.append(bytes(5));
    assert.ok(history.continues('a'.repeat(40), 51));
    assert.ok(!history.continues('a'.repeat(40), 56));
    assert.ok(history.continues('b'.repeat(40), 56));
  });

  it('forgets all names with a copy, and when it is dropped', () => {
    history.adopt('a'.repeat(40), 50);
    history.branch();
    history.adopt('c'.repeat(40), 7);
    assert.deepEqual([history.formerId, history.formerEnd, history.offset], ['0'.repeat(40), -1, 7]);
    history.drop();
    assert.ok(!history.continues('c'.repeat(40), 8));
  });
});
