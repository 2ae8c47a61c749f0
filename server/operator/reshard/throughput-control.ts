// How fast slots may move while clients keep their share of the throughput: from one measurement to the next. Pure: the
// clock and the figures are handed in, the pace comes out.
// What clients get without moves is measured while nothing moves: at first, and again every some seconds, since load
// comes and goes by itself. In between the pace is raised by and by, and lowered at once when clients get less.
// Invariant: a pace is never below the least and never above the limits; two runs over the same figures decide alike.

/** What a node, or the masters of a cluster, did in an interval. */
export interface Served {
  /** Commands of clients in a second. */
  readonly commands: number;
  /** Share of one core that the main thread used, of the busiest node where there are several. */
  readonly load: number;
}

/** How much is done at once, and how much in a second. */
export interface Pace {
  /** Keys in one exchange (MIGRATE). */
  readonly keys: number;
  /** Slots on their way at once. */
  readonly slots: number;
  /** Units of work in a second, see `unitsOf`; Infinity: no pauses. */
  readonly unitsPerSecond: number;
}

export interface ThroughputDecision {
  /**
   * - `measuring`: nothing moves, to see what clients get then.
   * - `held`: slots move at the pace that leaves clients their share.
   * - `free`: the cluster is not busy; slots move as fast as they can.
   */
  readonly stage: 'measuring' | 'held' | 'free';
  readonly reason:
    | 'measuring'
    | 'busy'
    | 'not busy'
    | 'raised'
    | 'lowered'
    | 'kept'
    | 'measured long ago'
    | 'slowest and still too fast'
    | 'clients came';
  /** Commands of clients in a second: in the interval that was just over, and when nothing moved. */
  readonly served: number;
  /** Share of one core that the busiest master used in that interval, for moves too. */
  readonly load: number;
  readonly steady: number | null;
  /** `served / steady`; null while that is not known. */
  readonly share: number | null;
  readonly pace: Pace;
}

export interface ThroughputOptions {
  /** Share of the steady throughput that clients keep, 0.1 to 0.99. */
  readonly keep: number;
  /** Load of the busiest master from which on the cluster is busy; below that moves are free. 0: always busy. */
  readonly busyLoad: number;
  /** Most of a pace: what was asked for without regard to throughput. */
  readonly limits: { readonly keys: number; readonly slots: number };
}

/** What the whole run was like. */
export interface ThroughputSummary {
  readonly steady: number | null;
  /** Mean of the shares while slots moved at a held pace; null: none did. */
  readonly share: number | null;
  readonly pace: Pace;
  readonly stage: ThroughputDecision['stage'];
}

/** Cost of a piece of work in units: what a small key costs. `bytes` by MEMORY USAGE. */
export function unitsOf(work: { readonly slots?: number; readonly keys?: number; readonly bytes?: number }): number {
  const { slots = 0, keys = 0, bytes = 0 } = work;
  return slots * 10 + keys + bytes / 4096;
}

/** Intervals measured before the steady throughput is known. */
const looks = 6;
/** Below this share of the load that makes a cluster busy it is not, whatever further looks would show. */
const clearly = 0.6;
/** While moves are free: clients that are served so much more than before have come since. */
const manyMore = { times: 2, most: 1000 } as const;
/** Between two such measurements. */
const measureEveryMs = 12_000;
/** Some 20 slots without keys, or 200 small keys, in a second: that costs a master less than a hundredth of its time. */
const least = 200;
const most = 1e6;
const first = 1000;
/** Above the share that is to be kept: the pace is lowered below the first, raised above the second. */
const margins = { lower: 0.01, raise: 0.03 } as const;
/** A new measurement that is further than this from the last one replaces it; else both count. */
const sameLoad = 0.2;
/** Clients get so much more than what was measured: it is not right any more. */
const moreThanSteady = 0.15;
const slowestDecisions = 3;
/** Figures differ by themselves: intervals are looked at together until their mean is known to this. */
const knownTo = 0.03;
const mostIntervals = 5;

export class ThroughputControl {
  readonly #options: ThroughputOptions;
  #stage: ThroughputDecision['stage'] = 'measuring';
  #looked: number[] = [];
  /** Sum of the loads of those looks, a share of each. */
  #load = 0;
  /** Intervals to pass over: work that was under way when the measuring began is still being ended. */
  #skip = 0;
  #steady: number | null = null;
  #measuredAt = 0;
  #units = first;
  /** Doubled until it is lowered for the first time. */
  #searching = true;
  /** Standard deviation of an interval while nothing moves, as a share. */
  #noise = 0;
  /** Shares since the last decision. */
  #shares: number[] = [];
  #slowest = 0;
  #all = { sum: 0, count: 0 };

  constructor(options: ThroughputOptions) {
    if (!(options.keep >= 0.1 && options.keep <= 0.99)) {
      throw new RangeError(`keepThroughput: ${options.keep} is not within 0.1..0.99`);
    }
    this.#options = options;
  }

