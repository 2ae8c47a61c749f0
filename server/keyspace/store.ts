// One database: keys, their values and deadlines, and the indexes over them (by slot, by place, by deadline).
// Owns: the entries and their indexes.
// Does not know: clients and commands; changes of keys are reported to the hooks that all databases share.
// Invariants: every entry is in the map, in the dense array at entry.place and, when slots are indexed, in its slot's
// list; an entry past its deadline is never returned (a master deletes it on access, a replica hides it and waits
// for its master's DEL).

import type { World } from '../../lib/base/world.ts';
import { ReplyError } from '../../lib/wire/reply.ts';
import { slotOfBinary } from '../../lib/wire/slot.ts';
import type { AccessClock } from './access-clock.ts';
import type { EncodingLimits } from './encoding.ts';
import { Entry, never, SlotEntry, type Stored, type Value } from './entry.ts';
import { ExpiryHeap } from './expiry.ts';
import { deadlineBytes, entryBytes, slotEntryBytes, stringBytes } from './footprint.ts';
import { KeyWatchers, type Watcher } from './key-watchers.ts';
import { SlotIndex } from './slot-index.ts';

export { Entry, never, type Stored, type TypeName, typeOf, type Value } from './entry.ts';
export type { Watcher } from './key-watchers.ts';

/** One letter of notify-keyspace-events: g generic, $ string, l list, s set, h hash, z zset, t stream, x expired, ... */
export type EventKind = 'g' | '$' | 'l' | 's' | 'h' | 'z' | 't' | 'x' | 'e' | 'n' | 'm';

/** How deadlines are kept: `primary` deletes, `replica` hides, `applying` (the primary's own stream) ignores them. */
export type ExpiryMode = 'primary' | 'replica' | 'applying';

/** What the databases of one server share, and what they report. */
export interface StoreHost {
  readonly world: World;
  mode: ExpiryMode;
  /** Counts changes; a command that leaves it as it was is not replicated. */
  dirty: number;
  /** While a script runs: when it began, in ms since the epoch; keys that were there then stay until it has ended. */
  readonly frozenAt: number | undefined;
  /** Stamps keys that are touched. */
  readonly access: AccessClock;
  /** Up to where values are held in their compact form. */
  readonly limits: EncodingLimits;
  /** Keys found, keys not found, keys that expired: INFO's counters. */
  hits: number;
  misses: number;
  expired: number;
  /** Values that redis-server would have freed in the background. */
  lazyFreed: number;
  /** False while a command runs that writes: its look-ups are neither hits nor misses. Default true. */
  reading?: boolean | undefined;
  /** Called after a key ran out on a primary and was deleted. */
  onExpired: ((store: Store, key: string) => void) | undefined;
  /** Called for each key event. */
  onEvent: ((store: Store, kind: EventKind, event: string, key: string) => void) | undefined;
  /** Called when a key that someone waits for was changed. */
  onReady: ((store: Store, key: string) => void) | undefined;
  /** Called for each key that changed, `byItself` when it ran out; undefined: nobody caches keys. */
  onTouched?: ((key: string, byItself: boolean) => void) | undefined;
  /** Called before an entry is handed out, while entries are held. */
  onTouch?: ((entry: Entry) => void) | undefined;
  /** False: deadlines are kept but nothing is deleted in the background. */
  activeExpiry: boolean;
  /** Checksums of payloads and files are not looked at: for tests with damaged ones. */
  skipChecksums: boolean;
  /** False: writes are paused, so what is due is hidden and stays. Default true. */
  deletesExpired?: boolean;
}

const wrongType = 'WRONGTYPE Operation against a key holding the wrong kind of value';

/** The error that a command on the wrong type of key answers; thrown by the typed getters, answered by the dispatcher. */
export function wrongTypeError(): ReplyError {
  return new ReplyError(wrongType);
}

export class Store {
  readonly index: number;
  readonly host: StoreHost;
  #map = new Map<string, Entry>();
  #dense: Entry[] = [];
  #expiry = new ExpiryHeap();
  #slots: SlotIndex | undefined;
  readonly #watchers = new KeyWatchers();
  /** Estimated bytes of the entries, deadlines left out. */
  #bytes = 0;
  /** The entry that was looked up last: mostly the one that is changed next. */
  #last: Entry | undefined;
  /** Keys that clients of a writable replica gave a deadline. */
  readonly #ownDeadlines = new Set<string>();

