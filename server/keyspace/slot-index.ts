// The keys of each slot as a doubly linked list through the entries, newest first. Adding, removing and counting cost
// O(1) whatever the number of keys, and an empty slot costs one array place.

import { slotCount } from '../../lib/wire/slot.ts';
import type { SlotEntry } from './entry.ts';

export class SlotIndex {
  readonly #heads: (SlotEntry | undefined)[] = new Array(slotCount).fill(undefined);
  readonly #counts = new Int32Array(slotCount);

  count(slot: number): number {
    return this.#counts[slot] ?? 0;
  }

  /** Up to `count` keys of a slot, most recently added first. */
  keys(slot: number, count: number): string[] {
    const keys: string[] = [];
    for (let entry = this.#heads[slot]; entry !== undefined && keys.length < count; entry = entry.older) {
      keys.push(entry.key);
    }
    return keys;
  }

  add(entry: SlotEntry): void {
    const head = this.#heads[entry.slot];
    entry.older = head;
    if (head !== undefined) head.newer = entry;
    this.#heads[entry.slot] = entry;
    this.#counts[entry.slot]!++;
  }

  remove(entry: SlotEntry): void {
    if (entry.newer !== undefined) entry.newer.older = entry.older;
    else this.#heads[entry.slot] = entry.older;
    if (entry.older !== undefined) entry.older.newer = entry.newer;
    entry.newer = undefined;
    entry.older = undefined;
    this.#counts[entry.slot]!--;
  }

  clear(): void {
    this.#heads.fill(undefined);
    this.#counts.fill(0);
  }
}
