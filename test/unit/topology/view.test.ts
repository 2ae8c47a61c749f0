// One unusable entry of a topology reply voids that entry and nothing else.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { viewOfNodes, viewOfShards, viewOfSlots } from '../../../lib/topology/view.ts';
import { combine, merge, type View } from '../../../lib/topology/vote.ts';
import { parseNodes } from '../../../lib/wire/cluster-nodes.ts';
import { LeftOut } from '../../../lib/wire/left-out.ts';

const from = '10.9.9.9:7000';
const idOf = (at: number): string => String(at).padStart(40, '0');

/** Shard `at` of `count`: its range, master and replica. */
function entryOf(at: number, count: number): unknown[] {
  const share = Math.floor(16384 / count);
  const end = at === count - 1 ? 16383 : (at + 1) * share - 1;
  return [at * share, end, [`10.0.0.${at}`, 6379, idOf(at), []], [`10.0.1.${at}`, 6379, idOf(at + 100), []]];
}

function slotsOf(view: View): Record<string, unknown> {
  return Object.fromEntries(view.shards.map(({ master, replicas, ranges }) => [master, { replicas, ranges }]));
}

const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    undefined,
    -1,
    16384,
    70_000,
    1.5,
    '',
    'x',
    [],
    {},
    new Error('ERR no'),
    Buffer.from('a\0b'),
  ),
  fc.anything(),
);

/** What can be wrong with an entry so that its range has no usable owner. */
const spoiledEntry: fc.Arbitrary<unknown> = fc.oneof(
  odd,
  fc.constantFrom<unknown>(
    [0, 5],
    [9, 3, ['10.0.0.200', 6379, idOf(200), []]],
    [0, 16384, ['10.0.0.200', 6379, idOf(200), []]],
    [-1, 5, ['10.0.0.200', 6379, idOf(200), []]],
    [0, 5, ['', 0, idOf(200), []]],
    [0, 5, [null, 0, idOf(200), []]],
    [0, 5, ['?', 6379, idOf(200), []]],
    [0, 5, ['10.0.0.200', 0, idOf(200), []]],
    [0, 5, ['a b', 6379, idOf(200), []]],
    [0, 5, 'node'],
    [0, 5, null],
    ['0-5', ['10.0.0.200', 6379, idOf(200)]],
  ),
);

