import assert from 'node:assert/strict';
import { frameOf, heatDigits } from '../../../../server/operator/dashboard/frames.ts';
import type { NodeRow } from '../../../../server/operator/dashboard/protocol.ts';
import { ratesBetween } from '../../../../server/operator/monitor/rates.ts';
import { bytesText, colourOf, countText } from '../../../../web/figures.ts';
import { EventReader, Model, orderedNodes } from '../../../../web/model.ts';
import { type FakeNode, sampleOf } from './monitor/samples.ts';

// What the dashboard's server sends, and what the page makes of it; without a browser.

const nodes = (calls: number): FakeNode[] => [
  { slots: `0-100 16000 [7->-${'b'.repeat(40)}]`, info: [`total_commands_processed:${calls}`, 'used_memory:5'] },
  { slots: '101-15999', info: [`total_commands_processed:${calls}`] },
  { follows: 0, info: undefined },
];

describe('the dashboard’s frames and its page’s model', () => {
  const [before, after] = [sampleOf(nodes(0), 0), sampleOf(nodes(50), 1000)];
  const frame = frameOf({ sample: after, rates: ratesBetween(before, after), events: [] }, [], []);

  it('a frame has owners as ranges, sums, and open slots by address', () => {
    assert.deepEqual(frame.owners, [
      [0, 100, 0],
      [101, 15_999, 1],
      [16_000, 16_000, 0],
    ]);
    assert.equal(frame.totals.ops, 100);
    assert.deepEqual(frame.open, [{ slot: 7, state: 'migrating', node: '127.0.0.1:7000', peer: '127.0.0.1:7001' }]);
    assert.equal(frame.health, 'degraded');
  });

  it('the model gives every slot its owner, and keeps no more than it may', () => {
    const model = new Model();
    model.hello({ operate: false, intervalMs: 1000, history: [], events: [] });
    for (let at = 0; at < 700; at++) {
      const totals = { ...frame.totals, at };
      model.take({ ...frame, totals, events: [{ at, kind: 'x', severity: 'info', node: '', text: '' }] });
    }
    assert.equal(model.history.length, 600);
    assert.equal(model.events.length, 300);
    assert.equal(model.ownerOf(16_000)!.address, '127.0.0.1:7000');
    assert.equal(model.ownerOf(16_001), undefined);
    assert.deepEqual([...model.moving], [7]);
    assert.deepEqual(
      model.masters.map(({ address }) => address),
      ['127.0.0.1:7000', '127.0.0.1:7001'],
    );
  });

  it('heat is of the fullest slot', () => {
    const counts = (keys: number) => ({ keys, cpuUsec: null, bytesIn: null, bytesOut: null });
    const slots = new Map([
      [0, counts(100)],
      [1, counts(1)],
      [2, counts(0)],
    ]);
    const digits = heatDigits({ clock: 0, slots, withoutTraffic: [], unreachable: [] });
    assert.equal(digits.slice(0, 4), 'f200');
    assert.equal(digits.length, 16_384);
    const model = new Model();
    model.takeHeat(digits);
    assert.deepEqual([...model.heat.slice(0, 3)], [15, 2, 0]);
  });

  it('nodes by shard, by column, filtered; what is not known last', () => {
    const rows = frame.nodes as NodeRow[];
    const names = (list: NodeRow[]): string[] => list.map(({ address }) => address.slice(-4));
    assert.deepEqual(names(orderedNodes(rows, '', { key: 'shard', descending: false })), ['7000', '7002', '7001']);
    assert.deepEqual(names(orderedNodes(rows, '', { key: 'memory', descending: true })), ['7000', '7001', '7002']);
    assert.deepEqual(names(orderedNodes(rows, 'replica', { key: 'shard', descending: false })), ['7002']);
    assert.deepEqual(orderedNodes(rows, 'replica nowhere', { key: 'shard', descending: false }), []);
  });

  it('events come whole, however their bytes are cut', () => {
    const text = 'event: frame\ndata: {"a":1}\n\nevent: heat\ndata: {}\n\nevent: fr';
    for (let size = 1; size < 12; size++) {
      const reader = new EventReader();
      const found = [];
      for (let at = 0; at < text.length; at += size) found.push(...reader.feed(text.slice(at, at + size)));
      assert.deepEqual(found, [
        { event: 'frame', data: '{"a":1}' },
        { event: 'heat', data: '{}' },
      ]);
    }
  });

  it('figures are short, and a thousand owners have colours', () => {
    assert.deepEqual(
      [countText(9999), countText(12_345), countText(4_500_000), countText(null)],
      ['9,999', '12.3k', '4.50M', '–'],
    );
    assert.deepEqual([bytesText(999), bytesText(1_048_576), bytesText(null)], ['999 B', '1.0 MB', '–']);
    for (let at = 0; at < 1000; at++) for (const part of colourOf(at)) assert.ok(part >= 0 && part <= 255);
  });
});
