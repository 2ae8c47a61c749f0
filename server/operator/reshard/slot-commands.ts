// What the steps of a move say to the nodes, and where a slot is to go.

import type { Words } from '../../../lib/connection/exchange.ts';
import type { MovingNode } from '../link/cluster-link.ts';

/** A slot is to go `from` one master `to` another. */
export interface SlotRoute {
  readonly slot: number;
  readonly from: MovingNode;
  readonly to: MovingNode;
}

export function setSlot(slot: number, ...words: readonly string[]): Words {
  return ['CLUSTER', 'SETSLOT', String(slot), ...words];
}

export function keysWords(slot: number, limit: number): Words {
  return ['CLUSTER', 'GETKEYSINSLOT', String(slot), String(limit)];
}

export function countWords(slot: number): Words {
  return ['CLUSTER', 'COUNTKEYSINSLOT', String(slot)];
}

/** The ranges that cover exactly these slots, ascending. */
export function rangesOf(slots: readonly number[]): [start: number, end: number][] {
  const ranges: [number, number][] = [];
  for (const slot of slots.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && slot === last[1] + 1) last[1] = slot;
    else ranges.push([slot, slot]);
  }
  return ranges;
}
