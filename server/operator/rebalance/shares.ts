// How many slots, or how much load, each master should have, and how far it is from that. Pure.
// Invariant: the slots that the shares add up to are the slots that are shared out, to the last one.

/** What the balance is judged by. */
export type BalanceStrategy = 'equal' | 'weighted' | 'adaptive';

export interface MasterLoad {
  readonly id: string;
  /** Slots that it serves, ascending. */
  readonly slots: readonly number[];
  /** Its share in relation to the others; 0: it is to be emptied. Default 1. */
  readonly weight?: number;
  /** Commands per second, for the adaptive strategy. */
  readonly ops?: number;
}

export interface BalanceCheck {
  /** Some master is further from its share than the threshold allows. */
  readonly needed: boolean;
  /** The largest distance of a master from its share, in percent of the share. */
  readonly maxDiffPercent: number;
  /** That master's id. */
  readonly worst: string;
}

export const defaultThreshold = 10;

/** Weight of a master under a strategy: all are alike under `equal`. Throws a RangeError for what is no weight. */
function weightOf(master: MasterLoad, strategy: BalanceStrategy): number {
  const { weight = 1, id } = master;
  if (!Number.isFinite(weight) || weight < 0) throw new RangeError(`weight of ${id}: ${weight} is not 0 or more`);
  return strategy === 'equal' ? 1 : weight;
}

/** The share of `total` that each master should have, by id; not rounded. Throws when every weight is 0. */
export function fairShares(
  masters: readonly MasterLoad[],
  strategy: BalanceStrategy,
  total: number,
): Map<string, number> {
  const weights = masters.map((master) => weightOf(master, strategy));
  const sum = weights.reduce((left, right) => left + right, 0);
  if (sum === 0) throw new RangeError('weights: all are 0, so nobody could have the slots');
  return new Map(masters.map(({ id }, at) => [id, (total * weights[at]!) / sum]));
}

/** Whole slots for each master: the largest remainders are rounded up, of those alike whoever has the most now. */
export function wholeShares(masters: readonly MasterLoad[], strategy: BalanceStrategy): Map<string, number> {
  const total = masters.reduce((sum, { slots }) => sum + slots.length, 0);
  const fair = fairShares(masters, strategy, total);
  const whole = new Map([...fair].map(([id, share]) => [id, Math.floor(share)]));
  let left = total - [...whole.values()].reduce((sum, share) => sum + share, 0);
  const remainder = ({ id }: MasterLoad): number => fair.get(id)! - whole.get(id)!;
  const order = masters
    .filter((master) => remainder(master) > 0)
    .sort((a, b) => remainder(b) - remainder(a) || b.slots.length - a.slots.length || (a.id < b.id ? -1 : 1));
  for (const { id } of order) {
    if (left-- <= 0) break;
    whole.set(id, whole.get(id)! + 1);
  }
  return whole;
}

/** How far `have` is from `want`, in percent of what is wanted. */
function differencePercent(have: number, want: number): number {
  if (want === 0) return have === 0 ? 0 : 100;
  return (Math.abs(have - want) / want) * 100;
}

/** Judges loads (slots, or their cost) against shares. `threshold` in percent. */
export function judge(
  have: ReadonlyMap<string, number>,
  want: ReadonlyMap<string, number>,
  threshold: number,
): BalanceCheck {
  let maxDiffPercent = 0;
  let worst = '';
  for (const [id, share] of want) {
    const difference = differencePercent(have.get(id) ?? 0, share);
    if (worst !== '' && difference <= maxDiffPercent) continue;
    maxDiffPercent = difference;
    worst = id;
  }
  return { needed: maxDiffPercent > threshold, maxDiffPercent, worst };
}