  /** `indexSlots` keeps the per-slot index of cluster mode. */
  constructor(index: number, host: StoreHost, indexSlots = false) {
    this.index = index;
    this.host = host;
    this.#slots = indexSlots ? new SlotIndex() : undefined;
  }

  /** Keys held, those past their deadline but not yet deleted included (as DBSIZE counts). */
  get size(): number {
    return this.#dense.length;
  }

  /** Estimated bytes that the keys take. */
  get bytes(): number {
    return this.#bytes + this.#expiry.size * deadlineBytes;
  }

  /** Keys with a deadline. */
  get expires(): number {
    return this.#expiry.size;
  }

  /** Keys with a deadline that this node gave them while it followed another one. */
  get ownDeadlines(): number {
    return this.#ownDeadlines.size;
  }

  get averageTtl(): number {
    return this.#expiry.averageTtl(this.now());
  }

  /** Whole ms since the epoch, by the machine's clock: deadlines of keys go on while the machine is suspended. */
  now(): number {
    return Math.floor(this.host.world.wallClock());
  }

  /** The entry of a live key, without touching hit counters or idle time. */
  peek(key: string): Entry | undefined {
    const entry = this.#map.get(key);
    this.#last = entry;
    if (this.host.onTouch !== undefined && entry !== undefined) this.host.onTouch(entry);
    if (entry === undefined || entry.expireAt === never) return entry;
    return this.#isDue(entry) ? this.#meetDue(entry) : entry;
  }

  /** The entry of a key that may have run out: nothing is counted, touched or removed. For DEBUG. */
  inspect(key: string): Entry | undefined {
    return this.#map.get(key);
  }

  /** The entry of a live key; counts a hit or a miss and touches the key. */
  find(key: string): Entry | undefined {
    const entry = this.look(key);
    if (entry !== undefined) this.#touch(entry);
    return entry;
  }

  /** As find(), but the key is as idle as before. Writes count nothing, but for what they read; see asReader(). */
  look(key: string): Entry | undefined {
    const entry = this.peek(key);
    if (this.host.reading === false) return entry;
    if (entry !== undefined) this.host.hits++;
    else {
      this.host.misses++;
      this.host.onEvent?.(this, 'm', 'keymiss', key);
    }
    return entry;
  }

  /** Touches a live key, which is no look-up that counts. */
  use(key: string): Entry | undefined {
    const entry = this.peek(key);
    if (entry !== undefined) this.#touch(entry);
    return entry;
  }

  /** Milliseconds since the last touch. */
  idleMs(entry: Entry): number {
    return this.host.access.idleMs(entry.accessed);
  }

  /** What a command that writes only reads, its sources: counted as reads are. */
  asReader<T>(run: () => T): T {
    const { host } = this;
    const before = host.reading;
    host.reading = true;
    try {
      return run();
    } finally {
      host.reading = before;
    }
  }

  /** The value of a live key; counts a hit or a miss. */
  get(key: string): Stored | undefined {
    return this.find(key)?.value;
  }

  has(key: string): boolean {
    return this.peek(key) !== undefined;
  }

  /** The string at `key`. Throws WRONGTYPE. */
  getString(key: string): string | undefined {
    const entry = this.find(key);
    if (entry === undefined) return undefined;
    if (typeof entry.value !== 'string') throw wrongTypeError();
    return entry.value;
  }

  /** The value of type `type` at `key`; `T` is that type's class. Throws WRONGTYPE. */
  getTyped<T extends Value>(key: string, type: T['type']): T | undefined {
    const entry = this.find(key);
    if (entry === undefined) return undefined;
    if (typeof entry.value === 'string' || entry.value.type !== type) throw wrongTypeError();
    return entry.value as T;
  }

  /** Puts a value and keeps the deadline of a key that was there. Follow it with changed(). */
  put(key: string, value: Stored): Entry {
    const entry = this.peek(key);
    if (entry !== undefined) {
      entry.value = value;
      entry.form = undefined;
      this.#count(entry);
      return entry;
    }
    return this.#add(key, value);
  }

