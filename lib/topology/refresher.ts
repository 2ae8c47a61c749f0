// When the slot map is asked for again, and by whom. Knows no sockets: it asks through a function it is given.
// trigger -> quiet period (token bucket) -> single flight -> fetch (fetch-topology.ts) -> publish
// The first trigger after a quiet time starts at once; then one token comes back per `interval`, which doubles while
// refreshes bring nothing new. An outage (a node that is down, CLUSTERDOWN) polls faster, because every millisecond until
// the new master is known is downtime: at `outageInterval` at first and after every sign that something is going on, ever
// less often while nothing is.

import type { ClusterAllFailedError } from '../base/errors.ts';
import type { Timer, World } from '../base/world.ts';
import type { SlotMap } from './slot-map.ts';

export type RefreshReason = 'connect' | 'moved' | 'ask' | 'outage' | 'uncovered' | 'periodic' | 'manual';

export interface RefresherOptions {
  /** One round of asking; rejects with ClusterAllFailedError. */
  readonly ask: () => Promise<SlotMap>;
  /** Called with each map asked for; returns whether it differed from the one held. */
  readonly publish: (map: SlotMap, reason: RefreshReason) => boolean;
  readonly onFailure: (error: ClusterAllFailedError, reason: RefreshReason) => void;
  /** Milliseconds for a token to come back; default 1000, doubling to `maxInterval` while nothing changes. */
  readonly interval?: number;
  /** Default 15000. */
  readonly maxInterval?: number;
  /** Least milliseconds between refreshes while something is down, and at first; default 100. */
  readonly outageInterval?: number;
  /** Milliseconds between refreshes that nobody asked for; 0 = off. */
  readonly period?: number;
}

/** Milliseconds after a sign for which an outage is polled as fast as may be. */
const alert = 2000;
/**
 * The longest pause of the next half minute. A replica waits at least 500 ms between the agreement that its master has
 * failed (a sign) and its election: whoever looks this often sees the one before the other.
 */
const watchful = 400;
/** Nothing has changed for so long that nothing is likely to change within the next second. */
const settled = 30_000;
const longestPause = 2000;

export class Refresher {
  readonly #options: RefresherOptions;
  readonly #world: World;
  readonly #interval: number;
  readonly #maxInterval: number;
  #wait: number;
  #notBefore = Number.NEGATIVE_INFINITY;
  #notBeforeOutage = Number.NEGATIVE_INFINITY;
  /** When an outage began, or something was seen to change in it. */
  #signAt = Number.NEGATIVE_INFINITY;
  #signs = '';
  #outageWait: number;
  #outageAskedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #timer: Timer | undefined;
  #timerAt = 0;
  #again: RefreshReason | undefined;
  #periodic: Timer | undefined;
  #stopped = false;
  /** Rounds run so far, by reason. */
  readonly counts: Partial<Record<RefreshReason, number>> = {};

  constructor(options: RefresherOptions, world: World) {
    this.#options = options;
    this.#world = world;
    this.#interval = options.interval ?? 1000;
    this.#maxInterval = options.maxInterval ?? 15_000;
    this.#wait = this.#interval;
    this.#outageWait = options.outageInterval ?? 100;
    this.#plan();
  }

  /** Something hints that the map is stale. Never waits, never throws. */
  suggest(reason: RefreshReason): void {
    if (this.#stopped) return;
    if (reason === 'outage') this.#noteOutage();
    else if (reason === 'moved' && this.#inOutage) {
      // Somebody knows another owner: the outage may be over.
      this.stirred();
      reason = 'outage';
    }
    if (this.#running !== undefined) {
      // The answer on its way may be older than this hint; look once more when the bucket allows.
      if (this.#again !== 'outage') this.#again = reason;
      return;
    }
    const now = this.#world.now();
    const at = reason === 'outage' ? this.#notBeforeOutage : this.#notBefore;
    if (at <= now) {
      void this.#run(reason).catch(ignored);
      return;
    }
    if (this.#timer !== undefined && this.#timerAt <= at) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#world.after(at - now, () => {
      this.#timer = undefined;
      this.suggest(reason);
    });
  }

  /** Something came back, or moved: an outage may be over any moment. */
  stirred(): void {
    this.#signAt = this.#world.now();
    this.#outageWait = this.#options.outageInterval ?? 100;
    this.#notBeforeOutage = Math.min(this.#notBeforeOutage, this.#signAt + this.#outageWait);
  }

  // The first hint after a quiet time begins an outage.
  #noteOutage(): void {
    if (!this.#inOutage) this.stirred();
    this.#outageAskedAt = this.#world.now();
  }

  get #inOutage(): boolean {
    return this.#world.now() - this.#outageAskedAt <= longestPause * 2;
  }

  #growOutageWait(): void {
    const least = this.#options.outageInterval ?? 100;
    const since = this.#world.now() - this.#signAt;
    if (since < alert) this.#outageWait = least;
    else {
      const most = since < settled ? watchful : longestPause;
      const grown = Math.min(this.#outageWait * 1.3, most) * (1 + this.#world.random() * 0.2);
      this.#outageWait = Math.max(least, grown);
    }
  }

  /** Refreshes now, sharing a round that is under way. Rejects with ClusterAllFailedError. */
  refresh(reason: RefreshReason): Promise<void> {
    return this.#running ?? this.#run(reason);
  }

  /** Undoes stop(). */
  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#plan();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#periodic?.cancel();
  }

  async #run(reason: RefreshReason): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.counts[reason] = (this.counts[reason] ?? 0) + 1;
    this.#running = this.#round(reason);
    try {
      await this.#running;
    } finally {
      this.#running = undefined;
      const again = this.#again;
      this.#again = undefined;
      if (again !== undefined) this.suggest(again);
    }
  }

  async #round(reason: RefreshReason): Promise<void> {
    const started = this.#world.now();
    try {
      const map = await this.#options.ask();
      if (this.#stopped) return;
      const changed = this.#options.publish(map, reason);
      if (changed || map.facts.signs !== this.#signs) this.stirred();
      this.#signs = map.facts.signs;
      this.#wait = changed ? this.#interval : Math.min(this.#wait * 2, this.#maxInterval);
    } catch (error) {
      this.#wait = this.#interval;
      if (!this.#stopped) this.#options.onFailure(error as ClusterAllFailedError, reason);
      throw error;
    } finally {
      // Jitter only ever lengthens: many clients that saw the same event drift apart.
      this.#notBefore = started + this.#wait * (1 + this.#world.random() * 0.2);
      this.#growOutageWait();
      this.#notBeforeOutage = started + this.#outageWait;
    }
  }

  #plan(): void {
    const period = this.#options.period ?? 0;
    if (period <= 0 || this.#stopped) return;
    this.#periodic = this.#world.after(period, () => {
      this.suggest('periodic');
      this.#plan();
    });
  }
}

function ignored(): void {}
