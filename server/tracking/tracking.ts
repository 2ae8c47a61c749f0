// Client-side caching: remembers which clients may hold which keys, and notifies them when those change.
// Owns: the invalidation table, the prefixes of BCAST mode, and the tracking mode of every client.
// Does not know: commands, stores, sockets; a client is what TrackingClient says.
// Invariants: a message about a key that a command changes reaches the client that sent the command after the answer
// to it, and everyone else before anything later; each key is notified once and then forgotten until it is read again.

import { queueMicrotask } from '../../lib/base/turns.ts';
import { Push, type Reply } from '../../lib/wire/reply.ts';
import { Broadcasts } from './broadcasts.ts';
import { InvalidationTable } from './invalidation-table.ts';
import type { TrackingMode, TrackingRequest } from './mode.ts';

export interface TrackingClient {
  readonly id: number;
  readonly protocol: 2 | 3;
  readonly inPubSub: boolean;
  tracking: TrackingMode | undefined;
  readonly sink: { send(reply: Reply): void };
}

/** Where RESP2 subscribers hear of the keys of those who redirect to them. */
const invalidationChannel = '__redis__:invalidate';

/** Keys that one look at the limit lets go of, times the looks before it that did not get below. */
const effort = 100;

export class Tracking<C extends TrackingClient> {
  readonly #table = new InvalidationTable();
  readonly #broadcasts = new Broadcasts();
  readonly #clients: ReadonlyMap<number, C>;
  readonly #following = new Set<C>();
  #running: C | undefined = undefined;
  #broadcasting = false;
  #looksAbove = 0;
  /** Keys at most in the table; 0: no limit. */
  maxKeys = 0;

  /** `clients` are all clients by their ids. */
  constructor(clients: ReadonlyMap<number, C>) {
    this.#clients = clients;
  }

  /** Clients that track. */
  get clients(): number {
    return this.#following.size;
  }

  /** For INFO: keys and ids in the table, prefixes of BCAST mode. */
  get counts(): { readonly keys: number; readonly items: number; readonly prefixes: number } {
    return { keys: this.#table.size, items: this.#table.items, prefixes: this.#broadcasts.size };
  }

  /** Grants what was asked and found possible. */
  start(client: C, request: TrackingRequest): void {
    const { caching = false, deferred = [], prefixes = new Set<string>() } = client.tracking ?? {};
    let { prefixBytes = 0 } = client.tracking ?? {};
    if (request.bcast) {
      for (const prefix of request.prefixes.length === 0 ? [''] : request.prefixes) {
        if (!prefixes.has(prefix)) prefixBytes += prefix.length;
        prefixes.add(prefix);
        this.#broadcasts.follow(prefix, client.id);
      }
    }
    const { redirect, bcast, optin, optout, noloop } = request;
    const granted = { redirect, bcast, optin, optout, noloop, brokenRedirect: false };
    client.tracking = { ...granted, caching, deferred, prefixes, prefixBytes };
    this.#following.add(client);
  }

  stop(client: C): void {
    if (client.tracking === undefined) return;
    for (const prefix of client.tracking.prefixes) this.#broadcasts.unfollow(prefix, client.id);
    client.tracking = undefined;
    this.#following.delete(client);
  }

  /** A client that tracks has read keys. */
  remember(client: C, keys: readonly string[]): void {
    const mode = client.tracking;
    if (mode === undefined || mode.bcast) return;
    if (mode.optin && !mode.caching) return;
    if (mode.optout && mode.caching) return;
    for (const key of keys) this.#table.add(key, client.id);
  }

  /** A command of `client` runs: what it changes is its doing. Gives back whose command ran around it. */
  enter(client: C | undefined): C | undefined {
    const outer = this.#running;
    this.#running = client;
    return outer;
  }

  /** The answer to a command of `client` is written: now the invalidations of its own changes follow. */
  sendDeferred(client: C): void {
    const deferred = client.tracking?.deferred;
    if (deferred === undefined || deferred.length === 0) return;
    for (const key of deferred.splice(0)) this.#notify(client, key === null ? null : [key]);
  }

  /** A key has changed; by nobody's command when it ran out or was evicted. */
  invalidate(key: string, byItself: boolean): void {
    if (this.#broadcasts.size > 0) {
      this.#broadcasts.note(key, byItself ? 0 : (this.#running?.id ?? 0));
      if (this.#broadcasts.pending) this.#scheduleBroadcast();
    }
    if (this.#table.size > 0) this.#invalidateRead(key);
  }

  /** A database was emptied: clients are to forget every key. */
  invalidateAll(): void {
    for (const client of this.#following) {
      if (client === this.#running) client.tracking?.deferred.push(null);
      else this.#notify(client, null);
    }
    this.#table.clear();
  }

  get aboveLimit(): boolean {
    return this.maxKeys > 0 && this.#table.size > this.maxKeys;
  }

  /** Lets go of keys above the limit, as if they had changed. The longer it takes, the more at a time. */
  enforceLimit(): void {
    if (!this.aboveLimit) {
      this.#looksAbove = 0;
      return;
    }
    const count = Math.min(this.#table.size - this.maxKeys, effort * ++this.#looksAbove);
    for (const key of this.#table.oldest(count)) this.#invalidateRead(key);
  }

  #invalidateRead(key: string): void {
    for (const id of this.#table.take(key)) {
      const client = this.#clients.get(id);
      const mode = client?.tracking;
      if (client === undefined || mode === undefined || mode.bcast) continue;
      if (client !== this.#running) this.#notify(client, [key]);
      else if (!mode.noloop) mode.deferred.push(key);
    }
  }

  /** Once for all that changes in this turn of the event loop: after the answers of those who changed it. */
  #scheduleBroadcast(): void {
    if (this.#broadcasting) return;
    this.#broadcasting = true;
    queueMicrotask(() => {
      this.#broadcasting = false;
      this.#broadcast();
    });
  }

  #broadcast(): void {
    for (const { ids, keys, notBy } of this.#broadcasts.take()) {
      for (const id of ids) {
        const client = this.#clients.get(id);
        if (client?.tracking === undefined) continue;
        const left = client.tracking.noloop ? notBy(id) : keys;
        if (left.length > 0) this.#notify(client, left);
      }
    }
  }

  /** Notifies a client, or whom it redirects to, of keys; null: of all. */
  #notify(client: C, keys: readonly string[] | null): void {
    const mode = client.tracking;
    if (mode === undefined) return;
    const target = mode.redirect === 0 ? client : this.#clients.get(mode.redirect);
    if (target === undefined) {
      mode.brokenRedirect = true;
      if (client.protocol === 3) client.sink.send(new Push(['tracking-redir-broken', mode.redirect]));
    } else if (target.protocol === 3) {
      target.sink.send(new Push(['invalidate', keys]));
    } else if (mode.redirect !== 0 && target.inPubSub) {
      target.sink.send(new Push(['message', invalidationChannel, keys]));
    }
  }
}
