import assert from 'node:assert/strict';
import { eventsBetween } from '../../../../../server/operator/monitor/events.ts';
import { monitoredKey } from '../../../../../server/operator/monitor/hot-keys.ts';
import { sampleJson } from '../../../../../server/operator/monitor/json.ts';
import { Top } from '../../../../../server/operator/monitor/key-scan.ts';
import { latencyFigures, readSpikes } from '../../../../../server/operator/monitor/latency-probe.ts';
import { ratesBetween } from '../../../../../server/operator/monitor/rates.ts';
import { rangesText } from '../../../../../server/operator/monitor/sample.ts';
import { readSlotStats, slotLoads } from '../../../../../server/operator/monitor/slot-counts.ts';
import { cellText, rowsOf, slotMap } from '../../../../../server/operator/monitor/slot-map.ts';
import { type FakeNode, sampleOf } from './samples.ts';

// What two samples of a cluster say: rates, events, the picture of the slots. All pure.

const info = (calls: number, more: readonly string[] = []): string[] => [
  `total_commands_processed:${calls}`,
  `cmdstat_get:calls=${calls},usec=${calls * 4},usec_per_call=4.00,rejected_calls=1,failed_calls=2`,
  'db0:keys=10,expires=1,avg_ttl=0',
  'db3:keys=5,expires=0,avg_ttl=0',
  ...more,
];

const two = (calls: number): FakeNode[] => [
  { slots: '0-8191', info: info(calls, ['master_repl_offset:1000']) },
  { slots: '8192-16383', info: info(calls) },
  { follows: 0, info: ['slave_repl_offset:400', 'master_link_status:up'] },
];

describe('rates of a cluster', () => {
  it('are differences by second', () => {
    const rates = ratesBetween(sampleOf(two(100), 0), sampleOf(two(300), 2000));
    const first = [...rates.values()][0]!;
    assert.equal(first.opsPerSecond, 100);
    assert.deepEqual(first.commands, [{ name: 'get', perSecond: 100, usecPerCall: 4, busy: 0.0004 }]);
    assert.equal(first.hitShare, null);
  });

  it('are not made up for a node that restarted, was reset, or did not answer', () => {
    const before = sampleOf(two(100), 0);
    const restarted = sampleOf(
      two(300).map((node, at) => (at === 1 ? { ...node, run: 'second' } : node)),
      1000,
    );
    assert.equal(ratesBetween(before, restarted).size, 2);
    const silent = sampleOf(
      two(300).map((node, at) => (at === 1 ? { ...node, info: undefined } : node)),
      1000,
    );
    assert.equal(ratesBetween(before, silent).size, 2);
    assert.equal(
      ratesBetween(before, sampleOf(two(50), 1000))
        .values()
        .next().value!.opsPerSecond,
      0,
    );
    assert.equal(ratesBetween(before, before).size, 0);
  });
});

describe('a sample of a cluster', () => {
  it('has keys of all databases, lag in bytes and the slots as ranges', () => {
    const sample = sampleOf(two(1), 0);
    const [one, , replica] = sampleJson(sample, new Map()).nodes;
    assert.equal(one!.keys, 15);
    assert.equal(one!.ranges, '0-8191');
    assert.equal(replica!.lagBytes, 600);
    assert.equal(rangesText(Int16Array.from([0, 0, -1, 0, 1]), 0), '0-1 3');
  });
});

describe('events between two samples', () => {
  const kinds = (before: FakeNode[], after: FakeNode[]): string[] =>
    eventsBetween(sampleOf(before, 0), sampleOf(after, 1000)).map(({ kind, node }) => `${kind} ${node}`);

  it('nothing happens where nothing does', () => assert.deepEqual(kinds(two(1), two(2)), []));

  it('a failover is one, with its old master as a replica, and no slots that moved', () => {
    const after: FakeNode[] = [{ follows: 2, info: [] }, two(1)[1]!, { slots: '0-8191', info: [] }];
    assert.deepEqual(kinds(two(1), after), ['role 127.0.0.1:7000', 'failover 127.0.0.1:7002']);
  });

  it('slots that move, are lost, open and close', () => {
    const moved = two(1).map((node, at) => ({ ...node, ...(at < 2 ? { slots: ['0-99', '100-16383'][at]! } : {}) }));
    const [event] = eventsBetween(sampleOf(two(1), 0), sampleOf(moved, 1));
    assert.equal(event!.text, 'got 8092 slots from 127.0.0.1:7000');
    const lost = two(1).map((node, at) => (at === 1 ? { ...node, slots: '8192-16000' } : node));
    assert.deepEqual(kinds(two(1), lost), ['slots-unassigned 127.0.0.1:7001', 'health ']);
    const open = two(1).map((node, at) => (at === 0 ? { ...node, slots: `0-8191 [5->-${'b'.repeat(40)}]` } : node));
    assert.ok(kinds(two(1), open).includes('slot-open 127.0.0.1:7000'));
    assert.ok(kinds(open, two(1)).includes('slot-closed 127.0.0.1:7000'));
  });

  it('nodes that come, go, fail, come back, restart and lose their master', () => {
    assert.ok(kinds(two(1), [...two(1), { info: [] }]).includes('added 127.0.0.1:7003'));
    assert.ok(kinds([...two(1), { info: [] }], two(1)).includes('removed 127.0.0.1:7003'));
    const failed = two(1).map((node, at) => (at === 1 ? { ...node, flags: 'fail' } : node));
    assert.deepEqual(kinds(two(1), failed), ['status 127.0.0.1:7001', 'health ']);
    const restarted = two(1).map((node, at) => (at === 1 ? { ...node, run: 'second' } : node));
    assert.deepEqual(kinds(two(1), restarted), ['restarted 127.0.0.1:7001']);
    const cut = two(1).map((node, at) => (at === 2 ? { ...node, info: ['master_link_status:down'] } : node));
    assert.deepEqual(kinds(two(1), cut), ['link 127.0.0.1:7002']);
  });
});

