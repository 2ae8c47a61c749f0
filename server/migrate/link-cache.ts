// The connections that MIGRATE keeps: one per target, at most 64, closed after ten idle seconds.

import type { ConnectionOptions } from 'node:tls';
import { LRUCache } from 'lru-cache';
import type { Timer, World } from '../../lib/base/world.ts';
import { PeerLink } from '../../lib/connection/exchange.ts';

const maxLinks = 64;
const idleMs = 10_000;

export interface CachedLink {
  readonly link: PeerLink;
  /** Database that the connection is on; undefined until the first SELECT. */
  db: number | undefined;
}

interface Kept extends CachedLink {
  idle: Timer | undefined;
}

export class LinkCache {
  readonly #world: World;
  readonly #tls: () => ConnectionOptions | undefined;
  readonly #links: LRUCache<string, Kept>;

  /** `tls` is asked at each dialling; undefined: without TLS. */
  constructor(world: World, tls: () => ConnectionOptions | undefined = () => undefined) {
    this.#world = world;
    this.#tls = tls;
    this.#links = new LRUCache<string, Kept>({
      max: maxLinks,
      dispose: (kept) => {
        kept.idle?.cancel();
        kept.link.close();
      },
    });
  }

  /** An open link to the target, and whether it had been used before. */
  get(host: string, port: number): { readonly kept: CachedLink; readonly reused: boolean } {
    const address = `${host}:${port}`;
    const known = this.#links.get(address);
    if (known !== undefined && !known.link.closed) {
      this.#touch(address, known);
      return { kept: known, reused: true };
    }
    const kept: Kept = { link: new PeerLink(host, port, this.#world, this.#tls()), db: undefined, idle: undefined };
    this.#links.set(address, kept);
    this.#touch(address, kept);
    return { kept, reused: false };
  }

  get size(): number {
    return this.#links.size;
  }

  drop(host: string, port: number): void {
    this.#links.delete(`${host}:${port}`);
  }

  close(): void {
    this.#links.clear();
  }

  #touch(address: string, kept: Kept): void {
    kept.idle?.cancel();
    kept.idle = this.#world.after(idleMs, () => {
      if (this.#links.peek(address) === kept) this.#links.delete(address);
    });
  }
}
