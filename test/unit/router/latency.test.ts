import { equal, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { Histogram } from '../../../lib/router/latency.ts';

describe('router: latency histogram', () => {
  it('has nothing to report at first', () => {
    const { count, p50, p99, max } = new Histogram().summary;
    equal(count + p50 + p99 + max, 0);
  });

  it('gives percentiles within a bucket of the exact ones, and the exact maximum', () => {
    const samples = fc.array(fc.double({ min: 0.001, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(samples, (values) => {
        const histogram = new Histogram();
        for (const value of values) histogram.record(value);
        const sorted = [...values].sort((one, other) => one - other);
        const { count, p50, p95, p99, max } = histogram.summary;
        equal(count, values.length);
        equal(max, sorted.at(-1));
        for (const [share, estimate] of [
          [0.5, p50],
          [0.95, p95],
          [0.99, p99],
        ] as const) {
          const exact = sorted[Math.ceil(values.length * share) - 1]!;
          ok(Math.abs(estimate - exact) <= exact * 0.07 + 0.001, `${share}: ${estimate} for ${exact}`);
        }
      }),
    );
  });

  it('takes whatever a clock may give', () => {
    const histogram = new Histogram();
    for (const value of [-1, 0, 1e-9, 1e12]) histogram.record(value);
    equal(histogram.summary.count, 4);
    equal(histogram.summary.max, 1e12);
  });
});
