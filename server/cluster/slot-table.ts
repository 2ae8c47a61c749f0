// A value for each of some slots: owners, for instance. Immutable; a change copies one page of 128 slots, not the table.
// Knows nothing of what the values mean. Invariants: a table is never changed in place, so its identity shows whether
// any slot changed, and what was found out about it (runs, counts) cannot go stale.

import { slotCount } from '../../lib/wire/slot.ts';

export type Range = readonly [start: number, end: number];

export interface Run<V> {
  readonly start: number;
  /** The last slot of it. */
  readonly end: number;
  readonly value: V;
}

const pageBits = 7;
const pageSize = 1 << pageBits;
const pageMask = pageSize - 1;

class Page<V> {
  readonly values: readonly (V | undefined)[];
  #runs: readonly Run<V>[] | undefined;

  constructor(values: readonly (V | undefined)[]) {
    this.values = values;
  }

  /** Neighbours of the same value, by place in the page; slots without one are left out. */
  get runs(): readonly Run<V>[] {
    if (this.#runs !== undefined) return this.#runs;
    const runs: Run<V>[] = [];
    for (let start = 0; start < pageSize; ) {
      const value = this.values[start];
      let end = start;
      while (end < pageMask && this.values[end + 1] === value) end++;
      if (value !== undefined) runs.push({ start, end, value });
      start = end + 1;
    }
    this.#runs = runs;
    return runs;
  }
}

const nothing = new Page<never>(new Array<undefined>(pageSize).fill(undefined));

export class SlotTable<V> {
  readonly pages: readonly Page<V>[];
  /** Slots that have a value. */
  readonly size: number;
  #runs: readonly Run<V>[] | undefined;
  #counts: ReadonlyMap<V, number> | undefined;
  /** Handed on from table to table as long as the slots of a value stay the same. */
  readonly #ranges: Map<V, readonly Range[]>;

  private constructor(pages: readonly Page<V>[], size: number, ranges: Map<V, readonly Range[]> = new Map()) {
    this.pages = pages;
    this.size = size;
    this.#ranges = ranges;
  }

  static readonly empty: SlotTable<never> = new SlotTable<never>(
    new Array<Page<never>>(slotCount / pageSize).fill(nothing),
    0,
  );

  static of<V>(entries: Iterable<readonly [slot: number, value: V | undefined]>): SlotTable<V> {
    const values = new Array<V | undefined>(slotCount).fill(undefined);
    for (const [slot, value] of entries) values[slot] = value;
    return SlotTable.from(values);
  }

  /** A value for each slot from 0 on. */
  static from<V>(values: readonly (V | undefined)[]): SlotTable<V> {
    let size = 0;
    const pages: Page<V>[] = [];
    for (let start = 0; start < slotCount; start += pageSize) {
      const page = Array.from({ length: pageSize }, (_, at) => values[start + at]);
      const held = page.reduce((sum, value) => (value === undefined ? sum : sum + 1), 0);
      size += held;
      pages.push(held === 0 ? nothing : new Page(page));
    }
    return new SlotTable(pages, size);
  }

  /** Undefined beyond the slots, too. */
  get(slot: number): V | undefined {
    return this.pages[slot >> pageBits]?.values[slot & pageMask];
  }

  /** With `value` for each of `slots`; undefined: with none. The same table when that changes nothing. */
  with(slots: Iterable<number>, value: V | undefined): SlotTable<V> {
    let pages: Page<V>[] | undefined;
    let size = this.size;
    const copies = new Map<number, (V | undefined)[]>();
    const ranges = new Map(this.#ranges);
    if (value !== undefined) ranges.delete(value);
    for (const slot of slots) {
      const at = slot >> pageBits;
      const was = (copies.get(at) ?? this.pages[at]!.values)[slot & pageMask];
      if (was === value) continue;
      if (was !== undefined) ranges.delete(was);
      let copy = copies.get(at);
      if (copy === undefined) {
        copy = this.pages[at]!.values.slice();
        copies.set(at, copy);
        pages ??= this.pages.slice();
        pages[at] = new Page(copy);
      }
      copy[slot & pageMask] = value;
      size += (value === undefined ? 0 : 1) - (was === undefined ? 0 : 1);
    }
    return pages === undefined ? this : new SlotTable(pages, size, ranges);
  }

  /** Maximal ranges of one value, ascending. */
  get runs(): readonly Run<V>[] {
    if (this.#runs !== undefined) return this.#runs;
    const runs: Run<V>[] = [];
    for (let at = 0; at < this.pages.length; at++) {
      const base = at << pageBits;
      for (const { start, end, value } of this.pages[at]!.runs) {
        const last = runs.at(-1);
        if (last !== undefined && last.end === base + start - 1 && last.value === value) {
          runs[runs.length - 1] = { start: last.start, end: base + end, value };
        } else runs.push({ start: base + start, end: base + end, value });
      }
    }
    this.#runs = runs;
    return runs;
  }

  /** The ranges of one value; the very same array as long as none of its slots changes. */
  rangesOf(value: V): readonly Range[] {
    const known = this.#ranges.get(value);
    if (known !== undefined) return known;
    const ranges: Range[] = [];
    for (const run of this.runs) if (run.value === value) ranges.push([run.start, run.end]);
    // What has no slots need not be remembered: anything may be asked for.
    if (ranges.length > 0) this.#ranges.set(value, ranges);
    return ranges;
  }

  /** Slots by value, for those that have one. */
  get counts(): ReadonlyMap<V, number> {
    if (this.#counts !== undefined) return this.#counts;
    const counts = new Map<V, number>();
    for (const { start, end, value } of this.runs) counts.set(value, (counts.get(value) ?? 0) + end - start + 1);
    this.#counts = counts;
    return counts;
  }

  /** The slots of a value, ascending. */
  slotsOf(value: V): number[] {
    const slots: number[] = [];
    for (const run of this.runs) {
      if (run.value === value) for (let slot = run.start; slot <= run.end; slot++) slots.push(slot);
    }
    return slots;
  }

  /** The first slot that is of another value in `other`; -1: none is. */
  firstDifference(other: SlotTable<V>): number {
    for (let at = 0; at < this.pages.length; at++) {
      if (this.pages[at] === other.pages[at]) continue;
      const base = at << pageBits;
      for (let slot = base; slot < base + pageSize; slot++) if (this.get(slot) !== other.get(slot)) return slot;
    }
    return -1;
  }

  /** Slot and value, ascending. */
  *entries(): Generator<[slot: number, value: V]> {
    for (const { start, end, value } of this.runs) for (let slot = start; slot <= end; slot++) yield [slot, value];
  }
}
