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
