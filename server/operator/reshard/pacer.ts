// When the next piece of work may begin: by the rates that were given, and by what clients are to keep.
// Owns: the timer of the measurements, while slots are moving.
// Does not know: what is moved; how a pace is found (throughput-control.ts).
// Invariant: work that was let through has been paid for, or is paid for before the next; where the throughput cannot be
// measured, the given rates alone hold.

import type { Timer } from '../../../lib/base/world.ts';
import type { ClusterLink } from '../link/cluster-link.ts';
import { ServedCommands } from './served-commands.ts';
import { type Rates, Throttle } from './throttle.ts';
import { ThroughputControl, type ThroughputDecision, type ThroughputSummary, unitsOf } from './throughput-control.ts';

/** `auto`: 0.9 where the cluster is busy; a share: always; `never`. */
export type KeepThroughput = 'auto' | 'never' | number;

export interface PacerOptions {
  readonly keep: KeepThroughput;
  readonly rates: Rates;
  readonly limits: { readonly keys: number; readonly slots: number };
  readonly onDecision?: ((decision: ThroughputDecision) => void) | undefined;
}

const keepByDefault = 0.9;
/** Share of a core that the busiest master uses without moves: below that there is room for a move at full speed. */
const busyLoad = 0.5;
const intervalMs = 250;
/** While the throughput is measured, whoever waits asks again after this. */
const restMs = 25;

export class Pacer {
  readonly #link: ClusterLink;
  readonly #options: PacerOptions;
  readonly #throttle: Throttle;
  #control: ThroughputControl | undefined;
  #served: ServedCommands | undefined;
  #timer: Timer | undefined;
  /** Set while it measures; a round of an earlier run finds another one. */
  #run: object | undefined;
  #paidAt = 0;

  constructor(link: ClusterLink, options: PacerOptions) {
    this.#link = link;
    this.#options = options;
    this.#throttle = new Throttle(link.world, options.rates);
    // A share that is none is refused before anything begins.
    this.#control = this.#newControl();
  }

  #newControl(): ThroughputControl | undefined {
    const { keep, limits } = this.#options;
    if (keep === 'never') return undefined;
    return keep === 'auto'
      ? new ThroughputControl({ keep: keepByDefault, busyLoad, limits })
      : new ThroughputControl({ keep, busyLoad: 0, limits });
  }

  /** Begins to measure, unless it does already. */
  start(): void {
    if (this.#control === undefined || this.#run !== undefined) return;
    this.#control = this.#newControl()!;
    this.#served = new ServedCommands(this.#link);
    this.#run = {};
    void this.#round(this.#run, this.#control, this.#served);
  }

  stop(): void {
    this.#run = undefined;
    this.#timer?.cancel();
  }

  /** What clients had and kept in this run, or the last one; undefined: nobody asked for it. */
  get summary(): ThroughputSummary | undefined {
    return this.#control?.summary;
  }

  /** Keys in one exchange. */
  get keys(): number {
    return this.#run === undefined ? this.#options.limits.keys : this.#control!.pace.keys;
  }

  /** Slots on their way at once. */
  get slots(): number {
    return this.#run === undefined ? this.#options.limits.slots : this.#control!.pace.slots;
  }

  /** Slots of one job of the servers' own migration, which cannot be slowed down when it has begun. */
  get slotsOfJob(): number {
    if (this.#run === undefined) return Number.POSITIVE_INFINITY;
    const { unitsPerSecond } = this.#control!.pace;
    return Math.max(1, Math.floor((unitsPerSecond * intervalMs) / 1000 / unitsOf({ slots: 1 })));
  }

  /** Rejects when a share was asked for by its number, and the throughput cannot be measured. */
  async check(): Promise<void> {
    if (typeof this.#options.keep !== 'number') return;
    await new ServedCommands(this.#link).look().catch((error: Error) => {
      throw new Error(`keepThroughput: the throughput cannot be measured: ${error.message}`);
    });
  }

  /** 0: the work may begin, and is paid for. Otherwise milliseconds to wait before the next question. */
  waitMs(work: Parameters<typeof unitsOf>[0]): number {
    if (this.#throttle.waitMs > 0) return this.#throttle.waitMs;
    if (this.#run === undefined) return 0;
    if (this.#control!.stage === 'measuring') return restMs;
    const now = this.#link.world.now();
    if (this.#paidAt > now) return Math.min(this.#paidAt - now, intervalMs);
    this.pay(work);
    return 0;
  }

  /** What was known only afterwards: keys and bytes for the given rates, bytes for the pace. */
  charge(keys: number, bytes: number): void {
    this.#throttle.charge(keys, bytes);
    this.pay({ bytes });
  }

  /** Work that nobody asked for by `waitMs`. */
  pay(work: Parameters<typeof unitsOf>[0]): void {
    if (this.#run === undefined) return;
    const cost = (unitsOf(work) / this.#control!.pace.unitsPerSecond) * 1000;
    this.#paidAt = Math.max(this.#paidAt, this.#link.world.now()) + cost;
  }

  /** What a listener throws must not end the measuring, and with it the moves. */
  #announce(decision: ThroughputDecision): void {
    try {
      this.#options.onDecision?.(decision);
    } catch (error) {
      this.#link.world.log(`onPace: ${(error as Error).message}`);
    }
  }

  async #round(run: object, control: ThroughputControl, counters: ServedCommands): Promise<void> {
    const served = await counters.look().catch((error: Error) => error);
    if (this.#run !== run) return;
    if (served instanceof Error && control.summary.steady === null) {
      this.#link.world.log(
        `slots move without regard to clients, since throughput cannot be measured: ${served.message}`,
      );
      this.stop();
      return;
    }
    if (served !== undefined && !(served instanceof Error)) {
      this.#announce(control.observe(this.#link.world.now(), served));
    }
    this.#timer = this.#link.world.after(intervalMs, () => void this.#round(run, control, counters));
  }
}
