// Several nodes' views of the cluster into one map. Pure. The word of the master with the highest config epoch counts
// for each slot, so a node that lags behind does no harm, and what the client has learned meanwhile from a MOVED
// stands until a view is at least as new.
// Source: Redis Cluster specification, "Configuration epoch" and "Hash slots configuration propagation".

import { slotCount } from '../wire/slot.ts';
import { type OwnedRange, type Shard, SlotMap } from './slot-map.ts';

export interface ViewShard {
  /** The master's node id; `''` when the server gives none. */
  readonly id: string;
  /** `host:port` keys. */
  readonly master: string;
  readonly replicas: readonly string[];
  /** Config epoch of the master; 0 when unknown. */
  readonly epoch: number;
  readonly ranges: readonly (readonly [start: number, end: number])[];
}

/** What one node says. */
export interface View {
  readonly from: string;
  readonly shards: readonly ViewShard[];
  /** `host:port` keys of nodes that the cluster agrees have failed. */
  readonly failed?: readonly string[];
  /** Everything that changes when something is going on: flags and epochs of all nodes, as one text. */
  readonly signs?: string;
  /** Slots with an owner that could not be read. */
  readonly unread?: readonly (readonly [start: number, end: number])[];
}

/**
 * The primary's view with every claim of a secondary that has a higher epoch. Addresses follow the primary where it knows
 * the node: its CLUSTER SLOTS names nodes as clients shall reach them.
 */
export function combine(primary: View, secondaries: readonly View[]): SlotMap {
  const agreed = secondaries.every((view) => claimsAsMuch(primary, view));
  const ranges = agreed ? disjoint(primary) : undefined;
  const failed = new Set([primary, ...secondaries].flatMap((view) => view.failed ?? []));
  const facts = { failed, signs: primary.signs ?? '', unread: marks(primary.unread) };
  return SlotMap.of(ranges ?? elect(primary, secondaries), facts);
}

/**
 * True only if `other` claims what `view` claims, slot for slot and epoch for epoch: what views say as a rule, found
 * without a look at each slot. False where that cannot be said so.
 */
function claimsAsMuch(view: View, other: View): boolean {
  const claims = new Map<string, ViewShard>();
  for (const shard of view.shards) if (shard.ranges.length > 0) claims.set(shard.id, shard);
  let found = 0;
  for (const { id, epoch, ranges } of other.shards) {
    if (ranges.length === 0) continue;
    const claim = claims.get(id);
    if (claim === undefined || id === '' || claim.epoch !== epoch || !sameRanges(claim.ranges, ranges)) return false;
    found++;
  }
  return found === claims.size;
}

function sameRanges(ranges: ViewShard['ranges'], others: ViewShard['ranges']): boolean {
  if (ranges.length !== others.length) return false;
  return ranges.every(([start, end], at) => start === others[at]![0] && end === others[at]![1]);
}

/** The ranges of a view by slot, without a look at each slot; undefined where some overlap, and epochs must decide. */
function disjoint(view: View): OwnedRange[] | undefined {
  const ranges: OwnedRange[] = [];
  for (const { master, replicas, epoch, ranges: owned } of view.shards) {
    if (ranges.length + owned.length > slotCount) return undefined;
    for (const [start, end] of owned) ranges.push({ start, end, master, replicas, epoch });
  }
  ranges.sort((one, other) => one.start - other.start);
  return ranges.every(({ start }, at) => at === 0 || ranges[at - 1]!.end < start) ? ranges : undefined;
}

