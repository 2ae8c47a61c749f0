// The moves that bring every master to its share. Pure: loads in, plan out; rebalance.ts has it carried out.
// Invariant: a plan moves each slot at most once, only from masters above their share to masters below it, and never
// makes the worst difference worse.

import { type SlotKeys, slotCosts } from './costs.ts';
import {
  type BalanceCheck,
  type BalanceStrategy,
  defaultThreshold,
  fairShares,
  judge,
  type MasterLoad,
  wholeShares,
} from './shares.ts';

export interface BalanceMove {
  readonly slot: number;
  readonly source: string;
  readonly target: string;
  /** 1 (last) to 10 (first): the slots of the most burdened master go first. */
  readonly priority: number;
}

export interface BalancePlan {
  readonly strategy: BalanceStrategy;
  readonly moves: readonly BalanceMove[];
  /** How far it is from balanced now, and how far it will be. */
  readonly before: BalanceCheck;
  readonly after: BalanceCheck;
}

export interface BalanceOptions {
  /** Default `equal`. */
  readonly strategy?: BalanceStrategy;
  /** Percent that a master may differ from its share without anything being moved. Default 10. */
  readonly threshold?: number;
  /** Slots moved at most by one plan. Default: all that is needed. */
  readonly maxMoves?: number;
  /** Keys of each slot, for the adaptive strategy. */
  readonly keys?: SlotKeys;
}

/** Whether the masters differ too much from their shares. */
export function checkBalance(masters: readonly MasterLoad[], options: BalanceOptions = {}): BalanceCheck {
  return judgeMasters(masters, readOptions(options));
}

/** The moves to balance the masters; none when they differ by no more than the threshold. */
export function planBalance(masters: readonly MasterLoad[], options: BalanceOptions = {}): BalancePlan {
  const read = readOptions(options);
  const before = judgeMasters(masters, read);
  if (!before.needed) return { strategy: read.strategy, moves: [], before, after: before };
  const moves = (read.strategy === 'adaptive' ? byCost : byCount)(masters, read).slice(0, read.maxMoves);
  return { strategy: read.strategy, moves, before, after: judgeMasters(afterMoves(masters, moves), read, masters) };
}

interface Settings {
  readonly strategy: BalanceStrategy;
  readonly threshold: number;
  readonly maxMoves: number;
  readonly keys: SlotKeys;
}

const strategies: ReadonlySet<string> = new Set<BalanceStrategy>(['equal', 'weighted', 'adaptive']);

function readOptions(options: BalanceOptions): Settings {
  const { strategy = 'equal', threshold = defaultThreshold, maxMoves = Number.MAX_SAFE_INTEGER } = options;
  if (!strategies.has(strategy)) throw new RangeError(`strategy: '${strategy}' is not equal, weighted or adaptive`);
  if (!Number.isFinite(threshold) || threshold < 0) throw new RangeError(`threshold: ${threshold} is not 0 or more`);
  if (!Number.isSafeInteger(maxMoves) || maxMoves < 0) throw new RangeError(`maxMoves: ${maxMoves} is not 0 or more`);
  return { strategy, threshold, maxMoves, keys: options.keys ?? new Map() };
}

/** `as`: the masters whose traffic the costs were reckoned from, when slots have moved since. */
function judgeMasters(masters: readonly MasterLoad[], settings: Settings, as = masters): BalanceCheck {
  const { strategy, threshold } = settings;
  if (strategy !== 'adaptive') {
    const counts = new Map(masters.map(({ id, slots }) => [id, slots.length]));
    const total = masters.reduce((sum, { slots }) => sum + slots.length, 0);
    return judge(counts, fairShares(masters, strategy, total), threshold);
  }
  const costs = slotCosts(as, settings.keys);
  return judge(costsOf(masters, costs), fairShares(masters, strategy, 1), threshold);
}

function costsOf(masters: readonly MasterLoad[], costs: ReadonlyMap<number, number>): Map<string, number> {
  return new Map(masters.map(({ id, slots }) => [id, slots.reduce((sum, slot) => sum + costs.get(slot)!, 0)]));
}

