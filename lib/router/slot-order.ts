// Which calls go on together: those of one slot that were issued in one turn (a batch, or calls made without waiting) are
// executed in that order, also where each of them is refused or lost and sent again on its own. A GET behind a SET of its
// pipeline finds what was set, whichever node it is in the end.
// Knows only those in trouble: what is sent the first time leaves in order anyway. A call that TRYAGAIN refused waits for
// a migration to end, and those behind it do not wait for it.
// Invariant: a call may go to a node only if the one before it has settled or went to the same node.

import type { CachedTime } from '../base/ticker.ts';
import type { Timer, World } from '../base/world.ts';
import { type RoutableRequest, wantsOwnConnection } from '../connection/call.ts';

interface Place {
  readonly request: RoutableRequest;
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
  readonly #places = new Map<RoutableRequest, Place>();
  /** The last place of each slot, by turn. */
  #turns = new WeakMap<CachedTime, Map<number, Place>>();
  readonly #world: World;
  #sweeping: Timer | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** Calls known: in trouble, or settled a short while ago. */
  get size(): number {
    return this.#places.size;
  }

  /** The request was refused or lost: it takes its place behind those that were before it, or keeps the one it has. */
  enter(request: RoutableRequest): void {
    const known = this.#places.get(request);
    if (known !== undefined) {
      known.at = undefined;
      return;
    }
    if (!hasPlace(request)) return;
    this.#sweeping ??= this.#world.after(sweepEvery, () => this.#sweep());
    const turn = this.#turnOf(request.moment);
    const place: Place = { request, before: turn.get(request.slot), at: undefined, passed: false };
    turn.set(request.slot, place);
    this.#places.set(request, place);
  }

  /** It waits for something that does not concern those behind it. */
  stepAside(request: RoutableRequest): void {
    const place = this.#places.get(request);
    if (place !== undefined) place.passed = true;
  }

  /** Whether it may be sent to this node now. */
  mayGo(request: RoutableRequest, address: string): boolean {
    if (!hasPlace(request)) return true;
    const place = this.#places.get(request);
    // One that has had no trouble yet comes behind all those of its turn that have.
    const before = place === undefined ? waitedFor(this.#turns.get(request.moment)?.get(request.slot)) : ahead(place);
    return before === undefined || before.at === address;
  }

  /** It was sent there. */
  went(request: RoutableRequest, address: string): void {
    const place = this.#places.get(request);
    if (place !== undefined) place.at = address;
  }

  clear(): void {
    this.#sweeping?.cancel();
    this.#sweeping = undefined;
    this.#places.clear();
    this.#turns = new WeakMap();
  }

  #turnOf(moment: CachedTime): Map<number, Place> {
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
      if (place.request.settled) this.#places.delete(place.request);
      else ahead(place);
    }
    if (this.#places.size > 0) this.#sweeping = this.#world.after(sweepEvery, () => this.#sweep());
  }
}

/** What has no slot, or a connection of its own, is in nobody's way. */
function hasPlace(request: RoutableRequest): boolean {
  return request.slot >= 0 && !wantsOwnConnection(request);
}

/** The nearest one before `place` that has to be waited for; those between are forgotten. */
function ahead(place: Place): Place | undefined {
  place.before = waitedFor(place.before);
  return place.before;
}

/** `place`, or the nearest one before it that has to be waited for. */
function waitedFor(place: Place | undefined): Place | undefined {
  let found = place;
  while (found !== undefined && (found.passed || found.request.settled)) found = found.before;
  return found;
}
