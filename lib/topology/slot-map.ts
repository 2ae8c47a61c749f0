// Who owns which slot: a value that everyone reads and one owner replaces. A change copies the 32 KiB table (about 2 us),
// so a patch touches exactly the slots it is about.
// Owns: addresses (`host:port`, already mapped) by slot. Does not know: sockets, and whom to believe.
// Invariant: a map once handed out never changes.

import { slotCount } from '../wire/slot.ts';

export interface Shard {
  readonly master: string;
  readonly replicas: readonly string[];
  /** The master's config epoch as last heard; half steps mark what a MOVED brought between two epochs. 0 = unknown. */
  readonly epoch: number;
}

export interface OwnedRange {
  readonly start: number;
  readonly end: number;
  readonly master: string;
  readonly replicas: readonly string[];
  /** Default 0. */
  readonly epoch?: number;
}

/** What a refresh brings beside the owners. */
export interface MapFacts {
  /** Addresses of nodes that the cluster agrees have failed. */
  readonly failed: ReadonlySet<string>;
  /** Flags and epochs of all nodes, as one text: another text means that something is going on. */
  readonly signs: string;
  /** 1 for a slot that has an owner who could not be read. */
  readonly unread: Uint8Array | undefined;
}

const noFacts: MapFacts = { failed: new Set(), signs: '', unread: undefined };

export class SlotMap {
  readonly shards: readonly Shard[];
  /** slot -> index into `shards` plus one; 0 means nobody is known to own it. */
  readonly table: Uint16Array;
  /** What else the last refresh brought. */
  readonly facts: MapFacts;

  private constructor(shards: readonly Shard[], table: Uint16Array, facts: MapFacts) {
    this.shards = shards;
    this.table = table;
    this.facts = facts;
  }

  /** Builds a map from ranges in any order; where ranges overlap the later wins. */
  static of(ranges: readonly OwnedRange[], facts: MapFacts = noFacts): SlotMap {
    const shards: Shard[] = [];
    const known = new Map<string, number>();
    const table = new Uint16Array(slotCount);
    for (const range of ranges) {
      const { master, replicas, epoch = 0 } = range;
      const identity = `${epoch}|${master}|${replicas.join('|')}`;
      let number = known.get(identity);
      if (number === undefined) {
        number = shards.push({ master, replicas, epoch });
        known.set(identity, number);
      }
      table.fill(number, range.start, range.end + 1);
    }
    return new SlotMap(shards, table, facts);
  }

  /** The map of a cluster that nothing is known of. */
  static readonly empty: SlotMap = SlotMap.of([]);

  shardOf(slot: number): Shard | undefined {
    return this.shards[this.table[slot]! - 1];
  }

  masterOf(slot: number): string | undefined {
    return this.shardOf(slot)?.master;
  }

  /** Slots with a known owner. */
  get covered(): number {
    let count = 0;
    for (const number of this.table) if (number !== 0) count++;
    return count;
  }

  /** One slot of each master, for questions that go to every shard. */
  aSlotOfEach(): number[] {
    const slots = new Map<string, number>();
    for (let slot = 0; slot < slotCount; slot++) {
      const master = this.shards[this.table[slot]! - 1]?.master;
      if (master !== undefined && !slots.has(master)) slots.set(master, slot);
    }
    return [...slots.values()];
  }

  /** Every address with its role, masters first. */
  addresses(): Map<string, 'master' | 'slave'> {
    const roles = new Map<string, 'master' | 'slave'>();
    for (const shard of this.shards) roles.set(shard.master, 'master');
    for (const shard of this.shards) {
      for (const replica of shard.replicas) if (!roles.has(replica)) roles.set(replica, 'slave');
    }
    return roles;
  }

  /** As withMoves() for one slot. */
  withMoved(slot: number, address: string): SlotMap {
    return this.withMoves([[slot, address]]);
  }

