import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { slotOfBinary } from '../../../../lib/wire/slot.ts';
import { Databases } from '../../../../server/keyspace/databases.ts';
import { never, type Store, type TypeName, type Value } from '../../../../server/keyspace/store.ts';

function open(options: { indexSlots?: boolean; count?: number } = {}): {
  world: ManualWorld;
  all: Databases;
  store: Store;
} {
  const world = new ManualWorld();
  const all = new Databases(world, options);
  return { world, all, store: all.stores[0]! };
}

class Box implements Value {
  readonly type: TypeName = 'list';
  readonly encoding = 'quicklist';
  size = 1;
  counted = 0;
  memory(): number {
    return 8;
  }

  clone(): Box {
    return new Box();
  }
}

describe('the store', () => {
  it('keeps what a map would keep, under any mix of writes, deletions and deadlines', () => {
    const key = fc.integer({ min: 0, max: 20 }).map((n) => `k${n}`);
    const step = fc.oneof(
      fc.record({ do: fc.constant('put' as const), key }),
      fc.record({ do: fc.constant('delete' as const), key }),
      fc.record({ do: fc.constant('expire' as const), key, ms: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 30 }) }),
      fc.record({ do: fc.constant('sweep' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { world, store } = open({ indexSlots: true, count: 1 });
        const model = new Map<string, number>();
        for (const one of steps) {
          if (one.do === 'put') {
            store.replace(one.key, 'v');
            model.set(one.key, Number.POSITIVE_INFINITY);
          } else if (one.do === 'delete') {
            assert.equal(store.delete(one.key), model.delete(one.key));
          } else if (one.do === 'expire') {
            const entry = store.peek(one.key);
            assert.equal(entry !== undefined, model.has(one.key));
            if (entry !== undefined) {
              store.setDeadline(entry, store.now() + one.ms);
              model.set(one.key, store.now() + one.ms);
            }
          } else if (one.do === 'wait') {
            world.forward(one.ms);
            for (const [held, at] of model) if (at <= store.now()) model.delete(held);
          } else store.expireDue(1000);
          const live = [...store.entries()].map((entry) => entry.key).sort();
          assert.deepEqual(live, [...model.keys()].sort());
          for (const held of model.keys()) {
            assert.ok(store.keysInSlot(slotOfBinary(held), 100).includes(held));
          }
        }
        store.expireDue(1000);
        assert.equal(store.size, model.size);
        let inSlots = 0;
        for (let slot = 0; slot < 16384; slot++) inSlots += store.countInSlot(slot);
        assert.equal(inSlots, model.size);
      }),
      { numRuns: 60 },
    );
  });

  it('returns from SCAN every key that is there throughout, whatever comes and goes meanwhile', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 7 }),
        fc.array(fc.record({ add: fc.boolean(), n: fc.nat(40) }), { maxLength: 80 }),
        (stays, count, changes) => {
          const { store } = open();
          for (let at = 0; at < stays; at++) {
            store.put(`stay${at}`, 'v');
            store.put(`go${at}`, 'v');
          }
          const seen = new Set<string>();
          let cursor = 0;
          let at = 0;
          do {
            cursor = store.scan(cursor, count, (entry) => seen.add(entry.key));
            for (const change of changes.slice(at, at + 5)) {
              if (change.add) store.put(`new${change.n}`, 'v');
              else store.delete(`go${change.n}`);
            }
            at += 5;
          } while (cursor !== 0);
          for (let n = 0; n < stays; n++) assert.ok(seen.has(`stay${n}`), `stay${n} was not returned`);
        },
      ),
    );
  });

  it('knows the order, deadline and form of each key of a slot, whatever is removed between them', () => {
    const step = fc.tuple(fc.nat(5), fc.nat(2), fc.nat(12));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const { store } = open({ indexSlots: true, count: 1 });
        const model = new Map<string, { deadline: number; form: 'raw' | 'embstr' | undefined }>();
        for (const [what, tag, n] of steps) {
          const key = `{t${tag}}${n}`;
          if (what < 2) {
            store.replace(key, 'v').form = what === 0 ? 'raw' : 'embstr';
            const there = model.get(key);
            const now = { deadline: never, form: what === 0 ? ('raw' as const) : ('embstr' as const) };
            if (there === undefined) model.set(key, now);
            else Object.assign(there, now);
          } else if (what < 4) {
            assert.equal(store.delete(key), model.delete(key));
          } else {
            const entry = store.peek(key);
            if (entry === undefined) continue;
            entry.form = undefined;
            store.setDeadline(entry, what === 4 ? store.now() + 1000 + n : never);
            Object.assign(model.get(key)!, { form: undefined, deadline: entry.expireAt });
          }
        }
        for (const tag of [0, 1, 2]) {
          const slot = slotOfBinary(`{t${tag}}`);
          const held = [...model.keys()].filter((key) => key.startsWith(`{t${tag}}`)).reverse();
          assert.deepEqual(store.keysInSlot(slot, 100), held);
          assert.equal(store.countInSlot(slot), held.length);
        }
        for (const [key, { deadline, form }] of model) {
          const entry = store.peek(key)!;
          assert.deepEqual([entry.expireAt, entry.form], [deadline, form], key);
        }
        const deadlines = [...model.values()].flatMap(({ deadline }) => (deadline === never ? [] : [deadline]));
        assert.equal(store.expires, deadlines.length);
        assert.equal(store.soonest?.expireAt, deadlines.length === 0 ? undefined : Math.min(...deadlines));
      }),
    );
  });

  it('lists the keys of a slot most recently added first', () => {
    const { store } = open({ indexSlots: true, count: 1 });
    for (const name of ['a', 'b', 'c']) store.put(`{t}${name}`, 'v');
    store.put('{t}a', 'again');
    const slot = slotOfBinary('{t}');
    assert.deepEqual(store.keysInSlot(slot, 10), ['{t}c', '{t}b', '{t}a']);
    assert.deepEqual(store.keysInSlot(slot, 2), ['{t}c', '{t}b']);
    store.delete('{t}b');
    assert.deepEqual(store.keysInSlot(slot, 10), ['{t}c', '{t}a']);
    assert.equal(store.countInSlot(slot), 2);
    store.clear();
    assert.equal(store.countInSlot(slot), 0);
  });

  it('deletes what is due on a primary, on sight and in the background, and reports it', () => {
    const { world, all, store } = open();
    const gone: string[] = [];
    all.onExpired = (_store, key) => gone.push(key);
    let flushes = 0;
    all.start(() => flushes++);
    for (const key of ['a', 'b']) store.setDeadline(store.put(key, 'v'), store.now() + 1050);
    world.forward(1049);
    assert.ok(store.has('a'));
    world.forward(1);
    assert.equal(store.has('a'), false);
    assert.deepEqual(gone, ['a']);
    assert.equal(store.size, 1);
    world.forward(100);
    assert.deepEqual(gone, ['a', 'b']);
    assert.equal(store.size, 0);
    assert.equal(flushes, 1);
    all.stop();
    assert.equal(world.pending, 0);
  });

  it('only hides what is due on a replica, and ignores deadlines for the stream of its primary', () => {
    const { world, all, store } = open();
    all.mode = 'applying';
    store.setDeadline(store.put('k', 'v'), store.now() + 10);
    all.mode = 'replica';
    store.setDeadline(store.put('own', 'v'), store.now() + 10);
    world.forward(20);
    assert.equal(store.has('k'), false);
    assert.equal(store.size, 2);
    assert.equal(store.expireDue(10), 1, 'what its own client wrote');
    assert.equal(store.size, 1);
    assert.equal(store.expireDue(10), 0);
    all.mode = 'applying';
    assert.equal(store.get('k'), 'v');
    assert.ok(store.delete('k'));
    assert.equal(store.size, 0);
  });

  it('lets a replica write over a key that it hides', () => {
    const { world, all, store } = open();
    all.mode = 'replica';
    store.setDeadline(store.put('k', 'old'), store.now() + 10);
    world.forward(20);
    store.replace('k', 'new');
    assert.equal(store.get('k'), 'new');
    assert.equal(store.size, 1);
    assert.equal(store.expires, 0);
  });

  it('notifies watchers of changes, of running out, and of flushes', () => {
    const { world, store } = open();
    const watcher = { dirty: false };
    store.watchers.watch('k', watcher);
    store.put('other', 'v');
    store.changed('other', '$', 'set');
    assert.equal(watcher.dirty, false);
    store.setDeadline(store.put('k', 'v'), store.now() + 10);
    store.changed('k', '$', 'set');
    assert.equal(watcher.dirty, true);
    const second = { dirty: false };
    store.watchers.watch('k', second);
    assert.equal(store.watchers.expired('k', second), false);
    world.forward(10);
    assert.equal(store.watchers.expired('k', second), true);
    const third = { dirty: false };
    store.watchers.watch('other', third);
    store.clear();
    assert.equal(third.dirty, true);
    store.watchers.unwatch('k', second);
    second.dirty = false;
    store.put('k', 'v');
    store.changed('k', '$', 'set');
    assert.equal(second.dirty, false);
  });

  it('signals a key that someone waits for, and only then', () => {
    const { all, store } = open();
    const ready: string[] = [];
    all.onReady = (_store, key) => ready.push(key);
    store.changed('k', 'l', 'rpush');
    store.watchers.await('k');
    store.watchers.await('k');
    store.watchers.unawait('k');
    store.changed('k', 'l', 'rpush');
    store.changed('j', 'l', 'rpush');
    store.watchers.unawait('k');
    store.changed('k', 'l', 'rpush');
    assert.deepEqual(ready, ['k']);
  });

  it('refuses the wrong type and removes an aggregate that was emptied', () => {
    const { store } = open();
    const box = new Box();
    store.put('l', box);
    store.put('s', 'v');
    assert.throws(() => store.getString('l'), { message: /^WRONGTYPE Operation against a key/ });
    assert.throws(() => store.getTyped<Box>('s', 'list'), { message: /^WRONGTYPE/ });
    assert.equal(store.getTyped<Box>('l', 'list'), box);
    assert.equal(store.dropIfEmpty('l', box), false);
    box.size = 0;
    assert.equal(store.dropIfEmpty('l', box), true);
    assert.equal(store.has('l'), false);
  });

  it('gives a random key, every one in the end, and does not hang when all it has is hidden', () => {
    const { world, all, store } = open();
    assert.equal(store.random(), undefined);
    for (let at = 0; at < 10; at++) store.put(`k${at}`, 'v');
    const seen = new Set<string>();
    for (let at = 0; at < 500; at++) seen.add(store.random()!.key);
    assert.equal(seen.size, 10);
    all.mode = 'replica';
    for (const entry of [...store.entries()]) store.setDeadline(entry, store.now() + 1);
    world.forward(5);
    assert.ok(store.random() !== undefined);
  });

  it('exchanges two databases', () => {
    const { all } = open();
    const [one, two] = [all.stores[0]!, all.stores[1]!];
    one.setDeadline(one.put('a', '1'), one.now() + 1000);
    two.put('b', '2');
    one.swapWith(two);
    assert.deepEqual([one.get('b'), two.get('a'), one.expires, two.expires], ['2', '1', 0, 1]);
  });
});
