// The keys of the redirect suite: what lies in which slot. Both sides, parent and child, make the same list.

import { slotOf } from '../../lib/wire/slot.ts';
import { valueFor } from '../macro/dataset.ts';

export const keyCount = 10_000;
/** A batch's keys: each in a slot of its own, so that a share of keys is the same share of slots. */
export const batchSize = 1000;

const keyAt = (index: number): string => `move:${index}`;
const valueAt = (index: number): string => valueFor(16, index, 0);

export interface KeyPlan {
  readonly keys: readonly string[];
  readonly values: readonly string[];
  /** slot -> positions of the keys in it. */
  readonly inSlot: ReadonlyMap<number, readonly number[]>;
  /** Positions of the keys of a batch. */
  readonly batch: readonly number[];
}

export function planKeys(): KeyPlan {
  const keys = Array.from({ length: keyCount }, (_, index) => keyAt(index));
  const inSlot = new Map<number, number[]>();
  const batch: number[] = [];
  keys.forEach((key, index) => {
    const slot = slotOf(key);
    const others = inSlot.get(slot);
    if (others !== undefined) {
      others.push(index);
      return;
    }
    inSlot.set(slot, [index]);
    if (batch.length < batchSize) batch.push(index);
  });
  return { keys, values: keys.map((_, index) => valueAt(index)), inSlot, batch };
}
