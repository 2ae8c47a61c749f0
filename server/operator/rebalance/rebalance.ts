// Keeps the masters of a cluster balanced: gathers their loads, has a plan made (plan.ts) and carried out (reshard/).
// Owns: the timer of automatic balancing.
// Does not know: how a plan is made or how a slot is moved.
// Invariant: at most one automatic round is under way, and none moves slots of a cluster that is degraded or migrating.

import type { Timer } from '../../../lib/base/world.ts';
import { type ClusterLink, isMaster, isReachable } from '../link/cluster-link.ts';
import type { ClusterMonitor } from '../monitor/monitor.ts';
import { readSlotCounts, slotLoads } from '../monitor/slot-counts.ts';
import { slotsOf } from '../monitor/survey.ts';
import type { MoveStatus } from '../reshard/record.ts';
import type { MoveEngine } from '../reshard/reshard.ts';
import { ServedCommands } from '../reshard/served-commands.ts';
import type { SlotKeys, SlotTraffic } from './costs.ts';
import { type BalanceOptions, type BalancePlan, checkBalance, planBalance } from './plan.ts';
import type { BalanceCheck, BalanceStrategy, MasterLoad } from './shares.ts';

export interface BalanceRequest {
  /** `equal`: as many slots for each; `weighted`: by weight; `adaptive`: by keys and traffic. Default `equal`. */
  readonly strategy?: BalanceStrategy;
  /** Shares by node id; those not named have 1, and 0 empties a master. Not for `equal`. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Percent that a master may differ from its share. Default 10. */
  readonly threshold?: number;
  /** Slots moved at most. Default: all that is needed. */
  readonly maxMoves?: number;
  /** What is moved first: the slots of the most burdened master, or the slots that cost most. Default `nodes`. */
  readonly first?: 'nodes' | 'slots';
  /** No more moves than bring every master within the threshold. Default false. */
  readonly fewest?: boolean;
  /** Milliseconds that traffic is measured for, for the adaptive strategy; 0: it counts for nothing. Default 2000. */
  readonly sampleMs?: number;
}

/**
 * What traffic is known by: `slots`: each slot by itself (CLUSTER SLOT-STATS, with `cluster-slot-stats-enabled`);
 * `nodes`: each master, spread over its slots by their keys; `none`: it was not asked for.
 */
export type TrafficKnown = 'slots' | 'nodes' | 'none';

export interface MeasuredPlan extends BalancePlan {
  readonly traffic: TrafficKnown;
}

export interface BalanceResult {
  readonly plan: MeasuredPlan;
  /** How each move ended, in the order of the plan. */
  readonly moves: readonly MoveStatus[];
}

export interface AutoBalance extends BalanceRequest {
  /** Milliseconds between the end of one round and the next. Default 60,000. */
  readonly everyMs?: number;
  /**
   * Rounds are held only when this says so: off-peak hours, say; asked every second meanwhile, and no slot is begun any
   * more once it says no. Default: always.
   */
  readonly when?: (now: number) => boolean;
  /** Gets the outcome of every round that moved something, and the reason of every one that failed. */
  readonly onRound?: (outcome: BalanceResult | Error) => void;
}

const defaultEveryMs = 60_000;
const defaultSampleMs = 2000;
const watchMs = 1000;

/** Plans which slots should move so that nodes carry their shares, and has them moved, once or again and again. */
export class Balancer {
  readonly #link: ClusterLink;
  readonly #mover: MoveEngine;
  readonly #monitor: ClusterMonitor;
  #timer: Timer | undefined;
  #auto: AutoBalance | undefined;
  #paused = false;
  /** Slots of the automatic round under way. */
  #round: readonly number[] = [];

  constructor(link: ClusterLink, mover: MoveEngine, monitor: ClusterMonitor) {
    this.#link = link;
    this.#mover = mover;
    this.#monitor = monitor;
  }

  /** Whether the masters differ too much. */
  async check(request: BalanceRequest = {}): Promise<BalanceCheck> {
    const { masters, options } = await this.#loads(request);
    return checkBalance(masters, options);
  }

  /** The moves that would balance the cluster; none is begun. */
  async plan(request: BalanceRequest = {}): Promise<MeasuredPlan> {
    const { masters, options, traffic } = await this.#loads(request);
    return { ...planBalance(masters, options), traffic };
  }

  /** Carries a plan out, urgent moves first. A slot that fails, or has moved since, is passed over. */
  async execute(plan: BalancePlan): Promise<MoveStatus[]> {
    return this.#mover.moveAll(plan.moves.map(({ slot, target, priority }) => ({ slot, target, priority })));
  }

  /** Checks, plans and executes. */
  async balance(request: BalanceRequest = {}): Promise<BalanceResult> {
    const plan = await this.plan(request);
    return { plan, moves: plan.moves.length === 0 ? [] : await this.execute(plan) };
  }

