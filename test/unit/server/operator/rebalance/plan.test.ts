import assert from 'node:assert/strict';
import fc from 'fast-check';
import { slotCosts } from '../../../../../server/operator/rebalance/costs.ts';
import { checkBalance, planBalance } from '../../../../../server/operator/rebalance/plan.ts';
import { type BalanceStrategy, type MasterLoad, wholeShares } from '../../../../../server/operator/rebalance/shares.ts';

const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, at) => start + at);

/** Counts after a plan. */
function countsAfter(masters: readonly MasterLoad[], moves: readonly { source: string; target: string }[]): number[] {
  const counts = new Map(masters.map(({ id, slots }) => [id, slots.length]));
  for (const { source, target } of moves) {
    counts.set(source, counts.get(source)! - 1);
    counts.set(target, counts.get(target)! + 1);
  }
  return [...counts.values()];
}

describe('balancing slots', () => {
  const three: MasterLoad[] = [
    { id: 'a', slots: range(0, 8000) },
    { id: 'b', slots: range(8000, 16_384) },
    { id: 'c', slots: [] },
  ];

  it('equal: an empty master gets its share, from the ends of the others', () => {
    const plan = planBalance(three);
    assert.deepEqual(countsAfter(three, plan.moves), [5461, 5462, 5461]);
    assert.equal(plan.moves.length, 5461);
    const fromA = plan.moves.filter(({ source }) => source === 'a').map(({ slot }) => slot);
    assert.deepEqual(fromA, range(5461, 8000));
    assert.equal(plan.before.maxDiffPercent, 100);
    assert.deepEqual([plan.before.worst, plan.after.needed], ['c', false]);
    // The most burdened gives first.
    assert.equal(plan.moves.find(({ source }) => source === 'b')!.priority, 10);
    assert.ok(plan.moves.find(({ source }) => source === 'a')!.priority < 10);
  });

  it('weighted: shares follow the weights, and weight 0 empties a master', () => {
    const weighted = [
      { ...three[0]!, weight: 2 },
      { ...three[1]!, weight: 0 },
      { ...three[2]!, weight: 2 },
    ];
    const { moves } = planBalance(weighted, { strategy: 'weighted' });
    assert.deepEqual(countsAfter(weighted, moves), [8192, 0, 8192]);
    assert.throws(
      () => planBalance([{ id: 'a', slots: [1], weight: 0 }], { strategy: 'weighted' }),
      /weights: all are 0/,
    );
    assert.throws(() => planBalance([{ id: 'a', slots: [1], weight: -1 }], { strategy: 'weighted' }), /weight of a/);
  });

  it('leaves small differences alone, and keeps to the number of moves it may make', () => {
    const near = [
      { id: 'a', slots: range(0, 8500) },
      { id: 'b', slots: range(8500, 16_384) },
    ];
    assert.deepEqual(planBalance(near).moves, []);
    assert.equal(checkBalance(near).needed, false);
    assert.equal(checkBalance(near, { threshold: 3 }).needed, true);
    assert.equal(planBalance(near, { threshold: 1 }).moves.length, 308);
    assert.equal(planBalance(near, { threshold: 1, maxMoves: 5 }).moves.length, 5);
  });

  it('refuses what is no option', () => {
    assert.throws(() => planBalance(three, { strategy: 'best' as BalanceStrategy }), /strategy: 'best'/);
    assert.throws(() => planBalance(three, { threshold: Number.NaN }), /threshold: NaN/);
    assert.throws(() => planBalance(three, { maxMoves: 1.5 }), /maxMoves: 1.5/);
  });

  it('adaptive: keys and traffic count, not slots alone', () => {
    const equalSlots = [
      { id: 'a', slots: range(0, 100), ops: 9000 },
      { id: 'b', slots: range(100, 200), ops: 1000 },
    ];
    const keys = new Map(equalSlots.flatMap(({ slots, id }) => slots.map((slot) => [slot, id === 'a' ? 90 : 10])));
    assert.equal(checkBalance(equalSlots).needed, false);
    const plan = planBalance(equalSlots, { strategy: 'adaptive', keys });
    assert.equal(plan.before.needed, true);
    assert.ok(plan.moves.length > 20 && plan.moves.every(({ source }) => source === 'a'));
    assert.equal(plan.after.needed, false);
    assert.ok(plan.after.maxDiffPercent < 3, `${plan.after.maxDiffPercent}`);
  });

  it('adaptive: one hot slot is not sent from one master to the next', () => {
    const masters = [
      { id: 'a', slots: [0, 1, 2, 3] },
      { id: 'b', slots: [4, 5, 6, 7] },
    ];
    const keys = new Map([[0, 1_000_000]]);
    const { moves } = planBalance(masters, { strategy: 'adaptive', keys });
    assert.deepEqual(
      moves.filter(({ slot }) => slot === 0),
      [],
    );
    assert.deepEqual(new Set(moves.map(({ slot }) => slot)), new Set([1, 2, 3]));
  });

  it('adaptive: what each slot does counts where it is known, whatever its node does', () => {
    const masters = [
      { id: 'a', slots: range(0, 100), ops: 1 },
      { id: 'b', slots: range(100, 200), ops: 1 },
    ];
    // A tenth of a's slots has nearly all the work.
    const busy = new Map(range(0, 200).map((slot) => [slot, slot < 10 ? 0.05 : 0.0001]));
    const traffic = { cpu: busy, bytes: busy };
    const plan = planBalance(masters, { strategy: 'adaptive', traffic, threshold: 5 });
    assert.ok(plan.before.needed && !plan.after.needed);
    const hot = plan.moves.filter(({ slot }) => slot < 10).length;
    assert.ok(hot >= 3 && hot <= 6, `${hot} busy slots move`);
    assert.deepEqual(planBalance(masters, { strategy: 'adaptive', threshold: 5 }).moves, []);
    // Processor time and bytes: each counts where there is some.
    for (const some of [
      { cpu: busy, bytes: new Map() },
      { cpu: new Map(), bytes: busy },
    ]) {
      assert.ok(planBalance(masters, { strategy: 'adaptive', traffic: some, threshold: 5 }).moves.length > 0);
    }
  });

  it('first slots: the dearest go before the others, whoever has them', () => {
    const masters = [
      { id: 'a', slots: range(0, 60) },
      { id: 'b', slots: range(60, 120) },
      { id: 'c', slots: range(120, 130) },
    ];
    const keys = new Map(range(0, 130).map((slot) => [slot, slot === 70 ? 500 : slot < 120 ? 100 : 1]));
    const options = { strategy: 'adaptive', keys, threshold: 1 } as const;
    const bySlots = planBalance(masters, { ...options, first: 'slots' });
    const byNodes = planBalance(masters, { ...options, first: 'nodes' });
    assert.deepEqual(
      bySlots.moves.map(({ slot, target }) => [slot, target]),
      byNodes.moves.map(({ slot, target }) => [slot, target]),
    );
    assert.equal(bySlots.moves.find(({ slot }) => slot === 70)!.priority, 10);
    assert.ok(bySlots.moves.filter(({ slot }) => slot !== 70).every(({ priority }) => priority < 5));
    assert.ok(byNodes.moves.filter(({ priority }) => priority > 5).length > 1);
    assert.throws(() => planBalance(masters, { first: 'keys' as 'slots' }), /first: 'keys' is not nodes or slots/);
  });

  it('fewest: no more moves than bring everyone within the threshold, and none could be left out', () => {
    const cluster = fc.record({
      counts: fc
        .array(fc.nat({ max: 300 }), { minLength: 2, maxLength: 6 })
        .filter((all) => all.some((one) => one > 0)),
      threshold: fc.constantFrom(5, 10, 30),
    });
    fc.assert(
      fc.property(cluster, ({ counts, threshold }) => {
        let next = 0;
        const masters = counts.map((count, at) => {
          next += count;
          return { id: `n${at}`, slots: range(next - count, next) };
        });
        const few = planBalance(masters, { threshold, fewest: true });
        const all = planBalance(masters, { threshold });
        assert.ok(few.moves.length <= all.moves.length);
        if (!few.before.needed) return;
        const share = next / counts.length;
        const [low, high] = [Math.ceil(share * (1 - threshold / 100)), Math.floor(share * (1 + threshold / 100))];
        const after = countsAfter(masters, few.moves);
        if (low > high) assert.ok(after.every((one) => Math.abs(one - share) < 1.0001));
        else if (few.moves.length < all.moves.length) {
          assert.ok(
            after.every((one) => one >= low && one <= high),
            `${after} of ${low}..${high}`,
          );
          // As many as those beyond have to give, or as those below have to get.
          const [over, under] = [counts.map((one) => one - high), counts.map((one) => low - one)].map((list) =>
            list.reduce((sum, one) => sum + Math.max(0, one), 0),
          );
          assert.equal(few.moves.length, Math.max(over!, under!));
        }
      }),
    );
  });

  it('fewest, by cost: stops as soon as everyone is near enough', () => {
    const masters = [
      { id: 'a', slots: range(0, 100) },
      { id: 'b', slots: range(100, 200) },
    ];
    const keys = new Map(range(0, 200).map((slot) => [slot, slot < 100 ? 100 : 20]));
    const options = { strategy: 'adaptive', keys, threshold: 20 } as const;
    const [few, all] = [true, false].map((fewest) => planBalance(masters, { ...options, fewest }));
    assert.ok(few!.moves.length > 0 && few!.moves.length < all!.moves.length);
    assert.equal(few!.after.needed, false);
  });

  it('costs add up to one, whatever is known', () => {
    for (const [ops, keys] of [
      [undefined, new Map()],
      [5, new Map()],
      [undefined, new Map([[0, 3]])],
      [5, new Map([[1, 7]])],
    ] as const) {
      const masters = [
        { id: 'a', slots: [0, 1], ...(ops === undefined ? {} : { ops }) },
        { id: 'b', slots: [2] },
      ];
      const sum = [...slotCosts(masters, keys).values()].reduce((left, right) => left + right, 0);
      assert.ok(Math.abs(sum - 1) < 1e-9, `${sum}`);
    }
  });

  it('any cluster, any weights: every slot moves once at most, from surplus to want, and nobody ends further off', () => {
    const cluster = fc
      .record({
        cuts: fc.array(fc.nat(1024), { minLength: 1, maxLength: 8 }),
        weights: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 9, maxLength: 9 }),
        strategy: fc.constantFrom<BalanceStrategy>('equal', 'weighted', 'adaptive'),
        seed: fc.nat(),
      })
      .filter(({ weights, cuts }) => weights.slice(0, cuts.length + 1).some((weight) => weight > 0));
    fc.assert(
      fc.property(cluster, ({ cuts, weights, strategy, seed }) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), 1024];
        const masters = edges.slice(1).map((end, at): MasterLoad => {
          return { id: `n${at}`, slots: range(edges[at]!, end), weight: weights[at]!, ops: (seed * (at + 1)) % 977 };
        });
        const keys = new Map(range(0, 1024).map((slot) => [slot, (slot * 7919 + seed) % 53]));
        const plan = planBalance(masters, { strategy, threshold: 0, keys });
        const owner = new Map(masters.flatMap(({ id, slots }) => slots.map((slot) => [slot, id])));
        assert.equal(new Set(plan.moves.map(({ slot }) => slot)).size, plan.moves.length);
        for (const { slot, source, target, priority } of plan.moves) {
          assert.equal(owner.get(slot), source);
          assert.notEqual(source, target);
          assert.ok(Number.isInteger(priority) && priority >= 1 && priority <= 10);
        }
        const [givers, takers] = [new Set(plan.moves.map((m) => m.source)), new Set(plan.moves.map((m) => m.target))];
        if (strategy === 'adaptive') {
          assert.ok(plan.after.maxDiffPercent <= plan.before.maxDiffPercent + 1e-6);
          return;
        }
        for (const id of givers) assert.equal(takers.has(id), false);
        const shares = wholeShares(masters, strategy);
        assert.deepEqual(
          countsAfter(masters, plan.moves),
          masters.map(({ id }) => shares.get(id)!),
        );
      }),
      { numRuns: 60 },
    );
  });
});
