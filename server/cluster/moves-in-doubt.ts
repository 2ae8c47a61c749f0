// What a node has heard of slots that change hands and must know after a restart, or a slot may end with nobody: which
// slots an owner has let go, and which of its own imports an old claim of their source could still undo. Pure.
// As text: `unclaimed 7,12`, `imported-<source> 3-9,15@8` (start-end@released; without @: the source still claims them).
// Invariant: what is printed here is read back as it was, or refused with one clear Error.

import { slotCount } from '../../lib/wire/slot.ts';
import { SlotTable } from './slot-table.ts';
import { type ClusterState, me } from './state.ts';

export interface ImportInDoubt {
  readonly start: number;
  /** The last slot of it. */
  readonly end: number;
  readonly source: string;
  /** As in ClusterState. */
  readonly releasedAt: number | undefined;
}

export interface MovesInDoubt {
  readonly unclaimed: readonly number[];
  readonly imported: readonly ImportInDoubt[];
}

export const noDoubts: MovesInDoubt = { unclaimed: [], imported: [] };

/** Once my epoch is above that of the release, no claim from before it counts anyway. */
export function importsInDoubt(state: ClusterState): ImportInDoubt[] {
  if (state.importedSlots.size === 0) return [];
  const { configEpoch } = me(state);
  return state.importedSlots.runs
    .filter(({ value }) => value.releasedAt === undefined || value.releasedAt > configEpoch)
    .map(({ start, end, value }) => ({ start, end, ...value }));
}

/** Names and values for the line of vars, each with a blank before it; '' mostly. */
export function printDoubts(state: ClusterState): string {
  const bySource = new Map<string, string[]>();
  for (const { start, end, source, releasedAt } of importsInDoubt(state)) {
    const text = (start === end ? `${start}` : `${start}-${end}`) + (releasedAt === undefined ? '' : `@${releasedAt}`);
    bySource.set(source, [...(bySource.get(source) ?? []), text]);
  }
  const imported = [...bySource].map(([source, texts]) => ` ${importedPrefix}${source} ${texts.join(',')}`).join('');
  return state.unclaimed.size === 0 ? imported : ` ${unclaimedName} ${[...state.unclaimed].join(',')}${imported}`;
}

const unclaimedName = 'unclaimed';
const importedPrefix = 'imported-';

/** Undefined: `name` is of something else. */
export function readDoubt(name: string, value: string): MovesInDoubt | undefined {
  if (name === unclaimedName) return { ...noDoubts, unclaimed: value.split(',').map((text) => readSlot(text, name)) };
  if (!name.startsWith(importedPrefix)) return undefined;
  const source = name.slice(importedPrefix.length);
  return { ...noDoubts, imported: value.split(',').map((text) => readImport(text, source, name)) };
}

function readImport(text: string, source: string, name: string): ImportInDoubt {
  const [, first = '', last = first, released] = /^(\d+)(?:-(\d+))?(?:@(\d{1,15}))?$/.exec(text) ?? [];
  const [start, end] = [readSlot(first, name), readSlot(last, name)];
  return { start, end, source, releasedAt: released === undefined ? undefined : Number(released) };
}

function readSlot(text: string, name: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) < slotCount) return Number(text);
  throw new Error(`vars ${name}: '${text.slice(0, 60)}' is no slot`);
}

/** `state` with those of the doubts that its nodes and owners leave open. */
export function withDoubts(state: ClusterState, { unclaimed, imported }: MovesInDoubt): ClusterState {
  const { owners, nodes, myself } = state;
  const ofOthers = unclaimed.filter((slot) => ![undefined, myself].includes(owners.get(slot)));
  let importedSlots: ClusterState['importedSlots'] = SlotTable.empty;
  for (const { start, end, source, releasedAt } of imported) {
    if (source === myself || !nodes.has(source)) continue;
    const slots: number[] = [];
    for (let slot = start; slot <= end; slot++) if (owners.get(slot) === myself) slots.push(slot);
    importedSlots = importedSlots.with(slots, { source, releasedAt });
  }
  return { ...state, unclaimed: new Set(ofOthers), importedSlots };
}
