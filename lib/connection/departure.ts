// How a connection ends that its user closes: half-closed, so that what was written is answered, and destroyed when the
// peer has not closed it in time.
// Owns: that time, and who waits for the end. Does not know: why it ends, and what follows.
// Invariant: every promise of begin() resolves when over() is called, and the timer ends then.

import type { Timer, World } from '../base/world.ts';
import type { Connection } from './connection.ts';

/** Milliseconds that a peer is given to answer and close. */
const defaultLimit = 2000;

export class Departure {
  readonly #world: World;
  #timer: Timer | undefined;
  #waiters: (() => void)[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** Half-closes; resolves when the connection is gone, at most `limit` ms from the first time on. */
  begin(connection: Connection, reason: Error, limit: number = defaultLimit): Promise<void> {
    connection.halfClose(reason);
    this.#timer ??= this.#world.after(limit, () => connection.destroy(reason));
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** The connection is gone. */
  over(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const settle of this.#waiters.splice(0)) settle();
  }
}
