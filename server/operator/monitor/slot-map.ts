// The 16,384 slots as a picture of letters: a cell for some slots, by owner, with how much is in them. Pure; draws
// without colours and knows no terminal, so that a pipe and a test see the same picture.
// Invariant: every slot counts in exactly one cell.

import { slotCount } from '../../../lib/wire/slot.ts';
import type { ClusterSample, NodeSample } from './sample.ts';

export interface SlotCell {
  readonly first: number;
  readonly last: number;
  /** Index in `owners` of who has most slots of the cell; -1: somebody should have them, and nobody has one. */
  readonly owner: number;
  /** Slots of the cell have several owners. */
  readonly mixed: boolean;
  readonly unassigned: number;
  /** A slot of it is migrating or importing. */
  readonly moving: boolean;
  /** Keys or traffic in it, against the fullest cell: 0 to 1; null when that was not asked for. */
  readonly weight: number | null;
}

interface SlotOwner {
  readonly node: NodeSample;
  readonly letter: string;
  readonly slots: number;
}

export interface SlotMap {
  readonly columns: number;
  readonly slotsPerCell: number;
  readonly cells: readonly SlotCell[];
  /** Masters with slots, ascending by their first slot. */
  readonly owners: readonly SlotOwner[];
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** `columns`: a power of two within 16..256. `weights`: by slot; undefined: no intensity. */
export function slotMap(sample: ClusterSample, columns: number, weights?: ArrayLike<number>): SlotMap {
  const perCell = Math.max(1, slotCount / columns / rowsFor(columns));
  const owners = ownersIn(sample);
  const indexOf = new Map(owners.map(({ node }, index) => [node.id, index]));
  const ownerOf = Array.from(sample.owners, (at) => indexOf.get(sample.nodes[at]?.id ?? '') ?? -1);
  const moving = new Set(sample.metrics.openSlots.map(({ slot }) => slot));
  const cells: Omit<SlotCell, 'weight'>[] = [];
  const sums: number[] = [];
  for (let first = 0; first < slotCount; first += perCell) {
    const last = first + perCell - 1;
    cells.push({ first, last, ...cellOf(ownerOf.slice(first, last + 1)), moving: hasAny(moving, first, last) });
    let sum = 0;
    for (let slot = first; slot <= last; slot++) sum += weights?.[slot] ?? 0;
    sums.push(sum);
  }
  const most = Math.max(...sums);
  return {
    columns,
    slotsPerCell: perCell,
    owners,
    cells: cells.map((cell, at) => ({
      ...cell,
      weight: weights === undefined ? null : most === 0 ? 0 : sums[at]! / most,
    })),
  };
}

/** Rows of a picture that is about twice as wide as high, as letters are twice as high as wide. */
function rowsFor(columns: number): number {
  return Math.max(8, columns / 4);
}

function ownersIn({ nodes, owners }: ClusterSample): SlotOwner[] {
  const found = new Map<number, number>();
  for (const index of owners) if (index >= 0) found.set(index, (found.get(index) ?? 0) + 1);
  return [...found].map(([index, slots], at) => ({
    node: nodes[index]!,
    letter: letters[at % letters.length]!,
    slots,
  }));
}

function cellOf(owners: readonly number[]): Pick<SlotCell, 'owner' | 'mixed' | 'unassigned'> {
  const counts = new Map<number, number>();
  for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  const unassigned = counts.get(-1) ?? 0;
  counts.delete(-1);
  const [most = [-1]] = [...counts].sort((one, other) => other[1] - one[1]);
  return { owner: most[0]!, mixed: counts.size > 1, unassigned };
}

function hasAny(slots: ReadonlySet<number>, first: number, last: number): boolean {
  for (let slot = first; slot <= last; slot++) if (slots.has(slot)) return true;
  return false;
}

const shades = '·░▒▓█';

/** How a cell looks without colours: `.` for slots of nobody, `>` for moving ones, else the letter of its owner. */
export function cellText(map: SlotMap, cell: SlotCell): string {
  if (cell.unassigned > 0) return '.';
  if (cell.moving) return '>';
  const letter = map.owners[cell.owner]?.letter ?? '.';
  return cell.mixed ? '+' : letter;
}

/** The shade of a cell with a weight: five steps, by the square root, so that little still shows. */
export function shadeOf(weight: number): string {
  return weight === 0 ? shades[0]! : shades[Math.min(shades.length - 1, Math.ceil(Math.sqrt(weight) * 4))]!;
}

/** Rows of the picture, each with its first slot. */
export function rowsOf(map: SlotMap): { first: number; cells: readonly SlotCell[] }[] {
  const rows = [];
  for (let at = 0; at < map.cells.length; at += map.columns) {
    const cells = map.cells.slice(at, at + map.columns);
    rows.push({ first: cells[0]!.first, cells });
  }
  return rows;
}
