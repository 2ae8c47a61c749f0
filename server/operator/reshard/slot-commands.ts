// What the steps of a move say to the nodes, and where a slot is to go.

import type { Argv } from '../../../lib/connection/exchange.ts';
import type { MovingNode } from '../link/cluster-link.ts';

/** A slot is to go `from` one master `to` another. */
export interface SlotRoute {
  readonly slot: number;
  readonly from: MovingNode;
  readonly to: MovingNode;
}

export function setSlot(slot: number, ...argv: readonly string[]): Argv {
  return ['CLUSTER', 'SETSLOT', String(slot), ...argv];
}

export function keysArgv(slot: number, limit: number): Argv {
  return ['CLUSTER', 'GETKEYSINSLOT', String(slot), String(limit)];
}

export function countArgv(slot: number): Argv {
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
