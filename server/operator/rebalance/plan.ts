// The moves that bring every master to its share. Pure: loads in, plan out; rebalance.ts has it carried out.
// Invariant: a plan moves each slot at most once, only from masters above their share to masters below it, and never
// makes the worst difference worse.

import { type SlotKeys, type SlotTraffic, slotCosts } from './costs.ts';
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
  /** 1 (last) to 10 (first), by `first` of the options. */
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
  /**
   * What goes first: `nodes`, the default: the slots of the most burdened master; `slots`: the slots that cost most,
   * whoever has them (of the adaptive strategy: the others know no costs).
   */
  readonly first?: 'nodes' | 'slots';
  /** Only what brings every master within the threshold, with as few moves as can be. Default false: to its share. */
  readonly fewest?: boolean;
  /** Keys of each slot, for the adaptive strategy. */
  readonly keys?: SlotKeys;
  /** Traffic of each slot, where every master counts it. */
  readonly traffic?: SlotTraffic;
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
  readonly first: 'nodes' | 'slots';
  readonly fewest: boolean;
  readonly keys: SlotKeys;
  readonly traffic: SlotTraffic | undefined;
}

const strategies: ReadonlySet<string> = new Set<BalanceStrategy>(['equal', 'weighted', 'adaptive']);

function readOptions(options: BalanceOptions): Settings {
  const { strategy = 'equal', threshold = defaultThreshold, maxMoves = Number.MAX_SAFE_INTEGER } = options;
  if (!strategies.has(strategy)) throw new RangeError(`strategy: '${strategy}' is not equal, weighted or adaptive`);
  if (!Number.isFinite(threshold) || threshold < 0) throw new RangeError(`threshold: ${threshold} is not 0 or more`);
  if (!Number.isSafeInteger(maxMoves) || maxMoves < 0) throw new RangeError(`maxMoves: ${maxMoves} is not 0 or more`);
  const { first = 'nodes', fewest = false, keys = new Map<number, number>(), traffic } = options;
  if (first !== 'nodes' && first !== 'slots') throw new RangeError(`first: '${first}' is not nodes or slots`);
  return { strategy, threshold, maxMoves, first, fewest, keys, traffic };
}

/** `as`: the masters whose traffic the costs were reckoned from, when slots have moved since. */
function judgeMasters(masters: readonly MasterLoad[], settings: Settings, as = masters): BalanceCheck {
  const { strategy, threshold } = settings;
  if (strategy !== 'adaptive') {
    const counts = new Map(masters.map(({ id, slots }) => [id, slots.length]));
    const total = masters.reduce((sum, { slots }) => sum + slots.length, 0);
    return judge(counts, fairShares(masters, strategy, total), threshold);
  }
  const costs = slotCosts(as, settings.keys, settings.traffic);
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
function byCount(masters: readonly MasterLoad[], settings: Settings): BalanceMove[] {
  const gives = settings.fewest ? fewestGives(masters, settings) : gaps(masters, settings.strategy);
  const givesOf = ({ id }: MasterLoad): number => gives.get(id)!;
  const givers = masters.filter((master) => givesOf(master) > 0).sort((a, b) => givesOf(b) - givesOf(a));
  const takers = masters.filter((master) => givesOf(master) < 0).sort((a, b) => givesOf(a) - givesOf(b));
  const most = givers.length === 0 ? 0 : givesOf(givers[0]!);
  const moves: BalanceMove[] = [];
  let at = 0;
  let room = takers.length === 0 ? 0 : -givesOf(takers[0]!);
  for (const giver of givers) {
    const excess = givesOf(giver);
    for (const slot of giver.slots.slice(giver.slots.length - excess)) {
      if (room === 0) room = -givesOf(takers[++at]!);
      moves.push({ slot, source: giver.id, target: takers[at]!.id, priority: priorityOf(excess, most) });
      room--;
    }
  }
  return moves;
}

/** Slots that each has beyond its share; below zero: that it lacks. They add up to zero. */
function gaps(masters: readonly MasterLoad[], strategy: BalanceStrategy): Map<string, number> {
  const shares = wholeShares(masters, strategy);
  return new Map(masters.map(({ id, slots }) => [id, slots.length - shares.get(id)!]));
}

/**
 * The same, no further than into the threshold: either those that have too much give what is beyond it, or those that
 * have too little get what they lack, whichever is more; the other side is filled up from whoever is furthest off.
 */
function fewestGives(masters: readonly MasterLoad[], { strategy, threshold }: Settings): Map<string, number> {
  const full = gaps(masters, strategy);
  const shares = fairShares(
    masters,
    strategy,
    masters.reduce((sum, { slots }) => sum + slots.length, 0),
  );
  const gives = new Map<string, number>();
  for (const { id, slots } of masters) {
    const share = shares.get(id)!;
    const [low, high] = [Math.ceil(share * (1 - threshold / 100)), Math.floor(share * (1 + threshold / 100))];
    const beyond = slots.length > high ? slots.length - high : slots.length < low ? slots.length - low : 0;
    // A threshold finer than one slot has no whole number within it.
    gives.set(id, Math.abs(beyond) > Math.abs(full.get(id)!) ? full.get(id)! : beyond);
  }
  let missing = [...gives.values()].reduce((sum, one) => sum + one, 0);
  const left = (id: string): number => full.get(id)! - gives.get(id)!;
  while (missing !== 0) {
    // More is given than taken: whoever lacks most takes one more, and the other way round.
    const sign = missing > 0 ? -1 : 1;
    const next = masters.reduce((best, one) => (left(one.id) * sign > left(best.id) * sign ? one : best), masters[0]!);
    if (left(next.id) * sign <= 0) return full;
    gives.set(next.id, gives.get(next.id)! + sign);
    missing += sign;
  }
  return gives;
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
  const costs = slotCosts(masters, settings.keys, settings.traffic);
  const want = fairShares(masters, settings.strategy, 1);
  const sides = masters.map(({ id, slots }): Side => {
    const own = slots.map((slot) => ({ slot, cost: costs.get(slot)! })).sort((a, b) => a.cost - b.cost);
    return { id, want: want.get(id)!, have: own.reduce((sum, { cost }) => sum + cost, 0), slots: own };
  });
  const excess = (side: Side): number => side.have - side.want;
  const near = ({ have, want: share }: Side): boolean => Math.abs(have - share) * 100 <= settings.threshold * share;
  const dearest = Math.max(...costs.values());
  const most = Math.max(...sides.map(excess));
  const moves: BalanceMove[] = [];
  const total = masters.reduce((sum, { slots }) => sum + slots.length, 0);
  while (moves.length < Math.min(total, settings.maxMoves)) {
    if (settings.fewest && sides.every(near)) break;
    const givers = sides.filter(({ slots }) => slots.length > 0);
    const giver = givers.reduce((best, side) => (excess(side) > excess(best) ? side : best), givers[0]!);
    const taker = sides.reduce((best, side) => (excess(side) < excess(best) ? side : best), sides[0]!);
    if (giver === undefined || giver === taker) break;
    const picked = pick(giver, excess(giver), -excess(taker));
    if (picked === undefined) break;
    const [part, whole] = settings.first === 'slots' ? [picked.cost, dearest] : [excess(giver), most];
    moves.push({ slot: picked.slot, source: giver.id, target: taker.id, priority: priorityOf(part, whole) });
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
