// Connections of one address that were replaced or given up and still owe answers. Each stays until it has answered, the
// peer closes it, or it is abandoned; nothing more is sent on it.

import type { World } from '../base/world.ts';
import type { Call } from './call.ts';
import type { Connection } from './connection.ts';
import type { SilenceLimits, Watch } from './watch.ts';

export class RetiredConnections {
  readonly #watches = new Set<Watch>();
  /** Who waits for the last of them to be gone. */
  #waiters: (() => void)[] = [];

  get size(): number {
    return this.#watches.size;
  }

  /** Calls that have no answer yet. */
  get owed(): number {
    let owed = 0;
    for (const { connection } of this.#watches) owed += connection.inFlight;
    return owed;
  }

  /** One of them is silent, so that new calls to its address are held back. */
  get holds(): boolean {
    for (const watch of this.#watches) if (watch.holds) return true;
    return false;
  }

  add(watch: Watch): void {
    this.#watches.add(watch);
  }

  /** Undefined when the connection is none of these. */
  watchOf(connection: Connection): Watch | undefined {
    for (const watch of this.#watches) if (watch.connection === connection) return watch;
    return undefined;
  }

  /** The connection has closed; false when it was none of these. */
  closed(connection: Connection): boolean {
    const watch = this.watchOf(connection);
    if (watch === undefined) return false;
    this.#watches.delete(watch);
    if (this.#watches.size === 0) for (const settle of this.#waiters.splice(0)) settle();
    return true;
  }

  /** A look at each of them, for signs of life. */
  look(limits: SilenceLimits): void {
    for (const watch of [...this.#watches]) watch.look(limits);
  }

  forEachCall(visit: (call: Call) => void): void {
    for (const { connection } of this.#watches) connection.forEachCall(visit);
  }

  /** Closes them now: what they owe is lost. */
  abandon(reason: Error): void {
    for (const { connection } of [...this.#watches]) connection.destroy(reason);
  }

  /** Half-closes them, and abandons them after `limit` ms; what resolves when they are gone, or nothing without any. */
  leave(reason: Error, limit: number, world: World): Promise<void>[] {
    if (this.#watches.size === 0) return [];
    for (const { connection } of this.#watches) connection.halfClose(reason);
    world.after(limit, () => this.abandon(reason));
    return [new Promise((resolve) => this.#waiters.push(resolve))];
  }
}