  get stage(): ThroughputDecision['stage'] {
    return this.#stage;
  }

  get pace(): Pace {
    const { keys, slots } = this.#options.limits;
    if (this.#stage === 'free') return { keys, slots, unitsPerSecond: Number.POSITIVE_INFINITY };
    return {
      // At least 20 pauses in a second, however slow it is.
      keys: clamp(Math.floor(this.#units / 20), 1, keys),
      slots: clamp(Math.floor(this.#units / 50), 1, slots),
      unitsPerSecond: this.#units,
    };
  }

  get summary(): ThroughputSummary {
    const { sum, count } = this.#all;
    return { steady: this.#steady, share: count === 0 ? null : sum / count, pace: this.pace, stage: this.#stage };
  }

  /** An interval is over at `now` (ms), and what was served in it. */
  observe(now: number, { commands: served, load }: Served): ThroughputDecision {
    const reason = this.#next(now, served, load);
    const share = this.#steady === null || this.#steady === 0 ? null : served / this.#steady;
    return { stage: this.#stage, reason, served, load, steady: this.#steady, share, pace: this.pace };
  }

  #next(now: number, served: number, load: number): ThroughputDecision['reason'] {
    if (this.#stage === 'measuring') return this.#measure(now, served, load);
    if (this.#stage === 'free') {
      if (served > manyMore.most + manyMore.times * this.#steady!) return this.#lookAgain('clients came');
      return now - this.#measuredAt >= measureEveryMs ? this.#lookAgain('measured long ago') : 'not busy';
    }
    return this.#hold(now, served / this.#steady!);
  }

  #measure(now: number, served: number, load: number): ThroughputDecision['reason'] {
    if (this.#skip > 0) {
      this.#skip--;
      return 'measuring';
    }
    this.#looked.push(served);
    this.#load += load / looks;
    const { busyLoad } = this.#options;
    // One look is enough where it leaves no doubt.
    if (load < busyLoad * clearly && this.#looked.length === 1) return this.#measured(now, 0);
    return this.#looked.length < looks ? 'measuring' : this.#measured(now, this.#load);
  }

  #measured(now: number, load: number): 'busy' | 'not busy' {
    const seen = meanOf(this.#looked);
    this.#noise = seen === 0 ? 0 : Math.sqrt(meanOf(this.#looked.map((one) => (one / seen - 1) ** 2)));
    this.#looked = [];
    this.#load = 0;
    const old = this.#steady;
    const steady = old !== null && Math.abs(seen - old) < old * sameLoad ? (seen + old) / 2 : seen;
    this.#steady = steady;
    this.#measuredAt = now;
    const busy = steady > 0 && load >= this.#options.busyLoad;
    this.#stage = busy ? 'held' : 'free';
    return busy ? 'busy' : 'not busy';
  }

  #lookAgain<R extends ThroughputDecision['reason']>(reason: R): R {
    this.#stage = 'measuring';
    this.#skip = 1;
    this.#slowest = 0;
    this.#shares = [];
    return reason;
  }

  #hold(now: number, share: number): ThroughputDecision['reason'] {
    this.#all.sum += share;
    this.#all.count++;
    this.#shares.push(share);
    const reason = this.#adjust(share);
    const mean = meanOf(this.#shares);
    if (
      reason !== 'lowered' &&
      this.#shares.length >= this.#enough &&
      mean > 1 + Math.max(moreThanSteady, this.#noise)
    ) {
      return this.#lookAgain('clients came');
    }
    if (reason !== 'kept') this.#shares = [];
    // Whatever takes the throughput away at the least pace, it is not the moves.
    if (reason === 'lowered') this.#slowest = this.#units === least ? this.#slowest + 1 : 0;
    if (this.#slowest >= slowestDecisions) return this.#lookAgain('slowest and still too fast');
    return now - this.#measuredAt >= measureEveryMs ? this.#lookAgain('measured long ago') : reason;
  }

  /** Intervals that are looked at together. */
  get #enough(): number {
    return clamp(Math.ceil((this.#noise / knownTo) ** 2), 1, mostIntervals);
  }

  #adjust(share: number): 'raised' | 'lowered' | 'kept' {
    const { keep } = this.#options;
    const sudden = share < keep - Math.max(0.1, 3 * this.#noise);
    if (!sudden && this.#shares.length < this.#enough) return 'kept';
    const mean = meanOf(this.#shares.slice(-mostIntervals));
    if (sudden || mean < keep + margins.lower) {
      this.#searching = false;
      this.#units = Math.max(least, this.#units * (Math.min(share, mean) < keep - 0.1 ? 0.4 : 0.7));
      return 'lowered';
    }
    if (mean < keep + margins.raise || this.#units === most) return 'kept';
    this.#units = Math.min(most, this.#units * (this.#searching ? 2 : mean < keep + 0.07 ? 1.2 : 1.5));
    return 'raised';
  }
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
