import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseCoreList } from '../../../bench/cluster/cores.ts';
import { countFor, readKey, valueFor, valuesOf, writeKey } from '../../../bench/macro/dataset.ts';
import { PeerRunner } from '../../../bench/macro/runner.ts';
import { operationAt, workloads } from '../../../bench/macro/workloads.ts';
import { metered } from '../../../bench/measure/meter.ts';
import { median, percentilesOf, Times } from '../../../bench/measure/times.ts';
import { timeCase } from '../../../bench/micro/stopwatch.ts';
import { ByNode } from '../../../bench/peers/by-node.ts';
import type { Peer } from '../../../bench/peers/peer.ts';
import { slotOf } from '../../../lib/wire/slot.ts';

describe('bench figures', () => {
  it('percentiles are members by nearest rank', () => {
    const values = Array.from({ length: 1000 }, (_, index) => 1000 - index);
    assert.deepEqual(percentilesOf(values), { p50: 500, p99: 990, p999: 999, max: 1000, count: 1000 });
    assert.deepEqual(percentilesOf([7]), { p50: 7, p99: 7, p999: 7, max: 7, count: 1 });
    assert.ok(Number.isNaN(percentilesOf([]).p50));
  });

  it('percentiles never leave the values and never fall', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const { p50, p99, p999, max } = percentilesOf(values);
        assert.ok(p50 <= p99 && p99 <= p999 && p999 <= max);
        assert.ok([p50, p99, p999, max].every((one) => values.includes(one)));
        assert.equal(max, Math.max(...values));
      }),
    );
  });

  it('the median is the middle, or the mean of two', () => {
    assert.equal(median([5, 1, 3]), 3);
    assert.equal(median([4, 1, 3, 2]), 2.5);
  });

  it('times grow beyond the room they started with', () => {
    const times = new Times();
    const count = (1 << 20) + 10;
    for (let index = 0; index < count; index++) times.note(index);
    assert.equal(times.count, count);
    assert.equal(times.percentiles().max, count - 1);
    times.clear();
    assert.equal(times.count, 0);
  });

  it('the meter sees CPU and gives the work its value', async () => {
    const { value, cost } = await metered(async () => {
      let sum = 0;
      for (let index = 0; index < 3e6; index++) sum += Math.sqrt(index);
      return sum;
    });
    assert.ok(value > 0);
    assert.ok(cost.cpuMicros > 0 && cost.seconds > 0 && cost.peakRss > 1 << 20);
  });

  it('a micro case that gives wrong results is refused', () => {
    const check = (): void => {
      throw new Error('wrong');
    };
    assert.throws(() => timeCase({ name: 'x', operations: 1, bytes: 0, run: () => 1, check }, 1, 1), /wrong/);
  });

  it('core lists', () => {
    assert.deepEqual(parseCoreList(' 0,2-4,7\n'), [0, 2, 3, 4, 7]);
    assert.deepEqual(parseCoreList('nonsense'), []);
  });
});

describe('bench workloads', () => {
  it('values name key and generation and have their size', () => {
    assert.equal(valueFor(16, 9999, 12).length, 16);
    assert.ok(valueFor(16, 9999, 12).startsWith('9999:12:'));
    assert.notEqual(valueFor(1024, 1, 1), valueFor(1024, 1, 2));
    assert.notEqual(valueFor(1024, 1, 1), valueFor(1024, 2, 1));
    assert.throws(() => valueFor(4, 9999, 1), /cannot name/);
    assert.equal(valuesOf(65536, 3).length, countFor(65536));
  });

  it('names are unique and every width divides its keys', () => {
    assert.equal(new Set(workloads.map((one) => one.name)).size, workloads.length);
    for (const one of workloads.filter(({ shape }) => shape === 'batch'))
      assert.equal(countFor(one.size) % one.width, 0);
  });

  it('a mix has one write in five', () => {
    const kinds = Array.from({ length: 100 }, (_, index) => operationAt('mix', index));
    assert.equal(kinds.filter((kind) => kind === 'set').length, 20);
    assert.equal(operationAt('set', 0), 'set');
  });
});

describe('grouping by hand', () => {
  const nodes = [0, 1, 2].map((index) => ({
    host: 'h',
    port: index,
    id: String(index),
    slots: [index * 5461, index === 2 ? 16383 : index * 5461 + 5460] as const,
  }));

  it('puts answers back in the order of keys; a failed group fails its keys alone', async () => {
    const keys = Array.from({ length: 200 }, (_, index) => `key:${index}`);
    const failing = new Error('down');
    const results = await new ByNode(nodes).run(keys, async (group) => {
      if (slotOf(keys[group[0]!]!) <= 5460) throw failing;
      return group.map((index) => `value of ${keys[index]}`);
    });
    keys.forEach((key, index) => {
      assert.equal(results[index], slotOf(key) <= 5460 ? failing : `value of ${key}`);
    });
    assert.ok(results.includes(failing));
  });
});

/** A client over a Map that can be made to lie. */
class MapPeer implements Peer {
  readonly #data: Map<string, string>;
  readonly #lie: (key: string) => unknown;
  answered = 0;

  constructor(data: Map<string, string>, lie: (key: string) => unknown = () => undefined) {
    this.#data = data;
    this.#lie = lie;
  }

  async get(key: string): Promise<unknown> {
    await new Promise(setImmediate);
    this.answered++;
    return this.#lie(key) ?? this.#data.get(key) ?? null;
  }

  async set(key: string, value: string): Promise<unknown> {
    await new Promise(setImmediate);
    this.answered++;
    this.#data.set(key, value);
    return 'OK';
  }

  getMany(keys: readonly string[]): Promise<unknown[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  setMany(keys: readonly string[], values: readonly string[]): Promise<unknown[]> {
    return Promise.all(keys.map((key, index) => this.set(key, values[index]!)));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

describe('the runner', () => {
  const loaded = (): Map<string, string> => new Map(valuesOf(16, 0).map((value, index) => [readKey(16, index), value]));
  const some = workloads.filter((one) => one.size === 16 && one.width <= 100);

  for (const workload of some) {
    it(`counts what was answered: ${workload.name}`, async () => {
      const peer = new MapPeer(loaded());
      const runner = new PeerRunner(peer, 'me', workload);
      runner.prepare();
      const times = new Times();
      // A busy machine may not get to a single answer in so short a time.
      let done = 0;
      while (done === 0) done += await runner.run(0.01, times);
      assert.equal(done, peer.answered);
      assert.equal(times.count, workload.shape === 'loops' ? done : done / workload.width);
      await runner.verify();
    });

    if (workload.operation === 'set') continue;
    it(`ends the run at a wrong value: ${workload.name}`, async () => {
      const peer = new MapPeer(loaded(), (key) => (key === readKey(16, 50) ? valueFor(16, 51, 0) : undefined));
      const runner = new PeerRunner(peer, 'me', workload);
      runner.prepare();
      await assert.rejects(runner.run(5, new Times()), /wrong answer for r16:50/);
    });
  }

  it('finds a write that was confirmed and lost', async () => {
    const workload = workloads.find((one) => one.name === 'batch-100-set')!;
    const data = loaded();
    const runner = new PeerRunner(new MapPeer(data), 'me', workload);
    runner.prepare();
    await runner.run(0.01, new Times());
    data.delete(writeKey('me', 16, 7));
    await assert.rejects(runner.verify(), /wrong answer for w:me:16:7/);
  });
});
