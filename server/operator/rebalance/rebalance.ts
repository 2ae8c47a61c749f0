// Keeps the masters of a cluster balanced: gathers their loads, has a plan made (plan.ts) and carried out (reshard/).
// Owns: the timer of automatic balancing.
// Does not know: how a plan is made or how a slot is moved.
// Invariant: at most one automatic round is under way, and none moves slots of a cluster that is degraded or migrating.

import type { Timer } from '../../../lib/base/world.ts';
import { type ClusterLink, isMaster, isReachable } from '../link/cluster-link.ts';
import { field } from '../monitor/metrics.ts';
import type { ClusterMonitor } from '../monitor/monitor.ts';
import { countSlotKeys, slotsOf } from '../monitor/survey.ts';
import type { MoveStatus } from '../reshard/record.ts';
import type { MoveEngine } from '../reshard/reshard.ts';
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
}

export interface BalanceResult {
  readonly plan: BalancePlan;
  /** How each move ended, in the order of the plan. */
  readonly moves: readonly MoveStatus[];
}

export interface AutoBalance extends BalanceRequest {
  /** Milliseconds between the end of one round and the next. Default 60,000. */
  readonly everyMs?: number;
  /** Rounds are held only when this says so: off-peak hours, say. Default: always. */
  readonly when?: (now: number) => boolean;
  /** Gets the outcome of every round that moved something, and the reason of every one that failed. */
  readonly onRound?: (outcome: BalanceResult | Error) => void;
}

const defaultEveryMs = 60_000;

/** Plans which slots should move so that nodes carry their shares, and has them moved, once or again and again. */
export class Balancer {
  readonly #link: ClusterLink;
  readonly #mover: MoveEngine;
  readonly #monitor: ClusterMonitor;
  #timer: Timer | undefined;
  #auto: AutoBalance | undefined;

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
  async plan(request: BalanceRequest = {}): Promise<BalancePlan> {
    const { masters, options } = await this.#loads(request);
    return planBalance(masters, options);
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
      const outcome = await this.#round(request).catch((error: Error) => error);
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

  async #round(request: AutoBalance): Promise<BalanceResult | undefined> {
    if (request.when?.(this.#link.world.wallClock()) === false) return undefined;
    await this.#monitor.update();
    const { state, problems } = await this.#monitor.health();
    if (state === 'degraded') throw new Error(`not balanced: ${problems.join('; ')}`);
    if (state === 'migrating') return undefined;
    const result = await this.balance(request);
    return result.moves.length === 0 ? undefined : result;
  }

  async #loads(request: BalanceRequest): Promise<{ masters: MasterLoad[]; options: BalanceOptions }> {
    const { strategy = 'equal', weights = {}, threshold, maxMoves } = request;
    const view = await this.#link.view();
    const nodes = view.filter((node) => isMaster(node) && isReachable(node));
    const stranger = Object.keys(weights).find((id) => !nodes.some((node) => node.id === id));
    if (stranger !== undefined) throw new RangeError(`weights: ${stranger} is no running master`);
    const adaptive = strategy === 'adaptive';
    const [keys, ops] = adaptive
      ? await Promise.all([countSlotKeys(this.#link, nodes), Promise.all(nodes.map((node) => this.#opsOf(node)))])
      : [new Map<number, number>(), []];
    const masters = nodes.map((node, at): MasterLoad => {
      return { id: node.id, slots: slotsOf(node), weight: weights[node.id] ?? 1, ops: ops[at] ?? 0 };
    });
    const limits = {
      ...(threshold === undefined ? {} : { threshold }),
      ...(maxMoves === undefined ? {} : { maxMoves }),
    };
    return { masters, options: { strategy, keys, ...limits } };
  }

  async #opsOf(node: { readonly host: string; readonly port: number }): Promise<number> {
    return field(String(await this.#link.ask(node, ['INFO', 'stats'])), 'instantaneous_ops_per_sec') ?? 0;
  }
}
