import assert from 'node:assert/strict';
import { workloads } from '../../../bench/macro/workloads.ts';
import { parseCounts } from '../../../bench/redirect/counters.ts';
import { batchSize, keyCount, planKeys } from '../../../bench/redirect/keys.ts';
import { macroTables } from '../../../bench/report/macro-report.ts';
import { chart } from '../../../bench/report/svg.ts';
import { duration, short, table } from '../../../bench/report/text.ts';
import { slotOf } from '../../../lib/wire/slot.ts';

describe('bench report', () => {
  it('figures are short', () => {
    assert.deepEqual([0, 1.234, 45.67, 999, 9994, 12345, 1_234_567].map(short), [
      '0',
      '1.23',
      '45.7',
      '999',
      '9994',
      '12.3k',
      '1.23M',
    ]);
    assert.deepEqual([0.0123, 1.5, 2500, Number.NaN].map(duration), ['12 µs', '1.50 ms', '2.50 s', '-']);
  });

  it('tables line up', () => {
    assert.deepEqual(
      table(
        ['name', 'n'],
        [
          ['a', '10'],
          ['longer', '2'],
        ],
      ),
      ['name     n', '------  --', 'a       10', 'longer   2'],
    );
  });

  it('a workload without the floor has no ratio to it', () => {
    const figures = {
      client: 'lingcache' as const,
      opsPerSecond: 1000,
      cpuMicrosPerOp: 1,
      p50: 1,
      p99: 2,
      p999: 3,
      peakRssBytes: 2 ** 26,
      gcBytesPerOp: 100,
      gcMicrosPerOp: 0.1,
      rounds: [900, 1000, 1100],
    };
    const workload = workloads[0]!;
    const alone = macroTables([{ workload, figures: [figures] }]).join('\n');
    assert.match(alone, /lingcache +1000 +- +20% +1\.00 +1\.00 ms +2\.00 ms +3\.00 ms +64 MiB +100/);
    const floor = { ...figures, client: 'floor' as const, opsPerSecond: 2000 };
    assert.match(macroTables([{ workload, figures: [floor, figures] }]).join('\n'), /lingcache +1000 +0\.50/);
  });

  it('a chart is well-formed, escaped, and its longest bar is the largest value', () => {
    const svg = chart(
      'a < b & c',
      ['"note"'],
      [
        {
          title: 't',
          bars: [
            { label: 'lingcache', value: 10, text: '10' },
            { label: 'ioredis', value: 5, text: '5' },
            { label: 'glide', value: Number.NaN, text: '-' },
          ],
        },
      ],
    );
    assert.match(svg, /^<svg [^>]+>\n/);
    assert.match(svg, /a &lt; b &amp; c/);
    assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
    const widths = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map((match) => Number(match[1]));
    assert.equal(widths.length, 3);
    assert.ok(Math.abs(widths[0]! - 2 * widths[1]!) < 0.2);
    assert.equal(widths[2], 0);
  });
});

describe('redirect bench', () => {
  it('reads the counters of INFO', () => {
    const info = [
      '# Stats',
      'total_net_input_bytes:100',
      'total_net_output_bytes:250',
      'total_reads_processed:7',
      '# Commandstats',
      'cmdstat_cluster|slots:calls=3,usec=10,usec_per_call=3.3,rejected_calls=0,failed_calls=0',
      'cmdstat_cluster|shards:calls=2,usec=10',
      'cmdstat_get:calls=9,usec=1',
      '# Errorstats',
      'errorstat_ASK:count=4',
      'errorstat_MOVED:count=5',
    ].join('\r\n');
    assert.deepEqual(parseCounts(info), { moved: 5, ask: 4, maps: 5, bytes: 350, arrivals: 7 });
    assert.deepEqual(parseCounts('# Stats\r\n'), { moved: 0, ask: 0, maps: 0, bytes: 0, arrivals: 0 });
  });

  it("a batch's keys lie in slots of their own, and every key is found by its slot", () => {
    const plan = planKeys();
    assert.equal(plan.batch.length, batchSize);
    assert.equal(new Set(plan.batch.map((index) => slotOf(plan.keys[index]!))).size, batchSize);
    assert.equal([...plan.inSlot.values()].flat().length, keyCount);
    for (const [slot, indexes] of plan.inSlot) assert.ok(indexes.every((index) => slotOf(plan.keys[index]!) === slot));
  });
});
