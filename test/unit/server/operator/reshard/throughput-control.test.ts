import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ManualWorld } from '../../../../../lib/base/world.ts';
import { callsOfClients, cpuOf } from '../../../../../server/operator/reshard/served-commands.ts';
import {
  ThroughputControl,
  type ThroughputDecision,
  type ThroughputOptions,
  unitsOf,
} from '../../../../../server/operator/reshard/throughput-control.ts';

const intervalMs = 250;
const limits = { keys: 64, slots: 256 };

/** A cluster that serves `capacity` units of work a second, of which a client's command is one. */
class Model {
  now = 0;
  readonly control: ThroughputControl;
  readonly decisions: ThroughputDecision[] = [];
  moved = 0;

  constructor(options: Partial<ThroughputOptions> = {}) {
    this.control = new ThroughputControl({ keep: 0.9, busyLoad: 0.5, limits, ...options });
  }

  observe(served: number): void {
    this.now += intervalMs;
    this.control.observe(this.now, { commands: served, load: 1 });
  }

  /** `want`: commands that clients would send; `moverMost`: units that moves would take unchecked. */
  step(want: number, capacity: number, moverMost = 20_000): ThroughputDecision {
    const moving = this.control.stage === 'measuring' ? 0 : Math.min(this.control.pace.unitsPerSecond, moverMost);
    this.moved += (moving * intervalMs) / 1000;
    this.now += intervalMs;
    const served = Math.max(0, Math.min(want, capacity - moving));
    const load = Math.min(1, (served + moving) / capacity);
    const decision = this.control.observe(this.now, { commands: served, load });
    this.decisions.push(decision);
    return decision;
  }

  run(steps: number, want: number, capacity: number): void {
    for (let at = 0; at < steps; at++) this.step(want, capacity);
  }

  get held(): ThroughputDecision[] {
    return this.decisions.filter(({ stage, reason }) => stage === 'held' && reason !== 'busy');
  }
}

