// Keeps the memory of one server within `maxmemory`: measures what counts, and evicts keys as the policy says.
// Owns: the pool of candidates and the counters of INFO.
// Does not know: clients and commands; the host says what else takes memory, and replicates the deletion of an evicted key.
// Invariant: while there is no limit, nothing here runs.

import type { World } from '../../lib/base/world.ts';
import type { Databases } from '../keyspace/databases.ts';
import { never, type Store } from '../keyspace/store.ts';
import { evictionTimeMs, type Policy, policyOf } from './policy.ts';
import { type Candidate, EvictionPool } from './pool.ts';

/** `ok`: within the limit. `running`: keys are going, more will go soon. `full`: over the limit, and nothing may go. */
export type Admission = 'ok' | 'running' | 'full';

export interface EvictionSettings {
  /** Bytes; 0: none. */
  readonly limit: number;
  /** As `maxmemory-policy`. */
  readonly policy: string;
  /** Keys looked at in each database for one that goes. */
  readonly samples: number;
  /** 0 to 100: how long a command may be held up. */
  readonly tenacity: number;
}

export interface EvictionHost {
  /** Bytes beside the keys that count against the limit: buffers of clients, scripts, indexes. */
  otherBytes(fresh: boolean): number;
  /** The key was evicted: replicas, the log, watchers and subscribers are to know. */
  onEvicted(store: Store, key: string): void;
  /** Whether nothing may be evicted now: writes are paused, a script is half done, or the primary decides. */
  readonly exempt: boolean;
  /** How long a round took, in ms. */
  onRound(ms: number): void;
}

/** What a server without keys and clients counts as: the program itself is not measured against the limit. */
export const baseBytes: number = 1024 * 1024;
/** Keys between two looks at the clock. */
const checkEvery = 16;
/** Tries to find a candidate that is still there. */
const mostTries = 100;

export class Eviction {
  readonly #world: World;
  readonly #databases: Databases;
  readonly #host: EvictionHost;
  readonly #pool = new EvictionPool();
  #policy: Policy | undefined;
  #samples = 5;
  #roundMs = 0.5;
  #nextStore = 0;
  #scheduled = false;
  #overSince: number | undefined;
  #overMs = 0;
  #peak = 0;
  /** Bytes; 0: none. */
  limit = 0;
  /** Whether the last command that was admitted found the memory full. */
  full = false;
  /** Keys evicted. */
  evicted = 0;

  constructor(world: World, databases: Databases, host: EvictionHost) {
    this.#world = world;
    this.#databases = databases;
    this.#host = host;
  }

  /** Estimated bytes in use: what INFO calls used_memory, without what is not counted. */
  get used(): number {
    return this.#usedBytes(false);
  }

