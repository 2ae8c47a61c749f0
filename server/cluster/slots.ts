// Reading the slot table: ranges, bitmaps and counts, remembered as long as no slot moves.

import { slotCount } from '../../lib/wire/slot.ts';
import type { ClusterState } from './state.ts';

export type Range = readonly [start: number, end: number];
export interface OwnedRange {
  readonly start: number;
  readonly end: number;
  readonly owner: string;
}

type Owners = ClusterState['owners'];

interface Facts {
  readonly ranges: readonly OwnedRange[];
  readonly counts: ReadonlyMap<string, number>;
  readonly bitmaps: Map<string, Uint8Array>;
}

// Keyed by the owners array, which is replaced whenever a slot moves: the facts cannot go stale.
const remembered = new WeakMap<Owners, Facts>();
const bitmapBytes = slotCount / 8;
const noSlots = new Uint8Array(bitmapBytes);

function factsOf(owners: Owners): Facts {
  const known = remembered.get(owners);
  if (known !== undefined) return known;
  const ranges: OwnedRange[] = [];
  const counts = new Map<string, number>();
  for (let start = 0; start < slotCount; ) {
    const owner = owners[start];
    let end = start;
    while (end + 1 < slotCount && owners[end + 1] === owner) end++;
    if (owner !== undefined) {
      ranges.push({ start, end, owner });
      counts.set(owner, (counts.get(owner) ?? 0) + end - start + 1);
    }
    start = end + 1;
  }
  const facts = { ranges, counts, bitmaps: new Map<string, Uint8Array>() };
  remembered.set(owners, facts);
  return facts;
}

/** Maximal ranges of one owner, ascending; unassigned slots are left out. */
export function ownedRanges(state: ClusterState): readonly OwnedRange[] {
  return factsOf(state.owners).ranges;
}

export function rangesOf(state: ClusterState, id: string): Range[] {
  const own = ownedRanges(state).filter((range) => range.owner === id);
  return own.map(({ start, end }): Range => [start, end]);
}

export function slotsOwned(state: ClusterState, id: string): number {
  return factsOf(state.owners).counts.get(id) ?? 0;
}

export function slotsAssigned(state: ClusterState): number {
  let sum = 0;
  for (const count of factsOf(state.owners).counts.values()) sum += count;
  return sum;
}

/** The slots of a node, one bit each: slot s is bit `s & 7` of byte `s >> 3`. Not to be written to. */
export function bitmapOf(state: ClusterState, id: string): Uint8Array {
  const facts = factsOf(state.owners);
  if (!facts.counts.has(id)) return noSlots;
  let bitmap = facts.bitmaps.get(id);
  if (bitmap === undefined) {
    bitmap = new Uint8Array(bitmapBytes);
    for (const { start, end, owner } of facts.ranges) {
      if (owner === id) for (let slot = start; slot <= end; slot++) bitmap[slot >> 3]! |= 1 << (slot & 7);
    }
    facts.bitmaps.set(id, bitmap);
  }
  return bitmap;
}

export function sameSlots(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || Buffer.compare(a, b) === 0;
}

/** The slots whose bit is set, ascending. */
export function* slotsIn(bitmap: Uint8Array): Generator<number> {
  for (let byte = 0; byte < bitmapBytes; byte++) {
    const bits = bitmap[byte]!;
    if (bits === 0) continue;
    for (let bit = 0; bit < 8; bit++) if ((bits >> bit) & 1) yield byte * 8 + bit;
  }
}
