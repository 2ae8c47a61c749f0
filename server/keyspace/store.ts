// One database: what its keys are to whoever uses them, their deadlines in force.
// Owns: the entries (replaced as a whole when the database is cleared or swapped), the watchers, and which deadlines this
// node gave while it followed another one.
// Does not know: clients and commands, nor how entries are found; changes of keys are reported to the hooks that all
// databases share.
// Invariants: an entry past its deadline is never returned (a master deletes it on access, a replica hides it and waits
// for its master's DEL); every change of a key is reported to whoever watches it, waits for it or caches it.

import { ReplyError } from '../../lib/wire/reply.ts';
import { Entries } from './entries.ts';
import { type Entry, never, type Stored, type Value } from './entry.ts';
import { KeyWatchers } from './key-watchers.ts';
import type { EventKind, StoreHost } from './store-host.ts';

export { Entry, never, type Stored, type TypeName, typeOf, type Value } from './entry.ts';

const wrongType = 'WRONGTYPE Operation against a key holding the wrong kind of value';

/** The error that a command on the wrong type of key answers; thrown by the typed getters, answered by the dispatcher. */
export function wrongTypeError(): ReplyError {
  return new ReplyError(wrongType);
}

export class Store {
  readonly index: number;
  readonly host: StoreHost;
  /** Whoever watches a key or waits for one. */
  readonly watchers: KeyWatchers;
  readonly #indexSlots: boolean;
  #entries: Entries;
  /** Keys that clients of a writable replica gave a deadline. */
  readonly #ownDeadlines = new Set<string>();

  /** `indexSlots` keeps the per-slot index of cluster mode. */
  constructor(index: number, host: StoreHost, indexSlots = false) {
    this.index = index;
    this.host = host;
    this.#indexSlots = indexSlots;
    this.#entries = new Entries(host.world, indexSlots);
    this.watchers = new KeyWatchers(this, (key) => this.host.onReady?.(this.index, key));
  }

  /** Keys held, those past their deadline but not yet deleted included (as DBSIZE counts). */
  get size(): number {
    return this.#entries.size;
  }

  /** Estimated bytes that the keys take. */
  get bytes(): number {
    return this.#entries.bytes;
  }

  /** Estimated bytes that an entry of this database takes, its deadline included. */
  bytesOf(entry: Entry): number {
    return this.#entries.bytesOf(entry);
  }

  /** Keys with a deadline. */
  get expires(): number {
    return this.#entries.volatile;
  }

  /** Keys with a deadline that this node gave them while it followed another one. */
  get ownDeadlines(): number {
    return this.#ownDeadlines.size;
  }

  get averageTtl(): number {
    return this.#entries.averageTtl(this.now());
  }

  /** Whole ms since the epoch, by the machine's clock: deadlines of keys go on while the machine is suspended. */
  now(): number {
    return Math.floor(this.host.world.wallClock());
  }

  /** The entry of a live key, without touching hit counters or idle time. */
  peek(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (this.host.onTouch !== undefined && entry !== undefined) this.host.onTouch(entry);
    if (entry === undefined || entry.expireAt === never) return entry;
    return this.isDue(entry) ? this.#meetDue(entry) : entry;
  }

  /** The entry of a key that may have run out: nothing is counted, touched or removed. For DEBUG and watchers. */
  inspect(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** Whether an entry is past its deadline, as deadlines are kept now. */
  isDue(entry: Entry): boolean {
    return (
      entry.expireAt !== never && this.host.mode !== 'applying' && (this.host.frozenAt ?? this.now()) >= entry.expireAt
    );
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
      this.host.onEvent?.(this.index, 'm', 'keymiss', key);
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
      this.#entries.exchange(entry, value);
      return entry;
    }
    return this.#add(key, value);
  }

  /** Puts a value, touches the key and drops the deadline, as SET does. Follow it with changed(). */
  replace(key: string, value: Stored): Entry {
    const entry = this.peek(key);
    if (entry === undefined) return this.#add(key, value);
    this.#entries.exchange(entry, value);
    this.#touch(entry);
    if (entry.expireAt !== never) this.setDeadline(entry, never);
    return entry;
  }

  /** Sets or (with `never`) clears the deadline: absolute ms. Follow it with changed(). */
  setDeadline(entry: Entry, at: number): void {
    this.#entries.setDeadline(entry, at);
    if (at !== never && this.host.mode === 'replica') this.#ownDeadlines.add(entry.key);
  }

  /** Removes a live key; true when there was one. Follow it with changed(key, 'g', 'del'). */
  delete(key: string): boolean {
    const entry = this.peek(key);
    if (entry === undefined) return false;
    this.#entries.remove(entry);
    return true;
  }

  /** As delete(), of a key that has run out too: it is replaced by nothing. */
  drop(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#entries.remove(entry);
    return true;
  }

  /**
   * Notifies everyone that `key` changed: counts it as dirty, breaks watches, wakes waiters, raises the key event.
   * Every command that changed something calls this once per key, after the change; `changes` is what INFO counts.
   */
  changed(key: string, kind: EventKind, event: string, changes = 1): void {
    this.host.dirty += changes;
    if (kind !== '$' && kind !== 'g') this.#entries.recount(key);
    this.signal(key);
    this.host.onEvent?.(this.index, kind, event, key);
  }

