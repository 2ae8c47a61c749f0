import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { baseBytes, Eviction } from '../../../../server/eviction/eviction.ts';
import { evictionTimeMs, policyOf } from '../../../../server/eviction/policy.ts';
import { Databases } from '../../../../server/keyspace/databases.ts';

interface Stage {
  readonly world: ManualWorld;
  readonly databases: Databases;
  readonly eviction: Eviction;
  readonly evicted: string[];
  other: number;
  /** What a look anew would find; undefined: the same. */
  otherNow: number | undefined;
  exempt: boolean;
}

function stage(policy: string, options: { seed?: number; samples?: number; tenacity?: number } = {}): Stage {
  const world = new ManualWorld({ seed: options.seed ?? 1 });
  const databases = new Databases(world, { count: 4 });
  databases.access.counting = policy.endsWith('lfu');
  const evicted: string[] = [];
  const made: Stage = {
    world,
    databases,
    evicted,
    other: 0,
    otherNow: undefined,
    exempt: false,
    eviction: new Eviction(world, databases, {
      otherBytes: (fresh) => (fresh ? (made.otherNow ?? made.other) : made.other),
      onEvicted: (store, key) => evicted.push(`${store.index}:${key}`),
      get exempt() {
        return made.exempt;
      },
      onRound: () => undefined,
    }),
  };
  const { samples = 5, tenacity = 100 } = options;
  made.eviction.configure({ limit: 1 << 30, policy, samples, tenacity });
  return made;
}

function limit({ eviction }: Stage, policy: string, bytes: number, tenacity = 100): void {
  eviction.configure({ limit: bytes, policy, samples: 5, tenacity });
}

function fill({ databases, world }: Stage, count: number, each: (at: number) => void = () => undefined): void {
  for (let at = 0; at < count; at++) {
    databases.stores[at % 4]!.replace(`key:${at}`, 'x'.repeat(100));
    each(at);
    world.forward(1000);
    databases.access.tick();
  }
}

