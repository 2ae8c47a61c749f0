// The near cache: answers of servers kept in this process until the server that gave them says that a key changed.
// Owns: what is kept and what is being fetched. Does not know: sockets, and which way a read goes.
// Invariants: an answer is kept only when the node that owns its slot gave it on a connection that tracks, and no
// notice, write of our own or slot move touched it while it was under way. It is served only while that very
// connection lives, the slot has the same owner, and none of its keys can have expired.

import { LRUCache } from 'lru-cache';
import { AwakeClock } from '../base/awake.ts';
import type { World } from '../base/world.ts';
import { type Call, CallFlag, type Dispatcher, type ReplySource, type RoutableRequest } from '../connection/call.ts';
import type { ReconnectingConnection, ReconnectingState } from '../connection/reconnecting-connection.ts';
import type { Shard, SlotMap } from '../topology/slot-map.ts';
import type { Push } from '../wire/reply.ts';
import { Fetch, type FetchEvents } from './fetch.ts';
import { type Dependant, KeyIndex } from './key-index.ts';
import { keyNamesOf, mayKeep, nameOf } from './policy.ts';
import { copyOf, isPlain, sizeOf } from './replies.ts';
import { Tracking, type TrackingHost, type TrackingSession } from './tracking.ts';

/** Bounds of `clientSideCache`. */
export interface NearCacheOptions {
  /** Most answers kept. Default 100000. */
  readonly maxEntries?: number | undefined;
  /** Most bytes kept, about; one answer may take an eighth. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds after which an answer is asked for again whatever happened; the keys' own TTL counts too. Default 60000. */
  readonly ttl?: number | undefined;
}

/** What a near cache has done so far. */
export interface CacheStats {
  /** Reads answered from memory. */
  readonly hits: number;
  /** Reads that went to a server, to be kept. */
  readonly misses: number;
  /** Reads that shared the answer to one that was under way. */
  readonly joined: number;
  /** Answers dropped because a key of theirs changed, by us or by anyone. */
  readonly invalidations: number;
  /** Answers kept now. */
  readonly entries: number;
  /** Bytes they take, about. */
  readonly bytes: number;
}

export interface NearCacheHost extends TrackingHost {
  readonly dispatcher: Dispatcher;
  /** Sends a request as if there were no cache. */
  submit(request: RoutableRequest): void;
  map(): SlotMap;
  /** Replicas answer reads too. */
  readonly readsFromReplicas: boolean;
  /** Answers were dropped before their time. */
  readonly onDropped?: (cause: DropCause, entries: number) => void;
  /** A read was looked up. */
  readonly onLookup?: (outcome: Lookup, call: Call) => void;
}

/** Answered from memory, joined to an answer under way, or fetched. Reads that are not kept at all are none of these. */
type Lookup = 'hit' | 'joined' | 'miss';

/** A key changed, everything was flushed, a connection that brings the notices ended, or a slot answered elsewhere. */
export type DropCause = 'changed' | 'flushed' | 'ended' | 'redirected';

interface Entry extends Dependant {
  readonly id: string;
  readonly reply: unknown;
  readonly plain: boolean;
  readonly bytes: number;
  readonly session: TrackingSession;
  /** Master of the slot when it was kept. */
  readonly owner: string;
  /** By the cache's clock. */
  readonly expiresAt: number;
}

/** Most keys of a command whose answer is kept: each costs a PTTL. */
const maxKeys = 64;
/** Most calls that wait for one answer; the next one goes on its own. */
const maxJoined = 100_000;
/** What an entry takes besides its name and reply, about. */
const entryOverhead = 300;
const flushes: ReadonlySet<string> = new Set(['flushall', 'flushdb']);

export class NearCache {
  readonly #host: NearCacheHost;
  /** Keys expire on their servers while this machine sleeps. */
  readonly #clock: AwakeClock;
  readonly #tracking: Tracking;
  readonly #ttl: number;
  readonly #maxEntryBytes: number;
  readonly #kept: LRUCache<string, Entry>;
  readonly #entries = new KeyIndex<Entry>();
  readonly #fetches = new Map<string, Fetch>();
  readonly #underWay = new KeyIndex<Fetch>();
  readonly #fetchEvents: FetchEvents;
  /** The map at its last change. */
  #seen: SlotMap | undefined;
  readonly #counts = { hits: 0, misses: 0, joined: 0, invalidations: 0 };
  readonly #onWritten = (call: Call): void => this.#wrote(call);

