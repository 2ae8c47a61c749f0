// What a slot costs the master that serves it, for the adaptive strategy: being there, its keys, its traffic. Pure.
// Invariant: the costs of all slots add up to 1 whatever is known of them.

import type { MasterLoad } from './shares.ts';

/** Keys per slot; a slot that is missing has none. */
export type SlotKeys = ReadonlyMap<number, number>;

/** What a slot does by itself; a slot that is missing does nothing. */
export interface SlotTraffic {
  /** Share of one thread's time. */
  readonly cpu: ReadonlyMap<number, number>;
  /** Bytes a second, in and out. */
  readonly bytes: ReadonlyMap<number, number>;
}

/** How much each part counts. What nothing is known of (no keys, no traffic) counts for nothing. */
const parts = { slots: 0.2, keys: 0.4, ops: 0.4, cpu: 0.25, bytes: 0.15 } as const;

/**
 * Cost of each slot. `traffic` by slot, where every master counts it; without it, the traffic of a node (`ops`) is spread
 * over its slots by their keys, evenly when it has none.
 */
export function slotCosts(masters: readonly MasterLoad[], keys: SlotKeys, traffic?: SlotTraffic): Map<number, number> {
  const slots = masters.flatMap((master) => master.slots);
  const even = new Map(slots.map((slot) => [slot, 1]));
  const weighed: [weight: number, amounts: ReadonlyMap<number, number>][] = [
    [parts.slots, even],
    [parts.keys, keys],
  ];
  if (traffic === undefined) weighed.push([parts.ops, spreadOps(masters, keys)]);
  else weighed.push([parts.cpu, traffic.cpu], [parts.bytes, traffic.bytes]);
  const known = weighed
    .map(([weight, amounts]) => ({ weight, amounts, total: sumOf(slots, amounts) }))
    .filter(({ total }) => total > 0);
  const all = known.reduce((sum, { weight }) => sum + weight, 0);
  const costOf = (slot: number): number =>
    known.reduce((sum, { weight, amounts, total }) => sum + (weight * (amounts.get(slot) ?? 0)) / total, 0) / all;
  return new Map(slots.map((slot) => [slot, costOf(slot)]));
}

function sumOf(slots: readonly number[], amounts: ReadonlyMap<number, number>): number {
  return slots.reduce((sum, slot) => sum + (amounts.get(slot) ?? 0), 0);
}

function spreadOps(masters: readonly MasterLoad[], keys: SlotKeys): Map<number, number> {
  const spread = new Map<number, number>();
  for (const { slots, ops = 0 } of masters) {
    const own = sumOf(slots, keys);
    for (const slot of slots) spread.set(slot, ops * (own > 0 ? (keys.get(slot) ?? 0) / own : 1 / slots.length));
  }
  return spread;
}