describe('topology/view', () => {
  it('a spoiled entry of CLUSTER SLOTS changes nothing about the others', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.nat(), spoiledEntry, (count, place, spoiled) => {
        const good = Array.from({ length: count }, (_, at) => entryOf(at, count));
        const expected = slotsOf(viewOfSlots(good, [], from, undefined));
        const leftOut = new LeftOut();
        const mixed = good.toSpliced(place % (count + 1), 0, spoiled as unknown[]);
        const seen = slotsOf(viewOfSlots(mixed, [], from, undefined, leftOut));
        // What chance makes of an entry may be a usable one; it must not be one of ours then.
        for (const [master, what] of Object.entries(expected)) assert.deepEqual(seen[master], what);
        if (Object.keys(seen).length === count) assert.ok(leftOut.count > 0);
      }),
    );
  });

  const spoiledFields: readonly (readonly [string, (entry: unknown[][]) => void])[] = [
    ['a null id', (entry) => (entry[2]![2] = null)],
    ['a number as id', (entry) => (entry[2]![2] = 7)],
    ['no id', (entry) => entry[2]!.splice(2)],
    ['null metadata', (entry) => (entry[2]![3] = null)],
    ['metadata of an odd length', (entry) => (entry[2]![3] = ['hostname'])],
    ['metadata with numbers for keys', (entry) => (entry[2]![3] = [1, 2])],
    ['a hostname that is none', (entry) => (entry[2]![3] = ['hostname', null, 'ip', 7])],
    ['further fields', (entry) => entry[2]!.push('more', [1])],
  ];
  for (const [name, spoil] of spoiledFields) {
    it(`takes a master of CLUSTER SLOTS with ${name}`, () => {
      const good = [entryOf(0, 2), entryOf(1, 2)];
      const mixed = structuredClone(good);
      spoil(mixed[0] as unknown[][]);
      assert.deepEqual(
        slotsOf(viewOfSlots(mixed, [], from, undefined)),
        slotsOf(viewOfSlots(good, [], from, undefined)),
      );
    });
  }

  it('an unusable replica of CLUSTER SLOTS costs that replica only', () => {
    for (const replica of [
      ['', 0, idOf(7), []],
      [null, 0, null],
      ['?', 6379, idOf(7)],
      ['h', 70_000, ''],
      null,
      'x',
      5,
    ]) {
      const entry = entryOf(0, 1);
      const leftOut = new LeftOut();
      const view = viewOfSlots([[...entry.slice(0, 3), replica, entry[3]]], [], from, undefined, leftOut);
      assert.deepEqual(view.shards[0]!.replicas, ['10.0.1.0:6379']);
      assert.equal(leftOut.count, 1);
    }
  });

  it('addresses come as they are: null and empty hosts, names, IPv6 with a zone', () => {
    const masters = [null, '', 'node-1.example.com', 'fe80::1%eth0', '::1'].map((host, at) => [
      at,
      at,
      [host, 6400 + at, idOf(at)],
    ]);
    assert.deepEqual(
      viewOfSlots(masters, [], from, undefined).shards.map(({ master }) => master),
      ['10.9.9.9:6400', '10.9.9.9:6401', 'node-1.example.com:6402', 'fe80::1%eth0:6403', '::1:6404'],
    );
  });

  it('a reply without anything usable is an error that says what was left out, of bounded length', () => {
    const none = Array.from({ length: 3000 }, (_, at) => [at, at, ['', 0, 'x'.repeat(500)]]);
    assert.throws(
      () => viewOfSlots(none, [], from, undefined),
      (error: Error) => {
        assert.match(error.message, /^CLUSTER SLOTS names no slot with a reachable owner; left out: /);
        assert.match(error.message, /CLUSTER SLOTS\[0\] node 0 port: 0 is not within 1\.\.65535; /);
        assert.match(error.message, /and 2992 more$/);
        return error.message.length < 2000;
      },
    );
    assert.throws(() => viewOfSlots([], [], from, undefined), {
      message: 'CLUSTER SLOTS names no slot with a reachable owner',
    });
    assert.throws(() => viewOfSlots('no', [], from, undefined), /CLUSTER SLOTS: expected an array/);
  });

  it('a NAT map that fails for one node costs that node only', () => {
    for (const bad of [
      () => ({ host: 'x', port: -1 }),
      () => {
        throw new Error('no such node');
      },
    ]) {
      const natMap = (key: string): { host: string; port: number } | null => (key === '10.0.0.1:6379' ? bad() : null);
      const leftOut = new LeftOut();
      const view = viewOfSlots([entryOf(0, 2), entryOf(1, 2)], [], from, { natMap }, leftOut);
      assert.deepEqual(
        view.shards.map(({ master }) => master),
        ['10.0.0.0:6379'],
      );
      assert.match(String(leftOut), /natMap of 10\.0\.0\.1:6379: /);
    }
  });

  it('slots whose owner cannot be read stay with the owner that is known; what nobody owns does not', () => {
    const held = combine(viewOfSlots([entryOf(0, 2), entryOf(1, 2)], [], from, undefined), []);
    const spoiled = entryOf(1, 2);
    spoiled[2] = ['', 0, idOf(1), []];
    const seen = combine(viewOfSlots([entryOf(0, 2), spoiled], [], from, undefined), []);
    assert.equal(seen.masterOf(16383), undefined);
    const map = merge(held, seen);
    assert.equal(map.masterOf(16383), '10.0.0.1:6379');
    assert.ok(map.sameAs(held));
    const bare = merge(held, combine(viewOfSlots([entryOf(0, 2)], [], from, undefined), []));
    assert.equal(bare.masterOf(16383), undefined);
  });

  it('a secondary that could read the owner fills the gap', () => {
    const spoiled = entryOf(1, 2);
    spoiled[2] = ['', 0, idOf(1), []];
    const primary = viewOfSlots([entryOf(0, 2), spoiled], [], from, undefined);
    const secondary = viewOfSlots([entryOf(0, 2), entryOf(1, 2)], [], '10.0.0.0:6379', undefined);
    assert.equal(combine(primary, [secondary]).masterOf(16383), '10.0.0.1:6379');
  });

  const lines = [
    `${idOf(0)} 10.0.0.0:6379@16379 myself,master - 0 1 3 connected 0-8191 [5->-${idOf(1)}]`,
    `${idOf(1)} 10.0.0.1:6379@16379,node-1 master - 0 1 4 connected 8192-16383`,
    `${idOf(2)} 10.0.1.0:6379@16379,,shard-id=abc slave ${idOf(0)} 0 1 3 connected`,
  ];

  it('a spoiled line of CLUSTER NODES changes nothing about the others', () => {
    const expected = viewOfNodes(lines.join('\n'), from, undefined);
    assert.equal(expected.shards.length, 2);
    const words = fc.stringMatching(/^[ -~]{0,80}$/);
    const known = fc.constantFrom(
      `${idOf(9)} :0@0 slave,noaddr ${idOf(0)} 0 0 0 disconnected`,
      `${idOf(9)} :0@0 handshake - 0 0 0 disconnected`,
      `${idOf(9)} 10.0.0.9:6379@16379 master - 0 1`,
      `${idOf(9)} 10.0.0.9 master - 0 1 2 connected 5`,
      `${idOf(9)} 10.0.0.9:99999@2 master - 0 1 2 connected 5`,
      `${idOf(9)} fe80::1%eth0:6379@16379 slave,brandnew ${idOf(8)} x y z maybe`,
      `${idOf(9)} 10.0.0.9:6379@16379 master - 0 1 9 connected 16384 9-3 a-b [x->-y] [20000->-z]`,
    );
    fc.assert(
      fc.property(fc.oneof(known, words), fc.integer({ min: 0, max: 3 }), (spoiled, place) => {
        const view = viewOfNodes(lines.toSpliced(place, 0, spoiled).join('\n'), from, undefined);
        assert.deepEqual(
          view.shards.filter(({ id }) => Number(id) < 3),
          expected.shards,
        );
      }),
    );
  });

  it('takes what is usable of a line of CLUSTER NODES', () => {
    const leftOut = new LeftOut();
    const [node] = parseNodes(`${idOf(1)} h:1@x master - a b c perhaps 5 9-3 7-8 [9->-x]`, leftOut);
    assert.deepEqual(
      [node!.port, node!.cport, node!.configEpoch, node!.connected, node!.ranges],
      [
        1,
        0,
        0,
        false,
        [
          [5, 5],
          [7, 8],
        ],
      ],
    );
    assert.equal(leftOut.count, 6);
  });

  const shardNode = (at: number, more: object = {}): object => ({
    id: idOf(at),
    port: 6379,
    ip: `10.0.0.${at}`,
    endpoint: `10.0.0.${at}`,
    role: 'master',
    'replication-offset': 1,
    health: 'online',
    ...more,
  });

  it('a spoiled shard or node of CLUSTER SHARDS changes nothing about the others', () => {
    const good = [{ slots: [0, 16383], nodes: [shardNode(0), shardNode(1, { role: 'replica' })] }];
    const expected = viewOfShards(good, [], from, undefined, false);
    assert.deepEqual(slotsOf(expected), { '10.0.0.0:6379': { replicas: ['10.0.0.1:6379'], ranges: [[0, 16383]] } });
    fc.assert(
      fc.property(odd, (spoiled) => {
        const mixed = [spoiled, { slots: [0, 16383], nodes: [spoiled, ...good[0]!.nodes, spoiled] }];
        const view = viewOfShards(mixed, [], from, undefined, false);
        assert.deepEqual(slotsOf(view)['10.0.0.0:6379'], { replicas: ['10.0.0.1:6379'], ranges: [[0, 16383]] });
      }),
    );
  });

  it('names nodes of CLUSTER SHARDS by the port that the client uses', () => {
    const reply = [
      { slots: [0, 5], nodes: [shardNode(0, { 'tls-port': 7379 })] },
      { slots: [6, 9], nodes: [shardNode(1, { port: undefined, 'tls-port': 7379 })] },
      { slots: [10, 12], nodes: [shardNode(3, { health: 'failed' }), shardNode(2, { health: 'resharding' })] },
    ];
    const masters = (tls: boolean): string[] =>
      viewOfShards(reply, [], from, undefined, tls).shards.map(({ master }) => master);
    assert.deepEqual(masters(true), ['10.0.0.0:7379', '10.0.0.1:7379', '10.0.0.2:6379']);
    assert.deepEqual(masters(false), ['10.0.0.0:6379', '10.0.0.1:7379', '10.0.0.2:6379']);
  });
});
