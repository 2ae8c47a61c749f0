// Which calls go on together: those of one slot that were issued in one turn (a batch, or calls made without waiting) are
// executed in that order, also where each of them is refused or lost and sent again on its own. A GET behind a SET of its
// pipeline finds what was set, whichever node it is in the end.
// Knows only those in trouble: what is sent the first time leaves in order anyway. A call that TRYAGAIN refused waits for
// a migration to end, and those behind it do not wait for it.
// Invariant: a call may go to a node only if the one before it has settled or went to the same node.

import type { Moment } from '../base/ticker.ts';
import type { Timer, World } from '../base/world.ts';
import { type Parcel, wantsOwnConnection } from '../connection/call.ts';

interface Place {
  readonly parcel: Parcel;
  /** The one before it, of the same slot and turn. */
  before: Place | undefined;
  /** Address of the node it is in flight to; undefined while it waits. */
  at: string | undefined;
  /** Those behind it need not wait for it. */
  passed: boolean;
}

/** Milliseconds after which places are looked through for calls that have settled: they are not kept for longer. */
const sweepEvery = 1000;

export class SlotOrder {
  readonly #places = new Map<Parcel, Place>();
  /** The last place of each slot, by turn. */
  #turns = new WeakMap<Moment, Map<number, Place>>();
  readonly #world: World;
  #sweeping: Timer | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** Calls known: in trouble, or settled a short while ago. */
  get size(): number {
    return this.#places.size;
  }

  /** The parcel was refused or lost: it takes its place behind those that were before it, or keeps the one it has. */
  enter(parcel: Parcel): void {
    const known = this.#places.get(parcel);
    if (known !== undefined) {
      known.at = undefined;
      return;
    }
    if (!hasPlace(parcel)) return;
    this.#sweeping ??= this.#world.after(sweepEvery, () => this.#sweep());
    const turn = this.#turnOf(parcel.moment);
    const place: Place = { parcel, before: turn.get(parcel.slot), at: undefined, passed: false };
    turn.set(parcel.slot, place);
    this.#places.set(parcel, place);
  }

  /** It waits for something that does not concern those behind it. */
  stepAside(parcel: Parcel): void {
    const place = this.#places.get(parcel);
    if (place !== undefined) place.passed = true;
  }

  /** Whether it may be sent to this node now. */
  mayGo(parcel: Parcel, address: string): boolean {
    if (!hasPlace(parcel)) return true;
    const place = this.#places.get(parcel);
    // One that has had no trouble yet comes behind all those of its turn that have.
    const before = place === undefined ? waitedFor(this.#turns.get(parcel.moment)?.get(parcel.slot)) : ahead(place);
    return before === undefined || before.at === address;
  }

  /** It was sent there. */
  went(parcel: Parcel, address: string): void {
    const place = this.#places.get(parcel);
    if (place !== undefined) place.at = address;
  }

  clear(): void {
    this.#sweeping?.cancel();
    this.#sweeping = undefined;
    this.#places.clear();
    this.#turns = new WeakMap();
  }

  #turnOf(moment: Moment): Map<number, Place> {
    let turn = this.#turns.get(moment);
    if (turn === undefined) {
      turn = new Map();
      this.#turns.set(moment, turn);
    }
    return turn;
  }

  #sweep(): void {
    this.#sweeping = undefined;
    for (const place of this.#places.values()) {
      if (place.parcel.settled) this.#places.delete(place.parcel);
      else ahead(place);
    }
    if (this.#places.size > 0) this.#sweeping = this.#world.after(sweepEvery, () => this.#sweep());
  }
}

/** What has no slot, or a connection of its own, is in nobody's way. */
function hasPlace(parcel: Parcel): boolean {
  return parcel.slot >= 0 && !wantsOwnConnection(parcel);
}

/** The nearest one before `place` that has to be waited for; those between are forgotten. */
function ahead(place: Place): Place | undefined {
  place.before = waitedFor(place.before);
  return place.before;
}

/** `place`, or the nearest one before it that has to be waited for. */
function waitedFor(place: Place | undefined): Place | undefined {
  let found = place;
  while (found !== undefined && (found.passed || found.parcel.settled)) found = found.before;
  return found;
}