  get peak(): number {
    return Math.max(this.#peak, this.used);
  }

  /** Milliseconds for which the limit was exceeded, in all and now. */
  get exceededMs(): { total: number; current: number } {
    const current = this.#overSince === undefined ? 0 : this.#world.now() - this.#overSince;
    return { total: this.#overMs + current, current };
  }

  resetStats(): void {
    this.evicted = 0;
    this.#overMs = 0;
    this.#peak = 0;
    if (this.#overSince !== undefined) this.#overSince = this.#world.now();
  }

  /** Before a command runs: makes room when there is none. */
  admit(): Admission {
    const admission = this.#makeRoom();
    this.full = admission === 'full';
    return admission;
  }

  /** A limit that is already exceeded is worked towards at once. */
  configure(settings: EvictionSettings): void {
    const changed = settings.limit !== this.limit;
    this.limit = settings.limit;
    this.#policy = policyOf(settings.policy);
    this.#samples = settings.samples;
    this.#roundMs = evictionTimeMs(settings.tenacity);
    this.#pool.clear();
    if (this.limit === 0) this.#within();
    if (!changed || this.limit === 0 || this.used <= this.limit) return;
    this.#world.log(
      `WARNING: the new maxmemory value set via CONFIG SET (${this.limit}) is smaller than the current memory usage (${this.used}). This will result in key eviction and/or the inability to accept new write commands depending on the maxmemory-policy.`,
    );
    this.#schedule();
  }

  #usedBytes(fresh: boolean): number {
    const used = baseBytes + this.#databases.bytes + this.#host.otherBytes(fresh);
    if (used > this.#peak) this.#peak = used;
    return used;
  }

  #makeRoom(): Admission {
    if (this.limit === 0 || this.#host.exempt) return 'ok';
    let excess = this.used - this.limit;
    if (excess > 0) excess = this.#usedBytes(true) - this.limit;
    if (excess <= 0) {
      this.#within();
      return 'ok';
    }
    this.#overSince ??= this.#world.now();
    if (this.#policy === undefined) return 'full';
    const started = this.#world.now();
    for (let count = 1; excess > 0; count++) {
      const before = this.#databases.bytes;
      if (!this.#evictOne(this.#policy)) return this.used <= this.limit ? 'ok' : 'full';
      excess -= before - this.#databases.bytes;
      if (count % checkEvery === 0 && this.#world.now() - started > this.#roundMs) {
        this.#host.onRound(this.#world.now() - started);
        this.#schedule();
        return 'running';
      }
    }
    this.#host.onRound(this.#world.now() - started);
    this.#within();
    return 'ok';
  }

  #within(): void {
    if (this.#overSince === undefined) return;
    this.#overMs += this.#world.now() - this.#overSince;
    this.#overSince = undefined;
  }

  /** Goes on between commands. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#world.after(0, () => {
      this.#scheduled = false;
      this.#makeRoom();
    });
  }

  #evictOne(policy: Policy): boolean {
    const found =
      policy.by === 'random' ? this.#anyKey(policy) : policy.by === 'ttl' ? this.#soonest() : this.#best(policy);
    if (found === undefined) return false;
    const { store, entry } = found;
    store.evict(entry);
    this.evicted++;
    this.#host.onEvicted(store, entry.key);
    return true;
  }

  /** The databases take turns. */
  #anyKey({ volatile }: Policy): Pick<Candidate, 'store' | 'entry'> | undefined {
    const { stores } = this.#databases;
    for (let tried = 0; tried < stores.length; tried++) {
      const store = stores[this.#nextStore++ % stores.length]!;
      const entry = store.sample(volatile);
      if (entry !== undefined) return { store, entry };
    }
    return undefined;
  }

  /** The deadlines are in order: no sample is needed. */
  #soonest(): Pick<Candidate, 'store' | 'entry'> | undefined {
    let found: Pick<Candidate, 'store' | 'entry'> | undefined;
    for (const store of this.#databases.stores) {
      const entry = store.soonest;
      if (entry !== undefined && (found === undefined || entry.expireAt < found.entry.expireAt))
        found = { store, entry };
    }
    return found;
  }

  #best(policy: Policy): Candidate | undefined {
    for (let tries = 0; tries < mostTries; tries++) {
      if (!this.#fillPool(policy)) return undefined;
      for (let found = this.#pool.take(); found !== undefined; found = this.#pool.take()) {
        const { store, entry } = found;
        if (store.holds(entry) && (!policy.volatile || entry.expireAt !== never)) return found;
      }
    }
    return undefined;
  }

  /** False: there is no key that may go. */
  #fillPool({ volatile, by }: Policy): boolean {
    const { access, stores } = this.#databases;
    let any = false;
    for (const store of stores) {
      for (let count = 0; count < this.#samples; count++) {
        const entry = store.sample(volatile);
        if (entry === undefined) break;
        any = true;
        const score = by === 'lfu' ? -access.uses(entry.accessed) : access.idleMs(entry.accessed);
        this.#pool.offer({ store, entry, score });
      }
    }
    return any;
  }
}