  /** Balances again and again until `stopAuto()`, as long as the cluster is well and nothing else is moving. */
  startAuto(request: AutoBalance = {}): void {
    const { everyMs = defaultEveryMs } = request;
    if (!Number.isFinite(everyMs) || everyMs < 1) throw new RangeError(`everyMs: ${everyMs} is not 1 or more`);
    this.stopAuto();
    this.#auto = request;
    const round = async (): Promise<void> => {
      const outcome = await this.#hold(request).catch((error: Error) => error);
      if (this.#auto !== request) return;
      this.#timer = this.#link.world.after(everyMs, () => void round());
      if (outcome !== undefined) request.onRound?.(outcome);
    };
    this.#timer = this.#link.world.after(0, () => void round());
  }

  stopAuto(): void {
    this.#auto = undefined;
    this.#timer?.cancel();
  }

  /** No round begins and no slot more of the one under way; slots on their way arrive. Until `resumeAuto()`. */
  pauseAuto(): void {
    this.#paused = true;
    this.#callOffWaiting('balancing was paused');
  }

  resumeAuto(): void {
    this.#paused = false;
  }

  get autoPaused(): boolean {
    return this.#paused;
  }

  #callOffWaiting(reason: string): void {
    for (const slot of this.#round) {
      if (this.#mover.status(slot)?.phase !== 'waiting') continue;
      this.#mover.cancel(slot, reason).catch(() => undefined);
    }
  }

  #isTime({ when }: AutoBalance): boolean {
    return when?.(this.#link.world.wallClock()) !== false;
  }

  async #hold(request: AutoBalance): Promise<BalanceResult | undefined> {
    if (this.#paused || !this.#isTime(request)) return undefined;
    await this.#monitor.update();
    const { state, problems } = await this.#monitor.health();
    if (state === 'degraded') throw new Error(`not balanced: ${problems.join('; ')}`);
    if (state === 'migrating') return undefined;
    const plan = await this.plan(request);
    // Measuring takes its time.
    if (plan.moves.length === 0 || this.#paused || this.#auto !== request) return undefined;
    this.#round = plan.moves.map(({ slot }) => slot);
    const watch = (): Timer =>
      this.#link.world.after(watchMs, () => {
        if (!this.#isTime(request)) this.#callOffWaiting('the hours of balancing are over');
        timer = watch();
      });
    let timer = watch();
    try {
      return { plan, moves: await this.execute(plan) };
    } finally {
      timer.cancel();
      this.#round = [];
    }
  }

  async #loads(
    request: BalanceRequest,
  ): Promise<{ masters: MasterLoad[]; options: BalanceOptions; traffic: TrafficKnown }> {
    const { strategy = 'equal', weights = {}, threshold, maxMoves, first, fewest } = request;
    const view = await this.#link.view();
    const nodes = view.filter((node) => isMaster(node) && isReachable(node));
    const unknown = Object.keys(weights).find((id) => !nodes.some((node) => node.id === id));
    if (unknown !== undefined) throw new RangeError(`weights: ${unknown} is no running master`);
    const measured = strategy === 'adaptive' ? await this.#measure(request.sampleMs ?? defaultSampleMs) : nothing;
    const masters = nodes.map((node): MasterLoad => {
      return { id: node.id, slots: slotsOf(node), weight: weights[node.id] ?? 1, ops: measured.ops.get(node.id) ?? 0 };
    });
    const given = Object.entries({ threshold, maxMoves, first, fewest, traffic: measured.traffic });
    const limits = Object.fromEntries(given.filter(([, value]) => value !== undefined));
    return { masters, options: { strategy, keys: measured.keys, ...limits }, traffic: measured.known };
  }

  /** Two looks at the masters, `sampleMs` apart. */
  async #measure(sampleMs: number): Promise<Measured> {
    if (!Number.isFinite(sampleMs) || sampleMs < 0) throw new RangeError(`sampleMs: ${sampleMs} is not 0 or more`);
    const before = await readSlotCounts(this.#link);
    const keys = new Map([...before.slots].map(([slot, counts]) => [slot, counts.keys]));
    if (sampleMs === 0) return { ...nothing, keys };
    const served = new ServedCommands(this.#link);
    await served.rates();
    await new Promise<void>((resolve) => void this.#link.world.after(sampleMs, resolve, true));
    const [after, rates] = await Promise.all([readSlotCounts(this.#link), served.rates()]);
    const ops = new Map([...rates].map(([id, { commands }]) => [id, commands]));
    if (after.withoutTraffic.length > 0 || after.unreachable.length > 0)
      return { ...nothing, keys, ops, known: 'nodes' };
    const loads = slotLoads(before, after);
    const traffic: SlotTraffic = {
      cpu: new Map(loads.map(({ slot, busy }) => [slot, busy])),
      bytes: new Map(loads.map(({ slot, bytesPerSecond }) => [slot, bytesPerSecond])),
    };
    return { keys, ops, traffic, known: 'slots' };
  }
}

interface Measured {
  readonly keys: SlotKeys;
  /** Commands of clients a second, by node id. */
  readonly ops: ReadonlyMap<string, number>;
  readonly traffic?: SlotTraffic;
  readonly known: TrafficKnown;
}

const nothing: Measured = { keys: new Map(), ops: new Map(), known: 'none' };