  /** A change of what belongs to a value and is not its content (a stream's groups): no watch breaks, nobody wakes. */
  altered(key: string, kind: EventKind, event: string): void {
    this.host.dirty++;
    this.#entries.recount(key);
    this.host.onEvent?.(this.index, kind, event, key);
  }

  /** Only the key event: for a second event of one change, such as `del` after the last element went. */
  event(key: string, kind: EventKind, event: string): void {
    this.host.onEvent?.(this.index, kind, event, key);
  }

  /** Breaks watches and wakes waiters without an event. */
  signal(key: string): void {
    this.watchers.changed(key);
    this.host.onTouched?.(key, false);
  }

  /** Removes an aggregate that a change left empty, with its `del` event; true when it did. Call after changed(). */
  dropIfEmpty(key: string, value: Value): boolean {
    if (value.size > 0) return false;
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.value !== value) return false;
    this.#entries.remove(entry);
    this.event(key, 'g', 'del');
    return true;
  }

  // ---- walking

  /** Every entry there is now, past its deadline or not. */
  all(): readonly Entry[] {
    return this.#entries.all();
  }

  /** Every live key, in no order. The store must not be changed while it runs. */
  *entries(): Generator<Entry> {
    for (const entry of this.#entries) if (entry.expireAt === never || !this.isDue(entry)) yield entry;
  }

  /** One step of SCAN, over live keys: see Entries. */
  scan(cursor: number, count: number, visit: (entry: Entry) => void): number {
    return this.#entries.scan(cursor, count, (entry) => {
      if (entry.expireAt === never || this.peek(entry.key) === entry) visit(entry);
    });
  }

  /** A random live key. */
  random(): Entry | undefined {
    for (let tries = 0; ; tries++) {
      const entry = this.#entries.sample(false);
      // A replica only hides what is due, so with nothing else left it must give up looking.
      if (entry === undefined || this.peek(entry.key) === entry || tries >= 100) return entry;
    }
  }

  /** An entry taken by chance, of all or of those with a deadline, due or not; undefined: there is none. */
  sample(volatile: boolean): Entry | undefined {
    return this.#entries.sample(volatile);
  }

  /** The entry with the first deadline. */
  get soonest(): Entry | undefined {
    return this.#entries.soonest;
  }

  /** Whether the entry is still in this database. */
  holds(entry: Entry): boolean {
    return this.#entries.get(entry.key) === entry;
  }

  /** Removes an entry to make room, whether it is due or not: breaks watches, raises `evicted`. */
  evict(entry: Entry): void {
    this.#entries.remove(entry);
    this.signal(entry.key);
    this.host.onEvent?.(this.index, 'e', 'evicted', entry.key);
  }

  /** Keys in a slot, O(1). */
  countInSlot(slot: number): number {
    return this.#entries.countInSlot(slot);
  }

  /** Up to `count` keys of a slot, most recently added first. */
  keysInSlot(slot: number, count: number): string[] {
    return this.#entries.keysInSlot(slot, count);
  }

  // ---- whole database

  /** Removes everything (use Databases.clear); the number of keys that were there. Breaks the watches of keys that existed. */
  clear(): number {
    const count = this.size;
    this.watchers.clearing();
    this.#ownDeadlines.clear();
    this.#entries = new Entries(this.host.world, this.#indexSlots);
    return count;
  }

  /** Exchanges the contents of two databases, both with slot indexes or both without. */
  swapWith(other: Store): void {
    [this.#entries, other.#entries] = [other.#entries, this.#entries];
    this.#ownDeadlines.clear();
    other.#ownDeadlines.clear();
    this.watchers.exchanged(other.#entries);
    other.watchers.exchanged(this.#entries);
  }

  /** Deletes up to `limit` keys that are due, as a primary's background work; returns how many. */
  expireDue(limit: number): number {
    if (!this.host.activeExpiry || this.host.frozenAt !== undefined || this.host.deletesExpired === false) return 0;
    if (this.host.mode === 'replica') return this.#expireOwn(limit);
    this.#ownDeadlines.clear();
    const now = this.now();
    let done = 0;
    for (let entry = this.soonest; entry !== undefined && done < limit; entry = this.soonest) {
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
      const entry = this.#entries.get(key);
      if (entry === undefined || entry.expireAt === never) continue;
      if (entry.expireAt > now) this.#ownDeadlines.add(key);
      else {
        this.#expire(entry);
        done++;
      }
    }
    return done;
  }

  // ---- inside

  #meetDue(entry: Entry): undefined {
    if (this.host.mode === 'primary' && this.host.deletesExpired !== false) this.#expire(entry);
    return undefined;
  }

  #expire(entry: Entry): void {
    this.#entries.remove(entry);
    this.host.expired++;
    this.watchers.changed(entry.key);
    this.host.onTouched?.(entry.key, true);
    this.host.onExpired?.(this.index, entry.key);
    this.host.onEvent?.(this.index, 'x', 'expired', entry.key);
  }

  #touch(entry: Entry): void {
    const { access } = this.host;
    entry.accessed = access.counting ? access.touched(entry.accessed) : access.stamp;
  }

  #add(key: string, value: Stored): Entry {
    // A replica may write over a key that it only hides.
    const hidden = this.#entries.get(key);
    if (hidden !== undefined) this.#entries.remove(hidden);
    const entry = this.#entries.add(key, value, this.host.access.fresh());
    this.host.onEvent?.(this.index, 'n', 'new', key);
    return entry;
  }
}
