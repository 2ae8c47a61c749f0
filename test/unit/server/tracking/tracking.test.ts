// The rules of client tracking, without sockets: the table and its limit, prefixes, who is notified and when.

import assert from 'node:assert/strict';
import { Push, type Reply } from '../../../../lib/wire/reply.ts';
import { Broadcasts } from '../../../../server/tracking/broadcasts.ts';
import { InvalidationTable } from '../../../../server/tracking/invalidation-table.ts';
import { readTrackingRequest, refuseTracking, type TrackingMode } from '../../../../server/tracking/mode.ts';
import { prefixOverlap } from '../../../../server/tracking/prefixes.ts';
import { Tracking, type TrackingClient } from '../../../../server/tracking/tracking.ts';

class Listener implements TrackingClient {
  readonly id: number;
  protocol: 2 | 3 = 3;
  inPubSub = false;
  tracking: TrackingMode | undefined = undefined;
  readonly heard: unknown[] = [];
  readonly sink = {
    send: (reply: Reply): void => {
      assert.ok(reply instanceof Push);
      this.heard.push(reply.items);
    },
  };

  constructor(id: number) {
    this.id = id;
  }
}

interface Scene {
  readonly tracking: Tracking<Listener>;
  readonly on: (client: Listener, words?: string) => void;
  readonly join: (id: number) => Listener;
  readonly leave: (client: Listener) => void;
}

function scene(): Scene {
  const clients = new Map<number, Listener>();
  const tracking = new Tracking<Listener>(clients);
  const join = (id: number): Listener => {
    const client = new Listener(id);
    clients.set(id, client);
    return client;
  };
  const leave = (client: Listener): void => {
    tracking.stop(client);
    clients.delete(client.id);
  };
  const on = (client: Listener, words = ''): void => {
    const argv = ['client', 'tracking', 'on', ...words.split(' ').filter((word) => word !== '')];
    const request = readTrackingRequest(argv, (id) => clients.has(id));
    assert.equal(refuseTracking(request, client.tracking), undefined);
    tracking.start(client, request);
  };
  return { tracking, on, join, leave };
}

const invalidate = (...keys: string[]): unknown => ['invalidate', keys];
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('tracking: who is notified of what', () => {
  it('a key is notified once to each who read it, in the order of their ids coming', () => {
    const { tracking, on, join } = scene();
    const [one, two, idle] = [join(1), join(2), join(3)];
    for (const client of [one, two, idle]) on(client);
    tracking.remember(one, ['a', 'b']);
    tracking.remember(two, ['a']);
    tracking.remember(one, ['a']);
    assert.deepEqual(tracking.counts, { keys: 2, items: 3, prefixes: 0 });
    tracking.invalidate('a', false);
    tracking.invalidate('a', false);
    assert.deepEqual([one.heard, two.heard, idle.heard], [[invalidate('a')], [invalidate('a')], []]);
    assert.deepEqual(tracking.counts, { keys: 1, items: 1, prefixes: 0 });
  });

  it('the client whose command runs receives after its answer, once for each change', () => {
    const { tracking, on, join } = scene();
    const [self, other] = [join(1), join(2)];
    on(self);
    on(other);
    tracking.remember(self, ['a', 'b']);
    tracking.remember(other, ['a']);
    tracking.enter(self);
    tracking.invalidate('a', false);
    tracking.invalidateAll();
    tracking.enter(undefined);
    assert.deepEqual([self.heard, other.heard], [[], [invalidate('a'), ['invalidate', null]]]);
    tracking.sendDeferred(self);
    tracking.sendDeferred(self);
    assert.deepEqual(self.heard, [invalidate('a'), ['invalidate', null]]);
    assert.equal(tracking.counts.keys, 0);
  });

  it('a broadcast comes once in a turn, keys in order, without the keys that a NOLOOP client changed last', async () => {
    const { tracking, on, join } = scene();
    const [all, noloop] = [join(1), join(2)];
    on(all, 'bcast');
    on(noloop, 'bcast noloop');
    tracking.enter(noloop);
    for (const key of ['b', 'a', 'b']) tracking.invalidate(key, false);
    tracking.enter(undefined);
    tracking.invalidate('c', true);
    assert.deepEqual(all.heard, []);
    await turn();
    assert.deepEqual(all.heard, [invalidate('a', 'b', 'c')]);
    assert.deepEqual(noloop.heard, [invalidate('c')]);
    tracking.enter(noloop);
    tracking.invalidate('a', false);
    await turn();
    assert.equal(noloop.heard.length, 1);
  });

  it('one that left, stopped, or went over to BCAST gets nothing of what it read', async () => {
    const { tracking, on, join, leave } = scene();
    const [gone, stopped, moved] = [join(1), join(2), join(3)];
    for (const client of [gone, stopped, moved]) {
      on(client);
      tracking.remember(client, ['a']);
    }
    leave(gone);
    tracking.stop(stopped);
    tracking.stop(moved);
    on(moved, 'bcast prefix x');
    tracking.invalidate('a', false);
    await turn();
    assert.deepEqual([gone.heard, stopped.heard, moved.heard], [[], [], []]);
    assert.equal(tracking.clients, 1);
    leave(moved);
    assert.deepEqual(tracking.counts, { keys: 0, items: 0, prefixes: 0 });
  });

  it('redirection: to RESP3 as a push, to a RESP2 subscriber as a message, to nobody once it left', () => {
    const { tracking, on, join, leave } = scene();
    const [reader, target] = [join(1), join(2)];
    const change = (): void => {
      tracking.remember(reader, ['a']);
      tracking.invalidate('a', false);
    };
    on(reader, 'redirect 2');
    change();
    target.protocol = 2;
    change();
    target.inPubSub = true;
    change();
    assert.deepEqual(target.heard, [invalidate('a'), ['message', '__redis__:invalidate', ['a']]]);
    leave(target);
    change();
    assert.deepEqual(reader.heard, [['tracking-redir-broken', 2]]);
    assert.equal(reader.tracking?.brokenRedirect, true);
    reader.protocol = 2;
    change();
    assert.equal(reader.heard.length, 1);
  });

  it('keys above the limit go, those read longest ago first, more at each look', () => {
    const { tracking, on, join } = scene();
    const reader = join(1);
    on(reader);
    tracking.remember(
      reader,
      Array.from({ length: 1000 }, (_, at) => `k${at}`),
    );
    tracking.enforceLimit();
    assert.equal(tracking.counts.keys, 1000);
    tracking.maxKeys = 10;
    const left: number[] = [];
    while (tracking.aboveLimit) {
      tracking.enforceLimit();
      left.push(tracking.counts.keys);
    }
    assert.deepEqual(left, [900, 700, 400, 10]);
    assert.deepEqual(reader.heard[0], invalidate('k0'));
    assert.equal(reader.heard.length, 990);
  });
});

