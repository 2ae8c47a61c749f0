// Plays steps on a cluster while a workload and a ledger of writes run, and says what came of it.
// Owns the run: its chance, its clock, its report. Does not know what steps do.
// Invariant: whatever goes wrong is said with the seed and the steps up to then; when it is over the cluster is healed.

import { ManualWorld, RealWorld } from '../../lib/base/world.ts';
import type { TestCluster } from './cluster.ts';
import { Ledger, type LedgerOptions, type LedgerReport } from './ledger.ts';
import { healAll, type Stage, type Step } from './steps.ts';

/** What a workload gets. */
export interface WorkloadRound {
  /** How often it was done before. */
  readonly round: number;
  /** Milliseconds since the scenario began. */
  readonly elapsedMs: number;
}

export interface ScenarioOptions {
  /** Done again and again until the steps are over; an error that it throws fails the scenario. */
  readonly while?: (round: WorkloadRound) => Promise<unknown> | unknown;
  /** Errors of the workload that are none: they are counted alone. Default: every error fails the scenario. */
  readonly mayFail?: (error: Error) => boolean;
  /** Writers whose every write is looked for afterwards; see LedgerOptions. Default false. */
  readonly ledger?: boolean | LedgerOptions;
  /** Of everything that is left to chance in the steps. Default: that of the cluster. */
  readonly seed?: number;
  /** Milliseconds that a step may take. Default 120,000. */
  readonly stepMs?: number;
  /** Heals the cluster at the end: links, frozen and killed nodes. Default true; a ledger needs it. */
  readonly heal?: boolean;
  /** Hears of every step when it is over. */
  readonly tell?: (line: string) => void;
}

export interface StepReport {
  readonly name: string;
  /** Milliseconds since the scenario began. */
  readonly at: number;
  readonly tookMs: number;
  /** What it has chosen and done. */
  readonly detail: string;
}

export interface ScenarioReport {
  readonly seed: number;
  readonly steps: readonly StepReport[];
  /** How often the workload was done, and how often it failed as it may. */
  readonly rounds: number;
  readonly failedRounds: number;
  readonly ledger: LedgerReport | undefined;
  /** All of it as text. */
  readonly text: string;
}

/** Why a scenario failed; the message has the seed and the steps. */
export class ScenarioError extends Error {
  readonly report: ScenarioReport;

  constructor(message: string, report: ScenarioReport, cause?: unknown) {
    super(`${message}\n${report.text}`, cause === undefined ? undefined : { cause });
    this.report = report;
  }

  override get name(): string {
    return 'ScenarioError';
  }
}

const known = new Set<string>([
  'while',
  'mayFail',
  'ledger',
  'seed',
  'stepMs',
  'heal',
  'tell',
] satisfies (keyof ScenarioOptions)[]);
const defaultStepMs = 120_000;
const world = new RealWorld();

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void world.after(ms, resolve, true));
}

/**
 * Plays `steps` one after the other. Resolves to a report; rejects with a ScenarioError when a step fails or takes too
 * long, the workload fails, or the ledger finds a write lost, done twice, or done although it was refused.
 *
 * @example
 * await scenario(cluster, [move('k'), kill(), wait(3000), heal()], { while: () => client.incr('k'), ledger: true });
 */
export async function scenario(
  cluster: TestCluster,
  steps: readonly Step[],
  options: ScenarioOptions = {},
): Promise<ScenarioReport> {
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw new RangeError(`${name}: a scenario has no such option`);
  }
  if (options.heal === false && options.ledger !== undefined && options.ledger !== false) {
    throw new RangeError('heal: a ledger can be read in a healed cluster alone');
  }
  return new Run(cluster, options).play(steps);
}

class Run {
  readonly #cluster: TestCluster;
  readonly #options: ScenarioOptions;
  readonly #seed: number;
  readonly #start = world.now();
  readonly #reports: StepReport[] = [];
  readonly #stage: Stage;
  readonly #ledger: Ledger | undefined;
  #judged: LedgerReport | undefined;
  #rounds = 0;
  #failedRounds = 0;
  #over = false;
  #workFailure: { readonly error: unknown } | undefined;
  /** Called as soon as the workload has failed. */
  #onWorkFailure: () => void = () => undefined;