  /**
   * Nodes said that `address` owns `slot`. A replica of the slot's own shard was promoted (failover): it takes over
   * every slot of that shard. Otherwise exactly this slot changes hands. Same map when it knew it all already; one
   * copy of the table however many moves.
   */
  withMoves(moves: Iterable<readonly [slot: number, address: string]>): SlotMap {
    let { table } = this;
    let shards: Shard[] | undefined;
    let places: MasterPlaces | undefined;
    for (const [slot, address] of moves) {
      const current = (shards ?? this.shards)[table[slot]! - 1];
      if (current?.master === address) continue;
      // Copied and indexed with the first move that changes something.
      shards ??= [...this.shards];
      places ??= new MasterPlaces(shards);
      if (current?.replicas.includes(address)) {
        for (const place of places.take(current.master)) {
          shards[place] = promoted(shards[place]!, address);
          places.add(place);
        }
        continue;
      }
      const target = places.first(address);
      // Newer than the owner we knew, and so than any view that still names that one; a half step distinguishes it from a view's.
      const epoch = Math.floor(Math.max(current?.epoch ?? 0, target?.epoch ?? 0)) + 0.5;
      let place = places.find(address, epoch);
      if (place === undefined) {
        place = shards.push({ master: address, replicas: target?.replicas ?? [], epoch }) - 1;
        places.add(place);
      }
      if (table === this.table) table = table.slice();
      table[slot] = place + 1;
    }
    return shards === undefined ? this : new SlotMap(shards, table, this.facts);
  }

  /** The same slots belong together in both, and in the same places of `shards`: shards compare by their places. */
  isLaidOutAs(other: SlotMap): boolean {
    return (
      this.shards.length === other.shards.length && Buffer.compare(bytesOf(this.table), bytesOf(other.table)) === 0
    );
  }

  /** Same owners and replicas for every slot, whatever the order of shards. */
  sameAs(other: SlotMap): boolean {
    if (this === other) return true;
    if (this.isLaidOutAs(other) && this.shards.every((shard, at) => sameShard(shard, other.shards[at]))) return true;
    const translated = new Map<number, number>();
    const compared = new Set<number>();
    let mineBefore = -1;
    let theirsBefore = -1;
    for (let slot = 0; slot < slotCount; slot++) {
      const mine = this.table[slot]!;
      const theirs = other.table[slot]!;
      // Neighbours mostly have the same owner.
      if (mine === mineBefore && theirs === theirsBefore) continue;
      mineBefore = mine;
      theirsBefore = theirs;
      const before = translated.get(mine);
      if (before === undefined) {
        if (!sameShard(this.shards[mine - 1], other.shards[theirs - 1])) return false;
        translated.set(mine, theirs);
      } else if (before !== theirs) {
        // One of ours may be several of theirs, that differ in their epochs only.
        const pair = mine * 65_536 + theirs;
        if (compared.has(pair)) continue;
        if (!sameShard(this.shards[mine - 1], other.shards[theirs - 1])) return false;
        compared.add(pair);
      }
    }
    return true;
  }
}

/** Where each master stands in a list of shards, by its epochs too: a master has one place an epoch. */
class MasterPlaces {
  readonly #shards: readonly Shard[];
  readonly #places = new Map<string, number[]>();
  readonly #byEpoch = new Map<string, number>();

  /** `shards` may grow and change; add() and take() are called for it. */
  constructor(shards: readonly Shard[]) {
    this.#shards = shards;
    for (let place = 0; place < shards.length; place++) this.add(place);
  }

  first(master: string): Shard | undefined {
    const place = this.#places.get(master)?.[0];
    return place === undefined ? undefined : this.#shards[place];
  }

  find(master: string, epoch: number): number | undefined {
    const place = this.#byEpoch.get(`${epoch}|${master}`);
    const shard = place === undefined ? undefined : this.#shards[place];
    return shard?.master === master && shard.epoch === epoch ? place : undefined;
  }

  add(place: number): void {
    const { master, epoch } = this.#shards[place]!;
    this.#byEpoch.set(`${epoch}|${master}`, place);
    const places = this.#places.get(master);
    if (places === undefined) this.#places.set(master, [place]);
    else if (place > places[0]!) places.push(place);
    else places.unshift(place);
  }

  /** The places of a master that gives them up. */
  take(master: string): readonly number[] {
    const places = this.#places.get(master) ?? none;
    this.#places.delete(master);
    return places;
  }
}

const none: readonly number[] = [];

function promoted({ replicas, epoch }: Shard, address: string): Shard {
  return { master: address, replicas: replicas.filter((replica) => replica !== address), epoch: epoch + 0.5 };
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function sameShard(one: Shard | undefined, other: Shard | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  if (one.master !== other.master || one.replicas.length !== other.replicas.length) return false;
  return one.replicas.every((replica) => other.replicas.includes(replica));
}