  /** Puts a value, touches the key and drops the deadline, as SET does. Follow it with changed(). */
  replace(key: string, value: Stored): Entry {
    const entry = this.peek(key);
    if (entry === undefined) return this.#add(key, value);
    entry.value = value;
    entry.form = undefined;
    this.#count(entry);
    this.#touch(entry);
    if (entry.expireAt !== never) this.setDeadline(entry, never);
    return entry;
  }

  /** Sets or (with `never`) clears the deadline: absolute ms. Follow it with changed(). */
  setDeadline(entry: Entry, at: number): void {
    entry.expireAt = at;
    if (at === never) this.#expiry.remove(entry);
    else {
      this.#expiry.put(entry);
      if (this.host.mode === 'replica') this.#ownDeadlines.add(entry.key);
    }
  }

  /** Removes a live key; true when there was one. Follow it with changed(key, 'g', 'del'). */
  delete(key: string): boolean {
    const entry = this.peek(key);
    if (entry === undefined) return false;
    this.#remove(entry);
    return true;
  }

  /** As delete(), of a key that has run out too: it is replaced by nothing. */
  drop(key: string): boolean {
    const entry = this.#map.get(key);
    if (entry === undefined) return false;
    this.#remove(entry);
    return true;
  }

  /**
   * Notifies everyone that `key` changed: counts it as dirty, breaks watches, wakes waiters, raises the key event.
   * Every command that changed something calls this once per key, after the change; `changes` is what INFO counts.
   */
  changed(key: string, kind: EventKind, event: string, changes = 1): void {
    this.host.dirty += changes;
    if (kind !== '$' && kind !== 'g') this.#recount(key);
    this.signal(key);
    this.host.onEvent?.(this, kind, event, key);
  }

  /** A change of what belongs to a value and is not its content (a stream's groups): no watch breaks, nobody wakes. */
  altered(key: string, kind: EventKind, event: string): void {
    this.host.dirty++;
    this.#recount(key);
    this.host.onEvent?.(this, kind, event, key);
  }

  /** Only the key event: for a second event of one change, such as `del` after the last element went. */
  event(key: string, kind: EventKind, event: string): void {
    this.host.onEvent?.(this, kind, event, key);
  }

  /** Breaks watches and wakes waiters without an event. */
  signal(key: string): void {
    this.#wake(key);
    this.host.onTouched?.(key, false);
  }

  /** Removes an aggregate that a change left empty, with its `del` event; true when it did. Call after changed(). */
  dropIfEmpty(key: string, value: Value): boolean {
    if (value.size > 0) return false;
    const entry = this.#map.get(key);
    if (entry === undefined || entry.value !== value) return false;
    this.#remove(entry);
    this.event(key, 'g', 'del');
    return true;
  }

  // ---- watching and waiting

  watch(key: string, watcher: Watcher): void {
    const entry = this.#map.get(key);
    this.#watchers.watch(key, watcher, entry !== undefined && this.#isDue(entry));
  }

  unwatch(key: string, watcher: Watcher): void {
    this.#watchers.unwatch(key, watcher);
  }

  /** True when the watched key ran out since it was watched. */
  watchExpired(key: string, watcher: Watcher): boolean {
    const entry = this.#map.get(key);
    return entry !== undefined && this.#watchers.watchedAlive(key, watcher) && this.#isDue(entry);
  }

