// The entries of one database and the indexes over them: by key, by place, by deadline, by slot.
// Owns: the dense array, the key table, the heap of deadlines, the slot index, the estimated bytes, the entry looked up last.
// Does not know: the time, so an entry past its deadline is one like any other; nor whom a change is to be reported to.
// Invariant: every entry is in the key table, in the dense array at entry.place, in the heap exactly while it has a
// deadline and, when slots are indexed, its place is in its slot's list; the bytes are those of all entries, each as it was
// counted last.

import type { World } from '../../lib/base/world.ts';
import { slotOfBinary } from '../../lib/wire/slot.ts';
import { Entry, never, type Stored } from './entry.ts';
import { ExpiryHeap } from './expiry.ts';
import { deadlineBytes, entryBytes, slotEntryBytes, stringBytes } from './footprint.ts';
import { KeyTable } from './key-table.ts';
import { SlotIndex } from './slot-index.ts';

export class Entries {
  readonly #chance: Pick<World, 'random'>;
  readonly #dense: Entry[] = [];
  readonly #table: KeyTable;
  readonly #expiry = new ExpiryHeap();
  readonly #slots: SlotIndex | undefined;
  /** Estimated, deadlines left out. */
  #bytes = 0;
  /** The entry that was looked up last: mostly the one that is changed next. */
  #last: Entry | undefined;

  /** `indexSlots` keeps the per-slot index of cluster mode. */
  constructor(chance: Pick<World, 'random'>, indexSlots: boolean) {
    this.#chance = chance;
    this.#table = new KeyTable(this.#dense, chance.random() * 2 ** 32);
    this.#slots = indexSlots ? new SlotIndex() : undefined;
  }

  get size(): number {
    return this.#dense.length;
  }

  /** Estimated bytes that the entries take. */
  get bytes(): number {
    return this.#bytes + this.#expiry.size * deadlineBytes;
  }

  /** Estimated bytes that one of them takes, its deadline included. */
  bytesOf(entry: Entry): number {
    return this.#bytesWithoutDeadline(entry) + (entry.expireAt === never ? 0 : deadlineBytes);
  }

  get(key: string): Entry | undefined {
    const entry = this.#table.get(key);
    this.#last = entry;
    return entry;
  }

  has(key: string): boolean {
    return this.#table.has(key);
  }

  /** Adds an entry; its key is new here. */
  add(key: string, value: Stored, accessed: number): Entry {
    const entry = new Entry(key, value);
    const place = this.#dense.length;
    entry.place = place;
    entry.accessed = accessed;
    this.#dense.push(entry);
    this.#table.add(entry);
    this.#slots?.add(place, slotOfBinary(key));
    this.#last = entry;
    count(value);
    this.#bytes += this.#bytesWithoutDeadline(entry);
    return entry;
  }

  /** Another value in the place of the old one; the deadline stays. */
  exchange(entry: Entry, value: Stored): void {
    this.#bytes -= countedBytes(entry.value);
    entry.value = value;
    entry.form = undefined;
    count(value);
    this.#bytes += countedBytes(value);
  }

  /** Sets or (with `never`) clears the deadline: absolute ms. */
  setDeadline(entry: Entry, at: number): void {
    entry.expireAt = at;
    if (at === never) this.#expiry.remove(entry);
    else this.#expiry.put(entry);
  }

  /** The value of the key, which may be gone, was changed from within. */
  recount(key: string): void {
    const entry = this.#last?.key === key ? this.#last : this.#table.get(key);
    if (entry === undefined || typeof entry.value === 'string') return;
    this.#bytes -= entry.value.counted;
    count(entry.value);
    this.#bytes += entry.value.counted;
  }

  /** Removes an entry, one of these; the last one of the dense array moves to its place. */
  remove(entry: Entry): void {
    const { key, place } = entry;
    this.#table.delete(entry);
    this.#bytes -= this.#bytesWithoutDeadline(entry);
    this.#last = undefined;
    if (entry.expireAt !== never) this.#expiry.remove(entry);
    this.#slots?.remove(place, slotOfBinary(key));
    const last = this.#dense.pop()!;
    if (last === entry) return;
    this.#table.move(last, place);
    this.#dense[place] = last;
    this.#expiry.move(last.place, place);
    this.#slots?.move(last.place, place);
    last.place = place;
  }

  // ---- walking

  /** As they are now, in no order. */
  all(): readonly Entry[] {
    return this.#dense.slice();
  }

  /** Nothing may be added or removed while it runs. */
  [Symbol.iterator](): IterableIterator<Entry> {
    return this.#dense.values();
  }

  /**
   * One step of SCAN: visits `count` places and returns the next cursor, 0 at the end; `visit` may remove entries.
   * The dense array is walked from its end to its start, and a deletion fills its gap with the last entry, so a key
   * not yet visited only ever moves to a place not yet visited: what is there throughout is returned.
   */
  scan(cursor: number, count: number, visit: (entry: Entry) => void): number {
    let at = cursor === 0 ? this.#dense.length : Math.min(cursor, this.#dense.length);
    const stop = Math.max(0, at - count);
    const batch: Entry[] = [];
    while (at > stop) batch.push(this.#dense[--at]!);
    for (const entry of batch) visit(entry);
    return at;
  }

  /** An entry taken by chance, of all or of those with a deadline; undefined: there is none. */
  sample(volatile: boolean): Entry | undefined {
    const size = volatile ? this.#expiry.size : this.#dense.length;
    if (size === 0) return undefined;
    const at = Math.floor(this.#chance.random() * size);
    return volatile ? this.#expiry.at(at) : this.#dense[at];
  }

  // ---- by deadline

  /** Entries with a deadline. */
  get volatile(): number {
    return this.#expiry.size;
  }

  /** The entry with the first deadline. */
  get soonest(): Entry | undefined {
    return this.#expiry.first();
  }

  /** Estimated mean of the ms until the deadlines. */
  averageTtl(now: number): number {
    return this.#expiry.averageTtl(now);
  }

  // ---- by slot

  countInSlot(slot: number): number {
    return this.#slots?.count(slot) ?? 0;
  }

  /** Up to `count` keys of a slot, most recently added first. */
  keysInSlot(slot: number, count: number): string[] {
    return Array.from(this.#slots?.places(slot, count) ?? [], (place) => this.#dense[place]!.key);
  }

  #bytesWithoutDeadline(entry: Entry): number {
    const base = this.#slots === undefined ? entryBytes : slotEntryBytes;
    return base + stringBytes(entry.key.length) + countedBytes(entry.value);
  }
}

/** What a value was counted as; of a string, what it takes. */
function countedBytes(value: Stored): number {
  return typeof value === 'string' ? stringBytes(value.length) : value.counted;
}

function count(value: Stored): void {
  if (typeof value !== 'string') value.counted = value.memory();
}
