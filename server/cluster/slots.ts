// Reading the slot table: ranges, bitmaps and counts, remembered as long as no slot moves.

import { slotCount } from '../../lib/wire/slot.ts';
import type { Range } from './slot-table.ts';
import type { ClusterState } from './state.ts';

export interface OwnedRange {
  readonly start: number;
  readonly end: number;
  readonly owner: string;
}

type Owners = ClusterState['owners'];

// Keyed by the table of owners, which is replaced whenever a slot moves: the bitmaps cannot go stale.
const remembered = new WeakMap<Owners, Map<string, Uint8Array>>();
const bitmapBytes = slotCount / 8;
const noSlots = new Uint8Array(bitmapBytes);

/** Maximal ranges of one owner, ascending; unassigned slots are left out. */
export function ownedRanges(state: ClusterState): OwnedRange[] {
  return state.owners.runs.map(({ start, end, value: owner }) => ({ start, end, owner }));
}

/** The same array as long as no slot comes to the node or leaves it. */
export function rangesOf(state: ClusterState, id: string): readonly Range[] {
  return state.owners.rangesOf(id);
}

export function slotsOwned(state: ClusterState, id: string): number {
  return state.owners.counts.get(id) ?? 0;
}

export function slotsAssigned(state: ClusterState): number {
  return state.owners.size;
}

/** The slots of a node, one bit each: slot s is bit `s & 7` of byte `s >> 3`. Not to be written to. */
export function bitmapOf(state: ClusterState, id: string): Uint8Array {
  const { owners } = state;
  if (!owners.counts.has(id)) return noSlots;
  let bitmaps = remembered.get(owners);
  if (bitmaps === undefined) {
    bitmaps = new Map();
    remembered.set(owners, bitmaps);
  }
  let bitmap = bitmaps.get(id);
  if (bitmap === undefined) {
    bitmap = new Uint8Array(bitmapBytes);
    for (const { start, end, value } of owners.runs) if (value === id) setBits(bitmap, start, end);
    bitmaps.set(id, bitmap);
  }
  return bitmap;
}

function setBits(bitmap: Uint8Array, start: number, end: number): void {
  const firstWhole = (start + 7) >> 3;
  const endWhole = (end + 1) >> 3;
  if (firstWhole < endWhole) bitmap.fill(0xff, firstWhole, endWhole);
  for (let slot = start; slot <= end; slot++) {
    if (slot === firstWhole << 3 && firstWhole < endWhole) slot = endWhole << 3;
    if (slot <= end) bitmap[slot >> 3]! |= 1 << (slot & 7);
  }
}

export function sameSlots(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || Buffer.compare(a, b) === 0;
}

/** The slots whose bit is set, and not set in `except`; ascending. */
export function* slotsIn(bitmap: Uint8Array, except: Uint8Array = noSlots): Generator<number> {
  for (let byte = 0; byte < bitmapBytes; byte++) {
    const bits = bitmap[byte]! & ~except[byte]!;
    if (bits === 0) continue;
    for (let bit = 0; bit < 8; bit++) if ((bits >> bit) & 1) yield byte * 8 + bit;
  }
}
