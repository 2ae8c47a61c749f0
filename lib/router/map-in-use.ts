// The slot map that calls go by, and what MOVED replies have changed of it.
// Owns: both. Does not know: who is asked for a map, and what a change means to others.
// Invariant: the moves of one tick are one copy of the map, made at the end of the tick or when somebody reads it.

import { nextTick } from '../base/turns.ts';
import { SlotMap } from '../topology/slot-map.ts';

export class MapInUse {
  #map: SlotMap = SlotMap.empty;
  #moves: [slot: number, key: string][] = [];
  readonly #onUse: (map: SlotMap, patched: boolean) => void;
  readonly #apply = (): void => {
    if (this.#moves.length === 0) return;
    const patched = this.#map.withMoves(this.#moves);
    this.#moves = [];
    if (patched === this.#map) return;
    this.#map = patched;
    this.#onUse(patched, true);
  };

  /** `onUse`: another map is in use, from use() or (`patched`) by moves. */
  constructor(onUse: (map: SlotMap, patched: boolean) => void) {
    this.#onUse = onUse;
  }

  get map(): SlotMap {
    this.#apply();
    return this.#map;
  }

  use(map: SlotMap): void {
    this.#map = map;
    this.#onUse(map, false);
  }

  /** A node said that `slot` is at `key`. A batch whose slots have all moved costs one copy of the map. */
  patch(slot: number, key: string): void {
    if (this.#moves.length === 0) nextTick(this.#apply);
    this.#moves.push([slot, key]);
  }
}
