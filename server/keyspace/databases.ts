// The databases of one server (one in cluster mode, 16 otherwise) and the counters and hooks that they share.

import type { Timer, World } from '../../lib/base/world.ts';
import { AccessClock } from './access-clock.ts';
import { defaultLimits, type EncodingLimits } from './encoding.ts';
import type { Entry } from './entry.ts';
import { HeldEntries } from './held-entries.ts';
import { Store } from './store.ts';
import type { EventKind, ExpiryMode, StoreHost } from './store-host.ts';

/** Keys deleted at most in one background step, so that a mass of deadlines does not hold up the loop. */
const stepLimit = 1000;
const stepMs = 100;

export class Databases implements StoreHost {
  readonly world: World;
  readonly stores: readonly Store[];
  mode: ExpiryMode = 'primary';
  dirty = 0;
  readonly access: AccessClock;
  readonly limits: EncodingLimits = { ...defaultLimits };
  hits = 0;
  misses = 0;
  expired = 0;
  lazyFreed = 0;
  onExpired: ((db: number, key: string) => void) | undefined = undefined;
  onEvent: ((db: number, kind: EventKind, event: string, key: string) => void) | undefined = undefined;
  onReady: ((db: number, key: string) => void) | undefined = undefined;
  onTouched: ((key: string, byItself: boolean) => void) | undefined = undefined;
  /** Called once when databases are emptied, however many. */
  onEmptied: (() => void) | undefined = undefined;
  onTouch: ((entry: Entry) => void) | undefined = undefined;
  readonly #held = new Set<HeldEntries>();
  activeExpiry = true;
  frozenAt: number | undefined = undefined;
  skipChecksums = false;
  /** Background work stands still, for tests that look at what it would change. */
  cronPaused = false;
  deletesExpired = true;
  reading: boolean | undefined = true;
  #timer: Timer | undefined;

  constructor(world: World, options: { readonly count?: number; readonly indexSlots?: boolean } = {}) {
    this.world = world;
    this.access = new AccessClock(world);
    const stores: Store[] = [];
    for (let index = 0; index < (options.count ?? 16); index++) {
      stores.push(new Store(index, this, options.indexSlots ?? false));
    }
    this.stores = stores;
  }

  /** All entries as they are now, until they are released. */
  hold(): { readonly entries: HeldEntries; release(): void } {
    const entries = new HeldEntries(this.stores);
    this.#held.add(entries);
    this.#watchTouches();
    const release = (): void => {
      this.#held.delete(entries);
      this.#watchTouches();
    };
    return { entries, release };
  }

  #watchTouches(): void {
    const held = [...this.#held];
    const touch = (entry: Entry): void => {
      for (const each of held) each.touch(entry);
    };
    this.onTouch = held.length === 0 ? undefined : touch;
  }

  /** Estimated bytes of all keys. */
  get bytes(): number {
    let sum = 0;
    for (const store of this.stores) sum += store.bytes;
    return sum;
  }

  /**
   * Starts the background expiry; stop() ends it. After each step that deleted something, `flush` is called; `onStep`
   * is called with how long each took, in ms.
   */
  start(flush: () => void, onStep: (ms: number) => void = () => undefined): void {
    this.#timer ??= this.world.after(stepMs, () => {
      this.#timer = undefined;
      this.access.tick();
      const started = this.world.now();
      let done = 0;
      if (!this.cronPaused) for (const store of this.stores) done += store.expireDue(stepLimit - done);
      if (done > 0) flush();
      onStep(this.world.now() - started);
      this.start(flush, onStep);
    });
  }

  /** No key's time runs out until unfreeze(). */
  freeze(): void {
    this.frozenAt = this.stores[0]!.now();
  }

  unfreeze(): void {
    this.frozenAt = undefined;
  }

  /** Removes every key of `stores`, of all by default. */
  clear(stores: readonly Store[] = this.stores): void {
    for (const store of stores) store.clear();
    this.onEmptied?.();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