describe('the picture of the slots', () => {
  it('every slot is in one cell, by owner, with what moves and what is nobody’s', () => {
    const peer = 'b'.repeat(40);
    const nodes = two(1).map((node, at) => (at === 0 ? { ...node, slots: `0-8000 8010-8191 [64->-${peer}]` } : node));
    const map = slotMap(sampleOf(nodes, 0), 64);
    assert.equal(map.cells.length * map.slotsPerCell, 16_384);
    assert.deepEqual(
      map.owners.map(({ letter, slots }) => `${letter} ${slots}`),
      ['A 8183', 'B 8192'],
    );
    const text = rowsOf(map).map(({ cells }) => cells.map((cell) => cellText(map, cell)).join(''));
    assert.equal(text[0], `AAAA>${'A'.repeat(59)}`);
    assert.equal(text.join('')[500], '.');
    assert.equal(text.at(-1), 'B'.repeat(64));
    assert.equal(slotMap(sampleOf(nodes, 0), 256).slotsPerCell, 1);
  });

  it('weights are of the fullest cell; none at all is no division by zero', () => {
    const weights = new Float64Array(16_384);
    assert.deepEqual(
      new Set(slotMap(sampleOf(two(1), 0), 64, weights).cells.map(({ weight }) => weight)),
      new Set([0]),
    );
    weights[0] = 4;
    weights[100] = 1;
    const { cells } = slotMap(sampleOf(two(1), 0), 64, weights);
    assert.deepEqual([cells[0]!.weight, cells[6]!.weight, cells[7]!.weight], [1, 0.25, 0]);
  });
});

describe('figures from the wire', () => {
  it('SLOT-STATS, with and without traffic; loads leave out what began anew', () => {
    const one = (cpu: number): unknown => [
      [7, ['key-count', 3, 'cpu-usec', cpu, 'network-bytes-in', 10, 'network-bytes-out', 0]],
    ];
    assert.equal(readSlotStats([[7, ['key-count', 3]]])[0]![1].cpuUsec, null);
    assert.deepEqual(readSlotStats('nonsense'), []);
    const at = (clock: number, cpu: number) => ({
      clock,
      slots: new Map(readSlotStats(one(cpu))),
      withoutTraffic: [],
      unreachable: [],
    });
    assert.deepEqual(slotLoads(at(0, 0), at(1000, 5000)), [{ slot: 7, keys: 3, busy: 0.005, bytesPerSecond: 0 }]);
    assert.deepEqual(slotLoads(at(0, 5000), at(1000, 10)), []);
  });

  it('the keys that MONITOR shows', () => {
    assert.equal(monitoredKey('+1700000000.123456 [0 127.0.0.1:5000] "get" "a b"'), '0 a b');
    assert.equal(monitoredKey('+1700000000.123456 [3 [::1]:5000] "SET" "a\\"\\x00\\n" "v"'), undefined);
    assert.equal(monitoredKey('+1700000000.123456 [3 lua] "SET" "a\\"\\x00\\n" "v"'), '3 a"\0\n');
    assert.equal(monitoredKey('+1700000000.123456 [0 127.0.0.1:5000] "PING" "a"'), undefined);
    assert.equal(monitoredKey('+OK'), undefined);
  });

  it('latencies and spikes', () => {
    const figures = latencyFigures([0.05, 3, 1, 5000])!;
    assert.deepEqual([figures.min, figures.p50, figures.p99, figures.max], [0.05, 1, 5000, 5000]);
    assert.equal(
      figures.histogram.reduce((sum, { count }) => sum + count, 0),
      4,
    );
    assert.equal(latencyFigures([]), null);
    assert.deepEqual(readSpikes([['command', 1700000000, 12, 50], 'x']), [
      { event: 'command', at: 1_700_000_000, latestMs: 12, maxMs: 50 },
    ]);
  });

  it('the greatest are kept in order, equal ones in the order in which they came', () => {
    const top = new Top<[string, number]>(3, ([, figure]) => figure);
    for (const one of [
      ['a', 1],
      ['b', 5],
      ['c', 5],
      ['d', 9],
      ['e', 0],
    ] as [string, number][])
      top.add(one);
    assert.deepEqual(
      top.entries.map(([name]) => name),
      ['d', 'b', 'c'],
    );
  });
});