describe('eviction', () => {
  it('knows the policies and nothing else', () => {
    assert.deepEqual(policyOf('volatile-ttl'), { volatile: true, by: 'ttl' });
    assert.deepEqual(policyOf('allkeys-lfu'), { volatile: false, by: 'lfu' });
    for (const none of ['noeviction', '', 'allkeys', 'allkeys-lru2']) assert.equal(policyOf(none), undefined);
    assert.deepEqual([0, 10, 100].map(evictionTimeMs), [0, 0.5, Number.POSITIVE_INFINITY]);
    assert.ok(evictionTimeMs(11) > 0.5 && evictionTimeMs(99) > 60_000);
  });

  it('evicts nothing for buffers of clients that are gone', () => {
    const scene = stage('allkeys-lru');
    fill(scene, 10);
    limit(scene, 'allkeys-lru', baseBytes + scene.databases.bytes + 1000);
    scene.other = 5000;
    scene.otherNow = 0;
    assert.equal(scene.eviction.admit(), 'ok');
    assert.deepEqual(scene.evicted, []);
    scene.otherNow = undefined;
    scene.eviction.admit();
    assert.ok(scene.evicted.length > 0);
  });

  it('lets everything in while there is no limit, and refuses when nothing may go', () => {
    const none = stage('noeviction');
    fill(none, 10);
    limit(none, 'noeviction', 0);
    assert.equal(none.eviction.admit(), 'ok');
    limit(none, 'noeviction', 1);
    assert.equal(none.eviction.admit(), 'full');
    assert.equal(none.eviction.full, true);
    assert.equal(none.evicted.length, 0);
    limit(none, 'volatile-lru', 1);
    assert.equal(none.eviction.admit(), 'full', 'no key has a deadline');
    none.exempt = true;
    assert.equal(none.eviction.admit(), 'ok');
  });

  it('evicts down to the limit and no further', () => {
    const room = stage('allkeys-random');
    fill(room, 100);
    const bytes = room.databases.bytes;
    limit(room, 'allkeys-random', baseBytes + Math.floor(bytes / 2));
    assert.equal(room.eviction.admit(), 'ok');
    assert.ok(room.eviction.used <= room.eviction.limit);
    assert.ok(room.databases.bytes > bytes / 2 - 1000, 'more went than had to');
    assert.equal(room.eviction.evicted, room.evicted.length);
    assert.equal(room.evicted.length, 50);
    assert.deepEqual(new Set(room.evicted.map((key) => key[0])).size, 4, 'the databases take turns');
  });

  it('counts what is not keys', () => {
    const room = stage('allkeys-lru');
    fill(room, 100);
    limit(room, 'allkeys-lru', room.eviction.used + 10);
    room.other = 5000;
    assert.equal(room.eviction.admit(), 'ok');
    assert.ok(room.evicted.length >= 15 && room.evicted.length < 30, `${room.evicted.length}`);
  });

  it('LRU: mostly the oldest half goes', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const room = stage('allkeys-lru', { seed });
      fill(room, 400);
      limit(room, 'allkeys-lru', baseBytes + Math.floor(room.databases.bytes / 2));
      room.eviction.admit();
      const old = room.evicted.filter((key) => Number(key.split(':')[2]) < 200).length;
      assert.ok(old / room.evicted.length > 0.9, `seed ${seed}: ${old} of ${room.evicted.length}`);
    }
  });

  it('LRU: a key that was read stays', () => {
    const room = stage('allkeys-lru', { seed: 3 });
    fill(room, 200);
    for (let at = 0; at < 50; at++) room.databases.stores[at % 4]!.get(`key:${at}`);
    limit(room, 'allkeys-lru', baseBytes + Math.floor(room.databases.bytes * 0.6));
    room.eviction.admit();
    const gone = room.evicted.filter((key) => Number(key.split(':')[2]) < 50).length;
    assert.ok(gone <= room.evicted.length * 0.1, `${gone} of ${room.evicted.length}`);
  });

  it('LFU: keys that are used often stay', () => {
    const room = stage('allkeys-lfu', { seed: 2 });
    fill(room, 200, (at) => {
      for (let use = 0; at % 2 === 0 && use < 50; use++) room.databases.stores[at % 4]!.get(`key:${at}`);
    });
    limit(room, 'allkeys-lfu', baseBytes + Math.floor(room.databases.bytes * 0.6));
    room.eviction.admit();
    const used = room.evicted.filter((key) => Number(key.split(':')[2]) % 2 === 0).length;
    assert.ok(used <= room.evicted.length * 0.1, `${used} of ${room.evicted.length}`);
  });

  it('TTL: exactly those that would run out first, over all databases', () => {
    const room = stage('volatile-ttl');
    fill(room, 100, (at) => {
      const store = room.databases.stores[at % 4]!;
      if (at % 2 === 0) store.setDeadline(store.peek(`key:${at}`)!, store.now() + 10_000_000 - at * 10_000);
    });
    limit(room, 'volatile-ttl', room.eviction.used - 2000);
    room.eviction.admit();
    const order = room.evicted.map((key) => Number(key.split(':')[2]));
    assert.deepEqual(
      order,
      [...order].sort((a, b) => b - a),
    );
    assert.equal(order[0], 98);
    assert.ok(order.length >= 5);
  });

  it('volatile policies leave keys without a deadline', () => {
    for (const policy of ['volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl']) {
      const room = stage(policy);
      fill(room, 100, (at) => {
        const store = room.databases.stores[at % 4]!;
        if (at < 20) store.setDeadline(store.peek(`key:${at}`)!, store.now() + 1e9);
      });
      limit(room, policy, baseBytes);
      assert.equal(room.eviction.admit(), 'full', policy);
      assert.equal(room.evicted.length, 20, policy);
      assert.ok(
        room.evicted.every((key) => Number(key.split(':')[2]) < 20),
        policy,
      );
    }
  });

  it('goes on between commands when a round takes too long, and at once when the limit is lowered', () => {
    const room = stage('allkeys-random');
    fill(room, 1000);
    // The clock moves with each look at it, as if eviction took time.
    const now = room.world.now.bind(room.world);
    let looks = 0;
    room.world.now = () => now() + looks++ * 0.2;
    limit(room, 'allkeys-random', baseBytes, 10);
    assert.equal(room.eviction.admit(), 'running');
    assert.ok(room.evicted.length > 0 && room.evicted.length < 100, `${room.evicted.length}`);
    room.world.forward(0);
    assert.equal(room.evicted.length, 1000, 'the rest goes without a command');
    assert.equal(room.eviction.admit(), 'ok');
  });

  it('says for how long the limit was exceeded', () => {
    const room = stage('noeviction');
    fill(room, 10);
    limit(room, 'noeviction', 1);
    room.eviction.admit();
    room.world.forward(500);
    assert.deepEqual(room.eviction.exceededMs, { total: 500, current: 500 });
    limit(room, 'noeviction', 0);
    assert.deepEqual(room.eviction.exceededMs, { total: 500, current: 0 });
    room.eviction.resetStats();
    assert.deepEqual(room.eviction.exceededMs, { total: 0, current: 0 });
  });

  it('a watched key that is evicted breaks its transaction', () => {
    const room = stage('allkeys-random');
    fill(room, 4);
    const watcher = { dirty: false };
    room.databases.stores[1]!.watchers.watch('key:1', watcher);
    limit(room, 'allkeys-random', baseBytes);
    room.eviction.admit();
    assert.equal(watcher.dirty, true);
  });
});
