// All entries of one moment, for whoever writes them down while commands go on: what an entry holds is copied before
// anybody may change it, and read from the entry itself otherwise. So holding a million keys takes no longer than
// copying a list of them.
// Invariant: what read() gives for an entry is what it held when the entries were held.

import type { Entry, Stored } from './entry.ts';
import { stringBytes } from './footprint.ts';
import type { Store } from './store.ts';

interface Kept {
  readonly value: Stored;
  readonly expireAt: number;
}

export class HeldEntries {
  readonly #entries: ReadonlyMap<Store, readonly Entry[]>;
  readonly #copies = new Map<Entry, Kept>();
  /** Estimated bytes of what was copied. */
  bytes = 0;

  constructor(stores: readonly Store[]) {
    this.#entries = new Map(stores.map((store) => [store, store.all()]));
  }

  /** Those that a database had then, past their deadline or not. */
  of(store: Store): readonly Entry[] {
    return this.#entries.get(store) ?? [];
  }

  /** Called before an entry is handed to anybody. */
  touch(entry: Entry): void {
    if (this.#copies.has(entry)) return;
    const { value, expireAt } = entry;
    this.bytes += typeof value === 'string' ? stringBytes(value.length) : value.memory();
    this.#copies.set(entry, { value: typeof value === 'string' ? value : value.clone(), expireAt });
  }

  read(entry: Entry): Kept {
    return this.#copies.get(entry) ?? entry;
  }
}
