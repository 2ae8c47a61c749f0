// Where a redirect leads: the address that its host and port mean to this client, and whether that may be dialed.
// Does not know: calls, and what is done about it. Invariant: an address that this client has not dialed before is given
// only where the user's guard lets it, or where it is another port of the host that sent the redirect.

import { type AddressGuard, refusedRedirect } from '../topology/allow.ts';
import { keyThrough, type NatMap, parseKey } from '../topology/seeds.ts';

/** As MOVED and ASK have it. */
interface Redirect {
  readonly host: string;
  readonly port: number;
  readonly slot: number;
}

export class RedirectTargets {
  readonly #natMap: NatMap | undefined;
  readonly #guard: AddressGuard | undefined;
  readonly #isKnown: (key: string) => boolean;

  /** `guard` undefined: all may be dialed. `isKnown`: the address is a node's that was let in already. */
  constructor(natMap: NatMap | undefined, guard: AddressGuard | undefined, isKnown: (key: string) => boolean) {
    this.#natMap = natMap;
    this.#guard = guard;
    this.#isKnown = isKnown;
  }

  /**
   * The `host:port` to go to; an Error: it must not be followed; undefined: it names nobody. `from`: who sent it, or ''.
   * `cause`: the refusal that is the redirect.
   */
  of(redirect: Redirect, from: string, cause?: Error): string | Error | undefined {
    const key = this.#keyOf(redirect, from);
    if (key === undefined || this.#allows(key, from)) return key;
    return refusedRedirect(key, { node: from, slot: redirect.slot, cause });
  }

  // An empty host means "the one you asked"; an unknown one ("?") names nobody.
  #keyOf({ host, port }: Redirect, from: string): string | undefined {
    if (host === '?' || (host === '' && from === '')) return undefined;
    if (host === '') return `${parseKey(from).host}:${port}`;
    try {
      return keyThrough(this.#natMap, host, port);
    } catch {
      return undefined;
    }
  }

  #allows(key: string, from: string): boolean {
    if (this.#guard === undefined || this.#isKnown(key)) return true;
    const { host, port } = parseKey(key);
    return (from !== '' && host === parseKey(from).host) || this.#guard(host, port);
  }
}