describe('throughput that clients keep while slots move', () => {
  it('is measured while nothing moves, and a busy cluster gets a pace', () => {
    const model = new Model();
    model.run(5, 10_000, 10_000);
    assert.ok(model.decisions.every(({ stage, reason }) => stage === 'measuring' && reason === 'measuring'));
    const { stage, reason, steady, pace } = model.step(10_000, 10_000);
    assert.deepEqual([stage, reason, steady], ['held', 'busy', 10_000]);
    assert.ok(pace.keys < limits.keys && pace.slots < limits.slots && pace.unitsPerSecond <= 1000);
  });

  it('holds the share on a cluster that is used up, and uses what it may', () => {
    const model = new Model();
    const world = new ManualWorld({ seed: 7 });
    for (let at = 0; at < 400; at++) model.step(1e9, 10_000 * (0.97 + 0.06 * world.random()));
    const shares = model.held.map(({ share }) => share!);
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    assert.ok(mean >= 0.9, `mean ${mean}`);
    // The 1,000 units that are to be had, but for what measuring costs.
    assert.ok(model.moved > 100 * 300, `moved ${model.moved}`);
    assert.ok(model.decisions.some(({ reason }) => reason === 'lowered'));
    assert.ok(model.decisions.some(({ reason }) => reason === 'raised'));
    assert.ok(model.decisions.some(({ reason }) => reason === 'measured long ago'));
    assert.ok(Math.abs(model.control.summary.share! - mean) < 0.01);
  });

  it('is no limit where there is room for both', () => {
    const model = new Model({ busyLoad: 0 });
    model.run(100, 2000, 1e9);
    assert.deepEqual([model.control.pace.keys, model.control.pace.slots], [limits.keys, limits.slots]);
    assert.ok(!model.decisions.some(({ reason }) => reason === 'lowered'));
  });

  it('is no limit on a cluster that is not busy, until clients come', () => {
    const model = new Model();
    model.run(1, 999, 10_000);
    assert.deepEqual([model.decisions.at(-1)!.stage, model.decisions.at(-1)!.reason], ['free', 'not busy']);
    assert.equal(model.control.pace.unitsPerSecond, Number.POSITIVE_INFINITY);
    assert.equal(model.step(5000, 30_000).reason, 'clients came');
    model.run(8, 5000, 8000);
    assert.equal(model.control.stage, 'held');
    assert.equal(model.control.summary.steady, 5000);
  });

  it('a busy cluster is one whose busiest master is; one look is enough where it clearly is not', () => {
    const model = new Model();
    model.run(1, 2_900, 10_000);
    assert.equal(model.control.stage, 'free');
    const near = new Model();
    near.run(5, 4_000, 10_000);
    assert.equal(near.control.stage, 'measuring');
    assert.deepEqual(near.step(4_000, 10_000).reason, 'not busy');
    const busy = new Model();
    busy.run(6, 5_100, 10_000);
    assert.equal(busy.control.stage, 'held');
  });

  it('a share that was asked for holds on a quiet cluster as well', () => {
    const model = new Model({ busyLoad: 0 });
    model.run(6, 10, 10_000);
    assert.equal(model.decisions.at(-1)!.stage, 'held');
  });

  it('follows load that goes away by itself: it is measured anew, and moves go on', () => {
    const model = new Model();
    model.run(30, 10_000, 10_000);
    const before = model.decisions.length;
    model.run(120, 6000, 10_000);
    const later = model.decisions.slice(before);
    assert.ok(later.some(({ reason }) => reason === 'slowest and still too fast' || reason === 'measured long ago'));
    assert.equal(model.control.summary.steady, 6000);
    assert.ok(later.at(-1)!.pace.unitsPerSecond > 1000, 'there is room again');
  });

  it('lowers at once by more when clients lose more, and never stands still', () => {
    const model = new Model();
    model.run(6, 10_000, 10_000);
    const begun = model.control.pace.unitsPerSecond;
    model.observe(8900);
    const little = model.control.pace.unitsPerSecond / begun;
    model.observe(1000);
    const much = model.control.pace.unitsPerSecond / begun / little;
    assert.ok(much < little && little < 1, `${little} ${much}`);
    for (let at = 0; at < 3; at++) model.observe(0);
    assert.ok(model.control.pace.unitsPerSecond >= 200);
    assert.deepEqual([model.control.pace.keys, model.control.pace.slots], [10, 4]);
  });

  it('stays within its limits whatever is measured, and decides alike over the same figures', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ commands: fc.nat({ max: 50_000 }), load: fc.double({ min: 0, max: 1, noNaN: true }) }), {
          maxLength: 200,
        }),
        fc.constantFrom(0.1, 0.5, 0.9, 0.99),
        (all, keep) => {
          const options = { keep, busyLoad: 0.5, limits };
          const [one, other] = [new ThroughputControl(options), new ThroughputControl(options)];
          for (const [at, served] of all.entries()) {
            const decision = one.observe(at * intervalMs, served);
            assert.deepEqual(decision, other.observe(at * intervalMs, served));
            const { keys, slots, unitsPerSecond } = decision.pace;
            assert.ok(keys >= 1 && keys <= limits.keys && slots >= 1 && slots <= limits.slots && unitsPerSecond >= 200);
          }
        },
      ),
    );
  });

  it('refuses a share that is none', () => {
    for (const keep of [0, 1, 0.05, Number.NaN, -1]) {
      assert.throws(() => new ThroughputControl({ keep, busyLoad: 0, limits }), /keepThroughput: .* is not within/);
    }
  });

  it('counts what clients had served, and nothing of what moves cost', () => {
    const text = [
      '# Commandstats',
      'cmdstat_get:calls=100,usec=1,usec_per_call=1.00,rejected_calls=7,failed_calls=0',
      'cmdstat_set:calls=20,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=0',
      'cmdstat_xgroup|create:calls=3,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=0',
      ...'migrate restore restore-asking asking cluster|nodes cluster|setslot memory|usage info time ping client|setname'
        .split(' ')
        .map((name) => `cmdstat_${name}:calls=1000,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=0`),
    ].join('\r\n');
    assert.equal(callsOfClients(text), 123);
    assert.equal(callsOfClients(''), 0);
    const cpu = ['used_cpu_sys:5.0', 'used_cpu_user:7.5'];
    assert.equal(cpuOf(cpu.join('\r\n')), 12.5);
    assert.equal(cpuOf([...cpu, 'used_cpu_sys_main_thread:1.25', 'used_cpu_user_main_thread:2'].join('\r\n')), 3.25);
    assert.equal(unitsOf({ slots: 2, keys: 3, bytes: 8192 }), 25);
  });
});
