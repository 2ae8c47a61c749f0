import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type NodeLine, parseNodes, printNodes } from '../../../lib/wire/cluster-nodes.ts';
import {
  parseShards,
  parseSlots,
  printShards,
  printSlots,
  type Shard,
  type SlotRange,
} from '../../../lib/wire/cluster-text.ts';

const id = fc.stringMatching(/^[0-9a-f]{40}$/);
const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
const port = fc.integer({ min: 1, max: 65535 });
const slot = fc.integer({ min: 0, max: 16383 });
const range = fc.tuple(slot, slot).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);
const absent = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const without = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;

const slotNode = fc
  .record({ host: fc.option(host), port, id, hostname: absent(fc.domain()), ip: absent(fc.ipV4()) })
  .map(without) as fc.Arbitrary<SlotRange['nodes'][number]>;
const slotRange = fc
  .tuple(range, fc.array(slotNode, { minLength: 1, maxLength: 4 }))
  .map(([[start, end], nodes]): SlotRange => ({ start, end, nodes }));

const shardNode = fc
  .record({
    id,
    port,
    tlsPort: absent(port),
    ip: fc.ipV4(),
    endpoint: fc.option(host),
    hostname: absent(fc.domain()),
    role: fc.constantFrom('master', 'replica'),
    replicationOffset: fc.nat(),
    health: fc.constantFrom('online', 'fail', 'loading'),
  })
  .map(without) as fc.Arbitrary<Shard['nodes'][number]>;
const shard = fc.record(
  { slots: fc.array(range, { maxLength: 5 }), nodes: fc.array(shardNode, { maxLength: 4 }) },
  { noNullPrototype: true },
);

const openSlots = fc.array(fc.tuple(slot, id), { maxLength: 3 }).map((pairs) => new Map(pairs));
const nodeLine: fc.Arbitrary<NodeLine> = fc.record(
  {
    id,
    host: fc.oneof(fc.constant(''), fc.ipV4(), fc.ipV6()),
    port: fc.integer({ min: 0, max: 65535 }),
    cport: fc.integer({ min: 0, max: 65535 }),
    hostname: fc.oneof(fc.constant(''), fc.domain()),
    flags: fc.subarray(['myself', 'master', 'slave', 'fail?', 'fail', 'handshake', 'noaddr', 'nofailover']),
    master: fc.option(id),
    pingSent: fc.nat(),
    pongReceived: fc.nat(),
    configEpoch: fc.nat(),
    connected: fc.boolean(),
    ranges: fc.array(range, { maxLength: 5 }),
    migrating: openSlots,
    importing: openSlots,
  },
  { noNullPrototype: true },
);

/** The same reply as a RESP2 decoder that yields bytes would hand it over: maps flat, texts as Buffers. */
function flattened(reply: unknown): unknown {
  if (typeof reply === 'string') return Buffer.from(reply, 'latin1');
  if (reply instanceof Map) return [...reply].flat().map(flattened);
  return Array.isArray(reply) ? reply.map(flattened) : reply;
}

describe('CLUSTER SLOTS, SHARDS and NODES texts', () => {
  it('SLOTS survive printing and parsing, as RESP3 maps and as flat RESP2 bytes', () => {
    fc.assert(
      fc.property(fc.array(slotRange, { maxLength: 6 }), (ranges) => {
        assert.deepEqual(parseSlots(printSlots(ranges)), ranges);
        assert.deepEqual(parseSlots(flattened(printSlots(ranges))), ranges);
      }),
    );
  });

  it('SHARDS survive printing and parsing', () => {
    fc.assert(
      fc.property(fc.array(shard, { maxLength: 4 }), (shards) => {
        assert.deepEqual(parseShards(printShards(shards)), shards);
        assert.deepEqual(parseShards(flattened(printShards(shards))), shards);
      }),
    );
  });

  it('NODES survive printing and parsing', () => {
    fc.assert(
      fc.property(fc.array(nodeLine, { maxLength: 5 }), (nodes) => {
        assert.deepEqual(parseNodes(printNodes(nodes)), nodes);
        assert.deepEqual(parseNodes(Buffer.from(printNodes(nodes))), nodes);
      }),
    );
  });

  it('reads a null and an empty host as "the host you asked", and keeps an unknown one', () => {
    const nodes = (first: unknown) => parseSlots([[0, 5, [first, 7000, 'a', []]]])[0]!.nodes[0]!.host;
    assert.equal(nodes(null), null);
    assert.equal(nodes(''), null);
    assert.equal(nodes('?'), '?');
  });

  it('accepts what servers before 4.0 and objects for maps look like', () => {
    assert.deepEqual(parseSlots([[0, 5, ['::1', 7000]]]), [
      { start: 0, end: 5, nodes: [{ host: '::1', port: 7000, id: '' }] },
    ]);
    assert.equal(parseSlots([[0, 5, ['a', 7000, 'x', { hostname: 'h' }]]])[0]!.nodes[0]!.hostname, 'h');
  });

  const bad: [string, unknown, RegExp][] = [
    ['an error', new Error('ERR no'), /CLUSTER SLOTS: expected an array, got the error 'ERR no'/],
    ['null', null, /CLUSTER SLOTS: expected an array, got null/],
    ['a slot out of range', [[0, 16384, ['h', 1, 'x']]], /\[0\] end: 16384 is not within 0..16383/],
    ['a reversed range', [[9, 8, ['h', 1, 'x']]], /\[0\] end: 8 is not within 9/],
    ['a fraction', [[0.5, 8, ['h', 1, 'x']]], /\[0\] start: expected an integer/],
    ['no node', [[0, 8]], /\[0\]: no node/],
    ['a port out of range', [[0, 8, ['h', 70000, 'x']]], /\[0\] node 0 port: 70000/],
    ['a number as host', [[0, 8, [5, 7000, 'x']]], /\[0\] node 0 host: expected text, got number/],
    ['a host with a line break', [[0, 8, ['a\nb', 7000, 'x']]], /is no host/],
    ['odd metadata', [[0, 8, ['h', 7000, 'x', ['ip']]]], /metadata: odd number/],
  ];
  for (const [name, reply, message] of bad) {
    it(`refuses ${name}`, () => assert.throws(() => parseSlots(reply), message));
  }

  it('never throws anything but an Error that names the field', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        for (const parse of [parseSlots, parseShards, parseNodes]) {
          try {
            parse([value]);
            parse(value);
          } catch (error) {
            assert.match((error as Error).message, /^CLUSTER (SLOTS|SHARDS|NODES)/);
          }
        }
      }),
    );
  });

  it('refuses NODES lines that are cut short, and names the line', () => {
    assert.throws(() => parseNodes('abc 1:2@3 master\n'), /line 1: 3 fields/);
    assert.throws(() => parseNodes(`${'a'.repeat(40)} h:1@2 master - 0 0 1 connected 9-3\n`), /'9-3' is no range/);
    assert.throws(() => parseNodes(`${'a'.repeat(40)} h:99999@2 master - 0 0 1 connected\n`), /port: '99999'/);
  });

  it('reads the aux fields of 7.2 lines', () => {
    const line = `${'a'.repeat(40)} ::1:7000@17000,node-1,shard-id=abc myself,master - 0 0 1 connected 5`;
    const node = parseNodes(line)[0]!;
    assert.deepEqual([node.host, node.port, node.cport, node.hostname], ['::1', 7000, 17000, 'node-1']);
  });
});