describe('tracking: tables', () => {
  it('the invalidation table counts every id once', () => {
    const table = new InvalidationTable();
    for (const id of [1, 1, 2, 3, 3]) table.add('a', id);
    table.add('b', 1);
    assert.deepEqual([table.size, table.items], [2, 4]);
    assert.deepEqual([...table.take('a')], [1, 2, 3]);
    assert.deepEqual([...table.take('a')], []);
    assert.deepEqual([...table.take('b')], [1]);
    assert.deepEqual([table.size, table.items], [0, 0]);
  });

  it('prefixes of any length meet the keys that begin with them', () => {
    const broadcasts = new Broadcasts();
    for (const [prefix, id] of [
      ['', 1],
      ['a', 2],
      ['ab', 3],
      ['abc', 4],
    ] as const)
      broadcasts.follow(prefix, id);
    broadcasts.note('ab', 0);
    assert.deepEqual(
      broadcasts.take().map(({ ids, keys }) => [ids, keys]),
      [
        [[1], ['ab']],
        [[2], ['ab']],
        [[3], ['ab']],
      ],
    );
    assert.equal(broadcasts.pending, false);
    for (const [prefix, id] of [
      ['', 1],
      ['a', 2],
      ['ab', 3],
    ] as const)
      broadcasts.unfollow(prefix, id);
    broadcasts.unfollow('abc', 9);
    broadcasts.note('ab', 0);
    assert.equal(broadcasts.pending, false);
    assert.equal(broadcasts.size, 1);
  });

  it('overlaps are found as a look at every pair finds them', () => {
    let seed = 1;
    const chance = (below: number): number => {
      seed = (seed * 48271) % 0x7fffffff;
      return seed % below;
    };
    const word = (): string => Array.from({ length: chance(4) }, () => 'ab'[chance(2)]).join('');
    let found = 0;
    for (let round = 0; round < 20_000; round++) {
      const given = Array.from({ length: chance(5) }, () => word() + chance(4));
      const existing = new Set<string>();
      for (let at = 0; at < chance(4); at++) {
        const next = word() + chance(4);
        if (![...existing].some((held) => overlaps(held, next))) existing.add(next);
      }
      const expected = everyPair(given, existing);
      if (expected !== undefined) found++;
      assert.deepEqual(prefixOverlap(given, existing), expected, JSON.stringify([given, [...existing]]));
    }
    assert.ok(found > 1000 && found < 19_000);
  });

  it('a hundred thousand prefixes in one call are looked at in no time that shows', () => {
    const many = Array.from({ length: 100_000 }, (_, at) => `p${String(at).padStart(6, '0')}`);
    assert.equal(prefixOverlap(many, new Set()), undefined);
    assert.deepEqual(prefixOverlap([...many, 'p09999'], new Set()), {
      prefix: 'p099990',
      with: 'p09999',
      existing: false,
    });
  });
});

function overlaps(one: string, other: string): boolean {
  return one.startsWith(other) || other.startsWith(one);
}

function everyPair(given: readonly string[], existing: ReadonlySet<string>): unknown {
  for (const [at, prefix] of given.entries()) {
    const before = [...existing].sort().find((held) => overlaps(held, prefix));
    if (before !== undefined) return { prefix, with: before, existing: true };
    const beside = given.slice(at + 1).find((later) => overlaps(later, prefix));
    if (beside !== undefined) return { prefix, with: beside, existing: false };
  }
  return undefined;
}
