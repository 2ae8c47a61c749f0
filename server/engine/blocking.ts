// Clients that wait for keys: who waits for what, in order of arrival, and who is served when a key is ready.
// Invariant: a blocked client has exactly one BlockedState, and its keys are counted as awaited in its store exactly then.

import type { Timer } from '../../lib/base/world.ts';
import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { Store } from '../keyspace/store.ts';
import type { BlockedState, Client } from './client.ts';
import type { Blocked } from './registry.ts';

class Waiter implements BlockedState {
  readonly kind = 'keys';
  readonly client: Client;
  readonly argv: readonly string[];
  readonly blocked: Blocked;
  readonly store: Store;
  timer: Timer | undefined;
  readonly #forget: (waiter: Waiter) => void;

  constructor(client: Client, argv: readonly string[], blocked: Blocked, forget: (waiter: Waiter) => void) {
    this.client = client;
    this.argv = argv;
    this.blocked = blocked;
    this.store = client.store;
    this.#forget = forget;
  }

  get onTimeout(): Reply {
    return this.blocked.onTimeout;
  }

  cancel(): void {
    this.#forget(this);
  }
}

export class BlockedClients {
  readonly #waiters = new Map<Store, Map<string, Set<Waiter>>>();
  #ready: { store: Store; key: string }[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Whether a key became ready since serve() last ran. */
  get pending(): boolean {
    return this.#ready.length > 0;
  }

  block(client: Client, argv: readonly string[], blocked: Blocked): void {
    const waiter = new Waiter(client, argv, blocked, (gone) => this.#forget(gone));
    let byKey = this.#waiters.get(client.store);
    if (byKey === undefined) {
      byKey = new Map();
      this.#waiters.set(client.store, byKey);
    }
    for (const key of new Set(blocked.keys)) {
      let waiting = byKey.get(key);
      if (waiting === undefined) {
        waiting = new Set();
        byKey.set(key, waiting);
      }
      waiting.add(waiter);
      client.store.watchers.await(key);
    }
    this.#count++;
    client.blocked = waiter;
    if (blocked.timeoutMs > 0) {
      // Timers hold 31 bits; a longer wait is as good as for ever.
      const ms = Math.min(blocked.timeoutMs, 0x7fffffff);
      waiter.timer = client.world.after(ms, () => this.answer(client, blocked.onTimeout));
    }
  }

  /** Called for each wait that ends with an error. */
  onRefused: ((argv: readonly string[], refusal: ReplyError) => void) | undefined = undefined;

  /** Ends the waiting of a blocked client with an answer. */
  answer(client: Client, reply: Reply): void {
    if (reply instanceof ReplyError && client.blocked !== undefined) this.onRefused?.(client.blocked.argv, reply);
    client.blocked?.cancel();
    client.sink.settle(reply);
  }

  /** A key that someone waits for has changed. */
  ready(store: Store, key: string): void {
    this.#ready.push({ store, key });
  }

  /** Serves those who wait for ready keys, first come first served. `run` wraps each retry, to collect its effects. */
  serve(run: (client: Client, argv: readonly string[], retry: () => Reply | undefined) => Reply | undefined): void {
    while (this.#ready.length > 0) {
      const ready = this.#ready;
      this.#ready = [];
      for (const { store, key } of ready) {
        const waiting = this.#waiters.get(store)?.get(key);
        if (waiting === undefined) continue;
        for (const waiter of [...waiting]) {
          if (waiter.client.blocked !== waiter) continue;
          const reply = run(waiter.client, waiter.argv, waiter.blocked.retry);
          if (reply !== undefined) this.answer(waiter.client, reply);
        }
      }
    }
  }

  /** Ends every wait that `refuse` has a refusal for: the slot has left, the role has changed. */
  refuse(refuse: (client: Client, argv: readonly string[]) => ReplyError | undefined): void {
    for (const byKey of this.#waiters.values()) {
      for (const waiting of [...byKey.values()]) {
        for (const waiter of [...waiting]) {
          if (waiter.client.blocked !== waiter) continue;
          const refusal = refuse(waiter.client, waiter.argv);
          if (refusal !== undefined) this.answer(waiter.client, refusal);
        }
      }
    }
  }

  #forget(waiter: Waiter): void {
    if (waiter.client.blocked !== waiter) return;
    waiter.client.blocked = undefined;
    waiter.timer?.cancel();
    this.#count--;
    const byKey = this.#waiters.get(waiter.store);
    for (const key of new Set(waiter.blocked.keys)) {
      const waiting = byKey?.get(key);
      waiting?.delete(waiter);
      if (waiting?.size === 0) byKey?.delete(key);
      waiter.store.watchers.unawait(key);
    }
  }
}

/** What CLIENT UNBLOCK ERROR answers. */
export const unblockedByHand: ReplyError = new ReplyError('UNBLOCKED client unblocked via CLIENT UNBLOCK');