  constructor(options: NearCacheOptions, host: NearCacheHost, world: World) {
    this.#host = host;
    this.#clock = new AwakeClock(world);
    this.#ttl = options.ttl ?? 60_000;
    const maxSize = options.maxBytes ?? 64 * 1024 * 1024;
    this.#maxEntryBytes = maxSize / 8;
    this.#kept = new LRUCache<string, Entry>({
      max: options.maxEntries ?? 100_000,
      maxSize,
      sizeCalculation: (entry) => entry.bytes,
      dispose: (entry) => this.#entries.remove(entry),
    });
    this.#fetchEvents = {
      dispatcher: host.dispatcher,
      now: () => this.#clock.now(),
      redirected: (slot) => this.#redirected(slot),
      answered: (fetch, reply, from) => this.#answered(fetch, reply, from),
      failed: (fetch, error) => this.#failed(fetch, error),
    };
    this.#tracking = new Tracking(
      host,
      {
        onChanged: (key) => this.#changed(key),
        onFlushed: (address) => this.#flushed(address),
        onEnded: (session) => this.#ended(session),
      },
      world,
    );
  }

  get stats(): CacheStats {
    return { ...this.#counts, entries: this.#kept.size, bytes: this.#kept.calculatedSize };
  }

  /**
   * Answers a read from memory or has it fetched: true, and the call settles. False: the call is to be sent as
   * ever; a write has dropped what is kept of its keys by then, and does so again right before it settles.
   */
  handle(call: Call): boolean {
    if ((call.flags & CallFlag.readOnly) === 0) {
      this.watch(call);
      return false;
    }
    if (call.slot < 0 || !mayKeep(call.argv[0]!) || call.settled) return false;
    const id = nameOf(call.argv, call.encoding);
    const entry = this.#kept.get(id);
    if (entry === undefined) return this.#fetch(id, call);
    if (!entry.session.live || this.#clock.at(call.moment) >= entry.expiresAt) {
      this.#kept.delete(id);
      return this.#fetch(id, call);
    }
    this.#counts.hits++;
    this.#host.onLookup?.('hit', call);
    call.settle(entry.plain ? entry.reply : copyOf(entry.reply));
    return true;
  }

  /** A call that may write is about to be sent: what is kept of its keys goes now, and again right before it settles. */
  watch(call: Call): void {
    if ((call.flags & CallFlag.readOnly) !== 0) return;
    if (call.slot < 0 && !flushes.has(call.name.toLowerCase())) return;
    this.#wrote(call);
    call.onSettled(this.#onWritten);
  }

  /** Slots have other owners: what was kept of exactly those goes. */
  mapChanged(map: SlotMap): void {
    const before = this.#seen;
    this.#seen = map;
    for (const slot of this.#entries.slots()) {
      const shard = map.shardOf(slot);
      // One slot that moved leaves all other shards what they were: their answers need no look.
      if (shard !== undefined && shard === before?.shardOf(slot)) continue;
      for (const entry of this.#entries.ofSlot(slot)) {
        if (!this.#serves(shard, entry.owner, entry.session.address)) this.#kept.delete(entry.id);
      }
    }
    for (const slot of this.#underWay.slots()) {
      const master = map.masterOf(slot);
      for (const fetch of this.#underWay.ofSlot(slot)) if (fetch.owner !== master) this.#taint(fetch);
    }
  }

  nodeState(connection: ReconnectingConnection, state: ReconnectingState): void {
    this.#tracking.nodeState(connection, state);
  }

  silence(connection: ReconnectingConnection, silent: boolean): void {
    this.#tracking.silence(connection, silent);
  }

  receive(connection: ReconnectingConnection, push: Push): void {
    this.#tracking.receive(connection, push);
  }

  #serves(shard: Shard | undefined, owner: string, address: string): boolean {
    if (shard === undefined || shard.master !== owner) return false;
    return address === owner || (this.#host.readsFromReplicas && shard.replicas.includes(address));
  }

  #fetch(id: string, call: Call): boolean {
    const open = this.#fetches.get(id);
    // A tainted one may bring what was true before the change: whoever comes after it must not get that.
    if (open !== undefined && !open.tainted) {
      if (open.waiting.length >= maxJoined) return false;
      open.waiting.push(call);
      this.#counts.joined++;
      this.#host.onLookup?.('joined', call);
      return true;
    }
    const shard = this.#host.map().shardOf(call.slot);
    if (shard === undefined || !this.#covered(shard)) return false;
    const keys = keyNamesOf(call.argv);
    if (keys.length === 0 || keys.length > maxKeys) return false;
    this.#counts.misses++;
    this.#host.onLookup?.('miss', call);
    const fetch = new Fetch(id, keys, shard.master, call, this.#fetchEvents);
    this.#fetches.set(id, fetch);
    this.#underWay.add(fetch);
    this.#host.submit(fetch);
    return true;
  }

  #covered(shard: Shard): boolean {
    if (this.#tracking.mayCover(shard.master)) return true;
    return this.#host.readsFromReplicas && shard.replicas.some((replica) => this.#tracking.mayCover(replica));
  }

  #answered(fetch: Fetch, reply: unknown, from: ReplySource): void {
    this.#forget(fetch);
    this.#keep(fetch, reply, from);
    const [first, ...others] = fetch.waiting;
    for (const call of others) call.settle(copyOf(reply));
    first!.settle(reply);
  }

  #failed(fetch: Fetch, error: Error): void {
    this.#forget(fetch);
    const [first, ...others] = fetch.waiting;
    first!.fail(error);
    // Each has a deadline and an error of its own.
    for (const call of others) if (!call.settled) this.#host.submit(call);
  }

  #forget(fetch: Fetch): void {
    this.#underWay.remove(fetch);
    if (this.#fetches.get(fetch.id) === fetch) this.#fetches.delete(fetch.id);
  }

  #keep(fetch: Fetch, reply: unknown, from: ReplySource): void {
    if (fetch.tainted || !fetch.lifetimeKnown) return;
    const { id, keys, slot, owner } = fetch;
    const session = this.#tracking.sessionOf(from);
    if (session === undefined || !this.#serves(this.#host.map().shardOf(slot), owner, session.address)) return;
    const bytes = entryOverhead + 2 * id.length + sizeOf(reply);
    if (bytes > this.#maxEntryBytes) return;
    const expiresAt = fetch.sentAt + Math.min(fetch.lifetime, this.#ttl);
    const entry = { id, keys, slot, owner, session, expiresAt, bytes, reply: copyOf(reply), plain: isPlain(reply) };
    this.#kept.set(id, entry);
    this.#entries.add(entry);
  }

  // Seen by a write of ours, or by an invalidation of the server.
  #changed(key: string): void {
    const before = this.#kept.size;
    for (const entry of this.#entries.ofKey(key)) {
      this.#counts.invalidations++;
      this.#kept.delete(entry.id);
    }
    for (const fetch of this.#underWay.ofKey(key)) this.#taint(fetch);
    this.#dropped('changed', before);
  }

  #flushed(address: string | undefined): void {
    const before = this.#kept.size;
    for (const entry of this.#entries.all()) {
      if (address !== undefined && entry.session.address !== address) continue;
      this.#counts.invalidations++;
      this.#kept.delete(entry.id);
    }
    for (const fetch of this.#underWay.all()) this.#taint(fetch);
    this.#dropped('flushed', before);
  }

  #ended(session: TrackingSession): void {
    const before = this.#kept.size;
    for (const entry of this.#entries.all()) if (entry.session === session) this.#kept.delete(entry.id);
    this.#dropped('ended', before);
  }

  // MOVED or ASK: what is known of keys that are not there may be wrong already, and no notice will say so.
  #redirected(slot: number): void {
    const before = this.#kept.size;
    for (const entry of this.#entries.ofSlot(slot)) this.#kept.delete(entry.id);
    for (const fetch of this.#underWay.ofSlot(slot)) this.#taint(fetch);
    this.#dropped('redirected', before);
  }

  // Nothing more can be done to it: it need not be found again by the next change.
  #taint(fetch: Fetch): void {
    fetch.tainted = true;
    this.#underWay.remove(fetch);
  }

  #dropped(cause: DropCause, before: number): void {
    const entries = before - this.#kept.size;
    if (entries > 0) this.#host.onDropped?.(cause, entries);
  }

  #wrote(call: Call): void {
    if (call.slot < 0) this.#flushed(undefined);
    else for (const key of keyNamesOf(call.argv)) this.#changed(key);
  }
}