  constructor(cluster: TestCluster, options: ScenarioOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#seed = options.seed ?? cluster.randomSeed;
    const chance = new ManualWorld({ seed: this.#seed });
    this.#stage = { cluster, random: () => chance.random(), last: undefined, crashed: false, pause };
    const { ledger } = options;
    if (ledger !== undefined && ledger !== false) {
      this.#ledger = new Ledger(cluster, ledger === true ? {} : ledger, cluster.password, pause);
    }
  }

  async play(steps: readonly Step[]): Promise<ScenarioReport> {
    this.#ledger?.start();
    const working = this.#work();
    let failure: { readonly what: string; readonly error: unknown } | undefined;
    for (const step of steps) {
      failure = await this.#perform(step);
      if (failure !== undefined) break;
    }
    this.#over = true;
    failure ??= await this.#finish(working);
    if (this.#workFailure !== undefined && failure === undefined) {
      failure = { what: 'the workload failed', error: this.#workFailure.error };
    }
    const report = this.#report();
    if (failure !== undefined) {
      const reason = failure.error instanceof Error ? failure.error.message : String(failure.error);
      throw new ScenarioError(`${failure.what}: ${reason}`, report, failure.error);
    }
    const violations = this.#judged?.violations ?? [];
    if (violations.length > 0) throw new ScenarioError(`the ledger: ${violations.join('; ')}`, report);
    return report;
  }

  async #perform(step: Step): Promise<{ readonly what: string; readonly error: unknown } | undefined> {
    const at = world.now() - this.#start;
    const { stepMs = defaultStepMs, tell } = this.#options;
    let detail = '';
    let failure: { readonly what: string; readonly error: unknown } | undefined;
    try {
      detail = (await this.#withinTime(step, stepMs)) ?? '';
    } catch (error) {
      detail = 'FAILED';
      failure = { what: step.name, error };
    }
    const report = { name: step.name, at, tookMs: world.now() - this.#start - at, detail };
    this.#reports.push(report);
    tell?.(lineOf(report));
    return failure;
  }

  #withinTime(step: Step, ms: number): Promise<string | void> {
    return new Promise((resolve, reject) => {
      const timer = world.after(ms, () => reject(new Error(`not over within ${ms} ms`)), true);
      this.#onWorkFailure = () =>
        reject(new Error('the workload failed meanwhile', { cause: this.#workFailure?.error }));
      if (this.#workFailure !== undefined) this.#onWorkFailure();
      Promise.resolve()
        .then(() => step.run(this.#stage))
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }

  /** Ends what runs beside the steps, heals, and looks at the ledger. */
  async #finish(working: Promise<void>): Promise<{ readonly what: string; readonly error: unknown } | undefined> {
    const { heal = true } = this.#options;
    try {
      // Calls that are open may need what was broken.
      if (heal) await healAll(this.#cluster);
    } catch (error) {
      return { what: 'to heal the cluster', error };
    }
    await working;
    await this.#ledger?.stop();
    try {
      this.#judged = await this.#ledger?.judge(this.#stage.crashed);
    } catch (error) {
      return { what: 'to read the ledger', error };
    }
    return undefined;
  }

  async #work(): Promise<void> {
    const { while: work, mayFail } = this.#options;
    if (work === undefined) return;
    while (!this.#over) {
      try {
        await work({ round: this.#rounds, elapsedMs: world.now() - this.#start });
        this.#rounds++;
      } catch (error) {
        if (error instanceof Error && mayFail?.(error) === true) this.#failedRounds++;
        else {
          this.#workFailure = { error };
          this.#onWorkFailure();
          return;
        }
      }
      // A workload that is over at once must not starve the others.
      await pause(0);
    }
  }

  #report(): ScenarioReport {
    const ledger = this.#judged;
    const lines = [
      `scenario, seed ${this.#seed}:`,
      ...this.#reports.map(lineOf),
      ...(this.#rounds + this.#failedRounds > 0
        ? [`workload: done ${this.#rounds} times, failed ${this.#failedRounds} times`]
        : []),
      ...(ledger === undefined
        ? []
        : [
            `ledger: ${ledger.calls} calls, ${ledger.acknowledged} acknowledged, ${ledger.failed} failed, ${ledger.lost} lost, ${ledger.repeated} done twice`,
          ]),
    ];
    return {
      seed: this.#seed,
      steps: this.#reports,
      rounds: this.#rounds,
      failedRounds: this.#failedRounds,
      ledger,
      text: lines.join('\n'),
    };
  }
}

function lineOf({ name, at, tookMs, detail }: StepReport): string {
  return `  ${Math.round(at)} ms: ${name}${detail === '' ? '' : `: ${detail}`} (${Math.round(tookMs)} ms)`;
}
