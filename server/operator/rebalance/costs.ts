// What a slot costs the master that serves it, for the adaptive strategy: being there, its keys, its traffic. Pure.
// Invariant: the costs of all slots add up to 1 whatever is known of them.

import type { MasterLoad } from './shares.ts';

/** Keys per slot; a slot that is missing has none. */
export type SlotKeys = ReadonlyMap<number, number>;

/** How much each part counts. What nothing is known of (no keys, no traffic) counts for nothing. */
const partOfSlots = 0.2;
const partOfKeys = 0.4;
const partOfTraffic = 0.4;

/**
 * Cost of each slot. Traffic is known per node only: it is spread over the slots of the node by their keys, evenly when
 * it has none.
 */
export function slotCosts(masters: readonly MasterLoad[], keys: SlotKeys): Map<number, number> {
  const slotTotal = masters.reduce((sum, { slots }) => sum + slots.length, 0);
  const keysOf = (slots: readonly number[]): number => slots.reduce((sum, slot) => sum + (keys.get(slot) ?? 0), 0);
  const keyTotal = masters.reduce((sum, { slots }) => sum + keysOf(slots), 0);
  const opsTotal = masters.reduce((sum, { ops = 0, slots }) => sum + (slots.length > 0 ? ops : 0), 0);
  const parts = partOfSlots + (keyTotal > 0 ? partOfKeys : 0) + (opsTotal > 0 ? partOfTraffic : 0);
  const costs = new Map<number, number>();
  for (const { slots, ops = 0 } of masters) {
    const own = keysOf(slots);
    for (const slot of slots) {
      const share = own > 0 ? (keys.get(slot) ?? 0) / own : 1 / slots.length;
      let cost = partOfSlots / slotTotal;
      if (keyTotal > 0) cost += (partOfKeys * (keys.get(slot) ?? 0)) / keyTotal;
      if (opsTotal > 0) cost += (partOfTraffic * ops * share) / opsTotal;
      costs.set(slot, cost / parts);
    }
  }
  return costs;
}
