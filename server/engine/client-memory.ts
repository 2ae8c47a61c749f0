// What clients cost in memory, and who is let go when all together cost more than maxmemory-clients.
// Owns: the last known cost of every client and their sum, while there is a limit.
// Invariant: largest first, by powers of two, and those of one size in the order in which they came; never a replica, a
// primary's link, or a client that asked for CLIENT NO-EVICT.

import { queueMicrotask } from '../../lib/base/turns.ts';
import type { Config } from '../config/config.ts';
import type { Client } from './client.ts';

/** What a connection costs that does nothing: its objects and the part of its buffers that is always there. */
const baseBytes = 18_000;
/** Replies up to here wait in the part of the buffer that is always there. */
export const fixedOutputBytes = 16_384;
/** What is held for a watched key, a queued command, a subscription, a prefix, beside its arguments. */
const entryBytes = 64;
/** A lower limit would let nobody ask for a higher one. */
const leastLimit = 128 * 1024;
/** Clients of less than 32 KB are of one size. */
const smallestBucket = 15;

/** Bytes of replies that wait, once they are more than the fixed part of the buffer: what the output limits count. */
export function outputOf(client: Client): number {
  const waiting = client.sink.outputBytes();
  return waiting > fixedOutputBytes ? waiting : 0;
}

/** Estimated bytes that a client costs. */
export function memoryOf(client: Client): number {
  const { transaction, tracking } = client;
  const entries =
    client.watched.length +
    (transaction?.queue.length ?? 0) +
    client.subscriptions +
    client.shardChannels.size +
    (tracking?.prefixes.size ?? 0);
  const input = client.sink.inputBytes() + (client.sink.awaitedBytes?.() ?? 0);
  return baseBytes + outputOf(client) + input + client.heldBytes + entries * entryBytes;
}

/** Whether its cost counts towards the limit, and may cost it its connection. */
function evictable(client: Client): boolean {
  return !client.noEvict && !client.primaryLink && !client.replicaLink;
}

export class ClientMemory {
  /** Bytes; 0: no limit. Read before every command. */
  limit = 0;
  /** Clients let go since the counters were reset. */
  evicted = 0;
  readonly #config: Config;
  readonly #clients: ReadonlyMap<number, Client>;
  readonly #onEvict: (client: Client) => void;
  readonly #costs = new Map<Client, number>();
  #sum = 0;
  #looking = false;

  /** `onEvict` is called with a client that is about to be closed. */
  constructor(config: Config, clients: ReadonlyMap<number, Client>, onEvict: (client: Client) => void) {
    this.#config = config;
    this.#clients = clients;
    this.#onEvict = onEvict;
    config.onChange((name) => {
      if (name === 'maxmemory-clients' || name === 'maxmemory') this.#readLimit();
    });
    this.#readLimit();
  }

  /** Its buffers or its state changed, while there is a limit. Who costs too much goes at the end of this turn. */
  note(client: Client): void {
    this.#count(client);
    if (this.#sum >= this.limit) this.#lookSoon();
  }

  /** Before its requests run: false when it was itself let go. */
  admit(client: Client): boolean {
    this.#count(client);
    this.enforce();
    return !client.closed;
  }

  drop(client: Client): void {
    const cost = this.#costs.get(client);
    if (cost === undefined) return;
    this.#costs.delete(client);
    this.#sum -= cost;
  }

  /** Lets clients go until they cost less than the limit. */
  enforce(): void {
    if (this.limit === 0 || this.#sum < this.limit) return;
    const largestFirst = [...this.#costs].sort(([, one], [, other]) => bucket(other) - bucket(one));
    for (const [client] of largestFirst) {
      if (this.#sum < this.limit) return;
      if (!evictable(client)) {
        this.drop(client);
        continue;
      }
      this.evicted++;
      this.#onEvict(client);
      client.sink.close(false);
      this.drop(client);
    }
  }

  #count(client: Client): void {
    const before = this.#costs.get(client) ?? 0;
    if (client.closed || !evictable(client)) {
      this.drop(client);
      return;
    }
    const cost = memoryOf(client);
    this.#costs.set(client, cost);
    this.#sum += cost - before;
  }

  #lookSoon(): void {
    if (this.#looking) return;
    this.#looking = true;
    queueMicrotask(() => {
      this.#looking = false;
      this.enforce();
    });
  }

  #readLimit(): void {
    this.limit = limitOf(this.#config);
    this.#costs.clear();
    this.#sum = 0;
    if (this.limit === 0) return;
    for (const client of this.#clients.values()) this.#count(client);
    if (this.#sum >= this.limit) this.#lookSoon();
  }
}

/** `maxmemory-clients` is bytes, or a share of `maxmemory` in percent (`5%`, or -5). */
function limitOf(config: Config): number {
  const text = config.get('maxmemory-clients');
  const percent = text.endsWith('%') ? Number(text.slice(0, -1)) : -Math.min(0, Number(text));
  const bytes = percent > 0 ? Math.floor((config.number('maxmemory') * percent) / 100) : Number(text);
  return bytes > 0 ? Math.max(bytes, leastLimit) : 0;
}

function bucket(bytes: number): number {
  return Math.max(smallestBucket, Math.floor(Math.log2(bytes)));
}