/** Slot by slot, the claim with the highest epoch, the first of equals. */
function elect(primary: View, secondaries: readonly View[]): OwnedRange[] {
  const shards: ViewShard[] = [];
  const owner = new Int32Array(slotCount).fill(-1);
  const known = new Map(primary.shards.map((shard) => [shard.id, shard]));
  for (const view of [primary, ...secondaries]) {
    // The ranges of a node that is right do not overlap. However much one says, reading it has an end.
    let slotsLeft = slotCount * 4;
    for (const shard of view.shards) {
      const named = shard.id === '' ? undefined : known.get(shard.id);
      const index = shards.push(named === undefined ? shard : { ...named, epoch: shard.epoch }) - 1;
      for (const [start, end] of shard.ranges) {
        slotsLeft -= end - start + 1;
        if (slotsLeft < 0) break;
        for (let slot = start; slot <= end; slot++) {
          const before = owner[slot]!;
          if (before < 0 || shards[before]!.epoch < shard.epoch) owner[slot] = index;
        }
      }
    }
  }
  return rangesOf(owner, shards);
}

/**
 * The map to use after a fetch: `seen` everywhere, but for slots whose owner we hold at a higher epoch while `seen`
 * still counts that owner among the masters. An owner we know from a view is given up as soon as `seen` knows that
 * owner's epoch as well: a node may lose a slot and have a higher epoch than the one that took it. A slot whose owner
 * could not be read keeps the one it had.
 */
export function merge(held: SlotMap, seen: SlotMap): SlotMap {
  if (held.shards.length === 0) return seen;
  const owner = ownersKept(held, seen);
  return owner === undefined ? seen : SlotMap.of(rangesOf(owner, [...seen.shards, ...held.shards]), seen.facts);
}

/** slot -> index into the shards seen and, behind them, those held; undefined when nothing that is held stays. */
function ownersKept(held: SlotMap, seen: SlotMap): Int32Array | undefined {
  const masters = new Map(seen.shards.map((shard) => [shard.master, shard.epoch]));
  const { unread } = seen.facts;
  // As a rule nothing has changed, which shows at the first look.
  const alike = unread === undefined && held.isLaidOutAs(seen);
  if (alike && !held.shards.some((mine, at) => holds(mine, seen.shards[at], masters))) return undefined;
  let owners: Int32Array | undefined;
  // Neighbours mostly have the same owners, and what is true of one is of the other.
  let mineBefore = 0;
  let theirsBefore = 0;
  let stays = false;
  for (let slot = 0; slot < slotCount; slot++) {
    const mine = held.table[slot]!;
    if (mine === 0) continue;
    const theirs = seen.table[slot]!;
    if (mine !== mineBefore || theirs !== theirsBefore) {
      stays = holds(held.shards[mine - 1]!, seen.shards[theirs - 1], masters);
      mineBefore = mine;
      theirsBefore = theirs;
    }
    if (!stays && (theirs !== 0 || unread?.[slot] !== 1)) continue;
    owners ??= Int32Array.from(seen.table, (number) => number - 1);
    owners[slot] = seen.shards.length + mine - 1;
  }
  return owners;
}

function marks(ranges: View['unread'] = []): Uint8Array | undefined {
  if (ranges.length === 0) return undefined;
  const marked = new Uint8Array(slotCount);
  for (const [start, end] of ranges) marked.fill(1, start, end + 1);
  return marked;
}

function holds(mine: Shard, theirs: Shard | undefined, masters: ReadonlyMap<string, number>): boolean {
  const seen = masters.get(mine.master);
  if (seen === undefined || theirs?.master === mine.master) return false;
  if (Number.isInteger(mine.epoch) && seen >= mine.epoch) return false;
  return theirs === undefined || theirs.epoch < mine.epoch;
}

function rangesOf(owner: Int32Array, shards: readonly (Shard | ViewShard)[]): OwnedRange[] {
  const ranges: OwnedRange[] = [];
  for (let start = 0; start < slotCount; ) {
    const index = owner[start]!;
    let end = start;
    while (end + 1 < slotCount && owner[end + 1] === index) end++;
    if (index >= 0) {
      const { master, replicas, epoch } = shards[index]!;
      ranges.push({ start, end, master, replicas, epoch });
    }
    start = end + 1;
  }
  return ranges;
}
