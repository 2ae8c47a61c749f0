// What each master says of a slot that is not simply served by one owner: its claim, its marks, its keys.
// The keys are counted in every database.

import { slotCount } from '../../../lib/wire/slot.ts';
import type { ClusterLink, MovingNode } from '../link/cluster-link.ts';
import { countSlots } from '../reshard/empty-slots.ts';
import type { ClusterSurvey, NodeSurvey } from './survey.ts';

export interface SlotAtNode extends MovingNode {
  readonly address: string;
  /** It takes itself for the owner. */
  readonly claims: boolean;
  readonly migrating: string | undefined;
  readonly importing: string | undefined;
  readonly keys: number;
  readonly configEpoch: number;
  readonly slots: number;
}

export interface SlotFacts {
  readonly slot: number;
  /** Every master that answers. */
  readonly nodes: readonly SlotAtNode[];
}

/** Slots that are open somewhere, claimed by several masters, or by none. */
export async function unusualSlots(link: ClusterLink, survey: ClusterSurvey): Promise<SlotFacts[]> {
  const masters = survey.nodes.filter((node) => mine(node)?.flags.includes('master'));
  const claims = new Uint8Array(slotCount);
  const open = new Set<number>();
  for (const node of masters) {
    const own = mine(node)!;
    for (const [start, end] of own.ranges) for (let slot = start; slot <= end; slot++) claims[slot]!++;
    for (const slot of [...own.migrating.keys(), ...own.importing.keys()]) open.add(slot);
  }
  // A slot of a master that does not answer is not without an owner.
  const elsewhere = new Set<number>();
  for (const { line, unreachable } of survey.nodes) {
    if (unreachable === undefined) continue;
    for (const [start, end] of line.ranges) for (let slot = start; slot <= end; slot++) elsewhere.add(slot);
  }
  const slots = Array.from({ length: slotCount }, (_, slot) => slot).filter(
    (slot) => open.has(slot) || claims[slot]! > 1 || (claims[slot] === 0 && !elsewhere.has(slot)),
  );
  if (slots.length === 0) return [];
  const counts = await Promise.all(masters.map((node) => countSlots(link, node, slots)));
  return slots.map((slot, at) => ({
    slot,
    nodes: masters.map((node, index): SlotAtNode => {
      const own = mine(node)!;
      return {
        id: node.id,
        host: node.host,
        port: node.port,
        address: `${node.host}:${node.port}`,
        claims: own.ranges.some(([start, end]) => start <= slot && slot <= end),
        migrating: own.migrating.get(slot),
        importing: own.importing.get(slot),
        keys: counts[index]![at]!,
        configEpoch: own.configEpoch,
        slots: own.ranges.reduce((sum, [start, end]) => sum + end - start + 1, 0),
      };
    }),
  }));
}

function mine({ view }: NodeSurvey): NodeSurvey['line'] | undefined {
  return view.find(({ flags }) => flags.includes('myself'));
}
