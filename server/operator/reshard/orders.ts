// What may be asked of the mover: orders become records, in which both ends are named with all that is needed to find them
// again. Pure.
// Invariant: an order that cannot be carried out is refused before anything is begun.

import { type NodeLine, ownersIn } from '../../../lib/wire/cluster-nodes.ts';
import { slotCount } from '../../../lib/wire/slot.ts';
import { isMaster, isReachable } from '../link/cluster-link.ts';
import { endPhases, type MoveEnd, type MoveRecord, newRecord } from './record.ts';

/** One wish: a slot, and the id of the master that is to have it. */
export interface MoveOrder {
  readonly slot: number;
  readonly target: string;
  /** 1 (last) to 10 (first). Default 5. */
  readonly priority?: number;
}

const defaultPriority = 5;

/** A record for each order; those of slots that the target has already are done, at `now`. Throws for what cannot be. */
export function recordsFor(orders: readonly MoveOrder[], view: readonly NodeLine[], now: number): MoveRecord[] {
  const owners = ownersIn(view);
  const endAs = endsOf(view);
  const taken = new Set<number>();
  return orders.map(({ slot, target, priority = defaultPriority }) => {
    within('slot', slot, 0, slotCount - 1);
    within('priority', priority, 1, 10);
    if (taken.has(slot)) throw onItsWay(slot);
    taken.add(slot);
    const owner = owners[slot];
    if (owner === undefined) throw new Error(`slot ${slot} belongs to nobody: it can only be assigned`);
    const record = newRecord(slot, endAs(owner.id), endAs(target), priority);
    return owner.id === target ? { ...record, phase: 'done', startedAt: now, endedAt: now } : record;
  });
}

export function onItsWay(slot: number): Error {
  return new Error(`slot ${slot} is on its way already`);
}

type Pair = [MoveRecord, ...MoveRecord[]];

/** Moves that are still to be made, by source and target. */
export function pairsOf(records: readonly MoveRecord[]): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const record of records) {
    if (endPhases.has(record.phase)) continue;
    const name = `${record.source.id} ${record.target.id}`;
    const pair = pairs.get(name);
    if (pair === undefined) pairs.set(name, [record]);
    else pair.push(record);
  }
  return [...pairs.values()];
}

/** Throws a RangeError that names the value. */
export function within(name: string, value: number, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`${name}: ${value} is not an integer within ${least}..${most}`);
}

/** Thousands of orders name few nodes: each is looked for once. */
function endsOf(view: readonly NodeLine[]): (id: string) => MoveEnd {
  const known = new Map<string, MoveEnd>();
  return (id) => {
    const end = known.get(id) ?? endOf(view, id);
    known.set(id, end);
    return end;
  };
}

function endOf(view: readonly NodeLine[], id: string): MoveEnd {
  const node = view.find((line) => line.id === id);
  if (node === undefined) throw new Error(`no node ${id} is known`);
  if (!isMaster(node) || !isReachable(node)) throw new Error(`${node.host}:${node.port} is no running master`);
  const heirs = view.filter(({ master }) => master === id).map((line) => line.id);
  return { id, host: node.host, port: node.port, heirs };
}
