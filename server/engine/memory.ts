// What takes memory beside the keys: the buffers of clients.

import type { World } from '../../lib/base/world.ts';
import type { Client } from './client.ts';
import { memoryOf } from './client-memory.ts';

/** How old the sum may be while commands run: milliseconds, and commands. */
const staleMs = 10;
const staleUses = 64;
/** A command may cost a look at 64 clients. */
const freshShift = 6;

/** The sum over all clients, which is not made anew for each command. */
export class BufferBytes {
  readonly #world: World;
  readonly #clients: ReadonlyMap<number, Client>;
  #sum = 0;
  #at = Number.NEGATIVE_INFINITY;
  #uses = 0;

  constructor(world: World, clients: ReadonlyMap<number, Client>) {
    this.#world = world;
    this.#clients = clients;
  }

  /** Bytes of the clients' buffers, replicas left out; a few commands old at most. */
  get recent(): number {
    const now = this.#world.now();
    if (now - this.#at > staleMs || ++this.#uses > staleUses) {
      this.#sum = this.now;
      this.#at = now;
      this.#uses = 0;
    }
    return this.#sum;
  }

  /**
   * The same before keys are evicted for it: clients may just have gone, and their buffers with them. Made anew unless
   * that costs more than the commands since the last time.
   */
  get fresh(): number {
    if (this.#uses >= this.#clients.size >> freshShift) this.#at = Number.NEGATIVE_INFINITY;
    return this.recent;
  }

  get now(): number {
    let sum = 0;
    for (const client of this.#clients.values()) if (!client.replicaLink) sum += memoryOf(client);
    return sum;
  }
}
