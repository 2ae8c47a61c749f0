// Holds work to so many keys and bytes a second. What was done is charged afterwards, so a debt is possible, and is
// waited off before the next piece: on average the rate is kept, whatever the size of a piece.

import type { World } from '../../../lib/base/world.ts';

/** 0: no limit. */
export interface Rates {
  readonly keysPerSecond: number;
  readonly bytesPerSecond: number;
}

export class Throttle {
  readonly #world: World;
  readonly #rates: Rates;
  /** When everything charged so far is paid for. */
  #paidAt = 0;

  constructor(world: World, rates: Rates) {
    this.#world = world;
    this.#rates = rates;
  }

  get idle(): boolean {
    return this.#rates.keysPerSecond === 0 && this.#rates.bytesPerSecond === 0;
  }

  charge(keys: number, bytes: number): void {
    const { keysPerSecond, bytesPerSecond } = this.#rates;
    const forKeys = keysPerSecond > 0 ? (keys / keysPerSecond) * 1000 : 0;
    const forBytes = bytesPerSecond > 0 ? (bytes / bytesPerSecond) * 1000 : 0;
    this.#paidAt = Math.max(this.#paidAt, this.#world.now()) + Math.max(forKeys, forBytes);
  }

  /** Milliseconds until the next piece may start. */
  get waitMs(): number {
    return Math.max(0, this.#paidAt - this.#world.now());
  }
}