  /** Wakes those who wait for a key that did not change, for another reason to look at it again. */
  wakeWaiters(key: string): void {
    if (this.#watchers.awaited(key)) this.host.onReady?.(this, key);
  }

  /** Counts one more waiter for `key`: changes to it are reported by host.onReady. */
  await(key: string): void {
    this.#watchers.await(key);
  }

  unawait(key: string): void {
    this.#watchers.unawait(key);
  }

  // ---- walking

  /** Every entry there is now, past its deadline or not. */
  all(): readonly Entry[] {
    return this.#dense.slice();
  }

  /** Every live key, in no order. The store must not be changed while it runs. */
  *entries(): Generator<Entry> {
    for (const entry of this.#dense) if (entry.expireAt === never || !this.#isDue(entry)) yield entry;
  }

  /**
   * One step of SCAN: visits `count` places and returns the next cursor, 0 at the end.
   * The dense array is walked from its end to its start, and a deletion fills its gap with the last entry, so a key
   * not yet visited only ever moves to a place not yet visited: what is there throughout is returned.
   */
  scan(cursor: number, count: number, visit: (entry: Entry) => void): number {
    let at = cursor === 0 ? this.#dense.length : Math.min(cursor, this.#dense.length);
    const stop = Math.max(0, at - count);
    const batch: Entry[] = [];
    while (at > stop) batch.push(this.#dense[--at]!);
    for (const entry of batch) if (entry.expireAt === never || this.peek(entry.key) === entry) visit(entry);
    return at;
  }

  /** A random live key. */
  random(): Entry | undefined {
    for (let tries = 0; this.#dense.length > 0; tries++) {
      const entry = this.#dense[Math.floor(this.host.world.random() * this.#dense.length)]!;
      // A replica only hides what is due, so with nothing else left it must give up looking.
      if (this.peek(entry.key) === entry || tries >= 100) return entry;
    }
    return undefined;
  }

  /** An entry taken by chance, of all or of those with a deadline, due or not; undefined: there is none. */
  sample(volatile: boolean): Entry | undefined {
    const size = volatile ? this.#expiry.size : this.#dense.length;
    if (size === 0) return undefined;
    const at = Math.floor(this.host.world.random() * size);
    return volatile ? this.#expiry.at(at) : this.#dense[at];
  }

  /** The entry with the first deadline. */
  get soonest(): Entry | undefined {
    return this.#expiry.first();
  }

  /** Whether the entry is still in this database. */
  holds(entry: Entry): boolean {
    return this.#map.get(entry.key) === entry;
  }

  /** Removes an entry to make room, whether it is due or not: breaks watches, raises `evicted`. */
  evict(entry: Entry): void {
    this.#remove(entry);
    this.signal(entry.key);
    this.host.onEvent?.(this, 'e', 'evicted', entry.key);
  }

  /** Keys in a slot, O(1). */
  countInSlot(slot: number): number {
    return this.#slots?.count(slot) ?? 0;
  }

  /** Up to `count` keys of a slot, most recently added first. */
  keysInSlot(slot: number, count: number): string[] {
    return this.#slots?.keys(slot, count) ?? [];
  }

  // ---- whole database

  /** Removes everything (use Databases.clear); the number of keys that were there. Breaks the watches of keys that existed. */
  clear(): number {
    const count = this.#dense.length;
    this.#ownDeadlines.clear();
    for (const key of this.#watchers.watchedKeys()) if (this.#map.has(key)) this.#watchers.touch(key, false);
    for (const key of this.#watchers.awaitedKeys()) if (this.#map.has(key)) this.host.onReady?.(this, key);
    this.#map = new Map();
    this.#dense = [];
    this.#expiry = new ExpiryHeap();
    this.#bytes = 0;
    this.#last = undefined;
    this.#slots?.clear();
    return count;
  }

  /** Exchanges the contents of two databases, both with slot indexes or both without. */
  swapWith(other: Store): void {
    [this.#map, other.#map] = [other.#map, this.#map];
    [this.#dense, other.#dense] = [other.#dense, this.#dense];
    [this.#expiry, other.#expiry] = [other.#expiry, this.#expiry];
    [this.#slots, other.#slots] = [other.#slots, this.#slots];
    [this.#bytes, other.#bytes] = [other.#bytes, this.#bytes];
    this.#last = undefined;
    other.#last = undefined;
    for (const store of [this, other]) {
      store.#ownDeadlines.clear();
      const looked = store.#watchers;
      const [before, after] = [store === this ? other : this, store];
      for (const key of looked.watchedKeys()) {
        const entry = after.#map.get(key);
        looked.exchanged(key, before.#map.has(key), entry !== undefined, entry !== undefined && after.#isDue(entry));
      }
      for (const key of looked.awaitedKeys()) {
        if (before.#map.has(key) || after.#map.has(key)) store.host.onReady?.(store, key);
      }
    }
  }

  /** Deletes up to `limit` keys that are due, as a primary's background work; returns how many. */
  expireDue(limit: number): number {
    if (!this.host.activeExpiry || this.host.frozenAt !== undefined || this.host.deletesExpired === false) return 0;
    if (this.host.mode === 'replica') return this.#expireOwn(limit);
    this.#ownDeadlines.clear();
    const now = this.now();
    let done = 0;
    for (let entry = this.#expiry.first(); entry !== undefined && done < limit; entry = this.#expiry.first()) {
      if (entry.expireAt > now) break;
      this.#expire(entry);
      done++;
    }
    return done;
  }

  /** A writable replica: nobody else will ever say that what its own clients wrote is gone. */
  #expireOwn(limit: number): number {
    const now = this.now();
    let left = Math.min(limit, this.#ownDeadlines.size);
    let done = 0;
    for (const key of this.#ownDeadlines) {
      if (left-- <= 0) break;
      // Those that stay are looked at again after all others.
      this.#ownDeadlines.delete(key);
      const entry = this.#map.get(key);
      if (entry === undefined || entry.expireAt === never) continue;
      if (entry.expireAt > now) this.#ownDeadlines.add(key);
      else {
        this.#expire(entry);
        done++;
      }
    }
    return done;
  }

  /** When the first deadline falls, or `never`. */
  get nextDeadline(): number {
    return this.#expiry.first()?.expireAt ?? never;
  }

  // ---- inside

  #wake(key: string): void {
    if (this.#watchers.touch(key, this.#map.has(key))) this.host.onReady?.(this, key);
  }

  #isDue(entry: Entry): boolean {
    return (
      entry.expireAt !== never && this.host.mode !== 'applying' && (this.host.frozenAt ?? this.now()) >= entry.expireAt
    );
  }

  #meetDue(entry: Entry): undefined {
    if (this.host.mode === 'primary' && this.host.deletesExpired !== false) this.#expire(entry);
    return undefined;
  }

  #expire(entry: Entry): void {
    this.#remove(entry);
    this.host.expired++;
    this.#wake(entry.key);
    this.host.onTouched?.(entry.key, true);
    this.host.onExpired?.(this, entry.key);
    this.host.onEvent?.(this, 'x', 'expired', entry.key);
  }

  #touch(entry: Entry): void {
    const { access } = this.host;
    entry.accessed = access.counting ? access.touched(entry.accessed) : access.stamp;
  }

  /** What the entry takes has changed. */
  #count(entry: Entry): void {
    const { value } = entry;
    const bytes =
      (this.#slots === undefined ? entryBytes : slotEntryBytes) +
      stringBytes(entry.key.length) +
      (typeof value === 'string' ? stringBytes(value.length) : value.memory());
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
  }

  #recount(key: string): void {
    const entry = this.#last?.key === key ? this.#last : this.#map.get(key);
    if (entry !== undefined) this.#count(entry);
  }

  #add(key: string, value: Stored): Entry {
    // A replica may write over a key that it only hides.
    const hidden = this.#map.get(key);
    if (hidden !== undefined) this.#remove(hidden);
    const entry = this.#slots === undefined ? new Entry(key, value) : new SlotEntry(key, value, slotOfBinary(key));
    entry.accessed = this.host.access.fresh();
    this.#map.set(key, entry);
    entry.place = this.#dense.length;
    this.#dense.push(entry);
    if (entry instanceof SlotEntry) this.#slots!.add(entry);
    this.#last = entry;
    this.#count(entry);
    this.host.onEvent?.(this, 'n', 'new', key);
    return entry;
  }

  #remove(entry: Entry): void {
    this.#map.delete(entry.key);
    this.#bytes -= entry.bytes;
    this.#last = undefined;
    const last = this.#dense.pop()!;
    if (last !== entry) {
      this.#dense[entry.place] = last;
      last.place = entry.place;
    }
    if (entry.heapPlace >= 0) this.#expiry.remove(entry);
    if (entry instanceof SlotEntry) this.#slots!.remove(entry);
  }
}