function afterMoves(masters: readonly MasterLoad[], moves: readonly BalanceMove[]): MasterLoad[] {
  const targets = new Map(moves.map(({ slot, target }) => [slot, target]));
  const moved = masters.flatMap(({ id, slots }) => slots.map((slot) => [slot, targets.get(slot) ?? id] as const));
  const byId = groupById(moved);
  return masters.map((master) => ({ ...master, slots: byId.get(master.id) ?? [] }));
}

function groupById(owned: readonly (readonly [slot: number, id: string])[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const [slot, id] of owned) {
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [slot]);
    else group.push(slot);
  }
  return groups;
}

/** By the number of slots: those above their share give their last slots, whole ranges as far as possible. */
function byCount(masters: readonly MasterLoad[], { strategy }: Settings): BalanceMove[] {
  const shares = wholeShares(masters, strategy);
  const excessOf = ({ id, slots }: MasterLoad): number => slots.length - shares.get(id)!;
  const givers = masters.filter((master) => excessOf(master) > 0).sort((a, b) => excessOf(b) - excessOf(a));
  const takers = masters.filter((master) => excessOf(master) < 0).sort((a, b) => excessOf(a) - excessOf(b));
  const most = givers.length === 0 ? 0 : excessOf(givers[0]!);
  const moves: BalanceMove[] = [];
  let at = 0;
  let room = takers.length === 0 ? 0 : -excessOf(takers[0]!);
  for (const giver of givers) {
    const excess = excessOf(giver);
    for (const slot of giver.slots.slice(giver.slots.length - excess)) {
      if (room === 0) room = -excessOf(takers[++at]!);
      moves.push({ slot, source: giver.id, target: takers[at]!.id, priority: priorityOf(excess, most) });
      room--;
    }
  }
  return moves;
}

function priorityOf(excess: number, most: number): number {
  return Math.max(1, Math.round((excess / most) * 10));
}

interface Side {
  readonly id: string;
  readonly want: number;
  have: number;
  /** Slots that it had from the start, cheapest first. */
  readonly slots: { readonly slot: number; readonly cost: number }[];
}

/**
 * By cost: again and again the most burdened master gives to the least burdened one the slot that fits best, until
 * none would help. A slot that costs more than the gap is left where it is: it would only carry the burden elsewhere.
 */
function byCost(masters: readonly MasterLoad[], settings: Settings): BalanceMove[] {
  const costs = slotCosts(masters, settings.keys);
  const want = fairShares(masters, settings.strategy, 1);
  const sides = masters.map(({ id, slots }): Side => {
    const own = slots.map((slot) => ({ slot, cost: costs.get(slot)! })).sort((a, b) => a.cost - b.cost);
    return { id, want: want.get(id)!, have: own.reduce((sum, { cost }) => sum + cost, 0), slots: own };
  });
  const excess = (side: Side): number => side.have - side.want;
  const most = Math.max(...sides.map(excess));
  const moves: BalanceMove[] = [];
  const total = masters.reduce((sum, { slots }) => sum + slots.length, 0);
  while (moves.length < Math.min(total, settings.maxMoves)) {
    const givers = sides.filter(({ slots }) => slots.length > 0);
    const giver = givers.reduce((best, side) => (excess(side) > excess(best) ? side : best), givers[0]!);
    const taker = sides.reduce((best, side) => (excess(side) < excess(best) ? side : best), sides[0]!);
    if (giver === undefined || giver === taker) break;
    const picked = pick(giver, excess(giver), -excess(taker));
    if (picked === undefined) break;
    moves.push({ slot: picked.slot, source: giver.id, target: taker.id, priority: priorityOf(excess(giver), most) });
    giver.have -= picked.cost;
    taker.have += picked.cost;
  }
  return moves;
}

/** The most expensive slot that neither side's gap is too small for. */
function pick(giver: Side, surplus: number, gap: number): Side['slots'][number] | undefined {
  const limit = Math.min(surplus, gap);
  let low = 0;
  let high = giver.slots.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (giver.slots[middle]!.cost <= limit) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return undefined;
  return giver.slots.splice(low - 1, 1)[0];
}
