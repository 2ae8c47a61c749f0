// Where does a move stand? Read off what both ends say of the slot, so that a move can be taken up after anything:
// a crash of either node, of the mover, or a failover in between. A pure table.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { ownerIn } from '../link/cluster-link.ts';
import type { MoveDirection, MoveEnd } from './record.ts';

/** What one end says of the slot. */
export interface SlotView {
  readonly owner: 'source' | 'target' | 'other' | 'nobody';
  /** It marked the slot as open, either way. */
  readonly open: boolean;
  /** It marked the slot as open towards a node that has no part in this move. */
  readonly foreign?: string;
}

/**
 * - `open`: (again) mark the slot at both ends, hand over what is left.
 * - `decide`: the target owns it; announce it to everyone (again).
 * - `turn`: give what was moved back, beginning with the slot itself.
 * - `close`: the old owner has it back; announce it to everyone (again).
 * - `finished`: nothing is left to do.
 * - `lost`: somebody else owns the slot now.
 * - `foreign`: somebody else is moving the slot, or left it open towards another node.
 */
export type NextStep = 'open' | 'decide' | 'turn' | 'close' | 'finished' | 'lost' | 'foreign';

export function nextStep(direction: MoveDirection, source: SlotView, target: SlotView): NextStep {
  return direction === 'forward' ? forward(source, target) : back(source, target);
}

function forward(source: SlotView, target: SlotView): NextStep {
  // The target claims a slot only after the source had no key of it left.
  if (target.owner === 'target') return source.owner === 'target' && !source.open ? 'finished' : 'decide';
  if (source.foreign !== undefined || target.foreign !== undefined) return 'foreign';
  // The target died with its claim before it could spread it, and its heir never heard of it.
  if (source.owner === 'target') return 'decide';
  return source.owner === 'source' ? 'open' : 'lost';
}

function back(source: SlotView, target: SlotView): NextStep {
  if (source.owner === 'source') {
    // The source owns it again, and was the first to know.
    if (target.owner === 'target') return 'close';
    return source.open || target.open ? 'turn' : 'finished';
  }
  return source.owner === 'target' || target.owner === 'target' ? 'turn' : 'lost';
}

/** An end is also known by the ids of the nodes whose place it took, or may leave to others. */
export function slotView(lines: readonly NodeLine[], slot: number, source: MoveEnd, target: MoveEnd): SlotView {
  const [ofSource, ofTarget] = [source, target].map(({ id, heirs }) => new Set([id, ...heirs]));
  const id = ownerIn(lines, slot);
  const owner =
    id === undefined ? 'nobody' : ofSource!.has(id) ? 'source' : ofTarget!.has(id) ? 'target' : ('other' as const);
  const mine = lines.find(({ flags }) => flags.includes('myself'));
  const peer = mine?.migrating.get(slot) ?? mine?.importing.get(slot);
  const foreign = peer !== undefined && !ofSource!.has(peer) && !ofTarget!.has(peer);
  return { owner, open: peer !== undefined, ...(foreign ? { foreign: peer } : {}) };
}
